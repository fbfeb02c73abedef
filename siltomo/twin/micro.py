"""A micro scan of the twin: collector, cracked electrode, separator with fibres and gas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.twin import _network, _shapes
from siltomo.twin._points import lognormal_table, points_in
from siltomo.twin.grid import Drawing, Floats, Grid, Labels, Window, writable
from siltomo.twin.laws import Cracks

__all__ = ["MICRO_PHASES", "MicroBody", "MicroVolume"]

CRACK, SOLID, COLLECTOR, FIBRE, ELECTROLYTE, GAS, CRACK_GAS, GRAPHENE = range(1, 9)
MICRO_PHASES = {
    CRACK: "crack",
    SOLID: "solid",
    COLLECTOR: "collector",
    FIBRE: "separator",
    ELECTROLYTE: "electrolyte",
    GAS: "gas",
    CRACK_GAS: "crack",
    GRAPHENE: "graphene",
}
"""Phase of each label value; a crack is filled with electrolyte (1) or with gas (7)."""

JITTER = 0.6
_WIDTHS = lognormal_table(0.3)
_WIDTHS = np.round(_WIDTHS / _WIDTHS.mean(), 9)
_BUBBLES = lognormal_table(0.3)

_FOOT_ROUGH, _FOOT_SCALE = 0.5, 12.0
_TOP_ROUGH, _TOP_SCALE = 0.02, 25.0
_SHEETS_PER_UM3, _SHEET_RADIUS, _SHEET_THICKNESS = 1 / 30.0**3, 7.5, 0.5
_FIBRE_SHARE, _FIBRE_HALF, _FIBRE_MEAN_VOLUME = 0.265, 50.0, 345.0
_BUBBLE_CELL, _BUBBLE_RISE = 50.0, 40.0


@dataclass(frozen=True)
class MicroBody:
    """The continuous electrode that a micro scan sees: no voxels yet."""

    seed: int
    height_um: float
    """Mean thickness of the electrode."""
    initial_um: float
    """Its thickness before cycling."""
    rise_um: float
    """Height of the collector's surface in the volume."""
    cracks: Cracks
    gas_um: float
    """Gas in the separator: its volume per area."""
    gas_in_cracks: float
    """Share of the cracks that gas fills."""

    @property
    def surfaces(self) -> tuple[tuple[int, float, float, float], ...]:
        """Channel, scale, mean height and roughness of the collector's and of the electrode's surface, in um."""
        mean = self.rise_um + self.height_um
        return (
            (1, _FOOT_SCALE, self.rise_um, _FOOT_ROUGH),
            (2, _TOP_SCALE, mean, _TOP_ROUGH * self.height_um),
        )

    def pieces(self, box: Floats) -> tuple[Floats, NDArray[np.uint64], Floats, Floats, Labels]:
        """Return the open pieces of the network in a region, in the order in which they are drawn.

        Returns
        -------
        tuple
            Pieces as in `siltomo.twin._network.edges_in`; ids; half-widths at mid-height in um; tapers;
            label values.
        """
        made = [self._level(box, number) for number in range(len(self.cracks))]
        if not made:
            empty = np.empty(0)
            return (
                np.empty((0, _network.COLUMNS)),
                np.empty(0, np.uint64),
                empty,
                empty,
                np.empty(0, np.uint8),
            )
        return tuple(np.concatenate(parts) for parts in zip(*made, strict=True))  # type: ignore[return-value]

    def _level(self, box: Floats, number: int) -> tuple[NDArray[np.generic], ...]:
        level = self.cracks[number]
        cells = np.ceil((box[2:] - box[:2]) / level.spacing_um) + 5
        room = int(4 * _network.PIECES * cells[0] * cells[1])
        pieces, ids = np.empty((room, _network.COLUMNS)), np.empty(room, np.uint64)
        n = _network.edges_in(self.seed, level.level, level.spacing_um, JITTER, box, _WIDTHS, pieces, ids)
        if n > room:
            raise AssertionError(f"{n} pieces of cracks, room for {room}")
        open_ = pieces[:n, 4] < level.share
        pieces, ids = pieces[:n][open_], ids[:n][open_]
        filled = (ids >> np.uint64(33)) % np.uint64(1000) < np.uint64(round(1000 * self.gas_in_cracks))
        values = np.where(filled, CRACK_GAS, CRACK).astype(np.uint8)
        radii = 0.5 * level.width_um * pieces[:, 5]
        return pieces, ids, radii, np.full(len(ids), level.taper), values

    def sheets(self, box: Floats) -> Floats:
        """Return the graphene sheets in a region ``[[x, y, z], [x, y, z]]`` of the volume, in um."""
        stretch = self.height_um / self.initial_um
        grown = box + np.array([[-9.0], [9.0]])
        grown[:, 2] = (grown[:, 2] - self.rise_um) / stretch
        grown[0, 2] -= 9.0
        grown[1, 2] += 9.0
        at, _ = points_in(self.seed, 60, grown, density=_SHEETS_PER_UM3, edge=30.0)
        nx, ny = 1.1 * (at[:, 3] - 0.5), 1.1 * (at[:, 4] - 0.5)
        norm = np.sqrt(nx * nx + ny * ny + 1.0)
        z = self.rise_um + at[:, 2] * stretch
        size = np.full(len(at), _SHEET_RADIUS)
        return np.column_stack(
            [
                at[:, 0],
                at[:, 1],
                z,
                nx / norm,
                ny / norm,
                1.0 / norm,
                size,
                np.full(len(at), _SHEET_THICKNESS),
            ]
        )

    def fibres(self, box: Floats) -> Floats:
        """Return the separator's fibres in a region."""
        reach = _FIBRE_HALF + 2.0
        grown = box + np.array([[-reach, -reach, -2.0], [reach, reach, 2.0]])
        base = self.rise_um + self.height_um
        grown[:, 2] -= base
        density = round(-np.log1p(-_FIBRE_SHARE) / _FIBRE_MEAN_VOLUME, 12)
        at, _ = points_in(self.seed, 61, grown, density=density, edge=10.0)
        t = 2.0 * at[:, 3] - 1.0
        ux, uy = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
        ux = np.where(at[:, 4] < 0.5, ux, -uy)
        uy = np.where(at[:, 4] < 0.5, uy, (1.0 - t * t) / (1.0 + t * t))
        half = np.full(len(at), _FIBRE_HALF)
        return np.column_stack([at[:, 0], at[:, 1], at[:, 2] + base, ux, uy, half, 0.5 + at[:, 5]])

    def bubbles(self, box: Floats) -> Floats:
        """Return the gas bubbles in a region: they float above the electrode."""
        if self.gas_um <= 0.0:
            return np.empty((0, 4))
        cubes = float(np.mean(_BUBBLES**3))
        per_area = 1.0 / _BUBBLE_CELL**2
        volume = self.gas_um / per_area / (1 - _FIBRE_SHARE)
        typical = round(float((volume / (4.18879020478639 * cubes)) ** (1 / 3)), 9)
        reach = typical * _BUBBLES[-1]
        grown = np.array(
            [
                [box[0, 0] - reach, box[0, 1] - reach, 0.0],
                [box[1, 0] + reach, box[1, 1] + reach, _BUBBLE_CELL - 1.0],
            ]
        )
        at, _ = points_in(self.seed, 62, grown, density=_BUBBLE_CELL**-3, edge=_BUBBLE_CELL, even=True)
        r = typical * _BUBBLES[(at[:, 3] * _BUBBLES.size).astype(np.int64)]
        top = self.rise_um + self.height_um * (1 + _TOP_ROUGH)
        return np.column_stack([at[:, 0], at[:, 1], top + r + _BUBBLE_RISE * at[:, 4], r])


