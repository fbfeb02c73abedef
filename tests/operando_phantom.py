"""An interrupted operando run with the paper's timing and a known answer, loaded by ``conftest.py``.

C/7.5 (477 mA/g_Si), a stop of seven minutes after each of three quarters of an hour, then every half hour, two
magnifications at each stop: 14 stops in lithiation, 12 in delithiation. The cycler logs every 10 s or so and where
it switches; the beamline's clock is ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2021, 6, 14, 8, 0, 0)
CURRENT_MA_G = 477.0
SI_MG = 0.13
OPEN, STOP = 7200.0, 420.0
_SAMPLING = 10.0


@dataclass
class Operando:
    """The run and its scans."""

    offset: float = 1234.0
    drift: float = 0.0
    interrupted: bool = True
    lithiation: tuple[float, ...] = (900.0,) * 3 + (1800.0,) * 11
    delithiation: tuple[float, ...] = (1800.0,) * 12
    tail: float = 600.0
    """Current after the last stop of a half-cycle, until its cut-off."""
    seed: int = 0
    table: np.ndarray = field(init=False)
    """Time in s, current in A (negative for lithiation), voltage in V, shape (n, 3)."""
    stops: list[tuple[str, float, float]] = field(init=False)
    """Half-cycle, begin in s on the cycler's clock, and capacity in mAh/g_Si of each stop."""

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._parts: list[np.ndarray] = []
        self._now = 0.0
        self.stops = []
        self._spell(OPEN, 0.0, (2.9, 2.9))
        self._half("lithiation", self.lithiation, (0.6, 0.005))
        self._spell(10.0, 0.0, (0.05, 0.08))
        self._half("delithiation", self.delithiation, (0.2, 1.0))
        self._spell(60.0, 0.0, (0.95, 0.9))
        self.table = np.concatenate(self._parts)

    def _half(self, half: str, spells: tuple[float, ...], volts: tuple[float, float]) -> None:
        whole = sum(spells) + self.tail
        passed, sign = 0.0, -1.0 if half == "lithiation" else 1.0
        current = sign * CURRENT_MA_G * SI_MG * 1e-6
        level = lambda t: volts[0] + (volts[1] - volts[0]) * t / whole  # noqa: E731
        for spell in spells:
            self._spell(spell, current, (level(passed), level(passed + spell)))
            passed += spell
            self.stops.append((half, self._now, CURRENT_MA_G * passed / 3600))
            if self.interrupted:
                relaxed = level(passed) - sign * 0.05
                self._spell(STOP, 0.0, (relaxed, relaxed - sign * 0.02))
        self._spell(self.tail, current, (level(passed), level(whole)))

    def _spell(self, length: float, current: float, volts: tuple[float, float]) -> None:
        """Log a spell: its first and last moments, and points between them that are not quite regular."""
        inner = np.arange(_SAMPLING, length - _SAMPLING / 2, _SAMPLING)
        inner = inner + self._rng.uniform(-3.0, 3.0, inner.shape)
        local = np.concatenate([[0.001 if self._parts else 0.0], inner, [length]])
        noise = self._rng.normal(0, 1e-10, local.shape)
        voltage = volts[0] + (volts[1] - volts[0]) * local / length
        self._parts.append(np.stack([self._now + local, current + noise, voltage], 1))
        self._now += length

    @property
    def scans(self) -> list[dict[str, object]]:
        """Two scans at each stop, timed on the beamline's clock to the second, with what is true of them."""
        rng = np.random.default_rng(self.seed + 1)
        made: list[dict[str, object]] = []
        for number, (half, begin, capacity) in enumerate(self.stops):
            jitter = rng.normal(0, 3.0)
            for scale, since in (("micro", 20.0), ("nano", 220.0)):
                first = self.offset + (1 + self.drift) * (begin + since + jitter)
                made.append(
                    {
                        "id": f"op{number:02d}-{scale}",
                        "half": half,
                        "scale": scale,
                        "capacity": capacity,
                        "start": START + timedelta(seconds=round(first)),
                        "end": START + timedelta(seconds=round(first + 180.0)),
                    }
                )
        return made

    def write(
        self, path: Path, *, start: datetime | None = None, pause: tuple[float, float] = (0.0, 0.0)
    ) -> Path:
        """Write the run as a table in the Battery Data Format, with absolute times where a start is given.

        A pause (when it began, how long) lets the absolute times go on while the test time stands still.
        """
        head, times = "Test Time / s,Current / A,Voltage / V", [""] * len(self.table)
        if start is not None:
            head = f"Unix Time / s,{head}"
            elapsed = self.table[:, 0] + np.where(self.table[:, 0] > pause[0], pause[1], 0.0)
            times = [f"{start.timestamp() + t:.3f}," for t in elapsed]
        lines = [f"{unix}{t:.3f},{i:.6e},{v:.5f}" for unix, (t, i, v) in zip(times, self.table, strict=True)]
        path.write_text("\n".join([head, *lines]) + "\n")
        return path
