"""What the twin's metrics really are: from its geometry, without voxels, as far as that can be had."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from siltomo.kernels import label_counts
from siltomo.twin._outline import union_area, union_outline
from siltomo.twin._shapes import height_map
from siltomo.twin.grid import Floats
from siltomo.twin.micro import ELECTROLYTE, GAS, MicroVolume, sheet_density
from siltomo.twin.nano import PORE, SEI
from siltomo.twin.twin import Moment, Twin, TwinCell

__all__ = ["TrueValue", "fine", "gas_truth", "initial_thickness", "micro_truth", "nano_truth", "truth"]

_LEVELS, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_STEP = 0.05


@dataclass(frozen=True)
class TrueValue:
    """The true value of a metric for a scan of the twin."""

    metric: str
    value: float
    unit: str
    how: str
    """``geometry``: of this electrode in this field of view, without voxels; ``law``: expected over all
    electrodes of the same law; ``half voxels``: counted on voxels of half the edge; ``strips``: of the single
    cracks, by volume, without what their junctions add."""


def truth(twin: Twin, moment: Moment, kind: str = "micro") -> tuple[TrueValue, ...]:
    """Return the true values of a scan: ``micro``, ``wide`` or ``nano``."""
    if kind == "micro":
        return micro_truth(twin, moment)
    return gas_truth(twin, moment) if kind == "wide" else nano_truth(twin, moment)


def micro_truth(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return thickness, expansion, crack fraction, surfaces and widths of an electrode in its field of view."""
    volume = twin.micro(moment)
    h = mean_thickness(volume)
    made = [
        TrueValue("electrode_thickness", h, "um", "geometry"),
        TrueValue("electrode_thickness_expansion", twin.expansion(moment), "1", "law"),
    ]
    if moment.half == "delithiation":
        grown = h - round(initial_thickness(twin, twin.cell(moment.cell)), 3)
        made.append(TrueValue("cumulative_irreversible_expansion", grown, "um", "geometry"))
    cracks = _cracks(volume)
    share, surface = cracks["share"], cracks["surface"]
    made.append(TrueValue("crack_volume_fraction", share, "1", "geometry"))
    if share > 0:
        made += [
            TrueValue("crack_surface_to_volume_ratio", surface / share, "1/um", "geometry"),
            TrueValue("crack_surface_density", surface, "1/um", "geometry"),
            TrueValue("crack_width_mean", cracks["mean"], "um", "strips"),
            TrueValue("crack_width_median", cracks["median"], "um", "strips"),
        ]
    return tuple(made)


def mean_thickness(volume: MicroVolume) -> float:
    """Return the mean distance of the electrode's two surfaces over the field of view, in um."""
    body, shape = volume.body, volume.shape[1:]
    surfaces = []
    for channel, scale, mean, rough in body.surfaces:
        surface = np.empty(shape)
        height_map(body.seed, channel, 0, 0, surface, volume.voxel_um, scale, mean, rough)
        surfaces.append(surface.mean())
    return float(surfaces[1] - surfaces[0])


def initial_thickness(twin: Twin, cell: TwinCell) -> float:
    """Return the mean thickness of a cell's electrode before cycling, in its micro field of view, in um."""
    moment = twin.at(twin.cells[1].id) if cell.cycle is not None else twin.at(cell.id)
    volume = twin.micro(moment)
    body = replace(volume.body, seed=twin.micro_body(twin.at(cell.id)).seed)
    return mean_thickness(replace(volume, body=body))


