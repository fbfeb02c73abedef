"""The steps of recipes: a closed set of typed declarations; nothing here computes.

A step takes what an earlier one gave and gives greys or classes. *Classes* are small whole numbers: 0 is
outside of the domain, thresholds and classifiers give 1 to n, a *selection* has 1 (in) and 2 (not in).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from siltomo.model.fields import In, PhaseName
from siltomo.segmentation.classify import Classify, FeatureFiles
from siltomo.segmentation.layers import Layers
from siltomo.segmentation.sizes import Length, Volume
from siltomo.segmentation.step import CLASSES, GREY, Step
from siltomo.units import Quantity

__all__ = [
    "CLASSES",
    "GREY",
    "REST",
    "STEPS",
    "Background",
    "Classify",
    "Close",
    "Combine",
    "Cut",
    "Dilate",
    "Erode",
    "FeatureFiles",
    "Fill",
    "Gaussian",
    "Label",
    "Layers",
    "Mask",
    "Match",
    "Median",
    "Open",
    "RemoveSmall",
    "Rings",
    "Select",
    "Step",
    "Threshold",
]

REST = "rest"
Connectivity = Literal[6, 18, 26]


class Cut(StrEnum):
    """Where two fitted components are parted."""

    OTSU = "otsu"
    """Otsu's criterion on the deconvolved histogram: half way between the means."""
    BAYES = "bayes"
    """Fewest wrong voxels."""
    EQUAL_ERROR = "equal_error"
    """As many voxels wrongly in as wrongly out: the fraction is unbiased."""
    VALLEY = "valley"
    """Lowest point of the histogram between the means."""


class Median(Step):
    """Median of a box around each voxel: takes away noise, keeps edges."""

    word, main = "median", "size"
    size: Length
    """Edge of the box; rounded to an odd number of voxels along each axis."""


class Gaussian(Step):
    """Gaussian blur, cut off at four standard deviations."""

    word, main = "gaussian", "sigma"
    sigma: Length
    """Standard deviation."""


class Background(Step):
    """Take away what varies slowly within planes (cupping): a wide in-plane box mean is subtracted.

    The plane's own mean is added again, so that greys keep their place. The box must be much wider than the
    features, or these are taken away too.
    """

    word, main = "background", "window"
    window: Length
    """Edge of the box."""


class Rings(Step):
    """Take away rings around the axis of rotation: what stands out of the radial mean of a plane."""

    word, main = "rings", "width"
    width: Length
    """What is wider along the radius than this is no ring."""
    centre: tuple[float, float] | None = None
    """Axis of rotation in the plane as voxels along y, x; the middle of the plane without it."""


class Match(Step):
    """Bring the greys of a series onto those of its first scan: the means of two fitted classes are made equal.

    Linear, so that it corrects different 8-bit windows and drifting intensity, and leaves the shares of the
    classes as they are (matching whole histograms would not: it takes growing cracks for a change of intensity).
    """

    word, main = "match", "classes"
    classes: int = Field(default=2, ge=2, le=5)
    """How many classes are fitted; the darkest and the brightest are matched."""


class Threshold(Step):
    """Part the greys into classes, 1 the darkest."""

    word, main = "threshold", "method"
    gives = CLASSES
    method: Literal["mixture", "otsu", "values"] = "mixture"
    """``mixture``: cuts of the deconvolved histogram; ``otsu``: Otsu on the histogram; ``values``: given."""
    classes: int = Field(default=2, ge=2, le=5)
    """Into how many."""
    cut: Cut | None = None
    """Which cut of the mixture; ``otsu`` without it, which is the published route."""
    partial_volume: bool = False
    """Whether the mixture has components for voxels that two neighbouring classes share."""
    scope: Literal["scan", "series"] = "scan"
    """Whether each scan has its own cuts, or all scans of the command share one."""
    at_most: tuple[tuple[int, Annotated[float, Field(gt=0, lt=1)]], ...] = ()
    """Pairs of class and the largest share of the voxels that is possible for it; labels with more are called bad."""
    values: tuple[float, ...] = ()
    """The cuts, ascending, in grey values; a voxel at the cut belongs to the brighter class."""

    @model_validator(mode="before")
    @classmethod
    def _read_shares(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("at_most"), dict):
            return {**given, "at_most": tuple((_whole(k), v) for k, v in given["at_most"].items())}
        return given

    @model_validator(mode="after")
    def _fields_fit_the_method(self) -> Self:
        if (self.method == "values") != bool(self.values):
            raise ValueError("method 'values' needs values, and only it takes them")
        if self.method != "mixture" and (self.cut is not None or self.partial_volume):
            raise ValueError("cut and partial_volume belong to method 'mixture'")
        if list(self.values) != sorted(set(self.values)):
            raise ValueError(f"the values {self.values} do not ascend")
        if self.values and "classes" in self.model_fields_set and self.classes != len(self.values) + 1:
            raise ValueError(f"{len(self.values)} values make {len(self.values) + 1} classes")
        if self.values and self.at_most:
            raise ValueError("at_most judges what a histogram says; it does not go with 'values'")
        if any(not 1 <= number <= self.class_count for number, _ in self.at_most):
            raise ValueError(f"at_most names a class; there are 1 to {self.class_count}")
        return self

    def content(self) -> dict[str, Any]:
        """Return what decides on the classes: what is held possible decides on the verdict only, where it is said."""
        return {self.word: self.model_dump(mode="json", exclude=set() if self.at_most else {"at_most"})}

    @property
    def class_count(self) -> int:
        """How many classes it gives."""
        return len(self.values) + 1 if self.method == "values" else self.classes


