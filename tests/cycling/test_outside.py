"""Formats that outside programs read: stand-ins for the programs here, the real ones where they are installed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from siltomo.cycling import CyclingSource, analyse, read_points
from siltomo.errors import FormatError, MissingPartError

Program = Callable[[str, str], None]

YADG = """
import sys, h5py, numpy as np
assert sys.argv[1:3] == ["extract", "eclab.mpr"] and sys.argv[5:] == ["--timezone", "Europe/Zurich"], sys.argv
with h5py.File(sys.argv[4], "w") as file:
    for name, unit, values in (
        ("time", "s", [0, 1800, 3600, 5400]), ("Ewe", "V", [0.5, 0.4, 0.3, 0.4]),
        ("dq", "mA\\u00b7h", [0, -1, -1, 1]), ("uts", "s", [1.7e9 + t for t in (0, 1800, 3600, 5400)]),
    ):
        file[name] = np.array(values, float)
        file[name].attrs["units"] = unit
"""
MDB = """
import sys
assert sys.argv[2] == "Channel_Normal_Table"
print("Test_ID,Test_Time,Step_Time,Step_Index,Cycle_Index,Current,Voltage,Charge_Capacity,Discharge_Capacity")
for row in ((0, 0, 1, -1e-3, 0.5), (3600, 3600, 1, -1e-3, 0.3), (3600, 0, 2, 1e-3, 0.35), (5400, 1800, 2, 1e-3, 0.5)):
    print(f"1,{row[0]},{row[1]},{row[2]},1,{row[3]},{row[4]},0,0")
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Put a program of one's own where the outside one would be."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, code: str) -> None:
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)

    return install


def test_without_the_program_the_way_to_it_is_named(tmp_path: Path, program: Program) -> None:
    for name, words in (("a.mpr", "pip install yadg"), ("a.res", "mdbtools")):
        (tmp_path / name).write_bytes(b"something")
        with pytest.raises(MissingPartError, match="which is not installed") as caught:
            read_points(CyclingSource(tmp_path / name))
        assert caught.value.exit_code == 6
        assert words in caught.value.fix.advice


def test_an_mpr_through_yadg(tmp_path: Path, program: Program) -> None:
    program("yadg", YADG)
    path = tmp_path / "a.mpr"
    path.write_bytes(b"BIO-LOGIC MODULAR FILE")
    points = read_points(CyclingSource(path, timezone="Europe/Zurich"))
    assert points.format == "BioLogic .mpr file (through yadg)"
    assert points.current_is_mean
    np.testing.assert_allclose(points.current_A * 1e3, [0, -2, -2, 2])
    assert str(points.start) == "2023-11-14 23:13:20+01:00"


def test_a_res_through_mdbtools(tmp_path: Path, program: Program) -> None:
    program("mdb-export", MDB)
    path = tmp_path / "a.res"
    path.write_bytes(b"Standard Jet DB")
    record = analyse(read_points(CyclingSource(path)))
    assert [h.capacity_Ah * 1e3 for h in record.half_cycles] == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('element 2 not understood')", "yadg cannot read it: element 2 not understood"),
        ("pass", "made nothing"),
        ("import sys; open(sys.argv[4], 'wb').write(b'no netcdf')", "cannot be read"),
    ],
)
def test_a_program_that_fails_is_quoted(tmp_path: Path, program: Program, code: str, words: str) -> None:
    program("yadg", code)
    path = tmp_path / "a.mpr"
    path.write_bytes(b"BIO-LOGIC MODULAR FILE")
    with pytest.raises(FormatError, match=words):
        read_points(CyclingSource(path))


@pytest.mark.slow
def test_the_real_yadg_agrees_with_the_text_export(real: Callable[[str], Path]) -> None:
    if shutil.which("yadg") is None:
        pytest.skip("yadg is not installed; it is a program of its own")
    binary = read_points(CyclingSource(real("echem/yadg/gcpl.pr_182.1.mpr")))
    text = read_points(CyclingSource(real("echem/yadg/gcpl.pr_182.1.mpt")))
    np.testing.assert_allclose(binary.voltage_V, text.voltage_V, atol=1e-7)
    np.testing.assert_allclose(binary.time_s, text.time_s, atol=1e-9)
    ours, theirs = ([h.capacity_Ah for h in analyse(p).half_cycles] for p in (text, binary))
    assert ours == pytest.approx(theirs, rel=1e-6)
