"""What is generated is fresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from siltomo.cli.generate import generated_files

ROOT = Path(__file__).parents[1]
FILES = generated_files()


@pytest.mark.parametrize("name", FILES)
def test_generated_files_are_fresh(name: str) -> None:
    found = (ROOT / name).read_text("utf-8") if (ROOT / name).exists() else ""
    assert found == FILES[name], f"{name} is stale: run python -m siltomo.cli.generate"


def test_no_schema_is_left_over() -> None:
    there = {f"schemas/{path.name}" for path in (ROOT / "schemas").iterdir()}
    assert there == {name for name in FILES if name.startswith("schemas/")}
