"""Grades: a figure, its limits, and what it says of trust."""

from __future__ import annotations

from collections.abc import Iterable

from siltomo.model import Trust, Verdict

__all__ = ["DOUBTFUL_WITHIN", "GOOD_WITHIN", "graded", "worst"]

GOOD_WITHIN, DOUBTFUL_WITHIN = 0.06, 0.25
"""What the words promise: a fraction of a class called good is within 6 % of the truth, doubtful within 25 %. Where a
check is an estimate of that error itself these are its limits; none is fitted to a phantom."""

_ORDER = (Trust.UNJUDGED, Trust.GOOD, Trust.DOUBTFUL, Trust.BAD)


def worst(verdicts: Iterable[Verdict]) -> Trust:
    """Return the worst of some verdicts; unjudged when there is none.

    Examples
    --------
    >>> worst([Verdict(check="a", trust="good"), Verdict(check="b", trust="doubtful")])
    <Trust.DOUBTFUL: 'doubtful'>
    """
    return max((v.trust for v in verdicts), key=_ORDER.index, default=Trust.UNJUDGED)


def graded(
    check: str, value: float, limits: tuple[float, float], reason: str, *, rising: bool = True
) -> Verdict:
    """Judge a figure by two limits: up to the first it is good, beyond the second bad; ``rising``: larger is worse.

    Examples
    --------
    >>> graded("noise", 0.3, (0.25, 0.4), "much noise").trust
    <Trust.DOUBTFUL: 'doubtful'>
    """
    good, bad = limits if rising else (-limits[0], -limits[1])
    worse = value if rising else -value
    trust = Trust.GOOD if worse <= good else Trust.DOUBTFUL if worse <= bad else Trust.BAD
    signs = ("<=", ">") if rising else (">=", "<")
    words = f"good {signs[0]} {limits[0]:g}, bad {signs[1]} {limits[1]:g}"
    said = "" if trust == Trust.GOOD else reason
    return Verdict(check=check, trust=trust, value=float(value), limits=words, reason=said)
