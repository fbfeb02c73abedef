"""Segmentations by ilastik: take over its exports, print the command that runs it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import command, mending, progress_bar, the_catalog
from siltomo.cli.options import DomainOption, DryRun, FileArgument, IdOption
from siltomo.cli.reply import Reply, table
from siltomo.cli.segment import app

__all__: list[str] = []


class Source(StrEnum):
    """What ilastik exports."""

    PROBABILITIES = "probabilities"
    FEATURES = "features"


Scan = Annotated[str, typer.Argument(help="Id of the scan that was classified.", show_default=False)]
Scans = Annotated[list[str], typer.Argument(help="Ids of scans.", show_default=False)]
Project = Annotated[
    Path | None,
    typer.Option("--project", help="The .ilp file: names and colours of the classes.", show_default=False),
]
TheProject = Annotated[
    Path, typer.Option("--project", help="The .ilp file that was trained.", show_default=False)
]
Phases = Annotated[
    str | None,
    typer.Option("--phases", help="Names of the classes, such as 1=sei,2=solid.", show_default=False),
]
MinFeature = Annotated[
    str | None,
    typer.Option("--min-feature", help='Smallest feature to trust, such as "100 nm".', show_default=False),
]
Folder = Annotated[
    Path,
    typer.Option("-o", "--output", help="Folder that ilastik writes its exports to.", show_default=False),
]
ExportSource = Annotated[
    Source, typer.Option("--source", help="What to export; features are for the step classify.")
]


@command(app, "import-ilastik", csv=True)
def import_ilastik(
    scan: Scan,
    file: FileArgument,
    project: Project = None,
    phases: Phases = None,
    domain: DomainOption = None,
    min_feature: MinFeature = None,
    id: IdOption = None,  # noqa: A002
    dry_run: DryRun = False,
) -> Reply:
    """Import an HDF5 export of ilastik: Simple Segmentation, or Probabilities.

    Of probabilities the most likely class becomes the label; the mean probability of each class is kept beside.
    """
    from siltomo.engine.intake import ilastik
    from siltomo.engine.intake.labels import parse_phases

    fields = {"id": id, "domain": domain, "min_feature": min_feature}
    with mending(), progress_bar(f"importing {file.name}") as progress:
        done = ilastik.import_ilastik(
            the_catalog(),
            scan,
            file,
            project=project,
            phases=None if phases is None else parse_phases(phases),
            fields={name: value for name, value in fields.items() if value is not None},
            dry_run=dry_run,
            progress=progress,
        )
    making = done.record.making
    chances = [c.fraction for c in making.partings[0].classes] if making else []
    names, total = {p.value: p.name for p in done.record.phases}, sum(done.voxels.values())
    rows = [
        {
            "value": value,
            "phase": names.get(value),
            "voxels": count,
            "share_by_label": count / total,
            "share_by_probability": chances[value - 1] if 0 < value <= len(chances) else None,
        }
        for value, count in done.voxels.items()
    ]
    outcome = "unchanged" if not done.added else "would be added" if dry_run else "added"
    data = {"id": done.record.id, "outcome": outcome, "added": done.added and not dry_run}
    data |= {"record": done.record.body(), "values": rows}
    return Reply(data, f"{outcome}: segmentation {done.record.id}\n{table(rows)}", rows, done.warnings)


@command(app, "ilastik-command")
def ilastik_command(
    scans: Scans, project: TheProject, output: Folder, source: ExportSource = Source.PROBABILITIES
) -> Reply:
    """Print the command that runs ilastik on scans without its window; siltomo does not run it."""
    from siltomo.engine.intake import ilastik

    named = source.value.capitalize()
    words = ilastik.ilastik_command(the_catalog(), scans, project, output, export=named)
    return Reply({"command": words, "scans": scans}, words)
