"""YAML as people mean it."""

from __future__ import annotations

from pathlib import Path

import pytest

from siltomo.engine.yaml import read_yaml
from siltomo.errors import FormatError, NotFoundError


def read(tmp_path: Path, text: str) -> object:
    (tmp_path / "x.yaml").write_text(text, "utf-8")
    return read_yaml(tmp_path / "x.yaml").data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("007", "007"),
        ("12:30:00", "12:30:00"),
        ("1e-3", 0.001),
        ("1_000", "1_000"),
        ("2021-06-14", "2021-06-14"),
        ("0x10", "0x10"),
        ("3", 3),
        ("-0.5", -0.5),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'3'", "3"),
        ("0.16 um", "0.16 um"),
        (".nan", ".nan"),
        (".inf", ".inf"),
    ],
)
def test_scalars(tmp_path: Path, text: str, value: object) -> None:
    assert read(tmp_path, f"a: {text}") == {"a": value}


def test_keys_are_text(tmp_path: Path) -> None:
    assert read(tmp_path, "1: crack\ntrue: x") == {"1": "crack", "true": "x"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x 1\nb: *x", ":2: aliases"),
        ("a: 1\na: 2", ":2: 'a' is given twice"),
        ("a: !!python/name:os.system x", ":1: tags"),
        ("a: !mine x", ":1: tags"),
        ("? [1, 2]\n: x", "cannot be a key"),
        ("a: [", "not YAML"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("\n".join("  " * n + "a:" for n in range(60)), "nested more than 50"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        read(tmp_path, text)


def test_places_name_line_and_path(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("cells:\n  zn1:\n    si_mass: 0.13\n")
    document = read_yaml(tmp_path / "x.yaml")
    assert document.place(("cells", "zn1", "si_mass")).endswith("x.yaml:3 cells.zn1.si_mass")
    assert document.place(("cells", "zn1", "diameter")).endswith("x.yaml:2 cells.zn1.diameter")


def test_missing_binary_and_huge_files(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(FormatError, match="text"):
        read_yaml(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_bytes(b"#" * 5_000_000)
    with pytest.raises(FormatError, match="larger"):
        read_yaml(tmp_path / "c.yaml")
