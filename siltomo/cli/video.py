"""Films of operando series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import command, progress_bar, the_catalog
from siltomo.cli.reply import Reply

__all__ = ["register"]

OfCell = Annotated[str, typer.Option("--cell", help="Id of the cell.", show_default=False)]
Cycles = Annotated[
    list[int] | None,
    typer.Option("--cycle", help="Number of a cycle; repeat. All without it.", show_default=False),
]
Plane = Annotated[str, typer.Option("--plane", help="Plane to show, see plot slices.")]
Seconds = Annotated[float, typer.Option("--seconds", min=0.02, help="How long a frame stays.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", help="FILE.gif, or FILE.mp4 where ffmpeg is installed.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the group of figures."""
    command(app, "video", csv=True)(video)


def video(
    cell: OfCell,
    cycle: Cycles = None,
    plane: Plane = "xz+crack",
    seconds: Seconds = 0.6,
    output: Output = Path("video.gif"),
) -> Reply:
    """Film an operando series: a plane with phases, stamped with cycle, capacity, voltage and time."""
    from siltomo.engine.figures.tables import plain_rows
    from siltomo.engine.figures.video import video_table
    from siltomo.report.figure_video import check_video, save_video

    check_video(output)
    with progress_bar("reading planes") as progress:
        found = video_table(the_catalog(), cell, cycles=cycle or (), plane=plane, progress=progress)
    with progress_bar("drawing frames") as progress:
        files = save_video(found.table, found.extra["images"], output, seconds=seconds, progress=progress)
    rows = plain_rows(found.table)
    data = {"files": [str(path) for path in files], "frames": len(rows)}
    return Reply(data, f"wrote {', '.join(map(str, files))} ({len(rows)} frames)", rows, found.warnings)
