"""Declared datasets and metrics, with units, for X-ray tomography of silicon battery anodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siltomo.errors import SiltomoError

if TYPE_CHECKING:
    from siltomo.engine.catalog import Catalog, open_catalog
    from siltomo.metrics import Field, From, Labels, metric
    from siltomo.units import Quantity

__all__ = ["Catalog", "Field", "From", "Labels", "Quantity", "SiltomoError", "metric", "open_catalog"]

_HOMES = {
    "Catalog": "siltomo.engine.catalog",
    "Field": "siltomo.metrics",
    "From": "siltomo.metrics",
    "Labels": "siltomo.metrics",
    "Quantity": "siltomo.units",
    "metric": "siltomo.metrics",
    "open_catalog": "siltomo.engine.catalog",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``siltomo -h`` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'siltomo' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
