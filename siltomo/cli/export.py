"""Volumes for other programs: OME-Zarr, ImageJ TIFF, MetaImage, VTK."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from siltomo.cli.command import command, group, progress_bar, the_catalog
from siltomo.cli.reply import Reply

__all__ = ["app"]

app = group("export", "Volumes for other programs: Fiji, ParaView, ITK, viewers of OME-Zarr.")


class OmeVersion(StrEnum):
    """Versions of OME-Zarr that are written."""

    V04 = "0.4"
    V05 = "0.5"


class ExportKind(StrEnum):
    """What an id may name here."""

    SCAN = "scan"
    SEGMENTATION = "segmentation"


Id = Annotated[str, typer.Argument(help="Id of a scan or of a segmentation.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write it.", show_default=False)]
Kind = Annotated[
    ExportKind | None,
    typer.Option("--kind", help="scan or segmentation, where both have the id.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Level = Annotated[int, typer.Option("--level", help="Resolution: 0 is full, each next one halves it.", min=0)]
Version = Annotated[
    OmeVersion, typer.Option("--version", help="0.4 opens in every Fiji, ilastik and napari; 0.5 is newer.")
]


@command(app, "volume")
def volume(
    id: Id,  # noqa: A002
    output: Output,
    kind: Kind = None,
    level: Level = 0,
    force: Force = False,
) -> Reply:
    """Write a volume as .tif (ImageJ, calibrated), .mhd with .raw or .mha (ITK, in mm), or .vti (ParaView, in um)."""
    from siltomo.engine.export.volumes import export_volume

    with progress_bar(f"writing {output.name}") as progress:
        done = export_volume(
            the_catalog(), id, output, kind=kind, level=level, force=force, progress=progress
        )
    return _reply(done)


@command(app, "ome-zarr")
def ome_zarr(
    id: Id,  # noqa: A002
    output: Output,
    version: Version = OmeVersion.V04,
    kind: Kind = None,
    force: Force = False,
) -> Reply:
    """Write a volume with all its resolutions as an OME-Zarr folder."""
    from siltomo.engine.export.volumes import export_ome_zarr

    with progress_bar(f"writing {output.name}") as progress:
        done = export_ome_zarr(
            the_catalog(), id, output, version=str(version), kind=kind, force=force, progress=progress
        )
    return _reply(done)


def _reply(done: Any) -> Reply:
    z, y, x = done.voxel_size_um
    data = {
        "id": done.id,
        "format": done.format,
        "files": [str(file) for file in done.files],
        "shape": list(done.shape),
        "dtype": done.dtype,
        "voxel_size": {"z": f"{z:.12g} um", "y": f"{y:.12g} um", "x": f"{x:.12g} um"},
    }
    edges = f"{z:g} um" if z == y == x else f"{z:g} x {y:g} x {x:g} um (z, y, x)"
    shape = " x ".join(map(str, done.shape))
    text = f"wrote {' and '.join(data['files'])}: {done.format}, {shape} {done.dtype}, voxel {edges}"
    return Reply(data, text)
