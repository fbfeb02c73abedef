"""A nano scan of the twin: grains, SEI shells, graphene, pores and micro-cracks inside an islet.

Every phase is a Boolean model (Poisson points that carry balls or discs), so that volume fractions have closed
forms: Chiu, Stoyan, Kendall and Mecke (2013), Stochastic Geometry and its Applications, chapter 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siltomo.twin import _shapes
from siltomo.twin._points import lognormal_table, points_in
from siltomo.twin.grid import Drawing, Floats, Grid, Labels, Window, writable

__all__ = ["NANO_PHASES", "NanoBody", "NanoVolume"]

SILICON, SEI, PORE, GRAPHENE, MATRIX = range(1, 6)
NANO_PHASES = {SILICON: "solid", SEI: "sei", PORE: "pore", GRAPHENE: "graphene", MATRIX: "matrix"}
"""Phase of each label value; the matrix is what the scan does not resolve."""

_GRAINS = np.round(0.13 * lognormal_table(0.35), 9)
_PORES = np.round(0.25 * lognormal_table(0.30), 9)
_BALL = 4.18879020478639
_SHEET = (7.5, 0.1)
_SHEETS = 0.02
_CRACK_RADIUS = 1.5
_MOST_GRAINS = -math.log1p(-0.20)
_MOST_PORES = 1.2


def _cubes(radii: Floats) -> float:
    return float(np.mean(radii**3))


@dataclass(frozen=True)
class NanoBody:
    """The continuous material of an islet; fractions are those of its Boolean models.

    A grain lives through all states: a state with less silicon keeps the grains of lower rank.
    """

    seed: int
    silicon: float
    """Volume fraction of silicon."""
    shell_um: float
    coverage: float
    """Share of the grains that carry an SEI shell."""
    pores: float
    """Exponent of pores and micro-cracks: they alone would leave exp(-pores) of the volume."""
    crack_um: float

    def fractions(self) -> dict[str, float]:
        """Return the expected volume fraction of each phase."""
        free = 1 - self.silicon
        bare = free ** (1 + self.coverage * self._growth()) if self.shell_um > 0 else free
        open_ = bare * (1 - _SHEETS)
        return {
            "solid": self.silicon,
            "graphene": free * _SHEETS,
            "sei": (free - bare) * (1 - _SHEETS),
            "pore": open_ * -math.expm1(-self.pores),
            "matrix": open_ * math.exp(-self.pores),
        }

    def _growth(self) -> float:
        return _growth(self.shell_um)

    def grains(self, box: Floats) -> tuple[Floats, Floats]:
        """Return the grains of a region, and the shells that some of them carry, as balls."""
        reach = float(_GRAINS[-1]) + self.shell_um
        most = _MOST_GRAINS / (_BALL * _cubes(_GRAINS))
        at, _ = points_in(self.seed, 70, box + _margin(reach), density=round(most, 9), edge=0.4)
        at = at[at[:, 3] < -math.log1p(-self.silicon) / _MOST_GRAINS]
        r = _GRAINS[(at[:, 4] * _GRAINS.size).astype(np.int64)]
        covered = at[:, 5] < self.coverage if self.shell_um > 0 else np.zeros(len(at), bool)
        balls = np.column_stack([at[:, :3], r])
        return balls, balls[covered] + np.array([0.0, 0.0, 0.0, self.shell_um])

    def holes(self, box: Floats) -> tuple[Floats, Floats]:
        """Return pores as balls and micro-cracks as discs; each kind makes half of the exponent."""
        share = 0.5 if self.crack_um > 0 else 1.0
        most = _MOST_PORES / (_BALL * _cubes(_PORES))
        at, _ = points_in(self.seed, 71, box + _margin(float(_PORES[-1])), density=round(most, 9), edge=0.4)
        at = at[at[:, 3] < share * self.pores / _MOST_PORES]
        balls = np.column_stack([at[:, :3], _PORES[(at[:, 4] * _PORES.size).astype(np.int64)]])
        if self.crack_um <= 0:
            return balls, np.empty((0, 8))
        volume = math.pi * _CRACK_RADIUS**2 * self.crack_um
        most = round(_MOST_PORES / volume, 9)
        at, _ = points_in(self.seed, 72, box + _margin(2.2), density=most, edge=1.5)
        at = at[at[:, 3] < share * self.pores / _MOST_PORES]
        return balls, _discs(at, 2.0 * at[:, 4:7] - 1.0, _CRACK_RADIUS, self.crack_um)

    def sheets(self, box: Floats) -> Floats:
        """Return the graphene sheets of a region."""
        radius, thickness = _SHEET
        density = round(-math.log1p(-_SHEETS) / (math.pi * radius**2 * thickness), 9)
        at, _ = points_in(self.seed, 73, box + _margin(radius + 0.1), density=density, edge=8.0)
        normal = np.column_stack([1.1 * (at[:, 3] - 0.5), 1.1 * (at[:, 4] - 0.5), np.ones(len(at))])
        return _discs(at, normal, radius, thickness)


def _growth(shell_um: float) -> float:
    """Return by how much a shell of full coverage enlarges the mean volume of a grain."""
    return _cubes(_GRAINS + shell_um) / _cubes(_GRAINS) - 1


def _discs(at: Floats, normal: Floats, radius: float, thickness: float) -> Floats:
    norm = np.sqrt((normal * normal).sum(axis=1))
    norm[norm == 0] = 1.0
    size = np.tile([radius, thickness], (len(at), 1))
    return np.column_stack([at[:, :3], normal / norm[:, None], size])


def _margin(reach: float) -> Floats:
    return np.array([[-reach] * 3, [reach] * 3])


def nano_body(
    seed: int, *, silicon: float, sei: float, shell_um: float, pores: float, crack_um: float
) -> NanoBody:
    """Return the material with given volume fractions: the coverage of the shells follows from them.

    Where full coverage cannot hold the SEI, the shells become thicker than ``shell_um``.
    """
    free = 1 - silicon
    coverage = 0.0
    if sei > 0:
        wanted = math.log((free - sei / (1 - _SHEETS)) / free) / math.log(free)
        coverage = wanted / _growth(shell_um)
        if coverage > 1:
            low, high = shell_um, 10 * shell_um
            while high - low > 1e-9:
                shell_um = 0.5 * (low + high)
                low, high = (shell_um, high) if _growth(shell_um) < wanted else (low, shell_um)
            shell_um = round(shell_um, 8)
            coverage = 1.0
    body = NanoBody(seed, silicon, shell_um, round(coverage, 9), 0.0, crack_um)
    open_ = body.fractions()["matrix"]
    return NanoBody(seed, silicon, shell_um, body.coverage, round(-math.log1p(-pores / open_), 9), crack_um)


@dataclass(frozen=True)
class NanoVolume(Grid):
    """A nano scan: the inside of an islet; see `NANO_PHASES` for its labels."""

    body: NanoBody

    def _drawing(self, window: Window) -> Drawing:
        body, edge = self.body, self.voxel_um
        box = window.box(edge)
        grains, shells = body.grains(box)
        pores, cracks = body.holes(box)
        sheets = body.sheets(box)
        j0, i0 = window.y[0], window.x[0]
        unresolved = writable(MATRIX)
        below_shells, below_sheets = writable(MATRIX, PORE), writable(MATRIX, PORE, SEI)
        below_grains = writable(MATRIX, PORE, SEI, GRAPHENE)

        def draw(out: Labels, k0: int) -> None:
            out[:] = MATRIX
            _shapes.draw_balls(out, pores, edge, k0, j0, i0, PORE, unresolved)
            _shapes.draw_discs(out, cracks, edge, k0, j0, i0, PORE, unresolved)
            _shapes.draw_balls(out, shells, edge, k0, j0, i0, SEI, below_shells)
            _shapes.draw_discs(out, sheets, edge, k0, j0, i0, GRAPHENE, below_sheets)
            _shapes.draw_balls(out, grains, edge, k0, j0, i0, SILICON, below_grains)

        return draw
