"""First steps: make a catalog, look at a file, look at the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from siltomo.cli.command import catalog_option, command
from siltomo.cli.options import Dataset, Prefix
from siltomo.cli.reply import Reply, table

__all__ = ["register"]

Folder = Annotated[Path, typer.Argument(help="Folder of the new catalog.", show_default=False)]
Files = Annotated[list[Path], typer.Argument(help="Files or folders with volumes.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "init")(init)
    command(app, "info", csv=True)(info)
    command(app, "doctor", csv=True)(doctor)


def init(directory: Folder) -> Reply:
    """Make a folder a catalog; files that are in it are left alone."""
    from siltomo.catalog import CatalogStore

    store = CatalogStore.create(directory)
    text = (
        f"made the catalog {store.root}\n"
        "next: siltomo formulation add ID, siltomo cell add ID --formulation ID, siltomo catalog add PATH ..."
    )
    return Reply({"catalog": str(store.root), "uuid": store.uuid}, text)


def info(files: Files, dataset: Dataset = None, prefix: Prefix = None) -> Reply:
    """Say what files hold: format, shape, type, voxel size and where it stands. Reads headers only."""
    from siltomo.engine.info import describe

    rows = [describe(path, member=dataset or prefix) for path in files]
    warnings = [f"{row['path']}: {warning}" for row in rows for warning in row.pop("warnings")]
    return Reply(rows, "\n\n".join(_facts(row) for row in rows), rows, warnings)


def _facts(row: dict[str, Any]) -> str:
    facts = row.get("facts") or {}
    lines = {k: v for k, v in row.items() if k != "facts"} | facts
    width = max(len(key) for key in lines)
    shown = {k: " x ".join(map(str, v)) if k == "shape" else v for k, v in lines.items()}
    return "\n".join(f"{key.ljust(width)}  {'-' if value is None else value}" for key, value in shown.items())


def doctor() -> Reply:
    """Say what this machine offers: versions, memory, threads, the catalog in reach."""
    from siltomo.engine.info import examine

    rows = examine(catalog_option.get())
    failed = any(not row["ok"] for row in rows)
    return Reply(rows, table(rows, ["name", "ok", "value"]), rows, exit_code=5 if failed else 0)
