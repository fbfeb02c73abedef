"""What the catalogs of the demo have in common: a study is registered in them, and metrics are computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import Catalog, open_catalog
from siltomo.errors import CheckFailedError

if TYPE_CHECKING:
    from siltomo.engine.compute.rows import Row

__all__ = ["computed", "register"]


def register(folder: Path, study: Path) -> Catalog:
    """Register all of a study in a catalog, made where there is none.

    Raises
    ------
    CheckFailedError
        When a part of it could not be registered.
    """
    from siltomo.engine.intake.study import add_study, read_study

    if not CatalogStore.is_catalog(folder):
        CatalogStore.create(folder)
    catalog = open_catalog(folder)
    failed = [one for one in add_study(catalog, read_study(study)) if one.outcome == "failed"]
    if failed:
        raise CheckFailedError(
            f"{len(failed)} parts of the study could not be registered; the first is {failed[0].kind} "
            f"{failed[0].id}: {failed[0].reason}",
            where=str(study),
            fix=f"siltomo demo {folder.parent / (folder.name + '-new')}",
        )
    return catalog


def computed(catalog: Catalog, metrics: Sequence[str]) -> list[Row]:
    """Compute metrics of all that a catalog holds.

    Raises
    ------
    CheckFailedError
        When one of them failed.
    """
    from siltomo.engine.compute.plan import make_plan
    from siltomo.engine.compute.run import run_plan

    rows = run_plan(catalog, make_plan(catalog, metrics))
    broken = [row for row in rows if row["status"] == "failed"]
    if broken:
        raise CheckFailedError(f"{broken[0]['metric']}: {broken[0]['reason']}", where=str(catalog.path))
    return rows
