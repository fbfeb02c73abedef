"""The twin against the printed values that it is calibrated on; the table stands in docs/validation.md."""

from __future__ import annotations

import numpy as np
import pytest

from siltomo.kernels import component_sizes
from siltomo.twin import Twin
from siltomo.twin._outline import union_area, union_outline
from siltomo.twin.laws import LAWS, Cracks
from siltomo.twin.micro import MicroBody, MicroVolume

REF, ZN = LAWS["reference"], LAWS["with-zn"]
BOX = np.array([0.0, 0.0, 417.0, 417.0])

# state: cracks, printed fraction, printed surface to volume in 1/um, printed interconnectivity
STATES: dict[str, tuple[Cracks, float, float | None, float | None]] = {
    "reference, first cracks": ((REF.onset_cracks,), 0.016, 1.6, None),
    "reference, end of cycle 1": ((REF.cracks[1],), 0.16, 0.90, 0.67),
    "reference, end of cycle 2": ((REF.cracks[2],), 0.07, 1.25, 0.07),
    "reference, cycle 25": (REF.aged_cracks[25], 0.015, None, 0.015),
    "with Zn, first cracks": ((ZN.onset_cracks,), 0.029, 1.8, None),
    "with Zn, end of cycle 1": (ZN.aged_cracks[1], 0.24, 0.67, 0.85),
    "with Zn, end of cycle 2": ((ZN.cracks[2],), 0.10, 0.66, 0.50),
    "with Zn, cycle 5": (ZN.aged_cracks[5], 0.23, None, 0.74),
    "with Zn, cycle 25": (ZN.aged_cracks[25], 0.23, None, 0.81),
}


def body(cracks: Cracks, seed: int) -> MicroBody:
    return MicroBody(seed, 57.0, 57.0, 0.0, cracks, 0.0, 0.0)


@pytest.mark.parametrize("state", STATES)
def test_fraction_and_surface_are_those_that_are_printed(state):
    cracks, fraction, ratio, _ = STATES[state]
    found = []
    for seed in (1, 2, 3, 4):
        pieces, _, radii, _, _ = body(cracks, seed).pieces(BOX + np.array([-9.0, -9.0, 9.0, 9.0]))
        area = union_area(pieces[:, :4], radii, BOX, 0.2)
        found.append((area / 417**2, union_outline(pieces[:, :4], radii, BOX, 0.1) / area))
    share, surface = np.mean(found, axis=0)
    assert share == pytest.approx(fraction, abs=0.01)
    if ratio is not None:
        assert surface == pytest.approx(ratio, rel=0.10)


@pytest.mark.slow
@pytest.mark.parametrize("state", [name for name, values in STATES.items() if values[3] is not None])
def test_interconnectivity_is_printed_within_the_spread_of_the_twin(state):
    cracks, _, _, printed = STATES[state]
    found = []
    for seed in range(1, 7):
        volume = MicroVolume(0.25, (116, 1668, 1668), body(cracks, seed))
        mask = np.isin(volume.labels(112, 114), (1, 7))
        sizes = np.asarray(component_sizes(mask, 26))
        found.append(sizes.max() / sizes.sum())
    mean, spread = np.mean(found), np.std(found, ddof=1)
    if state == "with Zn, end of cycle 1":
        assert mean > printed
        return
    assert abs(mean - printed) <= max(2 * spread, 0.03)


@pytest.mark.parametrize(
    ("cell", "printed"),
    [
        ("ref-c1", 1.19),
        ("ref-c5", 1.73),
        ("ref-c25", 2.49),
        ("zn-c1", 0.63),
        ("zn-c5", 1.02),
        ("zn-c25", 1.74),
    ],
)
def test_sei_per_silicon_is_printed(cell, printed):
    twin = Twin(1, "reference" if cell.startswith("ref") else "with-zn")
    moment = twin.at(cell)
    shares = twin.nano_body(moment).fractions()
    assert shares["sei"] / twin.silicon_per_volume(moment) == pytest.approx(printed, rel=0.001)
