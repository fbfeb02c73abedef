"""The common mistakes, really made: a command, the error that it meets, and the command that mends it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Mistake", "make_mistakes"]


@dataclass(frozen=True)
class Mistake:
    """A mistake, what siltomo said to it, and whether the mended command works."""

    mistake: str
    command: str
    code: str
    message: str
    mended_by: str
    mended: bool

    @property
    def text(self) -> str:
        """What people read."""
        done = "works" if self.mended else "does not work"
        return f"{self.mistake}\n$ {self.command}\n  error[{self.code}] {self.message}\n$ {self.mended_by}\n  {done}"


@dataclass(frozen=True)
class _Case:
    mistake: str
    command: str
    mend: str = ""
    """What the user types then; empty where the error itself prints the whole command."""


_SCAN = "siltomo catalog add greys.npy --scale micro --mode operando --cycle 1 --half delithiation --id op1"
_CASES = (
    _Case(
        "A scan of a cell that was never declared.",
        f"{_SCAN} --cell zn1 --voxel-size '0.5 um'",
        "siltomo cell add zn1 --formulation with-zn --si-mass '0.13 mg_Si' --diameter '3 mm'",
    ),
    _Case("A voxel size without its unit.", f"{_SCAN} --cell zn1 --voxel-size 0.5"),
    _Case(
        "A capacity per gram, but of what?",
        "siltomo catalog set op1 --capacity '1200 mAh/g'",
    ),
    _Case(
        "The same id for another scan.",
        "siltomo catalog add labels.npy --scale micro --mode operando --cycle 1 --half delithiation --id op1 "
        "--cell zn1 --voxel-size '0.5 um'",
    ),
    _Case(
        "Labels that were cropped.",
        "siltomo segment import op1 cropped.npy --phases 1=crack,2=solid,3=outside,4=outside,5=outside,6=outside,"
        "7=crack,8=graphene",
        "siltomo segment import op1 labels.npy --phases 1=crack,2=solid,3=outside,4=outside,5=outside,6=outside,"
        "7=crack,8=graphene",
    ),
    _Case(
        "A label value that nobody named.",
        "siltomo segment import op1 labels.npy --id again --phases 1=crack,2=solid",
        "siltomo segment import op1 labels.npy --id again --phases 1=crack,2=solid,3=outside,4=outside,5=outside,"
        "6=outside,7=crack,8=graphene",
    ),
    _Case(
        "A slip in the name of a metric.",
        "siltomo compute metric crack_volume_fracton",
        "siltomo compute metric crack_volume_fraction",
    ),
    _Case(
        "One equals sign where two are meant.",
        "siltomo compute metric crack_volume_fraction --where 'cycle = 1'",
        "siltomo compute metric crack_volume_fraction --where 'cycle == 1'",
    ),
)


def make_mistakes(folder: Path) -> list[Mistake]:
    """Make each mistake in a catalog of its own, then run what mends it.

    Parameters
    ----------
    folder
        An empty folder to work in.
    """
    _prepare(folder)
    with contextlib.chdir(folder), _without_catalog():
        for words in ("siltomo init .", "siltomo formulation add with-zn --si-fraction '0.699 g_Si/g'"):
            _run(words)
        return [_make(case) for case in _CASES]


def _prepare(folder: Path) -> None:
    """Write a small scan of the twin, its labels, and labels that lack some planes."""
    import numpy as np

    from siltomo.twin import Preset, Twin

    twin = Twin(1, "with-zn", Preset("tiny", 1.0, 40.0, None, 8.0, 80.0, 80.0, 0.1, 2.0, 2.0, 1))
    moment = twin.at("zn-c1")
    labels = twin.micro(moment).labels()
    np.save(folder / "greys.npy", twin.greys(moment).planes())
    np.save(folder / "labels.npy", labels)
    np.save(folder / "cropped.npy", labels[:, 2:, :])


def _make(case: _Case) -> Mistake:
    code, said = _run(case.command)
    error: dict[str, Any] = said.get("error") or {}
    mend = case.mend or str(error.get("fix", "")).replace(" --json", "")
    mended = code != 0 and bool(mend) and _run(mend)[0] == 0
    return Mistake(
        case.mistake, case.command, str(error.get("code", "")), str(error.get("message", "")), mend, mended
    )


def _run(words: str) -> tuple[int, dict[str, Any]]:
    """Run a command in this process and return its exit code and its JSON."""
    from siltomo.cli.main import run

    arguments: Sequence[str] = shlex.split(words)[1:]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([*arguments, *([] if "--help" in arguments else ["--json"])])
    try:
        return code, json.loads(out.getvalue())
    except json.JSONDecodeError:
        return code, {}


@contextlib.contextmanager
def _without_catalog() -> Iterator[None]:
    """Leave the user's own catalog out of it."""
    from siltomo.cli.command import catalog_option

    named = os.environ.pop("SILTOMO_CATALOG", None)
    chosen = catalog_option.set(None)
    try:
        yield
    finally:
        catalog_option.reset(chosen)
        if named is not None:
            os.environ["SILTOMO_CATALOG"] = named
