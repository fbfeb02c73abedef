"""What the cycler recorded of the twin's cells, as EC-Lab exports it.

The operando run pauses for its scans; aged cells run through. Capacities of the half-cycles are those of the law,
to the rounding of the file: the voltage reaches its cut-off exactly there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from siltomo.twin._greys import white_noise
from siltomo.twin._hash import seed_of
from siltomo.twin.grid import Floats
from siltomo.twin.laws import C_THEORY
from siltomo.twin.twin import SPECIFIC_CURRENT, Moment, Twin, TwinCell

__all__ = ["CLOCK_OFFSET_S", "CyclerRun", "Phase", "write_mpt"]

CLOCK_OFFSET_S = 137.0
"""What the beamline's clock is ahead of the cycler's."""
SCAN_PAUSE_S = 420.0
_SCAN_S = 150.0
_SCAN_DELAY_S = {"micro": 40.0, "wide": 230.0}
_OCV_S, _AFTER_S = 7200.0, {"lithiation": 10.0, "delithiation": 60.0}
_LOWER, _UPPER = 0.005, 1.0
_START = {"operando": datetime(2021, 6, 15, 8, 12), "aged": datetime(2021, 5, 20, 17, 40)}
_POLARISATION = 0.004  # V more for each cycle, to 0.1 V


@dataclass(frozen=True)
class Phase:
    """A time with one current."""

    kind: str
    """``lithiation``, ``delithiation`` or ``rest``."""
    cycle: int
    half: str
    """The half-cycle it belongs to; for a rest, the one before it."""
    start_s: float
    end_s: float
    from_capacity: float
    to_capacity: float
    """In mAh/g_Si, of the half-cycle."""
    step: int
    """The cycler's step number (Ns)."""


@dataclass(frozen=True)
class CyclerRun:
    """The electrochemical life of a cell."""

    twin: Twin
    cell: TwinCell

    @property
    def start(self) -> datetime:
        """First point, on the cycler's clock."""
        return _START[self.cell.population]

    @property
    def mass_mg(self) -> float:
        """Silicon of the cell."""
        return si_mass_mg(self.twin)

    def halves(self) -> Iterator[tuple[int, str, float, float, Sequence[float]]]:
        """List the half-cycles: cycle, half, capacity in mAh/g_Si, current in mA/g_Si, stops for scans."""
        law = self.twin.law
        for half_cycle in range(2 * (3 if self.cell.cycle is None else self.cell.cycle)):
            cycle, half = half_cycle // 2 + 1, ("lithiation", "delithiation")[half_cycle % 2]
            if self.cell.cycle is None:
                full = self.twin.half_capacity(cycle, half)
                stops = self.twin.stops(cycle, half)[:-1] if cycle != 2 else ()
                yield cycle, half, full, SPECIFIC_CURRENT, stops
            else:
                full = law.aged_lithiation(cycle) if half == "lithiation" else law.aged_delithiation(cycle)
                rate = 40 if cycle == 1 else 20 if cycle <= 6 else 10
                yield cycle, half, full, C_THEORY / rate, ()

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """All steps and rests, in the order of time."""
        made = [Phase("rest", 1, "", 0.0, _OCV_S, 0.0, 0.0, 0)]
        for cycle, half, full, current, stops in self.halves():
            ends = [*stops, full]
            before = 0.0
            for end in ends:
                start = made[-1].end_s
                stop = start + (end - before) / current * 3600
                step = 1 if half == "lithiation" else 3
                made.append(Phase(half, cycle, half, start, stop, before, end, step))
                scanned = self.cell.cycle is None and (cycle != 2 or half == "delithiation")
                pause = SCAN_PAUSE_S if scanned else _AFTER_S[half]
                made.append(Phase("rest", cycle, half, stop, stop + pause, end, end, step + 1))
                before = end
        return tuple(made)

    def scan_time(self, moment: Moment, kind: str) -> tuple[datetime, datetime]:
        """Return when a state was scanned, on the beamline's clock."""
        rest = self._rest_of(moment)
        delay = _SCAN_DELAY_S[kind] + (_OCV_S - SCAN_PAUSE_S if moment.half == "pristine" else 0.0)
        begin = self.start + timedelta(seconds=round(rest.start_s + delay + CLOCK_OFFSET_S))
        return begin, begin + timedelta(seconds=_SCAN_S)

    def _rest_of(self, moment: Moment) -> Phase:
        if moment.half == "pristine":
            return self.phases[0]
        cycle, half, capacity = moment.cycle, moment.half, moment.capacity
        return next(
            p
            for p in self.phases
            if (p.kind, p.cycle, p.half) == ("rest", cycle, half) and abs(p.to_capacity - capacity) < 1e-6
        )

    def points(self) -> Iterator[tuple[Phase, Floats, Floats, Floats]]:
        """List for each step or rest its times in s, voltages in V and capacities in mAh/g_Si."""
        fulls = {(c, h): full for c, h, full, _, _ in self.halves()}
        last = 2.8
        seed = seed_of(self.twin.seed, zlib.crc32(self.cell.id.encode()) ^ 1)
        for number, phase in enumerate(self.phases):
            span = phase.end_s - phase.start_s
            spacing = 120.0 if self.cell.cycle is None else max(30.0, 3600 * 2000 / 100 / 90)
            n = max(2, int(span / (30.0 if phase.kind == "rest" else spacing)) + 1)
            t = np.linspace(0.0, 1.0, n + 1)[1:]
            capacity = phase.from_capacity + t * (phase.to_capacity - phase.from_capacity)
            if phase.kind == "rest":
                rest = last + (0.05 if phase.half == "lithiation" else -0.04) if phase.half else last
                voltage = rest + (last - rest) * np.exp(-t * span / 150.0)
            else:
                full = fulls[phase.cycle, phase.half]
                if phase.half == "delithiation" and not self._complete(phase.cycle):
                    full = 1.15 * self.twin.half_capacity(2, "delithiation")
                voltage = _voltage(phase.half, capacity / full, phase.cycle)
            noise = np.empty((1, 1, n), np.float32)
            white_noise(seed, number, 0, 0, noise)
            voltage = voltage + (1e-4 * noise[0, 0] if t.size > 1 else 0.0)
            if phase.kind != "rest" and abs(phase.to_capacity - fulls[phase.cycle, phase.half]) < 1e-9:
                # the last point is the one at which the cut-off was met
                voltage[-1] = _voltage(phase.half, capacity[-1:] / full, phase.cycle)[0]
            last = float(voltage[-1])
            yield phase, phase.start_s + t * span, voltage, capacity

    def _complete(self, cycle: int) -> bool:
        return self.cell.cycle is not None or self.twin.law.cycles[cycle].complete


