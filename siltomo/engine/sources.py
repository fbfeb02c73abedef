"""What the files say against what the user says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siltomo.catalog import VolumeFacts
from siltomo.errors import Amend, BadInputError, FormatError, MismatchError
from siltomo.importers import ImportedVolume
from siltomo.model import SourceFiles, Volume, VoxelSize
from siltomo.units import Quantity

__all__ = ["Reconciled", "describe_files", "differing_axes", "reconcile_voxel_size", "stored_volume"]

TOLERANCE = 1e-3
"""Files store pixels per unit with few digits: 6.25 pixel/um is 0.16 um. 0.16 against 0.1625 is a conflict."""

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


def _complete(opened: ImportedVolume, where: str) -> VoxelSize:
    z, y, x = opened.voxel_size
    if z is not None and y is not None and x is not None:
        return VoxelSize(z=z, y=y, x=x)
    silent = [a for a, edge in zip("zyx", opened.voxel_size, strict=True) if edge is None]
    known = "" if len(silent) == 3 else f"; it says x = {x}, y = {y}"
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


def describe_files(opened: ImportedVolume, path: Path, member: str | None) -> SourceFiles:
    """Return what is kept of the files that a volume was read from; reads them once for their digest."""
    digests = [(file.name, _sha256(file)) for file in opened.files]
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
