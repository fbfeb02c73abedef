"""Synthetic records with known charge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from siltomo.cycling import Points

MakePoints = Callable[..., Points]


@pytest.fixture
def make_points() -> MakePoints:
    """Make a record from (current in mA, hours) segments of a half-cell: positive current is delithiation.

    The voltage falls linearly with the charge put in, by 0.1 V per mAh from 1 V. A logger writes every ``every``
    seconds; one that writes ``events`` also writes when it switches.
    """

    def make(
        segments: Sequence[tuple[float, float]], *, every: float = 10.0, events: bool = True, **fields: object
    ) -> Points:
        time, current, charge = [], [], []
        begun, passed = 0.0, 0.0
        for milliampere, hours in segments:
            last = hours * 3600
            inside = np.arange(0, last, every)
            if events:
                inside = np.append(inside, last)
            time.append(begun + inside)
            current.append(np.full(len(inside), milliampere / 1e3))
            charge.append(passed + milliampere * inside / 3600)
            begun, passed = begun + last, passed + milliampere * hours
        return Points(
            time_s=np.concatenate(time),
            current_A=np.concatenate(current),
            voltage_V=1.0 + 0.1 * np.concatenate(charge),
            format="synthetic",
            **fields,  # type: ignore[arg-type]
        )

    return make
