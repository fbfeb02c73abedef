"""Which half-cycles and cycles are complete, and why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from siltomo.cycling.record import Cycle, HalfCycle

__all__ = ["NO_CUTOFFS", "Cutoffs", "judged"]

TOLERANCE_V = 0.005
"""A half-cycle has reached a cut-off within 5 mV."""


@dataclass(frozen=True)
class Cutoffs:
    """Where half-cycles are meant to end; None where it was not said."""

    lower_V: float | None = None
    """End of lithiation."""
    upper_V: float | None = None
    """End of delithiation."""

    def of(self, kind: str) -> float | None:
        """Return the cut-off of a kind of half-cycle."""
        return self.lower_V if kind == "lithiation" else self.upper_V


NO_CUTOFFS = Cutoffs()
"""Nothing was said of where half-cycles end."""


def judged(
    reached_V: Sequence[float], halves: tuple[HalfCycle, ...], cycles: tuple[Cycle, ...], cutoffs: Cutoffs
) -> tuple[tuple[HalfCycle, ...], tuple[Cycle, ...]]:
    """Mark the half-cycles that reached their end, and the cycles whose halves both did.

    A half-cycle is complete when its current took it to the cut-off that was given. Where none was given, it is
    complete when the cycler turned round after it; the last one of a file, when it came as far as an
    earlier one of its kind did.

    Parameters
    ----------
    reached_V
        For each half-cycle, the lowest (lithiation) or highest voltage under current.
    """
    marked: list[HalfCycle] = []
    for n, half in enumerate(halves):
        earlier = [v for v, h in zip(reached_V[:n], halves[:n], strict=True) if h.kind == half.kind]
        last = n == len(halves) - 1
        reason = _why_not(half, reached_V[n], cutoffs.of(half.kind), earlier, last=last)
        marked.append(replace(half, complete=not reason, reason=reason))
    by_cycle: dict[tuple[int, str], HalfCycle] = {(h.cycle, h.kind): h for h in marked}
    return tuple(marked), tuple(_judged_cycle(cycle, by_cycle) for cycle in cycles)


def _why_not(
    half: HalfCycle, reached: float, cutoff: float | None, earlier: list[float], *, last: bool
) -> str:
    falling = half.kind == "lithiation"
    if cutoff is not None:
        short = reached - cutoff if falling else cutoff - reached
        return (
            "" if short <= TOLERANCE_V else f"it came to {reached:.4g} V, before its cut-off of {cutoff:g} V"
        )
    if not last:
        return ""
    if not earlier:
        option = "--lower-cutoff" if falling else "--upper-cutoff"
        return (
            f"the record ends with it at {reached:.4g} V, and nothing says where it should end: siltomo cycling "
            f'set RUN {option} "... V"'
        )
    usual = max(earlier) if falling else min(earlier)
    if (reached - usual if falling else usual - reached) <= TOLERANCE_V:
        return ""
    return f"the record ends with it at {reached:.4g} V; earlier ones went to {usual:.4g} V"


def _judged_cycle(cycle: Cycle, halves: dict[tuple[int, str], HalfCycle]) -> Cycle:
    lithiation, delithiation = (halves.get((cycle.number, kind)) for kind in ("lithiation", "delithiation"))
    reasons = []
    for name, half in (("lithiation", lithiation), ("delithiation", delithiation)):
        if half is None:
            reasons.append(f"the record has no {name} of this cycle")
        elif not half.complete:
            reasons.append(f"the {name} is not complete: {half.reason}")
    return Cycle(cycle.number, lithiation, delithiation, complete=not reasons, reason="; ".join(reasons))
