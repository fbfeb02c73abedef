"""What a printed number says: its value, and how far its last digit reaches."""

from __future__ import annotations

import re
from dataclasses import dataclass

from siltomo.errors import UnitError

__all__ = ["Printed", "read_printed"]

_MINUS = str.maketrans({"−": "-", "\u2009": " "})  # the minus sign of typesetters, thin spaces
_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:\s*[×x]\s*10\^?[+-]?\d{1,2}|[eE][+-]?\d{1,2})?"
_ONE = re.compile(rf"\s*(?:≈|~|ca\.|>|<|≤|≥)?\s*({_NUMBER})\s*")
_RANGE = re.compile(rf"\s*(?:≈|~)?\s*({_NUMBER})\s*(?:–|—|\.\.|to)\s*({_NUMBER})\s*")
_COARSE_SHARE = 0.1
"""Trailing zeros are never taken for more than a tenth of the number: 100 may be 90 to 110, not 50 to 150."""


@dataclass(frozen=True)
class Printed:
    """A printed number or range.

    Examples
    --------
    >>> read_printed("0.90").half, read_printed("−16").value, read_printed("1.75–2.0").upper
    (0.005, -16.0, 2.0)
    """

    value: float
    """The number; of a range its lower end."""
    upper: float | None
    """The upper end of a range."""
    half: float
    """Half a unit of the last printed digit."""
    coarse: float
    """The same where the trailing zeros of a whole number are placeholders: 5 for 2550, 0.5 for 171."""
    upper_half: float
    """Half a unit of the last digit of the upper end."""


def read_printed(text: str) -> Printed:
    """Read a number as printed: ``"0.90"``, ``"+17"``, ``"−16"``, ``"≈2550"``, ``"1.75–2.0"``, ``"2.6 × 10^11"``.

    Raises
    ------
    UnitError
        When it is no number and no range of two.
    """
    tidy = text.translate(_MINUS)
    one = _ONE.fullmatch(tidy)
    if one is not None:
        value, half, coarse = _read(one[1])
        return Printed(value, None, half, coarse, half)
    both = _RANGE.fullmatch(tidy)
    if both is None:
        raise UnitError(f"{text[:40]!r} is not a printed number, such as '0.90', '−16' or '1.75–2.0'")
    low, low_half, coarse = _read(both[1])
    high, high_half, _ = _read(both[2])
    if high < low:
        raise UnitError(f"{text[:40]!r} runs from {low:g} down to {high:g}: a range starts at its lower end")
    return Printed(low, high, low_half, coarse, high_half)


def _read(text: str) -> tuple[float, float, float]:
    """Return a number, half a unit of its last digit, and the same without its trailing zeros."""
    mantissa, power = _split(text)
    decimals = len(mantissa.partition(".")[2])
    half = 0.5 * 10.0 ** (power - decimals)
    value = float(f"{mantissa}e{power}")
    whole = mantissa.lstrip("+-")
    zeros = len(whole) - len(whole.rstrip("0")) if "." not in whole else 0
    coarse = max(half, min(half * 10.0**zeros, _COARSE_SHARE * abs(value)))
    return value, half, coarse


def _split(text: str) -> tuple[str, int]:
    parts = re.split(r"\s*[×x]\s*10\^?|[eE]", text)
    return parts[0], int(parts[1]) if len(parts) == 2 else 0
