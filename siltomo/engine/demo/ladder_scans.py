"""The scans of the ladder, and what each rung makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.demo.ladder_recipes import by_recipe
from siltomo.twin import Moment, Preset, Twin
from siltomo.twin.expected import closed
from siltomo.twin.greys import Greys
from siltomo.twin.grid import Grid
from siltomo.twin.micro import CRACK, CRACK_GAS, ELECTROLYTE, FIBRE, GAS, GRAPHENE, SOLID, MicroVolume
from siltomo.twin.nano import MATRIX, NANO_PHASES, PORE, SEI, SILICON
from siltomo.twin.truth import fine

__all__ = ["LADDER", "Labelled", "LadderScan", "Volume", "ladder_scans"]

LADDER = Preset("ladder", 0.163, 32.6, None, 0.65, 120.0, 150.0, 0.025, 7.0, 4.0, 1)
"""The published voxels in fields of view that a laptop measures in minutes."""
_ISLETS_WIDE = 12.8
"""How much wider the scan of islets is than the others, at how much larger voxels."""
_ISLETS_COARSE = 3
_SECTIONS = 8

Volume = NDArray[np.uint8]


@dataclass(frozen=True)
class Labelled:
    """A scan on one rung."""

    rung: str
    labels: Volume | None
    """None where a recipe refused."""
    phases: Mapping[int, str]
    """Phase of each value; 0 is outside."""
    voxel_um: float
    verdict: str = ""
    """What a recipe says of its own labels."""


@dataclass(frozen=True)
class LadderScan:
    """A scan of the twin that metrics are measured on, rung by rung."""

    name: str
    """``micro``, ``nano``, ``wide`` (the separator), ``islets``, ``before`` and ``end`` (of the operando run)."""
    moment: Moment
    greys: Greys
    domain: str
    phases: Mapping[int, str]
    table: Volume
    """What is made of each value of the twin."""
    cuts: tuple[int, ...]
    """Values of the twin whose greys, from dark to bright, are parted half-way."""
    classes: tuple[int, ...]
    """Label of each class that the cuts make."""
    planes: tuple[int, int] | None = None
    depth_axis: str = ""
    min_feature_um: float | None = None
    """Smallest piece that counts, the same on all rungs; smaller voxels would else see smaller pieces."""

    @property
    def of(self) -> str:
        """The scan, as printed."""
        return f"{self.moment.cell} {self.name}"

    @property
    def volume(self) -> Grid:
        """The volume without any camera."""
        return self.greys.volume

    def rungs(self) -> Iterator[Labelled]:
        """Make the labels of one rung after the other; only what lies in the electrode for ``before``, ``end``."""
        start, stop = self.planes or (0, self.volume.shape[0])
        voxel = self.volume.voxel_um
        half = fine(self.volume, 2).labels(2 * start, 2 * stop)
        yield Labelled("half voxels", np.asarray(self.table[half]), self.phases, voxel / 2)
        del half
        true = self.volume.labels(start, stop)
        plain = np.asarray(self.table[true])
        yield Labelled("voxels", plain, self.phases, voxel)
        if not self.cuts:
            return
        clean = replace(self.greys, camera=self.greys.camera.clean())
        yield Labelled("imaging", self._cut(clean, clean.planes(start, stop), plain), self.phases, voxel)
        kind = "micro" if self.name == "islets" else self.name
        made = by_recipe(
            self.greys.planes(start, stop), plain > 0, voxel, kind=kind, blur_um=self.greys.camera.blur_um
        )
        yield Labelled("segmentation", made.labels, made.phases, voxel, made.verdict)

    def _cut(self, clean: Greys, greys: Volume, plain: Volume) -> Volume:
        """Cut half-way between the known levels of neighbouring greys, inside the true domain."""
        levels = [clean.level_of(clean.deltas[value]) for value in self.cuts]
        made = np.array(self.classes, np.uint8)[
            np.digitize(greys, [0.5 * (a + b) for a, b in pairwise(levels)])
        ]
        made[plain == 0] = 0
        return made


_CRACKS = {1: "crack", 2: "solid"}
_SEPARATOR = {FIBRE: "separator", ELECTROLYTE: "electrolyte", GAS: "gas"}


def ladder_scans(twin: Twin) -> Iterator[LadderScan]:
    """List the scans of a formulation: of the cell aged for one cycle, and of the operando cell.

    The islets are those of the aged cell with every edge of its network open, in a field of view that is wide
    enough for them, at mid-height.
    """
    aged = twin.at(next(cell.id for cell in twin.cells if cell.cycle == 1))
    cell = twin.cells[0].id
    end, before = twin.at(cell, cycle=1), twin.at(cell)
    first = twin.stops(1, "lithiation")[0]
    gassing = twin.at(cell, cycle=1, half="lithiation", capacity=first)
    cracks = _table({CRACK: 1, CRACK_GAS: 1, SOLID: 2, GRAPHENE: 2})
    micro: dict[str, Any] = {"domain": "electrode", "phases": _CRACKS, "table": cracks}
    parted: dict[str, Any] = {"cuts": (CRACK, SOLID), "classes": (1, 2)}
    yield LadderScan("micro", aged, twin.greys(aged), **micro, **parted, depth_axis="+z")
    order = (PORE, MATRIX, SEI, SILICON)
    every = _table({value: value for value in NANO_PHASES})
    nano = twin.greys(aged, "nano")
    yield LadderScan("nano", aged, nano, "islet", dict(NANO_PHASES), every, order, order)
    above = _table({value: value for value in _SEPARATOR})
    fluids = (GAS, ELECTROLYTE, FIBRE)
    wide = twin.greys(gassing, "wide")
    yield LadderScan("wide", gassing, wide, "separator", _SEPARATOR, above, fluids, fluids, depth_axis="+z")
    yield LadderScan("before", before, twin.greys(before), **micro, cuts=(), classes=(), depth_axis="+z")
    yield LadderScan("end", end, twin.greys(end), **micro, cuts=(), classes=(), depth_axis="+z")
    volume = _islets(twin, aged)
    middle = round((volume.body.rise_um + volume.body.height_um / 2) / volume.voxel_um)
    planes = (middle - _SECTIONS // 2, middle + _SECTIONS // 2)
    greys = replace(twin.greys(aged), volume=volume)
    least = twin.size.resolution * volume.voxel_um
    yield LadderScan(
        "islets", aged, greys, **micro, **parted, planes=planes, depth_axis="+z", min_feature_um=least
    )


def _islets(twin: Twin, moment: Moment) -> MicroVolume:
    volume = closed(twin.micro(moment))
    voxel = volume.voxel_um * _ISLETS_COARSE
    side = round(volume.shape[2] * _ISLETS_WIDE / _ISLETS_COARSE)
    return replace(volume, voxel_um=voxel, shape=(volume.shape[0] // _ISLETS_COARSE, side, side))


def _table(values: Mapping[int, int]) -> Volume:
    made = np.zeros(256, np.uint8)
    for value, label in values.items():
        made[value] = label
    return made
