"""What Python sees of the cycling runs of a catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from siltomo.engine.cycling.runs import read_run
from siltomo.engine.cycling.show import curve_rows
from siltomo.engine.cycling.summary import (
    by_formulation,
    summary_dataset,
    summary_of,
    summary_table,
)
from siltomo.model import CyclingRun
from siltomo.units import Quantity

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from siltomo.cycling import Record
    from siltomo.engine.catalog import Catalog

__all__ = ["Cycling"]


class Cycling:
    """The cycling runs of a catalog, as tables and arrays.

    Examples
    --------
    >>> catalog.cycling.summary("si1")                     # doctest: +SKIP
    >>> catalog.cycling.dataset().coulombic_efficiency     # doctest: +SKIP
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __repr__(self) -> str:
        return (
            f"<{len(self._catalog.store.ids(CyclingRun.kind))} cycling runs of {str(self._catalog.path)!r}>"
        )

    @property
    def runs(self) -> pd.DataFrame:
        """The runs, one row each; units stand in ``.attrs["units"]``."""
        return self._catalog.table(CyclingRun)

    def record(self, run: str) -> Record:
        """Return a run with its points, steps, half-cycles and cycles.

        Raises
        ------
        NotFoundError
            When there is no such run.
        """
        return read_run(self._catalog, run)

    def summary(self, *cells: str, mass: str | None = None, by: str = "cell") -> pd.DataFrame:
        """Return one row per cycle, or per cycle of a formulation with ``by="formulation"``.

        Parameters
        ----------
        *cells
            Ids of cells; all that have runs without any.
        mass
            A mass to use in place of the cells' silicon, such as ``"15.4 mg"``.
        by
            ``"cell"`` or ``"formulation"``.

        Returns
        -------
        pandas.DataFrame
            The unit of each column stands in ``.attrs["units"]``, what to know in ``.attrs["warnings"]``.
        """
        made = summary_of(self._catalog, _named(cells), mass=mass)
        if by not in ("cell", "formulation"):
            raise ValueError(f"by is 'cell' or 'formulation', not {by!r}")
        made = by_formulation(made) if by == "formulation" else made
        table = summary_table(made)
        table.attrs["warnings"] = list(made.warnings)
        return table

    def dataset(self, *cells: str, mass: str | None = None) -> xr.Dataset:
        """Return the figures of the cycles as arrays over ``cell`` and ``cycle``, with ``units``; nan where none."""
        return summary_dataset(summary_of(self._catalog, _named(cells), mass=mass))

    def curve(self, run: str, cycle: int, *, dqdv: str | None = None) -> pd.DataFrame:
        """Return voltage against capacity of a cycle, or dQ/dV in bins of a width such as ``"5 mV"``."""
        import pandas as pd

        step = None if dqdv is None else Quantity.parse(dqdv).m_as("V")
        rows, units = curve_rows(self._catalog, run, cycle, differential_V=step)
        table = pd.DataFrame(rows)
        table.attrs["units"] = units
        return table


def _named(cells: Sequence[str]) -> Any:
    return list(cells) or None