@dataclass(frozen=True)
class MicroVolume(Grid):
    """A micro scan: the electrode at a voxel size, in a field of view; see `MICRO_PHASES` for its labels."""

    body: MicroBody

    def tracks(self, z0: int = 0, z1: int | None = None) -> NDArray[np.uint64]:
        """Return the id of the crack that holds each voxel, 0 outside cracks.

        A crack keeps its id through all states of its cell.
        """
        window = self.planes(z0, z1)
        labels = self.block(window)
        pieces, ids, radii, tapers, _ = self.body.pieces(_region(window.box(self.voxel_um)))
        found = np.zeros(window.shape, np.uint64)
        nearest = np.zeros(window.shape)
        place = (self.voxel_um, window.z[0], window.y[0], window.x[0], self.body.height_um)
        for taper in np.unique(tapers):
            own = tapers == taper
            _network.draw_tracks(
                found, nearest, pieces[own], ids[own], radii[own], taper, self.body.rise_um, *place
            )
        found[(labels != CRACK) & (labels != CRACK_GAS)] = 0
        return found

    def _drawing(self, window: Window) -> Drawing:
        body, edge = self.body, self.voxel_um
        j0, i0 = window.y[0], window.x[0]
        foot, top = self._surfaces(window)
        box = window.box(edge)
        pieces, _, radii, tapers, values = body.pieces(_region(box))
        sheets = body.sheets(box)
        high = box[1, 2] > body.rise_um + body.height_um * (1 - _TOP_ROUGH)
        fibres = body.fibres(box) if high else np.empty((0, 7))
        bubbles = body.bubbles(box) if high else np.empty((0, 4))
        kinds = [(taper, tapers == taper) for taper in np.unique(tapers)]
        solid_or_crack = writable(SOLID, CRACK, CRACK_GAS)
        fluid = writable(ELECTROLYTE)

        def draw(out: Labels, k0: int) -> None:
            _shapes.draw_layers(out, foot, top, edge, k0, COLLECTOR, SOLID, ELECTROLYTE)
            for taper, own in kinds:
                _network.draw_strips(
                    out,
                    pieces[own],
                    values[own],
                    radii[own],
                    taper,
                    body.rise_um,
                    edge,
                    k0,
                    j0,
                    i0,
                    body.height_um,
                    SOLID,
                )
            _shapes.draw_discs(out, sheets, edge, k0, j0, i0, GRAPHENE, solid_or_crack)
            _shapes.draw_fibres(out, fibres, edge, k0, j0, i0, FIBRE, fluid)
            _shapes.draw_balls(out, bubbles, edge, k0, j0, i0, GAS, fluid)

        return draw

    def _surfaces(self, window: Window) -> tuple[Floats, Floats]:
        """Return the heights of collector and electrode in the columns of a block."""
        made = []
        for channel, scale, mean, rough in self.body.surfaces:
            surface = np.empty(window.shape[1:])
            j0, i0 = window.y[0], window.x[0]
            _shapes.height_map(self.body.seed, channel, j0, i0, surface, self.voxel_um, scale, mean, rough)
            made.append(surface)
        return made[0], made[1]


def sheet_density(body: MicroBody) -> tuple[float, float, float]:
    """Return the graphene sheets per um^3 of the electrode, the area of one face in um^2, and the thickness."""
    density = _SHEETS_PER_UM3 * body.initial_um / body.height_um
    return density, float(np.pi * _SHEET_RADIUS**2), _SHEET_THICKNESS


def _region(box: Floats, margin: float = 2.0) -> Floats:
    """Return ``x0, y0, x1, y1`` of a box and a margin round it."""
    return np.concatenate([box[0, :2] - margin, box[1, :2] + margin])
