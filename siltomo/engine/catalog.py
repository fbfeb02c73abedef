"""The catalog as its user sees it: records as tables, volumes as lazy arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siltomo.catalog import CatalogStore
from siltomo.engine.records import Records
from siltomo.errors import NotFoundError
from siltomo.model import Cell, Formulation, Record, Scan, Segmentation

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from siltomo.engine.compute.windows import Within
    from siltomo.engine.cycling.access import Cycling
    from siltomo.engine.join.join import Join
    from siltomo.engine.segment.segmenting import Segmented
    from siltomo.metrics.inputs import Match
    from siltomo.segmentation import Recipe
    from siltomo.units import Quantity

__all__ = ["Catalog", "find_catalog", "open_catalog"]

ENVIRONMENT = "SILTOMO_CATALOG"


def find_catalog(given: str | Path | None = None, *, start: Path | None = None) -> Path:
    """Find the catalog's folder: the one given, else ``SILTOMO_CATALOG``, else the nearest one upwards.

    Raises
    ------
    NotFoundError
        When there is none; the message names the places that were tried.
    """
    named = given or os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if CatalogStore.is_catalog(folder):
            return folder
    raise NotFoundError(
        f"no catalog in {here} or above it, none given with --catalog, and {ENVIRONMENT} is not set",
        code="SIL123",
        fix="siltomo init .",
    )


def open_catalog(path: str | Path | None = None) -> Catalog:
    """Open a catalog.

    Parameters
    ----------
    path
        Its folder; without one, ``SILTOMO_CATALOG``, else the nearest catalog upwards from the working
        folder.

    Raises
    ------
    NotFoundError
        When there is no catalog.
    """
    return Catalog(CatalogStore.open(find_catalog(path)))


class Catalog(Records):
    """Records and volumes of a catalog.

    Examples
    --------
    >>> catalog = open_catalog("my-study")        # doctest: +SKIP
    >>> catalog.scans                              # doctest: +SKIP
    >>> catalog.scan("zn1-c1-delithiation-micro")  # doctest: +SKIP
    """

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{len(self.store.ids(kind))} {kind}s" for kind in ("cell", "scan", "segmentation")
        )
        return f"<siltomo catalog {str(self.path)!r}: {counts}>"

    def _repr_html_(self) -> str:
        """Show the catalog in a notebook: cells, their scans by state, small pictures."""
        from siltomo.engine.notebook import catalog_html

        return catalog_html(self)

    # ---- tables ----------------------------------------------------------------------------------------

    @property
    def formulations(self) -> pd.DataFrame:
        """The formulations, one row each."""
        return self.table(Formulation)

    @property
    def cells(self) -> pd.DataFrame:
        """The cells, one row each; units stand in ``.attrs["units"]``."""
        return self.table(Cell)

    @property
    def scans(self) -> pd.DataFrame:
        """The scans, one row each; units stand in ``.attrs["units"]``."""
        return self.table(Scan)

    @property
    def segmentations(self) -> pd.DataFrame:
        """The segmentations, one row each."""
        return self.table(Segmentation)

    @property
    def cycling(self) -> Cycling:
        """The cycling runs: ``catalog.cycling.summary()``, ``.dataset()``, ``.record(run)``."""
        from siltomo.engine.cycling.access import Cycling

        return Cycling(self)

    def table(self, model: type[Record]) -> pd.DataFrame:
        """Return all records of a kind as a table indexed by id, quantities as numbers.

        The unit of each numeric column stands in ``.attrs["units"]``.
        """
        from siltomo.engine.tables import record_table

        return record_table(model, list(self.records(model)))

    def join(
        self,
        *,
        where: str | None = None,
        metrics: Sequence[str] = (),
        tolerance: str | Quantity | None = None,
        agree_within: str | Quantity = "20 mAh/g_Si",
    ) -> Join:
        """Find the state of each scan in the cycling of its cell, and put metrics beside it.

        See :func:`siltomo.engine.join.join.join`.

        Examples
        --------
        >>> catalog.join(metrics=["crack_volume_fraction"]).to_xarray()    # doctest: +SKIP
        """
        from siltomo.engine.join.join import join

        return join(self, where=where, metrics=metrics, tolerance=tolerance, agree_within=agree_within)

    # ---- volumes ---------------------------------------------------------------------------------------

    def segment(
        self,
        scans: Sequence[str],
        recipe: Recipe | str | Path,
        *,
        within: str | None = None,
        id: str | None = None,  # noqa: A002
    ) -> list[Segmented]:
        """Segment scans by a recipe; those of one call are a series.

        Parameters
        ----------
        scans
            Ids of scans.
        recipe
            A recipe, its file, or the name of one that comes with siltomo. Paths inside of a recipe made in
            Python start at the working folder.
        within
            Only inside of phases of other labels, such as ``"{scan}-electrode-layers:electrode"``.
        id
            Id of the labels; ``{scan}`` stands for the scan's.

        Returns
        -------
        list of Segmented
            For each scan what became of it, with the record of its labels and their verdicts.
        """
        from siltomo.engine.segment.recipes import LoadedRecipe, load_recipe
        from siltomo.engine.segment.segmenting import RecipeOrder, run_recipe

        loaded = (
            load_recipe(str(recipe))
            if isinstance(recipe, (str, Path))
            else LoadedRecipe(recipe, Path("recipe.yaml"))
        )
        loaded = loaded if within is None else loaded.within(within)
        return run_recipe(self, RecipeOrder(loaded, tuple(scans), id))

    def scan(self, id: str, *, level: int = 0) -> xr.Dataset:  # noqa: A002
        """Open a scan as a lazy dataset; no voxel is read.

        Parameters
        ----------
        id
            Id of the scan.
        level
            Resolution: 0 is full, each further level halves it.

        Returns
        -------
        xarray.Dataset
            ``grey`` and, at full resolution, one variable for each segmentation, dask-backed, over
            ``z, y, x`` in micrometres (centres of voxels). Label variables carry CF ``flag_values`` and
            ``flag_meanings``.
        """
        from siltomo.engine.volumes import scan_dataset

        return scan_dataset(self, id, level=level)

    def probabilities(self, segmentation: str) -> xr.DataArray:
        """Open the probabilities that a classifier's labels were made of; no voxel is read.

        Parameters
        ----------
        segmentation
            Id of labels that a recipe with ``classify: {keep_probabilities: true}`` made.

        Returns
        -------
        xarray.DataArray
            float32 between 0 and 1, dask-backed, over ``class, z, y, x``; kept as 8 bits, so that each is within
            1/510 of the classifier's. ``phase`` names the classes that are phases. Voxels outside of the domain
            have 0 in all classes.

        Raises
        ------
        NotFoundError
            When none are kept.
        """
        from siltomo.engine.segment.probabilities import open_probabilities

        return open_probabilities(self, segmentation)

    # ---- metrics -----------------------------------------------------------------------------------------

    def metric(
        self,
        name: str,
        *,
        where: str | None = None,
        settings: Mapping[str, object] | None = None,
        match: Match = "cell",
        sensitivity: bool = False,
        within: Within | None = None,
    ) -> xr.Dataset:
        """Return a metric over the catalog, computed when asked; no voxel is read.

        Parameters
        ----------
        name
            Name of a metric that gives one number for each scan or state.
        where
            Which scans, as ``siltomo compute metric --where``: ``"scale == 'micro' and cycle in (1, 3)"``.
        settings
            Values of parameters, such as ``{"connectivity": 6}``.
        match
            Whether inputs of a derived metric come from the same specimen, from the same cell, or from any of its
            formulation; nearer ones win.
        sensitivity
            Whether to measure the variants of segmentations too: how far results move with them.
        within
            ``"common"``: measure only what all scans of a registered series show, as ``compute metric --within``.

        Returns
        -------
        xarray.Dataset
            Variable ``<name>`` with its ``units``, dask-backed, over ``row``, which is indexed by
            ``formulation, cell, cycle, half, scale, scan, segmentation`` (``.sel(cell="zn1", cycle=1)``);
            beside it ``<name>_uncertainty`` and its parts, ``<name>_status``, ``<name>_reason``. What is
            computed is kept in the catalog.

        Raises
        ------
        NotFoundError
            When there is no such metric.
        BadInputError
            When it gives a profile or a distribution.

        Examples
        --------
        >>> porosity = catalog.metric("electrode_porosity", where="cycle == 1")  # doctest: +SKIP
        >>> porosity.compute().to_dataframe()                                    # doctest: +SKIP
        """
        from siltomo.engine.compute.lazy import metric_dataset
        from siltomo.engine.select import parse_where

        return metric_dataset(
            self,
            name,
            where=parse_where(where),
            settings=settings,
            match=match,
            sensitivity=sensitivity,
            within=within,
        )

    def compute(
        self,
        *names: str,
        where: str | None = None,
        settings: Mapping[str, object] | None = None,
        match: Match = "cell",
        sensitivity: bool = False,
        within: Within | None = None,
    ) -> pd.DataFrame:
        """Compute metrics and return their rows, one number each: ``siltomo compute metric`` from Python.

        A profile or a distribution has a row for each of its values, with ``coordinate_value``. Columns are
        those of the command; parameters as in :meth:`metric`.
        """
        import pandas as pd

        from siltomo.engine.compute.plan import make_plan
        from siltomo.engine.compute.run import run_plan
        from siltomo.engine.export.results import long_rows
        from siltomo.engine.select import parse_where

        selected = parse_where(where)
        plan = make_plan(
            self,
            names,
            where=selected,
            settings=settings,
            match=match,
            sensitivity=sensitivity,
            within=within,
        )
        return pd.DataFrame(long_rows(run_plan(self, plan)))