class Mask(Step):
    """Leave out what does not belong to the domain; exactly one of the fields says what stays."""

    word, main = "mask", "inside"
    takes = (GREY, CLASSES)
    inside: str | None = None
    """Name of a selection: what is in stays."""
    cylinder: Annotated[Quantity, In("1", gt=0, le=1, of="the smaller side of the plane")] | None = None
    """Diameter of the reconstructed circle, as part of the smaller side of the plane."""
    not_values: tuple[float, ...] = ()
    """Grey values that say that there is nothing, such as 0."""
    segmentation: str | None = None
    """Id of a segmentation of the same scan; ``{scan}`` stands for the id of the scan."""
    phase: tuple[PhaseName, ...] = ()
    """The phases of that segmentation that stay."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [n for n in ("inside", "cylinder", "not_values", "segmentation") if getattr(self, n)]
        if len(given) != 1:
            raise ValueError(
                f"give one of inside, cylinder, not_values, segmentation; given: {given or 'none'}"
            )
        if bool(self.segmentation) != bool(self.phase):
            raise ValueError("a segmentation and the phases of it that stay go together")
        return self

    @property
    def also_takes(self) -> tuple[str, ...]:
        """The selection, where it is one."""
        return (self.inside,) if self.inside else ()


class Select(Step):
    """Take some classes together: 1 (in), and 2 for all others."""

    word, main = "select", "classes"
    takes, gives = (CLASSES,), CLASSES
    classes: tuple[int, ...] = Field(min_length=1)
    """The classes that are in."""

    @model_validator(mode="before")
    @classmethod
    def _one_class(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("classes"), int):
            return {**given, "classes": (given["classes"],)}
        return given


class _Morphology(Step):
    main = "radius"
    takes, gives = (CLASSES,), CLASSES
    radius: Length
    """Radius of the ball, up to centres of voxels."""


class Erode(_Morphology):
    """Take away what is nearer than a radius to what is not selected; the border of the volume is no edge."""

    word = "erode"


class Dilate(_Morphology):
    """Add what is nearer than a radius to the selection."""

    word = "dilate"


class Open(_Morphology):
    """Erode, then dilate: takes away what a ball does not fit into."""

    word = "open"


class Close(_Morphology):
    """Dilate, then erode: closes gaps narrower than a ball."""

    word = "close"


class RemoveSmall(Step):
    """Take away connected pieces of the selection that are smaller than a volume."""

    word, main = "remove_small", "size"
    takes, gives = (CLASSES,), CLASSES
    size: Volume
    """Pieces with less than this go; rounded up to whole voxels."""
    connectivity: Connectivity = 26
    """How voxels hang together."""


class Fill(Step):
    """Fill holes of the selection: pieces of the rest that touch neither the border nor the outside."""

    word, main = "fill", "size"
    takes, gives = (CLASSES,), CLASSES
    size: Volume | None = None
    """Holes up to this volume; all holes without it."""
    connectivity: Connectivity = 6
    """How the voxels of a hole hang together; 6 goes with a selection that hangs together by 26."""


class Label(Step):
    """Say which phase each class is."""

    word, main = "label", "phases"
    takes, gives = (CLASSES,), CLASSES
    phases: tuple[tuple[int, PhaseName], ...] = Field(min_length=1)
    """Pairs of class and phase; several classes may be one phase."""

    @model_validator(mode="before")
    @classmethod
    def _read_pairs(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("phases"), dict):
            return {**given, "phases": tuple((_whole(k), v) for k, v in given["phases"].items())}
        return given


class Combine(Step):
    """Put selections together: a voxel belongs to the first that has it, or to the rest."""

    word, main = "combine", "phases"
    takes, gives = (CLASSES,), CLASSES
    phases: tuple[tuple[PhaseName, str], ...] = Field(min_length=1)
    """Pairs of phase and selection, the first that has a voxel gets it."""
    rest: PhaseName | None = None
    """Phase of what no selection has; outside of the domain without it."""

    @model_validator(mode="before")
    @classmethod
    def _read_pairs(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("phases"), dict):
            return given
        pairs = given["phases"].items()
        rest = [phase for phase, source in pairs if source == REST]
        taken = {"phases": tuple(pair for pair in pairs if pair[1] != REST)}
        return {**given, **taken, **({"rest": rest[0]} if rest else {})}

    @property
    def also_takes(self) -> tuple[str, ...]:
        """The selections."""
        return tuple(source for _, source in self.phases)


def _whole(key: Any) -> Any:
    """Read the class that YAML keeps as text."""
    return int(key) if isinstance(key, str) and key.isdigit() else key


STEPS: dict[str, type[Step]] = {
    step.word: step
    for step in (
        *(Median, Gaussian, Background, Rings, Match, Mask, Threshold, Classify),
        *(Select, Erode, Dilate, Open, Close, RemoveSmall, Fill, Layers, Label, Combine),
    )
}
"""Every step, by its word."""
