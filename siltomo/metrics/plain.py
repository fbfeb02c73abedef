"""The plain form of a base metric: a lazy labelled array in, a lazy array out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.errors import MismatchError
from siltomo.metrics.blocks import Sample
from siltomo.metrics.values import Answer, Distribution, Scalar, Undefined
from siltomo.model.words import OUTSIDE
from siltomo.units import same_dimension, unit_factor

if TYPE_CHECKING:
    import xarray as xr

    Labels = xr.DataArray
else:

    class Labels:
        """A label volume as a lazy ``xarray.DataArray``; marks the argument of a plain base metric.

        Dask-backed, over ``z, y, x`` in um (centres of voxels). Attributes: CF ``flag_values`` and
        ``flag_meanings`` (the phases, in the same order), ``domain``.
        """


__all__ = ["Labels", "answer_of", "labelled_array", "phase_values"]


def labelled_array(array: Any, sample: Sample) -> xr.DataArray:
    """Return a label volume as plain metrics see it.

    Parameters
    ----------
    array
        Label values of shape (z, y, x), a NumPy or dask array.
    sample
        What is known of it.
    """
    import xarray as xr

    axes = {
        axis: (axis, (np.arange(size) + 0.0) * edge, {"units": "um"})
        for axis, size, edge in zip("zyx", sample.shape, sample.spacing_um, strict=True)
    }
    named = [(value, name) for name, values in sample.phases for value in values]
    named = sorted([*named, *((value, OUTSIDE) for value in sample.outside)])
    attributes = {
        "flag_values": [value for value, _ in named],
        "flag_meanings": " ".join(name for _, name in named),
        "domain": sample.domain,
    }  # no units: xarray would hand them on to lengths and areas that are computed from it
    return xr.DataArray(array, coords=axes, dims=("z", "y", "x"), name="labels", attrs=attributes)


def phase_values(labels: xr.DataArray, phase: str) -> list[int]:
    """Return the label values of a phase; none when the volume does not name it.

    Examples
    --------
    >>> sample = Sample("crack", (1,), (), (1, 1, 2), (1.0, 1.0, 1.0), phases=(("crack", (1,)), ("solid", (2,))))
    >>> phase_values(labelled_array(np.array([[[1, 2]]]), sample), "solid")
    [2]
    """
    names = labels.attrs["flag_meanings"].split()
    return [value for value, name in zip(labels.attrs["flag_values"], names, strict=True) if name == phase]


def answer_of(found: xr.DataArray | Answer, unit: str) -> Answer:
    """Return what a plain metric gave as an answer in its declared unit.

    Parameters
    ----------
    found
        A computed array without dimension (a number), or with one (a profile over its coordinate); its
        ``units`` attribute, where it has one, is converted. An answer stays what it is.
    unit
        The declared unit.

    Raises
    ------
    MismatchError
        When the array measures something else, or has more dimensions.
    """
    if isinstance(found, Scalar | Distribution | Undefined):
        return found
    given = str(found.attrs.get("units", unit))
    if not same_dimension(given, unit):
        raise MismatchError(f"the metric returned units {given!r}, declared is {unit!r}")
    numbers = np.asarray(found.values, np.float64) * unit_factor(given, unit)
    if numbers.ndim == 0:
        value = float(numbers)
        return Scalar(value) if np.isfinite(value) else Undefined("the metric gives no finite value")
    if numbers.ndim > 1:
        raise MismatchError(f"the metric returned an array over {', '.join(map(str, found.dims))}")
    (name,) = found.dims
    along = found.coords[name]
    values = tuple(float(v) if np.isfinite(v) else None for v in numbers)
    return Distribution(values, tuple(map(float, along.values)), str(name), along.attrs.get("units", "1"))
