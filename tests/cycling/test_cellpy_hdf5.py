"""cellpy's HDF5 file, written here as pandas lays it out."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from siltomo.cycling import CyclingSource, read_points
from siltomo.errors import FormatError

UNITS = ["1.0 milliampere", "1.0 ampere_hour", "1.0 volt", "1.0 minute", "1.0 coulomb"]


class Trap:
    """What would delete a file, were it ever unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('pathlib').Path('trap').touch()",)


def write(
    path: Path, *, columns: tuple[str, ...] = ("test_time", "current", "voltage"), units: object = UNITS
) -> Path:
    dtype = [("index", "<i8"), ("values_block_0", "<f8", (len(columns),)), ("values_block_1", "<i8", (1,))]
    rows = np.zeros(4, dtype=dtype)
    rows["values_block_0"][:, :3] = [(1, 0, 0.5), (2, -2, 0.4), (3, -2, 0.3), (4, 2, 0.4)][:4]
    rows["values_block_1"][:, 0] = (1_470_414_083 + 60 * np.arange(4)) * 10**9
    with h5py.File(path, "w") as file:
        table = file.create_dataset("CellpyData/raw/table", data=rows)
        table.attrs["index_kind"] = b"integer"
        table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(list(columns), 0))
        table.attrs["values_block_1_kind"] = np.bytes_(pickle.dumps(["date_time"], 0))
        info = file.create_dataset("CellpyData/info/block0_values", (1,), h5py.vlen_dtype(np.uint8))
        info[0] = np.frombuffer(pickle.dumps(units), np.uint8)
    return path


def test_columns_and_units_are_those_of_the_file(tmp_path: Path) -> None:
    points = read_points(CyclingSource(write(tmp_path / "a.h5"), timezone="UTC"))
    np.testing.assert_allclose(points.time_s, [0, 60, 120, 180])
    np.testing.assert_allclose(points.current_A, [0, -2e-3, -2e-3, 2e-3])
    assert str(points.start) == "2016-08-05 16:21:23+00:00"


def test_a_unit_that_is_not_said_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="does not say the unit of current"):
        read_points(CyclingSource(write(tmp_path / "a.h5", units=UNITS[1:])))
    with pytest.raises(FormatError, match=r"1\.0 milliampere, 1\.0 ampere"):
        read_points(CyclingSource(write(tmp_path / "a.h5", units=[*UNITS, "1.0 ampere"])))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no column voltage; it has: test_time, current, other"):
        read_points(CyclingSource(write(tmp_path / "a.h5", columns=("test_time", "current", "other"))))


def test_nothing_in_the_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read_points(CyclingSource(write(tmp_path / "a.h5", units=[*UNITS, Trap()])))
    assert not Path("trap").exists()


def test_another_hdf5_file_is_no_record(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file["data"] = np.zeros((2, 2, 2))
    with pytest.raises(FormatError, match="no known format"):
        read_points(CyclingSource(tmp_path / "volume.h5"))
