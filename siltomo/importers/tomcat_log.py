"""The text log that TOMCAT writes beside a scan: voxel size, energy, start and end, the scan's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from siltomo.errors import UnitError
from siltomo.importers.border import border, plain_text
from siltomo.units import Quantity

__all__ = ["ScanLog", "find_log", "read_log"]

MAX_BYTES = 4 << 20
MAX_VALUE = 500
SIGNATURE = re.compile(rb"scan of sample .{1,200} started on |TOMOGRAPHIC SCAN STARTED", re.IGNORECASE)
_STARTED = re.compile(r"^\s*([\w-]+) scan of sample (.{1,200}?) started on (.{10,40}?)\s*$", re.IGNORECASE)
_FINISHED = re.compile(r"^\s*TOMOGRAPHIC SCAN FINISHED at (.{10,40}?)\s*$", re.IGNORECASE)
_DATE = re.compile(r"\w{3}\s+(\w{3})\s+(\d{1,2})\s+(\d{2}):(\d{2}):(\d{2})\s+(\d{4})")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
KEPT = {
    "Magnification": "magnification",
    "Number of projections": "projections",
    "Exposure time [ms]": "exposure time in ms",
    "Scintillator": "scintillator",
    "Camera": "camera",
    "Ring current [mA]": "ring current in mA",
    "User ID": "experiment",
}


@dataclass
class _Block:
    """One start of the scan and what follows it; a restart begins another."""

    sample: str = ""
    started: str = ""
    finished: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanLog:
    """What a log says of its scan."""

    path: Path
    sample: str
    """The name of the sample or the file prefix."""
    pixel: Quantity | None
    """Edge of a pixel of the camera at the sample, and of a voxel of an unbinned reconstruction."""
    width: int | None
    """Width of the camera's region in pixels."""
    acquisition: dict[str, str]
    """Fields of a scan's acquisition."""
    facts: dict[str, str]
    warnings: tuple[str, ...]


def find_log(folder: Path, label: str) -> tuple[Path | None, tuple[str, ...]]:
    """Find the log of a folder of slices: in it, beside it, or in ``tif/`` beside it.

    Parameters
    ----------
    folder
        The folder of slices, such as ``ref1_op01/rec_8bit``.
    label
        The name of the stack, which tells the right log where there are several.

    Returns
    -------
    path : Path or None
        The log; None where there is none, or none can be told to be the right one.
    warnings : tuple of str
        Logs that were left alone, and why.
    """
    for place in (folder, folder.parent, folder.parent / "tif"):
        with border(place, "the folder of the log"):
            logs = sorted(p for p in place.glob("*.log") if _is_log(p)) if place.is_dir() else []
        if len(logs) == 1:
            return logs[0], ()
        names = (label, folder.name, folder.parent.name)
        named = [p for p in logs if any(_same_name(p.stem, name) for name in names)]
        if len(named) == 1:
            return named[0], ()
        if logs:
            shown = ", ".join(plain_text(p.name, 60) for p in logs[:5])
            return None, (
                f"{len(logs)} logs lie in '{place.name}' ({shown}), none named like the stack: not used",
            )
    return None, ()


def _is_log(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return SIGNATURE.search(file.read(4096)) is not None


def _same_name(one: str, other: str) -> bool:
    return one.strip("_-. ").lower() == other.strip("_-. ").lower()


def read_log(path: Path, names: Sequence[str]) -> ScanLog:
    """Read a log.

    Parameters
    ----------
    path
        The log.
    names
        Names that its sample may have: the stack's and the folder's.

    Returns
    -------
    ScanLog
        Of the last start in it. Its times have no zone: they are those of the beamline's clock.
    """
    with border(path, "the log"), path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace")
    blocks = _blocks(text)
    last = next((b for b in reversed(blocks) if b.fields), _Block())
    warnings = list(_warnings(blocks, last, names, path))
    pixel = _quantity(last.fields.get("Actual pixel size [um]"), "um", warnings, path)
    energy = _quantity(last.fields.get("Beam energy [keV]"), "keV", warnings, path)
    start, end = _time(last.started), _time(last.finished)
    if start and end and end < start:
        warnings.append(
            f"{path.name} says that the scan ended ({end}) before it started ({start}): end not used"
        )
        end = None
    if energy is None:
        warnings.append(f"{path.name} does not say the energy")
    if end is None and not last.finished:
        warnings.append(f"{path.name} does not say that the scan was finished")
    acquisition = {
        "beamline": "TOMCAT X02DA" if "X02DA" in text else "TOMCAT",
        "energy": str(energy) if energy else "",
        "start": start.isoformat() if start else "",
        "end": end.isoformat() if end else "",
    }
    facts = {said: plain_text(last.fields[k], 60) for k, said in KEPT.items() if last.fields.get(k)}
    return ScanLog(
        path=path,
        sample=last.fields.get("File Prefix", last.sample),
        pixel=pixel,
        width=_width(last.fields.get("X-ROI", "")),
        acquisition={k: v for k, v in acquisition.items() if v},
        facts={"log": plain_text(path.name, 80), **facts},
        warnings=tuple(warnings),
    )


def _blocks(text: str) -> list[_Block]:
    """Cut a log at its starts; the first value of a key in a block counts."""
    blocks = [_Block()]
    for line in text.splitlines():
        started, finished = _STARTED.match(line), _FINISHED.match(line)
        if started:
            if blocks[-1].started:
                blocks.append(_Block())
            blocks[-1].sample, blocks[-1].started = started[2], started[3]
        elif finished:
            blocks[-1].finished = blocks[-1].finished or finished[1]
        elif ":" in line:
            key, _, value = line.partition(":")
            blocks[-1].fields.setdefault(" ".join(key[:80].split()), value.strip()[:MAX_VALUE])
    return blocks


def _warnings(blocks: Sequence[_Block], last: _Block, names: Sequence[str], path: Path) -> list[str]:
    found = []
    if len(blocks) > 1:
        found.append(f"{path.name} tells of {len(blocks)} starts: the last one counts, of {last.started}")
        sizes = {b.fields.get("Actual pixel size [um]") for b in blocks} - {None}
        if len(sizes) > 1:
            found.append(f"its starts differ in pixel size: {', '.join(sorted(map(str, sizes)))} um")
    said = {n for n in (last.fields.get("File Prefix"), last.sample) if n}
    if said and not any(_same_name(a, b) for a in said for b in names):
        shown = " and ".join(f"'{plain_text(n, 60)}'" for n in sorted(said))
        found.append(f"{path.name} is of sample {shown}, the slices are of '{plain_text(names[0], 60)}'")
    return found


def _quantity(text: str | None, unit: str, warnings: list[str], path: Path) -> Quantity | None:
    if not text:
        return None
    try:
        found = Quantity.parse(f"{text} {unit}")
    except UnitError:
        found = None
    if found is None or found.value <= 0:
        warnings.append(f"{path.name} says '{plain_text(text, 40)}' {unit}, which is not used")
        return None
    return found


def _time(text: str) -> datetime | None:
    """Read "Sat Nov 21 09:36:47 2015", whatever the language of this machine."""
    match = _DATE.fullmatch(text.strip())
    if match is None or match[1].lower() not in MONTHS:
        return None
    day, hour, minute, second, year = (int(match[n]) for n in (2, 3, 4, 5, 6))
    try:
        return datetime(year, MONTHS.index(match[1].lower()) + 1, day, hour, minute, second)
    except ValueError:
        return None


def _width(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,6})\s*-\s*(\d{1,6})", text.strip())
    return int(match[2]) - int(match[1]) + 1 if match and int(match[2]) >= int(match[1]) else None
