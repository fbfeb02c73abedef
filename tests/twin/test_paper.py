"""The twin against the printed values that it is calibrated on; the table stands in docs/validation.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siltomo.kernels import component_sizes
from siltomo.twin import Twin
from siltomo.twin._outline import union_area, union_outline
from siltomo.twin.laws import LAWS, Cracks
from siltomo.twin.micro import MicroBody, MicroVolume

REF, ZN = LAWS["reference"], LAWS["with-zn"]
BOX = np.array([0.0, 0.0, 417.0, 417.0])
PAGE = Path(__file__).parents[2] / "docs" / "validation.md"

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


def page_row(name: str) -> list[str]:
    """Return the cells behind the name of a row of the page."""
    (line,) = [one for one in PAGE.read_text("utf-8").splitlines() if one.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def as_printed(found: list[float], digits: int) -> str:
    """Write mean and spread as the page does: a spread that rounds to nothing is left out."""
    mean, spread = (f"{one:.{digits}f}" for one in (np.mean(found), np.std(found, ddof=1)))
    return mean if float(spread) == 0 else f"{mean} ± {spread}"


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
    cells = page_row(state)
    assert cells[0] == as_printed([one for one, _ in found], 3)
    assert cells[2] == f"{surface:.2f}"
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
    assert page_row(state)[4] == as_printed(found, 2)
    if state == "with Zn, end of cycle 1":
        assert mean > printed
        return
    assert abs(mean - printed) <= max(2 * spread, 0.03)


# what the paper prints of thickness: expansion in %, growth of the aged cells in um
EXPANSIONS = {"reference": "103, 42, 55, 111 %", "with-zn": "97, 25, 42, 108 %"}
HALVES = ((1, "lithiation"), (1, "delithiation"), (2, "delithiation"), (3, "lithiation"))
GROWN = {"reference": "17, 27.8, 42 um", "with-zn": "10, 16, 35 um"}
SEI = {"reference": "1.19, 1.73, 2.49 cm^3/g_Si", "with-zn": "0.63, 1.02, 1.74 cm^3/g_Si"}
TITLES = {"reference": "reference", "with-zn": "with Zn"}


def listed(numbers: list[float], unit: str) -> str:
    return f"{', '.join(f'{number:.4g}' for number in numbers)} {unit}"


@pytest.mark.parametrize("name", EXPANSIONS)
def test_expansions_are_printed_to_the_digit(name):
    twin = Twin(1, name)
    found = [100 * twin.expansion(twin.at(twin.cells[0].id, cycle=c, half=h)) for c, h in HALVES]
    assert page_row(f"{TITLES[name]}, expansion") == [listed(found, "%"), EXPANSIONS[name]]
    assert listed(found, "%") == EXPANSIONS[name]


@pytest.mark.parametrize("name", GROWN)
def test_growth_of_the_aged_cells_is_printed_to_the_digit(name):
    twin = Twin(1, name)
    grown = [twin.law.aged[cycle] * twin.law.initial_thickness_um for cycle in (1, 5, 25)]
    assert page_row(f"{TITLES[name]}, growth") == [listed(grown, "um"), GROWN[name]]
    assert listed(grown, "um") == GROWN[name]


@pytest.mark.parametrize("name", SEI)
def test_sei_per_silicon_is_printed(name):
    twin = Twin(1, name)
    found = []
    for cycle in (1, 5, 25):
        moment = twin.at(f"{'ref' if name == 'reference' else 'zn'}-c{cycle}")
        found.append(twin.nano_body(moment).fractions()["sei"] / twin.silicon_per_volume(moment))
    printed = [float(one) for one in SEI[name].removesuffix(" cm^3/g_Si").split(", ")]
    assert found == pytest.approx(printed, rel=0.03)
    assert page_row(f"{TITLES[name]}, SEI") == [listed(found, "cm^3/g_Si"), SEI[name]]
