"""Why the clock of a run could not be found, and what to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from siltomo.cycling.align import align, find_jump
from siltomo.cycling.align_answer import Alignment, Limits, Refusal
from siltomo.cycling.align_sweep import Intervals
from siltomo.cycling.clock import hours_in_words
from siltomo.errors import Amend, BadInputError
from siltomo.model import CyclingRun, Scan

__all__ = ["Evidence", "listed", "nothing_to_align", "refused"]

_WIDE_S = 26 * 3600.0
"""Time zones go from 12 h behind to 14 h ahead of UTC."""


@dataclass(frozen=True)
class Evidence:
    """What an alignment was tried with."""

    run: str
    names: tuple[str, ...]
    """Ids of the scans."""
    scans: Intervals
    rests: Intervals
    limits: Limits


def nothing_to_align(run: CyclingRun, scans: Sequence[Scan]) -> BadInputError:
    """Return the error for a run without scans that have times."""
    what = (
        f"none of the {len(scans)} operando scans of cell {run.cell} has a start and an end near the record"
    )
    if not scans:
        what = f"cell {run.cell} has no operando scan that is selected"
    example = scans[0].id if scans else "SCAN"
    return BadInputError(
        f"run {run.id} cannot be aligned: {what}",
        code="SIL142",
        fix=f"siltomo catalog set {example} --start 2021-06-14T10:41:07+02:00 --end 2021-06-14T10:44:07+02:00"
        if scans
        else Amend({"--offset": "0 s"}, advice="if the clocks are known to agree"),
    )


def refused(answer: Refusal, evidence: Evidence, *, wall_clocks: bool) -> BadInputError:
    """Return the error for a run whose clock could not be found: why, and what to give."""
    reason, fix = answer.reason, Amend({"--offset": "0 s"}, advice="with the offset as read off both clocks")
    if answer.why == "ambiguous":
        best = answer.candidates[0]
        offsets = ", ".join(f"{c.offset_s:.0f} s ({c.stops} stops)" for c in answer.candidates)
        reason += f"; offsets that fit: {offsets}"
        near = min(answer.candidates, key=lambda c: abs(c.offset_s))
        advice = "if the clocks are known to differ by about that"
        fix = Amend({"--offset": f"{near.offset_s:.0f} s"}, advice=advice)
        if near is best and len(answer.candidates) > 1:
            within = max(60.0, 2 * abs(best.offset_s))
            if all(abs(c.offset_s) > within for c in answer.candidates[1:]):
                advice = "if the clocks are known to agree to this"
                fix = Amend({"--search": f"{within:.0f} s"}, advice=advice)
    elif answer.why == "misfits":
        reason, fix = _misfits(answer, evidence, wall_clocks=wall_clocks)
    return BadInputError(f"run {evidence.run} cannot be aligned: {reason}", code="SIL140", fix=fix)


def _misfits(answer: Refusal, evidence: Evidence, *, wall_clocks: bool) -> tuple[str, Amend]:
    names = [evidence.names[n] for n in answer.misfits]
    if wall_clocks and (jump := find_jump(evidence.scans, evidence.rests, evidence.limits)):
        first, by = jump
        moved = "put back" if by < 0 else "put forward"
        return (
            f"from scan {evidence.names[first]} on the beamline's clock was {moved} by an hour, for daylight saving",
            Amend(
                {"--scan-timezone": "Europe/Zurich", "--timezone": "Europe/Zurich"},
                advice="with the time zones of both clocks",
            ),
        )
    wide = Limits(search_s=(-_WIDE_S, _WIDE_S), slack_s=evidence.limits.slack_s, drift=evidence.limits.drift)
    far = align(evidence.scans, evidence.rests, wide)
    if isinstance(far, Alignment):
        hours = hours_in_words(far.clock.offset_s)
        said = f" ({hours})" if hours else ""
        within = abs(far.clock.offset_s) / 3600 + 1
        return (
            f"no offset within {evidence.limits.search_s[1] / 3600:.3g} h fits; one of {far.clock.offset_s:.0f} s "
            f"does{said}",
            Amend({"--search": f"{within:.0f} h"}, advice="if the clocks may differ by this"),
        )
    reason = f"{answer.reason}: {listed(names)}" if len(names) < len(evidence.names) else answer.reason
    if len(names) > max(2, len(evidence.names) // 4):
        advice = "if the cycling was not interrupted for the scans, with the offset as read off both clocks"
        return reason, Amend({"--offset": "0 s"}, advice=advice)
    quoted = ", ".join(f"'{name}'" for name in names)
    return reason, Amend({"--where": f"scan not in ({quoted},)"}, advice="to leave them out")


def listed(names: Sequence[str]) -> str:
    """Return the first names of a list."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
