"""What the laws of the twin make of its geometry: islets of a closed network, surfaces inside an islet, equations.

Nothing here knows how a metric is computed.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from siltomo.twin import _network
from siltomo.twin.cycling import CyclerRun
from siltomo.twin.grid import Floats
from siltomo.twin.laws import C_THEORY
from siltomo.twin.micro import _FIBRE_SHARE, _WIDTHS, JITTER, MicroBody, MicroVolume
from siltomo.twin.nano import _BALL, _CRACK_RADIUS, _GRAINS, _PORES, _SHEET, _SHEETS, NanoBody
from siltomo.twin.truth import TrueValue, initial_thickness, mean_thickness, micro_truth
from siltomo.twin.twin import Moment, Twin

__all__ = [
    "closed",
    "expansion_truth",
    "gas_laws",
    "islet_sizes",
    "porosity_truth",
    "record_truth",
    "surface_laws",
    "surface_ratios",
]

_MOLAR_CM3 = 22413.97
"""A perfect gas at 0 degC and 1 atm, in cm^3/mol."""
_FARADAY_MAH = 96485.33212 / 3.6
_CARBONATE = 73.89 / 2.11
"""Lithium carbonate in cm^3/mol."""


# ---- islets ------------------------------------------------------------------------------------------------------


def closed(volume: MicroVolume) -> MicroVolume:
    """Return the scan of the same electrode with every edge of its first level open, and no other level."""
    cracks = (replace(volume.body.cracks[0], share=1.0),)
    return replace(volume, body=replace(volume.body, cracks=cracks))


def islet_sizes(body: MicroBody, width_um: float) -> Floats:
    """Return the sizes of the islets whose sites lie in a square field of view, at mid-height, in um.

    An islet of a closed network is the cell of its site without its half of each crack round it: a convex polygon
    whose sides have moved inwards. Its size is the edge of the square with its area.
    """
    (level,) = body.cracks
    count = math.floor(width_um / level.spacing_um)
    sides = np.empty((40, 3))
    sizes = []
    for i in range(count):
        for j in range(count):
            n = _network.cell_sides(body.seed, level.level, i, j, level.spacing_um, JITTER, _WIDTHS, sides)
            sizes.append(math.sqrt(_shrunk_area(sides[:n], 0.5 * level.width_um)))
    return np.array(sizes)


def _shrunk_area(sides: Floats, half_width: float) -> float:
    """Return the area of a convex polygon whose sides move inwards by a half-width times their factors."""
    corners = sides[:, :2]
    centre = corners.mean(axis=0)
    polygon = [tuple(corner) for corner in corners]
    for (x0, y0), (x1, y1), factor in zip(corners, np.roll(corners, -1, axis=0), sides[:, 2], strict=True):
        length = math.hypot(x1 - x0, y1 - y0)
        if length == 0:
            continue
        nx, ny = (y1 - y0) / length, -(x1 - x0) / length
        if nx * (centre[0] - x0) + ny * (centre[1] - y0) > 0:
            nx, ny = -nx, -ny
        polygon = _cut(polygon, nx, ny, nx * x0 + ny * y0 - half_width * factor)
    if len(polygon) < 3:
        return 0.0
    x, y = np.array(polygon).T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _cut(polygon: list[tuple[float, ...]], nx: float, ny: float, most: float) -> list[tuple[float, ...]]:
    """Keep the part of a convex polygon where ``nx x + ny y <= most``."""
    made: list[tuple[float, ...]] = []
    for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        a, b = nx * x0 + ny * y0 - most, nx * x1 + ny * y1 - most
        if a <= 0:
            made.append((x0, y0))
        if (a <= 0) != (b <= 0):
            t = a / (a - b)
            made.append((x0 + t * (x1 - x0), y0 + t * (y1 - y0)))
    return made


# ---- inside an islet -----------------------------------------------------------------------------------------------


def surface_laws(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return the expected surface to volume ratios inside the islets of an aged cell."""
    ratios = surface_ratios(twin.nano_body(moment)).items()
    return tuple(
        TrueValue(f"{phase}_surface_to_volume_ratio", value, "1/um", "law") for phase, value in ratios
    )


