"""One tomogram of a cell in a state."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from siltomo.errors import UnitError
from siltomo.model.base import Model, Record
from siltomo.model.fields import Id, In, Ref
from siltomo.model.words import Domain, HalfCycle, Mode, Scale
from siltomo.units import Quantity

__all__ = ["Acquisition", "Registration", "Scan", "SourceFiles", "State", "Volume", "VoxelSize"]

EDGE, CAPACITY, VOLTAGE = In("um", gt=0), In("mAh/g_Si", ge=0), In("V")
Length = Annotated[Quantity, EDGE]


class State(Model):
    """Where in its life a cell is."""

    cycle: int = Field(ge=0, le=100_000)
    """Cycle number; 0 is pristine."""
    half: HalfCycle
    """Half-cycle: pristine, lithiation, delithiation or rest."""
    capacity: Annotated[Quantity, CAPACITY] | None = None
    """Capacity passed in that half-cycle."""
    voltage: Annotated[Quantity, VOLTAGE] | None = None
    """Voltage against the counter electrode."""
    time: datetime | None = None
    """When the cell was in this state."""

    @model_validator(mode="after")
    def _pristine_is_cycle_zero(self) -> Self:
        if (self.half == HalfCycle.PRISTINE) != (self.cycle == 0) and self.half != HalfCycle.REST:
            raise ValueError(
                f"cycle {self.cycle} cannot be '{self.half}': cycle 0 is the pristine state, and only it"
            )
        if self.half == HalfCycle.PRISTINE and self.capacity is not None and self.capacity.value > 0:
            raise ValueError(f"a pristine cell has passed no capacity, yet {self.capacity} is given")
        return self


class VoxelSize(Model):
    """Edges of a voxel; reads one length for a cube, or three in the order z, y, x.

    Examples
    --------
    >>> str(VoxelSize.model_validate("67.94,33.97,33.97 um"))
    '67.94 x 33.97 x 33.97 um (z, y, x)'
    >>> str(VoxelSize.model_validate("160 nm"))
    '0.16 um'
    """

    z: Length
    """Edge along z, from slice to slice."""
    y: Length
    """Edge along y, down a slice."""
    x: Length
    """Edge along x, across a slice."""

    @model_validator(mode="before")
    @classmethod
    def _read_short_forms(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = _split_lengths(given)
        if isinstance(given, Quantity):
            given = [given] * 3
        if isinstance(given, (list, tuple)):
            if len(given) not in (1, 3):
                raise PydanticCustomError(
                    "voxel_size",
                    "a voxel size is one length, such as '0.16 um', or three in the order z,y,x, such as "
                    "'0.32,0.16,0.16 um'; {count} were given (decimals take a point)",
                    {"count": len(given)},
                )
            z, y, x = list(given) * (3 // len(given))
            return {"z": z, "y": y, "x": x}
        if isinstance(given, dict) and not {"z", "y", "x"} & set(given):
            return {"z": given, "y": given, "x": given}
        return given

    @property
    def um(self) -> tuple[float, float, float]:
        """The edges along z, y, x in micrometres."""
        return self.z.value, self.y.value, self.x.value

    @property
    def edge_um(self) -> float:
        """Edge of the cube with the volume of a voxel, in micrometres."""
        return edge_of_cube(self.um)

    def __str__(self) -> str:
        if self.z == self.y == self.x:
            return str(self.z)
        return f"{self.z.value:.12g} x {self.y.value:.12g} x {self.x.value:.12g} um (z, y, x)"


def edge_of_cube(edges: tuple[float, float, float]) -> float:
    """Return the edge of the cube with the volume of a voxel."""
    z, y, x = edges
    return z if z == y == x else float((z * y * x) ** (1 / 3))


def _split_lengths(text: str) -> list[Quantity]:
    """Read "0.32,0.16,0.16 um": an edge without a unit takes that of the last one."""
    parts = [part.strip() for part in text.split(",")]
    try:
        last = EDGE.read(parts[-1])
        unit = Quantity.parse(parts[-1]).unit
        return [EDGE.read(p if any(c.isalpha() for c in p) else f"{p} {unit}") for p in parts[:-1]] + [last]
    except UnitError as error:
        raise PydanticCustomError("quantity", "{why}", {"why": error.message}) from error


class Volume(Model):
    """The voxels of a scan or of a segmentation, as they are stored."""

    shape: tuple[int, int, int]
    """Voxels along z, y, x."""
    dtype: str
    """Type of a voxel, such as "uint8"."""
    content: str
    """Digest of the decoded voxels; does not depend on chunks, compression or file format."""
    levels: int = 1
    """Resolutions in the pyramid, the full one included."""
    missing_planes: tuple[int, ...] = ()
    """Planes along z that the source did not hold; they read as zero and metrics are refused."""


class SourceFiles(Model):
    """The files that a volume was read from."""

    format: str
    """What they are, such as "TIFF stack"."""
    path: str
    """Where they were when the volume was registered."""
    member: str = ""
    """The stack or the dataset that was meant, where there were several."""
    count: int = Field(ge=1)
    """How many files."""
    size: int = Field(ge=0)
    """Their bytes together."""
    sha256: str
    """Digest of the file; for several, of their names and digests in order."""
    in_place: bool = False
    """Whether the voxels are read from there: registered by reference, not copied."""
    facts: dict[str, str] = Field(default_factory=dict)
    """What else the files say of themselves."""


class Acquisition(Model):
    """How the tomogram was measured."""

    beamline: str = ""
    """Beamline or instrument, such as "TOMCAT X02DA"."""
    technique: str = ""
    """Technique, such as "absorption", "phase contrast" or "holotomography"."""
    energy: Annotated[Quantity, In("keV", gt=0)] | None = None
    """Photon energy."""
    start: datetime | None = None
    """Start of the measurement, on the beamline's clock."""
    end: datetime | None = None
    """End of the measurement, on the beamline's clock."""

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.start and self.end and (self.start.tzinfo is None) != (self.end.tzinfo is None):
            raise ValueError("start and end must both have a time zone, or both none")
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"the measurement ends ({self.end}) before it starts ({self.start})")
        return self


