"""What a positive current means: said by the user, checked against the voltage."""

from __future__ import annotations

import numpy as np

from siltomo.cycling.record import Half, Integers, Points
from siltomo.errors import Amend, BadInputError, MismatchError

__all__ = ["settle_sign", "voltage_says"]

CLEAR = 0.8
"""Share of the voltage swing that must go one way before the voltage decides."""


def voltage_says(points: Points, signs: Integers, runs: Integers) -> float:
    """Say which way the voltage goes under a positive current.

    Returns
    -------
    float
        From -1 (it falls whenever the current is positive) over 0 (no tendency, or no current) to 1 (it rises).
    """
    flowing = [(first, last) for first, last in runs if signs[first] and last > first]
    if not flowing:
        return 0.0
    swings = np.array([points.voltage_V[last] - points.voltage_V[first] for first, last in flowing])
    directions = np.array([signs[first] for first, _ in flowing])
    total = np.abs(swings).sum()
    return float((swings * directions).sum() / total) if total > 0 else 0.0


def settle_sign(
    points: Points, signs: Integers, runs: Integers, given: Half | None, *, trust: bool
) -> tuple[Half, str]:
    """Settle what a positive current does to the silicon, and say why.

    In a half-cell the voltage of silicon against lithium falls in lithiation.

    Raises
    ------
    MismatchError
        When the user and the voltage disagree.
    BadInputError
        When nobody says it.
    """
    score = voltage_says(points, signs, runs)
    seen: Half = "delithiation" if score > 0 else "lithiation"
    if given is None and abs(score) < CLEAR:
        if not np.any(signs):
            return "delithiation", "no current flows in this record"
        raise BadInputError(
            f"the voltage does not tell what a positive current means (tendency {score:+.2f} of 1)",
            code="SIL141",
            fix=Amend({"--positive-current": "delithiation"}, advice="or lithiation, as your cycler counts"),
        )
    if given is None:
        way = "rises" if score > 0 else "falls"
        return seen, f"the voltage {way} under positive current, as in the {seen} of a half-cell"
    if trust or abs(score) < CLEAR or given == seen:
        agrees = given == seen and abs(score) >= CLEAR
        return given, "as given" + ("; the voltage agrees" if agrees else ", not confirmed by the voltage")
    raise MismatchError(
        f"a positive current is said to be {given}, but the voltage {'rises' if score > 0 else 'falls'} under it, "
        f"as in the {seen} of silicon against lithium",
        code="SIL140",
        fix=Amend(
            {"--positive-current": seen}, advice="if it is a half-cell (add --sign-from user if it is not)"
        ),
    )
