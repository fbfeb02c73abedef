"""What all tests share: the real files, the command line in this process, small phantoms."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.cli.main import run

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))  # for the phantoms that several folders share
DATA = Path(os.environ.get("SILTOMO_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def real() -> Callable[[str], Path]:
    """Find a real file made by others, or skip."""

    def find(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"real data {name!r} is not here; set SILTOMO_TEST_DATA")
        return DATA / name

    return find


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The JSON object on stdout."""
        found = json.loads(self.out)
        assert found["siltomo"] == "1"
        return found

    @property
    def data(self) -> Any:
        """The data of a command that did its work."""
        assert self.code == 0, self.out + self.err
        assert self.envelope["ok"] is True
        return self.envelope["data"]

    @property
    def error(self) -> dict[str, str]:
        """The error of a command that did not."""
        assert self.code != 0, self.out
        assert self.envelope["ok"] is False
        return self.envelope["error"]


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run siltomo in this process, in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("SILTOMO_CATALOG", "SILTOMO_MEMORY", "SILTOMO_THREADS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def labels() -> np.ndarray:
    """A 40 x 24 x 20 label volume: crack = 1 (a plate and a lone block), solid = 2, outside = 3."""
    made = np.full((40, 24, 20), 2, np.uint8)
    made[:, 8:12, :] = 1
    made[4:8, 18:20, 4:8] = 1
    made[:, :, 18:] = 3
    return made


@pytest.fixture
def study(cli: Cli, labels: np.ndarray, tmp_path: Path) -> Path:
    """A catalog with one formulation, one cell, one scan and its labels; the folder is the working one."""
    grey = (labels * 60).astype(np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    np.save(tmp_path / "labels.npy", labels)
    state = ["--cycle", 1, "--half", "delithiation", "--capacity", "1200 mAh/g_Si"]
    where = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--domain", "electrode"]
    for words in (
        ["init", "."],
        ["formulation", "add", "zn", "--si-fraction", "0.699 g_Si/g"],
        ["cell", "add", "zn1", "--formulation", "zn", "--si-mass", "0.13 mg_Si", "--diameter", "3 mm"],
        ["catalog", "add", "grey.npy", *where, *state, "--voxel-size", "0.5 um", "--id", "op1"],
        [
            "segment",
            "import",
            "op1",
            "labels.npy",
            "--phases",
            "1=crack,2=solid,3=outside",
            "--id",
            "op1-seg",
        ],
    ):
        answer = cli(*words)
        assert answer.code == 0, answer.err
    return tmp_path