def surface_ratios(body: NanoBody) -> dict[str, float]:
    """Return the expected surface to volume ratio of SEI and of pores inside an islet, in 1/um.

    Each phase of the islet is a Boolean model cut by those that lie over it. The surface of a body counts where no
    other body that lies over it holds the point, and where the phase is on one of its sides: grains over sheets
    over shells over pores (Chiu, Stoyan, Kendall and Mecke 2013, chapter 3).
    """
    free, seen = 1 - body.silicon, 1 - _SHEETS
    shares = body.fractions()
    bare = (shares["pore"] + shares["matrix"]) / seen
    grains = -math.log(free) / (_BALL * float(np.mean(_GRAINS**3))) * 4 * math.pi
    grown = _GRAINS + body.shell_um
    covered = body.coverage if body.shell_um > 0 else 0.0
    shells = covered * grains * float(np.mean(grown**2))
    naked = (1 - covered) * grains * float(np.mean(_GRAINS**2))
    coated = covered * grains * float(np.mean(_GRAINS**2))
    radius, thickness = _SHEET
    sheets = -math.log(seen) * 2 * (radius + thickness) / (radius * thickness)
    held = free - bare  # neither grain nor beyond all shells
    sei = seen * (shells * bare + coated * free + naked * held + sheets * held)
    hollow = -math.expm1(-body.pores)
    pore = seen * bare * (_hole_surface(body) * (1 - hollow) + hollow * (shells + naked + sheets))
    made = {"pore": pore / shares["pore"]} if shares["pore"] > 0 else {}
    return made | ({"sei": sei / shares["sei"]} if shares["sei"] > 0 else {})


def _hole_surface(body: NanoBody) -> float:
    """Return the surface of pores and micro-cracks per volume, before any lies over another."""
    share = 0.5 if body.crack_um > 0 else 1.0
    balls = share * body.pores * 3 * float(np.mean(_PORES**2)) / float(np.mean(_PORES**3))
    if body.crack_um <= 0:
        return balls
    return balls + share * body.pores * 2 * (_CRACK_RADIUS + body.crack_um) / (_CRACK_RADIUS * body.crack_um)


# ---- the equations -------------------------------------------------------------------------------------------------


def expansion_truth(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return the expansions of the operando cell in its field of view, and Eq. 1."""
    h = mean_thickness(twin.micro(moment))
    grown = h / mean_thickness(twin.micro(twin.at(moment.cell))) - 1
    initial = round(initial_thickness(twin, twin.cell(moment.cell)), 3)
    return (
        TrueValue("electrode_thickness_expansion", grown, "1", "geometry"),
        TrueValue("residual_thickness_expansion", grown, "1", "geometry"),
        TrueValue("normalized_thickness_expansion", grown * C_THEORY / moment.capacity, "1", "geometry"),
        TrueValue("cumulative_irreversible_expansion", h - initial, "um", "geometry"),
    )


def porosity_truth(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return what is void in a cracked electrode (Eq. 3, as printed and as a share), and its SEI per gram."""
    cracks = next(one.value for one in micro_truth(twin, moment) if one.metric == "crack_volume_fraction")
    shares = twin.nano_body(moment).fractions()
    per_si = shares["sei"] / twin.silicon_per_volume(moment)
    return (
        TrueValue("electrode_porosity", cracks + shares["pore"], "1", "law"),
        TrueValue("electrode_porosity_nested", 1 - (1 - cracks) * (1 - shares["pore"]), "1", "law"),
        TrueValue("sei_volume_per_si_mass", per_si, "cm^3/g_Si", "law"),
        TrueValue("sei_volume_per_si_mass_nested", (1 - cracks) * per_si, "cm^3/g_Si", "law"),
    )


def gas_laws(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return gas in the separator, and Eq. 4 and 5, expected over all fields of view."""
    volume, per_si = twin.wide(moment), twin.gas_per_si(moment)
    height, rows, columns = (n * volume.voxel_um for n in volume.shape)
    per_area = per_si * twin.law.loading * 10
    pores = (1 - _FIBRE_SHARE) * (height - volume.body.rise_um - volume.body.height_um)
    moles = per_si / _MOLAR_CM3
    return (
        TrueValue("gas_volume", per_area * rows * columns / 1e9, "mm^3", "law"),
        TrueValue("gas_volume_per_area", per_area, "um", "law"),
        TrueValue("gas_volume_per_si_mass", per_si, "cm^3/g_Si", "law"),
        TrueValue("separator_gas_fraction", per_area / pores, "1", "law"),
        TrueValue("gas_charge", 2 * _FARADAY_MAH * moles, "mAh/g_Si", "law"),
        TrueValue("sei_volume_from_gas", moles * _CARBONATE * 1e3, "mm^3/g_Si", "law"),
    )


def record_truth(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return what follows from the cycling of an aged cell alone, and Eq. 2 of its recipe."""
    halves = {(c, h): full for c, h, full, _, _ in CyclerRun(twin, twin.cell(moment.cell)).halves()}
    back = halves[moment.cycle, "delithiation"]
    # silicon swells by 280 % at 3579 mAh/g
    slope = twin.ink.si_fraction * twin.ink.true_density / 2.33 * 0.000782
    return (
        TrueValue("theoretical_thickness_expansion", slope * moment.capacity, "1", "law"),
        TrueValue("specific_capacity", back, "mAh/g_Si", "law"),
        TrueValue("coulombic_efficiency", back / halves[moment.cycle, "lithiation"], "1", "law"),
        TrueValue("capacity_retention", back / halves[1, "delithiation"], "1", "law"),
    )
