"""What the files say against what the user says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import Any

from siltomo.catalog import VolumeFacts
from siltomo.errors import Amend, BadInputError, FormatError, MismatchError, SiltomoError
from siltomo.importers import ImportedVolume
from siltomo.model import SourceFiles, Volume, VoxelSize
from siltomo.units import Quantity

__all__ = [
    "Reconciled",
    "describe_files",
    "differing_axes",
    "reconcile_acquisition",
    "reconcile_voxel_size",
    "stored_volume",
]

TOLERANCE = 1e-3
"""Files store pixels per unit with few digits: 6.25 pixel/um is 0.16 um. 0.16 against 0.1625 is a conflict."""

UNITS = ("um", "mm", "nm", "cm", "m")
"""What the bare numbers of a header may mean."""

_ENERGY_TOLERANCE = 1e-2
"""A log says 18.001 keV where people say 18 keV."""

_READ_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Reconciled:
    """The voxel size that holds, and who said so."""

    size: VoxelSize
    source: str


def reconcile_voxel_size(
    opened: ImportedVolume, given: VoxelSize | None, *, trust: str | None, where: str
) -> Reconciled:
    """Settle the voxel size between a file and its user.

    Parameters
    ----------
    opened
        The volume, with what its file says.
    given
        What the user says.
    trust
        ``"file"`` or ``"user"`` where the user has settled a conflict.
    where
        The file, for errors.

    Raises
    ------
    MismatchError
        When both speak and differ by more than 0.1 %, and ``trust`` does not settle it; shows both.
    BadInputError
        When neither says the size of every edge.
    """
    stated = opened.voxel_size
    if trust == "file" or given is None:
        return Reconciled(_complete(opened, where), opened.voxel_source or "file")
    if opened.spacing is not None and not any(stated):
        return _with_unit(opened, given, trust=trust, where=where)
    differing = differing_axes(stated, given)
    if differing and trust != "user":
        axes = ", ".join(f"{axis}: file {file_edge}, you {edge}" for axis, file_edge, edge in differing)
        raise MismatchError(
            f"voxel size disagrees: {axes} (the file says so in its {opened.voxel_source})",
            code="SIL105",
            where=where,
            fix=Amend({"--voxel-from": "user"}, advice="if you are right (--voxel-from file if the file is)"),
        )
    return Reconciled(given, "user" if differing or None in stated else f"user and {opened.voxel_source}")


def _with_unit(opened: ImportedVolume, given: VoxelSize, *, trust: str | None, where: str) -> Reconciled:
    """Compare the user's edges with the bare numbers of a file: in one unit of length they must agree."""
    for unit in UNITS:
        edges = [Quantity(n, unit) for n in opened.spacing or ()]
        if not differing_axes(edges, given):
            return Reconciled(given, f"user and {opened.voxel_source} (in {unit})")
    if trust == "user":
        return Reconciled(given, "user")
    raise MismatchError(
        f"voxel size disagrees: the file says {_numbers(opened)} (z, y, x; no unit) in its "
        f"{opened.voxel_source}, you {given}; in no unit of length are they the same",
        code="SIL105",
        where=where,
        fix=Amend({"--voxel-from": "user"}, advice="if you are right"),
    )


def _edges(spacing: Sequence[float]) -> str:
    """Write edges as ``--voxel-size`` takes them: one for a cube, else z,y,x."""
    return ",".join(f"{n:.6g}" for n in (spacing if len(set(spacing)) > 1 else spacing[:1]))


def _numbers(opened: ImportedVolume) -> str:
    return ", ".join(f"{n:.6g}" for n in opened.spacing or ())


def _complete(opened: ImportedVolume, where: str) -> VoxelSize:
    z, y, x = opened.voxel_size
    if z is not None and y is not None and x is not None:
        return VoxelSize(z=z, y=y, x=x)
    if opened.spacing is not None and not any(opened.voxel_size):
        raise BadInputError(
            f"the file gives its voxel size without a unit: {opened.voxel_source} = {_numbers(opened)} (z, y, x)",
            code="SIL107",
            where=where,
            fix=Amend(
                {"--voxel-size": f"{_edges(opened.spacing)} um"},
                advice="with the right unit in place of um (ITK programs mean mm, PyHST2 means um)",
                drop=("--voxel-from",),
            ),
        )
    silent = [a for a, edge in zip("zyx", opened.voxel_size, strict=True) if edge is None]
    known = "" if len(silent) == 3 else f"; it says x = {x}, y = {y}"
    if opened.voxel_note:
        known = f", for it contradicts itself: {opened.voxel_note}"
    raise BadInputError(
        f"the file does not say the voxel size along {', '.join(silent)}{known}",
        code="SIL107",
        where=where,
        fix=Amend(
            {"--voxel-size": "EDGE um"},
            advice="put the edge of a voxel in place of EDGE (or EDGE,EDGE,EDGE for z,y,x)",
            drop=("--voxel-from",),
        ),
    )


