"""Segmentations: import, list."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from siltomo.cli.command import command, damage_seen, group, mending, progress_bar, the_catalog
from siltomo.cli.options import (
    AllowGaps,
    Dataset,
    DomainOption,
    DryRun,
    FileArgument,
    IdOption,
    Notes,
    Prefix,
    Title,
)
from siltomo.cli.reply import Reply, table
from siltomo.cli.segment_geometry import register_commands

__all__ = ["app"]

app = group("segment", "Segmentations: label volumes on the grid of a scan.")


class Pad(StrEnum):
    """Where the labels lack planes."""

    START = "z-start"
    END = "z-end"


class Believe(StrEnum):
    """Whose voxel size holds."""

    SCAN = "scan"


Scan = Annotated[str, typer.Argument(help="Id of the scan that was segmented.", show_default=False)]
Labelled = Annotated[str, typer.Argument(help="Id of the segmentation.", show_default=False)]
Phases = Annotated[
    str,
    typer.Option(
        "--phases", help="What the label values mean, such as 1=crack,2=solid,0=outside.", show_default=False
    ),
]
MinFeature = Annotated[
    str | None,
    typer.Option("--min-feature", help='Smallest feature to trust, such as "0.65 um".', show_default=False),
]
MaxFeature = Annotated[
    str | None,
    typer.Option(
        "--max-feature",
        help="Largest feature that is counted, where larger ones are left to a coarser scan.",
        show_default=False,
    ),
]
Method = Annotated[
    str | None, typer.Option("--method", help="How the labels were made, in words.", show_default=False)
]
VariantOf = Annotated[
    str | None,
    typer.Option(
        "--variant-of",
        help="Segmentation that this one varies, such as with a lower threshold; see compute --sensitivity.",
        show_default=False,
    ),
]
PadOption = Annotated[
    Pad | None,
    typer.Option("--pad", help="Mark planes that the labels lack there as outside.", show_default=False),
]
VoxelFrom = Annotated[
    Believe | None,
    typer.Option(
        "--voxel-from", help="Believe the scan where the labels state another voxel size.", show_default=False
    ),
]
OfScan = Annotated[str | None, typer.Option("--scan", help="Only those of this scan.", show_default=False)]


@command(app, "import", csv=True)
def import_(
    scan: Scan,
    file: FileArgument,
    phases: Phases,
    domain: DomainOption = None,
    min_feature: MinFeature = None,
    max_feature: MaxFeature = None,
    id: IdOption = None,  # noqa: A002
    method: Method = None,
    variant_of: VariantOf = None,
    dataset: Dataset = None,
    prefix: Prefix = None,
    allow_gaps: AllowGaps = False,
    pad: PadOption = None,
    voxel_from: VoxelFrom = None,
    title: Title = None,
    notes: Notes = None,
    dry_run: DryRun = False,
) -> Reply:
    """Import labels that were made elsewhere (TIFF, HDF5, npy) onto the grid of a scan."""
    from siltomo.engine.intake.labels import LabelsOrder, import_labels, parse_phases
    from siltomo.importers import Source

    fields = {
        "id": id,
        "domain": domain,
        "min_feature": min_feature,
        "max_feature": max_feature,
        "method": method,
        "variant_of": variant_of,
        "title": title,
        "notes": notes,
    }
    order = LabelsOrder(
        source=Source(file, member=dataset or prefix, allow_gaps=allow_gaps),
        scan=scan,
        phases=parse_phases(phases),
        fields={name: value for name, value in fields.items() if value is not None},
        trust_voxel=None if voxel_from is None else str(voxel_from),
        pad=None if pad is None else str(pad),
    )
    with mending(), progress_bar(f"importing {file.name}") as progress:
        done = import_labels(the_catalog(), order, dry_run=dry_run, progress=progress)
    outcome = "unchanged" if not done.added else "would be added" if dry_run else "added"
    names = {p.value: p.name for p in done.record.phases}
    total = sum(done.voxels.values())
    rows = [
        {"value": value, "phase": names.get(value), "voxels": count, "share_of_window": count / total}
        for value, count in done.voxels.items()
    ]
    data = {"id": done.record.id, "outcome": outcome, "added": done.added and not dry_run}
    data |= {"record": done.record.body(), "values": rows}
    return Reply(data, f"{outcome}: segmentation {done.record.id}\n{table(rows)}", rows, done.warnings)


@command(app, "set")
def set_(
    id: Labelled,  # noqa: A002
    min_feature: MinFeature = None,
    max_feature: MaxFeature = None,
    method: Method = None,
    variant_of: VariantOf = None,
    title: Title = None,
    notes: Notes = None,
) -> Reply:
    """Change what is said of a segmentation; its labels stay, and the old values stay in its history.

    An empty text takes a field back: --variant-of "" makes a variant a segmentation of its own again.
    """
    from siltomo.cli.records import set_record
    from siltomo.engine.compute.sensitivity import check_variant
    from siltomo.model import Segmentation

    if variant_of:
        labels = the_catalog().record(Segmentation, id)
        check_variant(the_catalog(), labels.model_copy(update={"variant_of": variant_of}))
    return set_record(Segmentation, locals())


@command(app, "list", csv=True)
def list_(scan: OfScan = None) -> Reply:
    """List the segmentations."""
    from siltomo.engine.upkeep import list_segmentations

    catalog = the_catalog()
    rows = list_segmentations(catalog, scan)
    shown = [{**row, "phases": ", ".join(f"{v}={n}" for v, n in row["phases"].items())} for row in rows]
    damage = damage_seen(catalog)
    return Reply(rows, table(shown), rows, damage, exit_code=7 if damage else 0)


register_commands(app)
