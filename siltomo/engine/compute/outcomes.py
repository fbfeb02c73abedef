"""What comes of reading a volume; apart, so that rows from kept results need no dask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from siltomo.errors import SiltomoError
from siltomo.metrics import Answer, Measure

__all__ = ["Failure", "Found", "Totals", "why"]


@dataclass(frozen=True)
class Failure:
    """What came of a pass that broke."""

    reason: str


Totals = Mapping[Measure[Any], Any]
"""The total of each measure over a volume."""

Found = Totals | Answer | Failure
"""What comes of a pass: totals, or the answer itself of a plain metric."""


def why(error: Exception) -> str:
    """Say in a row what an error would say: what went wrong, and the command that mends it."""
    if not isinstance(error, SiltomoError):
        return f"{type(error).__name__}: {error}"
    return f"{error}: {error.fix}" if isinstance(error.fix, str) and error.fix else str(error)
