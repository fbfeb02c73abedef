"""The synthetic study: cells, what happens to them, and the scans that show it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

from siltomo.errors import BadInputError, NotFoundError
from siltomo.twin._hash import seed_of
from siltomo.twin.greys import Camera, Greys
from siltomo.twin.laws import LAWS, Law, NanoState
from siltomo.twin.micro import SOLID, MicroBody, MicroVolume
from siltomo.twin.nano import NanoBody, NanoVolume, nano_body
from siltomo.twin.presets import Preset, preset_of
from siltomo.twin.recipes import INKS, Ink

__all__ = ["AGED_CYCLES", "Moment", "Twin", "TwinCell"]

AGED_CYCLES = (0, 1, 5, 25)
"""Cycles after which an aged cell is scanned, each cell once."""
SHORT = {"reference": "ref", "with-zn": "zn"}
_RISE_UM, _HEADROOM_UM = 4.0, 8.0
SPECIFIC_CURRENT = 477.0
"""Current of the operando run in mA/g_Si."""
_MINUTES = SPECIFIC_CURRENT / 60


# Refractive decrements in 1e-6, at 20 keV for micro and 17.5 keV for nano scans, from tabulated scattering factors;
# that of SEI and of the unresolved matrix stand for porous mixtures (assumed).
MICRO_DELTAS = {1: 0.67, 2: 0.80, 3: 4.29, 4: 1.29, 5: 0.67, 6: 0.0, 7: 0.0, 8: 1.14}
NANO_DELTAS = {1: 1.58, 2: 1.10, 3: 0.0, 4: 1.49, 5: 0.60}


@dataclass(frozen=True)
class TwinCell:
    """A cell of the twin."""

    id: str
    population: str
    """``operando`` (one cell, scanned again and again) or ``aged`` (one cell for each state)."""
    cycle: int | None = None
    """For an aged cell, the cycle after which it was scanned."""


@dataclass(frozen=True)
class Moment:
    """A state of a cell."""

    cell: str
    cycle: int
    half: str
    """``pristine``, ``lithiation`` or ``delithiation``."""
    capacity: float
    """Passed in that half-cycle, in mAh/g_Si."""

    @property
    def name(self) -> str:
        """A name for the scans of this state, such as ``c1-d1073``."""
        if self.half == "pristine":
            return "c0"
        return f"c{self.cycle}-{self.half[0]}{round(self.capacity):04d}"


@dataclass(frozen=True)
class Twin:
    """A synthetic electrode study whose true values are known.

    Every voxel is a function of seed, state and place: nothing is stored, and blocks may be computed in any
    order on any machine.

    Parameters
    ----------
    seed
        Whole number; another seed gives other cracks and grains with the same laws.
    formulation
        ``"reference"`` or ``"with-zn"``.
    preset
        ``"S"``, ``"M"`` or ``"L"``, or a `Preset`.

    Examples
    --------
    >>> twin = Twin(seed=1, formulation="with-zn", preset="S")
    >>> moment = twin.at("zn-c1")
    >>> twin.micro(moment).shape
    (127, 160, 160)
    >>> round(twin.thickness_um(moment), 1)
    50.0
    """

    seed: int = 1
    formulation: str = "reference"
    preset: str | Preset = "S"

    def __post_init__(self) -> None:
        if self.formulation not in LAWS:
            raise BadInputError(f"no formulation {self.formulation!r}; the twin has {', '.join(LAWS)}")
        if not 0 <= self.seed < 2**62:
            raise BadInputError(f"the seed is a whole number from 0 to 2**62, not {self.seed}")
        object.__setattr__(self, "preset", preset_of(self.preset))

    @property
    def size(self) -> Preset:
        """The preset."""
        return preset_of(self.preset)

    @property
    def law(self) -> Law:
        """How its electrodes live."""
        return LAWS[self.formulation]

    @property
    def ink(self) -> Ink:
        """What its electrodes are made of."""
        return INKS[self.formulation]

    @cached_property
    def cells(self) -> tuple[TwinCell, ...]:
        """Its cells: one of the operando run, and one for each aged state."""
        short = SHORT[self.formulation]
        aged = (TwinCell(f"{short}-c{cycle}", "aged", cycle) for cycle in AGED_CYCLES)
        return (TwinCell(f"{short}-operando", "operando"), *aged)

    def cell(self, id: str) -> TwinCell:  # noqa: A002 -- the word of the data model
        """Return a cell.

        Raises
        ------
        NotFoundError
            When the twin has no such cell.
        """
        for one in self.cells:
            if one.id == id:
                return one
        raise NotFoundError(f"the twin has no cell {id!r}; it has {', '.join(c.id for c in self.cells)}")

    # ---- states ----------------------------------------------------------------------------------------

    def at(
        self, cell: str, *, cycle: int | None = None, half: str | None = None, capacity: float | None = None
    ) -> Moment:
        """Return a state of a cell; of an aged cell, the one in which it was scanned.

        Parameters
        ----------
        capacity
            Passed in the half-cycle, in mAh/g_Si; by default all of it.
        """
        one = self.cell(cell)
        if one.cycle is not None:
            whole = self.law.aged_delithiation(one.cycle) if one.cycle else 0.0
            return Moment(cell, one.cycle, "delithiation" if one.cycle else "pristine", whole)
        if not cycle:
            return Moment(cell, 0, "pristine", 0.0)
        half = half or "delithiation"
        full = self.half_capacity(cycle, half)
        passed = full if capacity is None else capacity
        if not 0 <= passed <= full:
            raise BadInputError(f"{half} {cycle} of {cell} passes 0 to {full:g} mAh/g_Si, not {passed:g}")
        return Moment(cell, cycle, half, passed)

    def half_capacity(self, cycle: int, half: str) -> float:
        """Return the capacity of a half-cycle of the operando run in mAh/g_Si."""
        if cycle not in self.law.cycles or half not in ("lithiation", "delithiation"):
            raise BadInputError(f"the operando run has no {half} {cycle}")
        return float(getattr(self.law.cycles[cycle], half))

    def stops(self, cycle: int, half: str) -> tuple[float, ...]:
        """Return the capacities at which the operando run pauses for scans, the end of the half-cycle included.

        Every 15 min in the first 45 min of cycle 1, every 30 min after that.
        """
        full = self.half_capacity(cycle, half)
        minutes = [15.0, 30.0, 45.0] if (cycle, half) == (1, "lithiation") else [30.0]
        while (minutes[-1] + 30) * _MINUTES < full - 1:
            minutes.append(minutes[-1] + 30)
        return (*(m * _MINUTES for m in minutes), full)

    @cached_property
    def operando(self) -> tuple[Moment, ...]:
        """States of the operando cell that hold voxels at this preset, in the order of time."""
        cell = self.cells[0].id
        made = [self.at(cell)]
        for cycle in (1, 3):
            for half in ("lithiation", "delithiation"):
                if (cycle, half) == (3, "lithiation"):
                    # the start of cycle 3 is the end of cycle 2
                    made.append(self.at(cell, cycle=2))
                stops = self.stops(cycle, half)
                kept = min(self.size.stops if cycle == 1 else max(1, self.size.stops // 2), len(stops))
                chosen = sorted({round((m + 1) * len(stops) / kept) - 1 for m in range(kept)})
                made += [self.at(cell, cycle=cycle, half=half, capacity=stops[m]) for m in chosen]
        return tuple(made)

    @cached_property
    def aged(self) -> tuple[Moment, ...]:
        """States of the aged cells, one each."""
        return tuple(self.at(one.id) for one in self.cells if one.cycle is not None)

    # ---- true laws -------------------------------------------------------------------------------------

    def expansion(self, moment: Moment) -> float:
        """Return the true expansion as a fraction of the initial thickness."""
        if self.cell(moment.cell).cycle is not None:
            return self.law.aged[moment.cycle]
        return self.law.expansion(moment.cycle, moment.half, moment.capacity)

    def thickness_um(self, moment: Moment) -> float:
        """Return the true mean thickness of the electrode."""
        return self.law.initial_thickness_um * (1 + self.expansion(moment))

    def gas_per_si(self, moment: Moment) -> float:
        """Return the gas in the separator in cm^3/g_Si that the law gives on average."""
        if self.cell(moment.cell).cycle is not None:
            return 0.02 if moment.cycle else 0.0
        return self.law.operando_gas(moment.cycle, moment.half, moment.capacity)

    def silicon_per_volume(self, moment: Moment) -> float:
        """Return the silicon in the electrode's volume, in g_Si/cm^3."""
        return self.law.loading * 10 / self.thickness_um(moment)

    # ---- volumes ---------------------------------------------------------------------------------------

    def micro_body(self, moment: Moment) -> MicroBody:
        """Return the continuous electrode of a state."""
        law = self.law
        if self.cell(moment.cell).cycle is not None:
            cracks = law.aged_cracks[moment.cycle]
        else:
            cracks = law.operando_cracks(moment.cycle, moment.half, moment.capacity)
        started = moment.cycle > 0 and (moment.cycle, moment.half) != (1, "lithiation")
        return MicroBody(
            seed=self._seed(moment.cell),
            height_um=self.thickness_um(moment),
            initial_um=law.initial_thickness_um,
            rise_um=_RISE_UM,
            cracks=cracks,
            gas_um=self.gas_per_si(moment) * law.loading * 10,
            gas_in_cracks=law.gas_in_cracks if started else 0.0,
        )

    def micro(self, moment: Moment) -> MicroVolume:
        """Return the scan of the electrode at the high magnification."""
        size, body = self.size, self.micro_body(moment)
        needed = _RISE_UM + body.height_um * 1.03 + _HEADROOM_UM
        height = needed if size.micro_height_um is None else size.micro_height_um
        return MicroVolume(
            size.micro_voxel_um, _shape(height, size.micro_width_um, size.micro_voxel_um), body
        )

    def wide(self, moment: Moment) -> MicroVolume:
        """Return the scan of the separator at the low magnification."""
        size = self.size
        shape = _shape(size.wide_height_um, size.wide_width_um, size.wide_voxel_um)
        return MicroVolume(size.wide_voxel_um, shape, self.micro_body(moment))

    def nano_state(self, moment: Moment) -> NanoState:
        """Return what the nano scale of an aged cell looks like."""
        if self.cell(moment.cell).cycle is None:
            raise BadInputError(f"only aged cells are taken apart for nano scans, not {moment.cell}")
        return self.law.nano[moment.cycle]

    def nano_body(self, moment: Moment) -> NanoBody:
        """Return the continuous material inside an islet of an aged cell."""
        state = self.nano_state(moment)
        return nano_body(
            self._seed(moment.cell),
            silicon=state.silicon,
            sei=state.sei_per_si * self.silicon_per_volume(moment),
            shell_um=state.shell_um,
            pores=state.pores,
            crack_um=state.crack_um,
        )

    def nano(self, moment: Moment) -> NanoVolume:
        """Return the ex-situ scan inside an islet of an aged cell."""
        size = self.size
        shape = _shape(size.nano_width_um, size.nano_width_um, size.nano_voxel_um)
        return NanoVolume(size.nano_voxel_um, shape, self.nano_body(moment))

    # ---- greys -----------------------------------------------------------------------------------------

    def greys(self, moment: Moment, kind: str = "micro", camera: Camera | None = None) -> Greys:
        """Return the greys of a scan: ``micro``, ``wide`` or ``nano``.

        Parameters
        ----------
        camera
            Blur, noise and artefacts; by default those of the beamline that the twin imitates.
        """
        volume = getattr(self, kind)(moment)
        blur = self.size.resolution * volume.voxel_um
        seed = seed_of(self._seed(moment.cell), zlib.crc32(f"{kind} {moment.name}".encode()))
        if kind == "nano":
            return Greys(volume, NANO_DELTAS, camera or Camera(blur, 0.06, low=-0.3, high=2.2), seed)
        deltas = {**MICRO_DELTAS, SOLID: self.islet_delta(moment)}
        return Greys(volume, deltas, camera or Camera(blur, 0.028), seed)

    def islet_delta(self, moment: Moment) -> float:
        """Return the refractive decrement of an islet in 1e-6: lithiated silicon is as dark as electrolyte."""
        if moment.half == "pristine":
            return 0.80
        if self.cell(moment.cell).cycle is not None or moment.cycle > 1:
            ends = {1: 0.78, 2: 0.775, 3: 0.77, 5: 0.76, 25: 0.74}
            if self.cell(moment.cell).cycle is not None:
                return ends[moment.cycle]
            full = self.half_capacity(moment.cycle, moment.half)
            start, end = (ends[2], 0.65) if moment.half == "lithiation" else (0.65, ends[3])
            return start + moment.capacity / full * (end - start)
        full = self.half_capacity(1, moment.half)
        start, end = (0.80, 0.65) if moment.half == "lithiation" else (0.65, 0.78)
        return start + moment.capacity / full * (end - start)

    def _seed(self, cell: str) -> int:
        return seed_of(self.seed, zlib.crc32(cell.encode()))


def _shape(height: float, width: float, voxel: float) -> tuple[int, int, int]:
    side = round(width / voxel)
    return round(height / voxel), side, side