def _cracks(volume: MicroVolume) -> dict[str, float]:
    """Return share and surface per volume of the cracks, and widths of their strips weighed by volume."""
    body = volume.body
    width = volume.shape[2] * volume.voxel_um
    box = np.array([0.0, 0.0, width, volume.shape[1] * volume.voxel_um])
    pieces, _, radii, tapers, _ = body.pieces(box + np.array([-6.0, -6.0, 6.0, 6.0]))
    share = surface = 0.0
    widths, weights = [], []
    for level, weight in zip(_LEVELS, 0.5 * _WEIGHTS, strict=True):
        strips = pieces[:, :4] + level * pieces[:, 7:11]
        r = radii * (1 + tapers * level)
        share += weight * union_area(strips, r, box, _STEP) / (box[2] * box[3])
        surface += weight * union_outline(strips, r, box, _STEP) / (box[2] * box[3])
        inside = _length_inside(strips, box)
        widths.append(2 * r)
        weights.append(weight * inside * 2 * r)
    # sheets of graphene bridge the cracks: they take their share and add their faces
    density, face, thickness = sheet_density(body)
    sheets = -math.expm1(-density * face * thickness)
    w, m = np.concatenate(widths), np.concatenate(weights)
    made = {
        "share": share * (1 - sheets),
        "surface": surface * (1 - sheets) + share * 2 * density * face,
    }
    if m.sum() > 0:
        order = np.argsort(w)
        half = np.searchsorted(np.cumsum(m[order]), 0.5 * m.sum())
        made |= {"mean": float((w * m).sum() / m.sum()), "median": float(w[order][half])}
    return made


def _length_inside(strips: Floats, box: Floats) -> Floats:
    """Return the length of each strip inside a rectangle."""
    t = (np.arange(32) + 0.5) / 32
    x = strips[:, 0, None] + t * (strips[:, 2] - strips[:, 0])[:, None]
    y = strips[:, 1, None] + t * (strips[:, 3] - strips[:, 1])[:, None]
    inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
    length = np.hypot(strips[:, 2] - strips[:, 0], strips[:, 3] - strips[:, 1])
    return np.asarray(inside.mean(axis=1) * length)


def gas_truth(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return the gas in the separator of this field of view, counted at half the voxel."""
    volume = fine(twin.wide(moment), 2)
    gas_voxels, liquid = (int(n) for n in label_counts(volume.labels(), (GAS, ELECTROLYTE)))
    area = (volume.shape[1] * volume.voxel_um) * (volume.shape[2] * volume.voxel_um)
    gas = float(gas_voxels) * volume.voxel_um**3
    return (
        # um^3 of gas over um^2, over mg/cm^2: 1 um = 1e-4 cm and 1 mg = 1e-3 g
        TrueValue("gas_volume_per_si_mass", gas / area / (twin.law.loading * 10), "cm^3/g_Si", "half voxels"),
        TrueValue("separator_gas_fraction", gas_voxels / (gas_voxels + liquid), "1", "half voxels"),
    )


def nano_truth(twin: Twin, moment: Moment) -> tuple[TrueValue, ...]:
    """Return the volume fractions inside an islet: those of the law, and those of this field of view.

    Per mass of silicon, for a nano volume that stands for the whole thickness of the cell's micro scan.
    """
    shares = twin.nano_body(moment).fractions()
    per_si = shares["sei"] / twin.silicon_per_volume(moment)
    volume = fine(twin.nano(moment), 2)
    labels = volume.labels()
    sei, pore = (int(n) / labels.size for n in label_counts(labels, (SEI, PORE)))
    here = sei * mean_thickness(twin.micro(moment)) / (twin.law.loading * 10)
    return (
        TrueValue("sei_volume_fraction", shares["sei"], "1", "law"),
        TrueValue("pore_volume_fraction", shares["pore"], "1", "law"),
        TrueValue("sei_volume_per_si_mass", per_si, "cm^3/g_Si", "law"),
        TrueValue("sei_volume_fraction", sei, "1", "half voxels"),
        TrueValue("pore_volume_fraction", pore, "1", "half voxels"),
        TrueValue("sei_volume_per_si_mass", here, "cm^3/g_Si", "half voxels"),
    )


def fine(volume: Any, times: int) -> Any:
    """Return the same scan with voxels that are so many times smaller."""
    z, y, x = volume.shape
    return replace(volume, voxel_um=volume.voxel_um / times, shape=(z * times, y * times, x * times))
