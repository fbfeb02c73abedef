"""What must be known of scans before they are segmented: resolution, drift."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from siltomo.cli.command import command, the_catalog
from siltomo.cli.options import DryRun
from siltomo.cli.reply import Reply, table

__all__ = ["register_commands"]


class Face(StrEnum):
    """A surface of the electrode."""

    COLLECTOR = "collector"
    SEPARATOR = "separator"


class Common(StrEnum):
    """What two halves must have in common."""

    HALF_BIT = "half_bit"
    ONE_BIT = "one_bit"
    FIXED = "0.143"


ScanId = Annotated[str, typer.Argument(help="Id of the scan.", show_default=False)]
Scans = Annotated[
    list[str], typer.Argument(help="Ids of the scans, the reference first.", show_default=False)
]
Half = Annotated[
    str | None,
    typer.Option(
        "--half",
        help="Scan from the other half of the projections; else the scan is split.",
        show_default=False,
    ),
]
Edge = Annotated[
    Face | None,
    typer.Option("--edge", help="Tell it from the blur of this surface instead.", show_default=False),
]
Labels = Annotated[
    str | None,
    typer.Option("--segmentation", help="With --edge: labels that name the layers.", show_default=False),
]
OfLabels = Annotated[
    str | None, typer.Option("--segmentation", help="Labels that name the layers.", show_default=False)
]
Collector = Annotated[
    str | None,
    typer.Option("--collector", help="Greys of the collector, such as 160.. or 70..160.", show_default=False),
]
Separator = Annotated[
    str | None, typer.Option("--separator", help="Greys of the separator.", show_default=False)
]
Electrode = Annotated[
    str | None, typer.Option("--electrode", help="Greys of the electrode.", show_default=False)
]
ApplyAxis = Annotated[bool, typer.Option("--apply", help="Declare the depth axis that was found.")]
CriterionOption = Annotated[Common, typer.Option("--criterion", help="What the halves must have in common.")]
Size = Annotated[
    int, typer.Option("--size", min=32, max=1024, help="Voxels along an axis that are compared.")
]
Apply = Annotated[
    bool, typer.Option("--apply", help="Set the scan's resolution and its segmentations' min_feature.")
]


def register_commands(app: typer.Typer) -> None:
    """Add the commands to ``siltomo segment``."""
    command(app, "geometry", csv=True)(geometry)
    command(app, "resolution", csv=True)(resolution)
    command(app, "register", csv=True)(register)


def geometry(
    scan: ScanId,
    segmentation: OfLabels = None,
    collector: Collector = None,
    separator: Separator = None,
    electrode: Electrode = None,
    apply: ApplyAxis = False,
) -> Reply:
    """Find the electrode in a scan: depth axis, collector and separator surfaces, tilt, thickness.

    From labels that name the layers, or from ranges of grey; in greys each surface is placed to a fraction
    of a voxel. A surface that is not in view is said to be so.
    """
    from siltomo.engine.segment.geometry import grey_geometry, label_geometry
    from siltomo.model import Scan
    from siltomo.segmentation.greys import parse_greys

    catalog = the_catalog()
    given = {"collector": collector, "separator": separator, "electrode": electrode}
    if segmentation is not None:
        _lies_on(segmentation, scan)
        found = label_geometry(catalog, segmentation)
    else:
        found = grey_geometry(catalog, scan, {k: parse_greys(v) for k, v in given.items() if v is not None})
    said = {"scan": scan, **found.says(), "length_unit": "um", "angle_unit": "deg"}
    if apply:
        catalog.set(Scan, scan, {"depth_axis": found.depth_axis})
    rows = [
        {"what": name if part == "" else f"{name} {part}", "value": value}
        for name, whole in said.items()
        for part, value in (whole.items() if isinstance(whole, dict) else [("", whole)])
    ]
    return Reply(said, table(rows), rows)


def _lies_on(segmentation: str, scan: str) -> None:
    """Refuse a segmentation of another scan."""
    from siltomo.errors import UsageError
    from siltomo.model import Segmentation

    other = the_catalog().record(Segmentation, segmentation).scan
    if other != scan:
        raise UsageError(
            f"segmentation {segmentation!r} lies on scan {other!r}, not on {scan!r}",
            fix=f"siltomo segment list --scan {scan}",
        )


def resolution(
    scan: ScanId,
    half: Half = None,
    edge: Edge = None,
    segmentation: Labels = None,
    criterion: CriterionOption = Common.HALF_BIT,
    size: Size = 256,
    apply: Apply = False,
) -> Reply:
    """Measure the resolution of a scan: Fourier shell correlation, or the blur of a flat surface.

    The resolution is the shortest period that is resolved. Split from one volume it is optimistic where
    noise is correlated, and is called single-volume.
    """
    from siltomo.engine.segment.resolution import apply_resolution, edge_resolution, shell_resolution
    from siltomo.errors import Amend, UsageError

    catalog = the_catalog()
    if edge is None:
        found = shell_resolution(catalog, scan, half=half, criterion=criterion.value, size=size)
    else:
        if segmentation is None:
            raise UsageError(
                "--edge needs the labels that name the layers",
                fix=Amend({"--segmentation": f"{scan}-seg"}, advice="with the id of your segmentation"),
            )
        _lies_on(segmentation, scan)
        found = edge_resolution(catalog, segmentation, edge.value)
    warnings = []
    if found.method == "single-volume" and found.resolution is not None:
        warnings.append(
            "single-volume: correlated noise makes it look better than it is; --half SCAN does not"
        )
    data = {**found.row, "applied_to": []}
    if apply:
        data["applied_to"] = apply_resolution(catalog, found)
    columns = [name for name in data if name not in ("voxels", "applied_to")]
    return Reply(data, table([data], columns), [data], warnings)


def register(scans: Scans, size: Size = 128, dry_run: DryRun = False) -> Reply:
    """Register scans of one specimen against the first: the drift is kept with each scan.

    What lies at p in the reference lies at p + shift in the scan. Scans that are not alike are refused.
    Exit code 7 when some are.
    """
    from siltomo.engine.segment.registering import register_scans

    made = register_scans(the_catalog(), scans, size=size, dry_run=dry_run)
    rows = [one.row for one in made]
    refused = sum(not one.believed for one in made)
    warnings = [f"{refused} of {len(rows)} scans are refused"] if refused else []
    return Reply(rows, table(rows), rows, warnings, exit_code=7 if refused else 0)
