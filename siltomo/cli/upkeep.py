"""Looking after the catalog: verify, repair, gc, migrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import catalog_option, command, progress_bar, the_catalog
from siltomo.cli.options import DryRun
from siltomo.cli.reply import Reply, table

__all__ = ["register"]

Full = Annotated[bool, typer.Option("--full", help="Read every byte, not only names, sizes and seals.")]
Backup = Annotated[
    Path | None,
    typer.Option("--from", help="Another copy of this catalog, to take lost files from.", show_default=False),
]
GraceDays = Annotated[
    float, typer.Option("--grace-days", help="Keep what was removed no longer ago than so many days.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "verify", csv=True)(verify)
    command(app, "repair", csv=True)(repair)
    command(app, "gc", csv=True)(collect)
    command(app, "migrate")(migrate)


def verify(full: Full = False) -> Reply:
    """Look for damage in the catalog; changes nothing. Exit code 5 when there is some."""
    from siltomo.engine.upkeep import verify_catalog

    catalog = the_catalog()
    with progress_bar("verifying") as progress:
        damages = verify_catalog(catalog, full=full, progress=progress)
    how = "every byte" if full else "names, sizes and seals"
    text = table(damages) if damages else f"no damage found in {catalog.path} ({how} checked)"
    return Reply({"full": full, "damage": damages}, text, damages, exit_code=5 if damages else 0)


def repair(backup: Backup = None, full: Full = False, dry_run: DryRun = False) -> Reply:
    """Put back damaged files from their spare copies, or from a backup. Exit code 5 when some are left.

    Only bytes are put back that have the digests that were written.
    """
    from siltomo.engine.upkeep import repair_catalog

    rows = repair_catalog(catalog_option.get(), backup=backup, full=full, dry_run=dry_run)
    left = [row for row in rows if row["outcome"] == "left"]
    text = table(rows) if rows else "nothing is damaged"
    return Reply(rows, text, rows, exit_code=5 if left else 0)


def collect(grace_days: GraceDays = 30.0, dry_run: DryRun = False) -> Reply:
    """Remove, for ever, the volumes of records that were removed by `rm` long ago; frees their space."""
    from siltomo.engine.upkeep import collect_garbage

    rows = collect_garbage(the_catalog(), grace_days=grace_days, dry_run=dry_run)
    freed = sum(row["bytes"] for row in rows)
    what = "would be freed" if dry_run else "freed"
    text = f"nothing was removed more than {grace_days:g} days ago"
    if rows:
        text = f"{table(rows)}\n{freed / 1e6:.1f} MB {what}"
    return Reply(rows, text, rows)


def migrate() -> Reply:
    """Bring a catalog that an older siltomo made to the layout of this one."""
    from siltomo.engine.upkeep import migrate_catalog

    done = migrate_catalog(the_catalog())
    text = f"the catalog has layout {done['to']} already"
    if done["from"] != done["to"]:
        text = f"layout {done['from']} -> {done['to']}: {done['copies_made']} spare copies of records made"
    return Reply(done, text)