VoxelBox = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First and last voxel (excluded) along z, y, x."""


class Registration(Model):
    """Where a scan lies against another one of the same specimen."""

    reference: Id
    """The scan that it was compared with."""
    z: Annotated[Quantity, In("um")]
    """Shift along z: what lies at z in the reference lies at z + shift in this scan."""
    y: Annotated[Quantity, In("um")]
    """Shift along y."""
    x: Annotated[Quantity, In("um")]
    """Shift along x."""
    correlation: float = Field(ge=-1, le=1)
    """Correlation of the two scans, the shift taken back."""
    series: tuple[Id, ...] = ()
    """The scans that were registered together, the reference first."""
    window: VoxelBox | None = None
    """The voxels that show what all scans of the series show: first and last (excluded) along z, y, x."""

    @model_validator(mode="after")
    def _the_window_has_voxels(self) -> Self:
        for axis, (first, last) in zip("zyx", self.window or (), strict=False):
            if not 0 <= first < last:
                raise ValueError(f"the window has no voxel along {axis}: {first} to {last}")
        return self

    @property
    def um(self) -> tuple[float, float, float]:
        """The shift along z, y, x in micrometres."""
        return self.z.value, self.y.value, self.x.value


class Scan(Record):
    """One tomogram of a cell in a state."""

    kind: ClassVar[str] = "scan"

    cell: Annotated[Id, Ref("cell")]
    """The cell that was scanned."""
    specimen: Id | None = None
    """The piece of it that was imaged, such as a lamella or a capillary piece; scans of one specimen belong closer
    together than those of one cell."""
    state: State
    """Where in its life the cell was."""
    scale: Scale
    """Magnification: micro or nano."""
    mode: Mode
    """Condition of the cell: operando, in_situ or ex_situ."""
    domain: Domain = Domain.CELL
    """What the field of view shows: cell, electrode, islet or separator."""
    voxel_size: VoxelSize
    """Edges of a voxel, after binning."""
    voxel_source: str = ""
    """Where the voxel size comes from, such as "user" or "ImageJ TIFF header"."""
    resolution: Length | None = None
    """Smallest resolved feature, where measured."""
    depth_axis: Annotated[str, Field(pattern=r"^[+-]?[zyx]$")] | None = None
    """Axis along the electrode's thickness, with the direction from collector to separator where that is known:
    "z", "+z", "-y"; read off the labels where it is not declared."""
    registration: Registration | None = None
    """Where it lies against another scan of the same specimen, where that was measured."""
    acquisition: Acquisition = Acquisition()
    """How it was measured."""
    volume: Volume | None = None
    """Its voxels; absent for a scan that is only declared."""
    source: SourceFiles | None = None
    """The files that the voxels were read from."""
