"""The catalog as its user sees it: records as tables, volumes as lazy arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from siltomo.catalog import CatalogStore, StoredRecord
from siltomo.errors import BadInputError, DamagedError, NotFoundError
from siltomo.model import OUTSIDE, Cell, Formulation, Record, Scan, Segmentation, validated

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

R = TypeVar("R", bound=Record)

ENVIRONMENT = "SILTOMO_CATALOG"

_HOW_TO_ADD = {
    "formulation": "siltomo formulation add {id}",
    "cell": "siltomo cell add {id} --formulation FORMULATION",
    "scan": "siltomo catalog list",
    "study": "siltomo catalog add STUDY.yaml",
}


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


@dataclass(frozen=True)
class Change:
    """What adding or setting a record did."""

    record: Record
    revision: int
    changed: bool
    """False when the same thing was already there."""


class Catalog:
    """Records and volumes of a catalog.

    Examples
    --------
    >>> catalog = open_catalog("my-study")        # doctest: +SKIP
    >>> catalog.scans                              # doctest: +SKIP
    >>> catalog.scan("zn1-c1-delithiation-micro")  # doctest: +SKIP
    """

    def __init__(self, store: CatalogStore) -> None:
        self.store = store
        self._recovered: list[str] | None = None
        self._damaged: dict[str, DamagedError] = {}

    @property
    def path(self) -> Path:
        """The catalog's folder."""
        return self.store.root

    @property
    def absolute_path(self) -> Path:
        """The catalog's folder, for tasks that run elsewhere."""
        return self.store.absolute_root

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{len(self.store.ids(kind))} {kind}s" for kind in ("cell", "scan", "segmentation")
        )
        return f"<siltomo catalog {str(self.path)!r}: {counts}>"

    def _repr_html_(self) -> str:
        """Show the catalog in a notebook: cells, their scans by state, small pictures."""
        from siltomo.engine.notebook import catalog_html

        return catalog_html(self)

    def begin_writing(self) -> tuple[str, ...]:
        """Settle, once, what killed commands left behind: what was whole is completed, the rest dropped.

        Returns
        -------
        tuple of str
            What was completed, in words.
        """
        if self._recovered is None:
            self._recovered = [
                f"{one.kind} {one.id}, left by a command that was killed, was whole and is now registered"
                for one in self.store.recover()
                if one.outcome == "completed"
            ]
        return tuple(self._recovered)

    # ---- records ---------------------------------------------------------------------------------------

    def record(self, model: type[R], id: str) -> R:  # noqa: A002 -- the word of the data model
        """Return a record.

        Raises
        ------
        NotFoundError
            When the catalog has no such record; the nearest ids are given.
        """
        stored = self.store.find(model.kind, id)
        if stored is None:
            raise self.unknown(model.kind, id)
        return model.from_body(dict(stored.body))

    def records(self, model: type[R]) -> Iterator[R]:
        """Return all records of a kind, in the order of their ids.

        Raises
        ------
        DamagedError
            After all others, when some cannot be read.
        """
        for stored in self.store.all(model.kind):
            yield model.from_body(dict(stored.body))

    def sound_records(self, model: type[R]) -> Iterator[R]:
        """Return all records of a kind that can be read; :attr:`damaged` says what is left out."""
        for stored in self.store.all(model.kind, damaged=self._note):
            yield model.from_body(dict(stored.body))

    def _note(self, error: DamagedError) -> None:
        self._damaged[error.where] = error

    @property
    def damaged(self) -> tuple[DamagedError, ...]:
        """What :meth:`sound_records` could not read so far, each with its place and the command that mends it."""
        return tuple(self._damaged.values())

    def unknown(self, kind: str, id: str, *, where: str = "") -> NotFoundError:  # noqa: A002
        """Return the error for an id that the catalog does not have."""
        near = get_close_matches(id, self.store.ids(kind), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return NotFoundError(
            f"the catalog has no {kind} {id!r}{hint}",
            code="SIL120",
            where=where,
            fix=_HOW_TO_ADD.get(kind, "siltomo catalog list").format(id=id),
        )

    def check_references(self, record: Record, *, where: str = "") -> None:
        """Check that what a record points at is in the catalog.

        Raises
        ------
        NotFoundError
            When it is not; the fix is the command that adds it.
        """
        for name, kind in record.references().items():
            target = getattr(record, name)
            if target is not None and self.store.find(kind, target) is None:
                raise self.unknown(kind, target, where=f"{where}.{name}" if where else "")

    def add(self, record: Record, *, where: str = "") -> Change:
        """Add a record; the same record again changes nothing.

        Raises
        ------
        TakenError
            When the id is taken by another record.
        NotFoundError
            When it points at something that is not in the catalog.
        """
        self.check_references(record, where=where)
        self.begin_writing()
        stored, added = self.store.put(record.kind, record.id, record.body())
        return Change(record, stored.revision, added)

    def set(self, model: type[R], id: str, changes: Mapping[str, Any]) -> Change:  # noqa: A002
        """Change fields of a record, as a new revision; the old one stays in its history.

        Parameters
        ----------
        changes
            New values by field, dotted for fields of a part (``"state.capacity"``); ``None`` clears.
        """
        self.begin_writing()
        stored = self.store.find(model.kind, id)
        if stored is None:
            raise self.unknown(model.kind, id)
        body = dict(stored.body)
        for field, value in changes.items():
            _put(body, field.split("."), value)
        body.pop("schema", None)
        record = validated(model, body, place=f"{model.kind} {id}")
        self.check_references(record)
        if record.body() == stored.body:
            return Change(record, stored.revision, False)
        revised = self.store.revise(model.kind, id, record.body(), of=stored.revision)
        return Change(record, revised.revision, True)

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

    def stored(self, model: type[Record], id: str) -> StoredRecord:  # noqa: A002
        """Return a record as the catalog keeps it, with its volume and its revision."""
        found = self.store.find(model.kind, id)
        if found is None:
            raise self.unknown(model.kind, id)
        return found

    def segmentations_of(self, scan: str) -> list[Segmentation]:
        """Return the segmentations that lie on a scan's grid."""
        return [s for s in self.records(Segmentation) if s.scan == scan]

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


def _put(body: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested value, copying what it changes."""
    *parents, last = path
    for name in parents:
        inner = body.get(name)
        if inner is not None and not isinstance(inner, dict):
            raise BadInputError(f"{name!r} has no parts, so {'.'.join(path)!r} cannot be set")
        body[name] = dict(inner or {})
        body = body[name]
    if value is None:
        body.pop(last, None)
    else:
        body[last] = value


def phase_flags(segmentation: Segmentation) -> dict[str, Any]:
    """Return the CF attributes that say what the values of a label volume mean."""
    phases = sorted(segmentation.phases, key=lambda p: p.value)
    return {
        "flag_values": [p.value for p in phases],
        "flag_meanings": " ".join(p.name for p in phases),
        "outside": [p.value for p in phases if p.name == OUTSIDE],
        "domain": str(segmentation.domain),
        "units": "1",
    }
