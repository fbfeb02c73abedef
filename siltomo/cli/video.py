"""Films of operando series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import command
from siltomo.cli.plot import draw
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
    options = {"cell": cell, "cycle": cycle, "plane": plane, "seconds": seconds}
    reply = draw("video", [output], options)
    frames = reply.data["rows"]
    return replace(
        reply, data={"files": reply.data["files"], "frames": frames}, text=f"{reply.text} ({frames} frames)"
    )
