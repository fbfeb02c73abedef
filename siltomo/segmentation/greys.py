"""Ranges of grey values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError

__all__ = ["GreyRange", "parse_greys"]

_RANGE = re.compile(r"\s*(-?\d+(?:\.\d+)?)?\s*\.\.\s*(-?\d+(?:\.\d+)?)?\s*")


@dataclass(frozen=True)
class GreyRange:
    """Grey values from ``low`` to ``high``, both included."""

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise BadInputError(f"no grey lies between {self.low} and {self.high}")

    def __str__(self) -> str:
        low, high = (
            "" if math.isinf(end) else np.format_float_positional(end, trim="-") for end in self.ends
        )
        return f"{low}..{high}"

    @property
    def ends(self) -> tuple[float, float]:
        """The two ends."""
        return self.low, self.high

    def holds(self, greys: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which voxels lie in the range."""
        return np.asarray((greys >= self.low) & (greys <= self.high))


def parse_greys(text: str) -> GreyRange:
    """Read a range of greys.

    Raises
    ------
    BadInputError
        When it is none.

    Examples
    --------
    >>> parse_greys("160.."), parse_greys("40..90.5")
    (GreyRange(low=160.0, high=inf), GreyRange(low=40.0, high=90.5))
    >>> str(parse_greys("40 .. 90.50"))
    '40..90.5'
    """
    found = _RANGE.fullmatch(text)
    if found is None or not (found[1] or found[2]):
        raise BadInputError(f"{text!r} is no range of greys: write '160..', '..70' or '70..160'")
    low = float(found[1]) if found[1] else -math.inf
    return GreyRange(low, float(found[2]) if found[2] else math.inf)