def reconcile_acquisition(
    stated: Mapping[str, str], given: Mapping[str, Any], *, where: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settle energy, start, end and beamline between a file and its user.

    Times of a file have no zone: they agree with a user's of the same clock reading, whose zone is kept.

    Returns
    -------
    fields : dict
        Fields of the scan's acquisition.
    warnings : tuple of str
        Which of them the file said.

    Raises
    ------
    MismatchError
        When both speak of one field and differ; shows both.
    """
    settled = {**stated, **{k: v for k, v in given.items() if v not in (None, "")}}
    for name, said in stated.items():
        mine = given.get(name)
        if mine in (None, "") or name == "beamline" or _same_fact(name, said, str(mine)):
            continue
        raise MismatchError(
            f"{name} disagrees: file {said}, you {mine}",
            code="SIL105",
            where=where,
            fix=Amend(
                drop=(f"--{name}",),
                advice=f"to take the file's (siltomo catalog set ID --{name} corrects it afterwards)",
            ),
        )
    taken = [f"{name} {said}" for name, said in stated.items() if given.get(name) in (None, "")]
    # start and end are read off one clock: the zone that the user gives for one holds for the other
    for mine, other in (("start", "end"), ("end", "start")):
        zone = _zone(str(given.get(mine, "")))
        if zone is not None and other in stated and given.get(other) in (None, ""):
            settled[other] = datetime.fromisoformat(stated[other]).replace(tzinfo=zone).isoformat()
    return settled, ((f"from the file: {', '.join(taken)}",) if taken else ())


def _same_fact(name: str, said: str, mine: str) -> bool:
    try:
        if name == "energy":
            one, other = Quantity.parse(said).m_as("keV"), Quantity.parse(mine).m_as("keV")
            return abs(one - other) <= _ENERGY_TOLERANCE * abs(one)
        one_time, other_time = datetime.fromisoformat(said), datetime.fromisoformat(mine)
    except (SiltomoError, ValueError):
        return True  # what cannot be read is refused by the record itself
    return one_time.replace(tzinfo=None) == other_time.replace(tzinfo=None)


def _zone(text: str) -> tzinfo | None:
    try:
        return datetime.fromisoformat(text).tzinfo
    except ValueError:
        return None


def differing_axes(
    stated: Sequence[Quantity | None], size: VoxelSize
) -> list[tuple[str, Quantity, Quantity]]:
    """List the axes along which a file states another voxel edge: axis, stated, expected."""
    edges = (size.z, size.y, size.x)
    return [
        (axis, edge, expected)
        for axis, edge, expected in zip("zyx", stated, edges, strict=True)
        if edge is not None and abs(edge.m_as("um") - expected.value) > TOLERANCE * expected.value
    ]


def describe_files(
    opened: ImportedVolume,
    path: Path,
    member: str | None,
    *,
    known: Mapping[Path, str] = MappingProxyType({}),
) -> SourceFiles:
    """Return what is kept of the files that a volume was read from; reads those once whose digest is not known."""
    digests = [(file.name, known.get(file.resolve()) or _sha256(file)) for file in opened.files]
    joined = digests[0][1]
    if len(digests) > 1:
        lines = "".join(f"{digest}  {name}\n" for name, digest in digests)
        joined = hashlib.sha256(lines.encode()).hexdigest()
    return SourceFiles(
        format=opened.format,
        path=str(path.resolve()),
        member=member or "",
        count=len(digests),
        size=sum(file.stat().st_size for file in opened.files),
        sha256=joined,
        facts=dict(opened.facts),
    )


def stored_volume(facts: VolumeFacts, opened: ImportedVolume) -> Volume:
    """Return what a record says of its voxels once they are written."""
    return Volume(
        shape=facts.shape,
        dtype=str(facts.dtype),
        content=facts.content,
        levels=facts.levels,
        missing_planes=opened.missing_planes,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_READ_AT_ONCE):
                digest.update(piece)
    except OSError as error:
        raise FormatError(f"cannot be read: {error}", where=str(path)) from error
    return digest.hexdigest()