def si_mass_mg(twin: Twin) -> float:
    """Return the silicon of a cell: its loading on a disk of 3 mm."""
    return float(round(twin.law.loading * np.pi * 0.15**2, 6))


def _voltage(half: str, x: Floats, cycle: int) -> Floats:
    """Return the voltage against lithium at a share of the half-cycle's capacity; cut-offs are met at 1."""
    extra = min(0.1, _POLARISATION * cycle)
    if half == "lithiation":
        plateau = (0.13 if cycle == 1 else 0.24 - extra) * (1 - x**4)
        start = 0.9 * (np.exp(-x / 0.02) - np.exp(-1 / 0.02))
        return np.asarray(_LOWER + plateau + start)
    low = 0.15 + extra
    return np.asarray(low + 0.3 * x + (_UPPER - low - 0.3) * x**14)


_COLUMNS = (
    "mode",
    "ox/red",
    "error",
    "control changes",
    "Ns changes",
    "counter inc.",
    "Ns",
    "time/s",
    "control/V/mA",
    "Ewe/V",
    "<I>/mA",
    "dq/mA.h",
    "(Q-Qo)/mA.h",
    "half cycle",
    "cycle number",
)


def write_mpt(run: CyclerRun, path: Path, *, comma: bool = False, line_end: str = "\n") -> None:
    r"""Write a run as EC-Lab exports it: latin-1, a counted header, a table with tabs.

    Parameters
    ----------
    comma
        Write decimal commas, as a European machine does.
    line_end
        ``"\r\n"`` as on the machine of the cycler, or ``"\n"``.
    """
    header = _header(run)
    header[1] = header[1].format(len(header))
    lines = [*header, *_rows(run)]
    text = line_end.join(lines) + line_end
    if comma:
        table = line_end.join(lines[len(header) :]).replace(".", ",")
        text = line_end.join(header) + line_end + table + line_end
    with path.open("w", encoding="latin-1", newline="") as file:
        file.write(text)


def _header(run: CyclerRun) -> list[str]:
    return [
        "EC-Lab ASCII FILE",
        "Nb header lines : {}                          ",
        "",
        "Galvanostatic Cycling with Potential Limitation",
        "",
        f"Run on channel : {4 + run.twin.cells.index(run.cell)} (SN 0000)",
        "User : ",
        "Electrode connection : standard",
        "Ewe ctrl range : min = 0,00 V, max = 5,00 V",
        "Ewe,I filtering : <None>",
        f"Acquisition started on : {run.start:%m/%d/%Y %H:%M:%S}.000",
        "Saved on :",
        f" File : {run.cell.id}.mpr",
        " Directory : C:\\twin\\",
        "Device : VMP3 (SN 0000)",
        "Electrode material : Si 3 mm, 240 \xb5m Cu",
        f"Comments : synthetic, siltomo twin, seed {run.twin.seed}",
        "Electrolyte : LP30 + 10 % FEC, 22.5 \xb5L",
        "Mass of active material : 0.001 mg",
        " at x = 0.000",
        "Characteristic mass : 0.001 mg",
        "Cycle Definition : Charge/Discharge alternance",
        "",
        "\t".join(_COLUMNS) + "\t",
    ]


def _rows(run: CyclerRun) -> Iterator[str]:
    """Write the points; the current is the mean since the point before, as in EC-Lab's ``<I>``."""
    total, time, half_cycle, seen = 0.0, 0.0, -1, None
    for phase, times, voltages, capacities in run.points():
        sign = {"lithiation": -1.0, "delithiation": 1.0, "rest": 0.0}[phase.kind]
        if phase.kind != "rest" and (phase.cycle, phase.half) != seen:
            seen = (phase.cycle, phase.half)
            half_cycle += 1
        before = phase.from_capacity
        for at, (t, v, q) in enumerate(zip(times, voltages, capacities, strict=True)):
            charge = sign * (q - before) * run.mass_mg / 1000
            total += charge
            current = charge / (t - time) * 3600
            before, time = q, t
            control = f"{current:.7E}" if sign else "0.0000000E+000"
            fields = (
                str(1 if sign else 3),
                str(int(sign > 0)),
                "0",
                str(int(at == 0)),
                str(int(at == 0)),
                "0",
                str(phase.step),
                f"{t:.6f}",
                control,
                f"{v:.7E}",
                f"{current:.9E}",
                f"{charge:.12E}",
                f"{total:.12E}",
                str(max(0, half_cycle)),
                str(max(0, phase.cycle - 1)),
            )
            yield "\t".join(fields) + "\t"
