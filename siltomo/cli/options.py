"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AllowGaps",
    "Dataset",
    "DomainOption",
    "DryRun",
    "IdOption",
    "Notes",
    "Prefix",
    "Title",
    "VoxelFrom",
    "VoxelSpeaker",
    "Where",
]


class VoxelSpeaker(StrEnum):
    """Who is right about the voxel size."""

    FILE = "file"
    USER = "user"


Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Dataset of an HDF5 file.", show_default=False)
]
Prefix = Annotated[
    str | None,
    typer.Option("--prefix", help="Stack of a folder: its name before the slice number.", show_default=False),
]
AllowGaps = Annotated[
    bool, typer.Option("--allow-gaps", help="Take a stack with missing slices; metrics will be refused.")
]
VoxelFrom = Annotated[
    VoxelSpeaker | None,
    typer.Option("--voxel-from", help="Whom to believe where file and user disagree.", show_default=False),
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", help="Its id; made from the other fields without it.", show_default=False),
]
DomainOption = Annotated[
    str | None,
    typer.Option("--domain", help="cell, electrode, islet or separator.", show_default=False),
]
Title = Annotated[str | None, typer.Option("--title", help="Name for people.", show_default=False)]
Notes = Annotated[str | None, typer.Option("--notes", help="Free text.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Check everything, change nothing.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        help="Which ones, such as \"scale == 'micro' and cycle in (1, 3)\".",
        show_default=False,
    ),
]
FileArgument = Annotated[Path, typer.Argument(help="File or folder.", show_default=False)]
