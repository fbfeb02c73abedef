"""Quantities: a number, its unit, its uncertainty; nothing without a unit gets in.

One private pint registry serves the package. Grams of silicon (``g_Si``) are a base dimension of their
own, so that ``mAh/g`` and ``mAh/g_Si`` do not mix. Pint stays at the edges: a :class:`Quantity` is a
plain frozen value, arrays are plain floats in declared units.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import pint

from siltomo.errors import UnitError

__all__ = [
    "Quantity",
    "dimension",
    "registry",
    "same_dimension",
    "teach_application_registry",
    "tidy_unit",
    "unit_factor",
]

MAX_TEXT = 80
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?"
_QUANTITY = re.compile(
    rf"\s*(?P<value>{_NUMBER})\s*"
    rf"(?:(?:±|\+/-|\+-)\s*(?P<uncertainty>{_NUMBER})\s*)?"
    r"(?P<unit>(?:1\s*/|[^\d\s.,+\-±]).*)?\s*",
)
_WRITTEN = re.compile(rf"({_NUMBER}) (\S.*)")
_GROUPED = re.compile(
    rf"\s*\(\s*(?P<value>{_NUMBER})\s*(?:±|\+/-|\+-)\s*(?P<uncertainty>{_NUMBER})\s*\)\s*(?P<unit>\S.*)?\s*"
)
# Pint evaluates what it reads and takes "9**9**9" at its word: only products of small powers get through.
_FACTOR = r"[A-Za-z%°][A-Za-z0-9_%°]*(?:\s*(?:\*\*|\^)\s*(?:-?\d|\(-?\d\))(?!\d))?"
_GROUP = rf"\(\s*{_FACTOR}(?:(?:\s*\*\s*|\s+){_FACTOR})*\s*\)"
_UNIT = re.compile(
    rf"(?:1\s*/\s*(?:{_FACTOR}|{_GROUP})|{_FACTOR})"
    rf"(?:\s*\*\s*{_FACTOR}|\s*/\s*(?:{_FACTOR}|{_GROUP})|\s+{_FACTOR})*"
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


_SILICON = "gram_silicon = [mass_Si] = g_Si = gSi"
"""Mass of silicon is a dimension of its own: mAh/g and mAh/g_Si do not mix."""


@cache
def registry() -> pint.UnitRegistry[Any]:
    """Return siltomo's own pint registry (built once, 0.2 s).

    It is independent of pint's application registry, which other packages swap at import. Quantities
    made from it pickle: they come back into this registry.

    Examples
    --------
    >>> registry().Quantity(2.0, "mg_Si/cm^2").to("g_Si/m^2").magnitude
    20.0
    """
    made: pint.UnitRegistry[Any] = pint.UnitRegistry(cache_folder=None, autoconvert_offset_to_baseunit=False)
    made.define(_SILICON)
    made.define("voxel = [voxel] = vx = vox")

    def reduce(quantity: Any) -> tuple[Any, ...]:
        return _rebuild, (quantity.magnitude, str(quantity.units))

    # pint would rebuild into the application registry, where g_Si does not exist
    cast(Any, made.Quantity).__reduce__ = reduce
    return made


def teach_application_registry() -> None:
    """Define the units that pint does not know in its application registry, where they are not there yet.

    Arrays leave siltomo with their units as text; ``.pint.quantify()`` reads them with that registry.
    """
    other = pint.get_application_registry()  # type: ignore[no-untyped-call]
    if "g_Si" not in other:
        other.define(_SILICON)


def _rebuild(magnitude: Any, unit: str) -> Any:
    return registry().Quantity(magnitude, unit)


def tidy_unit(text: str) -> str:
    r"""Rewrite the spellings of units met in files and on keyboards into one that pint reads.

    Parameters
    ----------
    text
        A unit as typed or as found in a file: ``"µm"``, ``"μm"``, ``"micron"``, Fiji's literal
        ``"\\u00B5m"``, ``"mm²"``, ``"mAh g_Si⁻¹"``.

    Returns
    -------
    str
        The unit in ASCII; not yet checked.

    Examples
    --------
    >>> tidy_unit("\\u00B5m"), tidy_unit("μm"), tidy_unit("microns"), tidy_unit("mAh·g_Si⁻¹")
    ('um', 'um', 'um', 'mAh*g_Si^-1')
    """
    text = text.strip().replace("\\u00B5", "u").replace("\\u00b5", "u").replace("\\u03BC", "u")
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + m.group().translate(_SUPERSCRIPTS), text)
    text = unicodedata.normalize("NFC", text).replace("µ", "u").replace("μ", "u").replace("Å", "angstrom")
    text = text.replace("·", "*").replace("⋅", "*").replace("−", "-").replace("g(Si)", "g_Si")
    text = re.sub(r"\b(?:microns?|micrometers?|micrometres?)\b", "um", text, flags=re.IGNORECASE)
    return re.sub(r"(?<![\w])%", "percent", text)


@cache
def _unit(text: str) -> Any:
    """Parse a unit, refusing everything that is more than a product of powers of names."""
    tidy = tidy_unit(text)
    if tidy in ("", "1", "dimensionless"):
        return registry().Unit("dimensionless")
    if len(tidy) > MAX_TEXT or not _UNIT.fullmatch(tidy):
        raise UnitError(f"{text!r} is not a unit (a product of units with powers from -9 to 9)")
    try:
        found = registry().parse_units(tidy)
    except Exception as error:  # pint raises many kinds, some of them not even ValueErrors
        raise UnitError(f"unknown unit {text!r}") from error
    return found


def unit_factor(source: str, target: str) -> float:
    """Return what a number in ``source`` is multiplied by to be in ``target``.

    Raises
    ------
    UnitError
        When the two measure different things, or either is no unit.

    Examples
    --------
    >>> round(unit_factor("nm", "um"), 12)
    0.001
    """
    if not same_dimension(source, target):
        raise UnitError(
            f"{source!r} measures {dimension(source)}, not {dimension(target)} as {target!r} does",
        )
    return float(registry().Quantity(1.0, _unit(source)).to(_unit(target)).magnitude)


def dimension(unit: str) -> str:
    """Return the dimension of a unit in words of base dimensions.

    Examples
    --------
    >>> dimension("mAh/g_Si"), dimension("1")
    ('[current] * [time] / [mass_Si]', 'dimensionless')
    """
    return str(_unit(unit).dimensionality)


def same_dimension(one: str, other: str) -> bool:
    """Return whether two units measure the same thing."""
    return bool(_unit(one).dimensionality == _unit(other).dimensionality)


def _round12(number: float) -> float:
    """Keep 12 digits, so that 160 nm and 0.16 um are one value and one content key."""
    return float(f"{number:.12g}")


@dataclass(frozen=True)
class Quantity:
    """A finite number with its unit and, where known, its standard uncertainty in the same unit.

    Examples
    --------
    >>> Quantity.parse("1.75 +/- 0.05 mg_Si/cm^2").to("g_Si/m^2")
    Quantity('17.5 +/- 0.5 g_Si/m^2')
    >>> Quantity.parse("160 nm").to("um") == Quantity.parse("0.16 µm")
    True
    """

    value: float
    unit: str
    uncertainty: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise UnitError(f"{self.value} is not a finite number")
        if self.uncertainty is not None and not (math.isfinite(self.uncertainty) and self.uncertainty >= 0):
            raise UnitError(f"an uncertainty is a finite number, zero or more, not {self.uncertainty}")

    @classmethod
    def parse(cls, given: object, *, example: str = "0.65 um", unitless: bool = False) -> Quantity:
        """Read a quantity from text, from ``{"value": 0.16, "unit": "um"}`` or from a pint quantity.

        Parameters
        ----------
        given
            What the user wrote.
        example
            What to show when it cannot be read.
        unitless
            Whether a bare number is right, as for a fraction.

        Raises
        ------
        UnitError
            When there is no number, no unit, or anything besides; the message says what to write.
        """
        if isinstance(given, Quantity):
            return given
        if isinstance(given, str):
            value, uncertainty, unit = _split(given, example)
        elif isinstance(given, Mapping):
            value, uncertainty, unit = _from_mapping(given, example)
        elif isinstance(given, (int, float)) and not isinstance(given, bool):
            value, uncertainty, unit = float(given), None, ""
        elif hasattr(given, "magnitude") and hasattr(given, "units"):
            value, uncertainty, unit = float(given.magnitude), None, str(given.units)
        else:
            raise UnitError(f"{given!r} is no quantity: write a number and a unit, such as '{example}'")
        if not unit and not unitless:
            raise _meant(f"'{given}' has no unit", f"{value:.12g} {example.split(maxsplit=1)[-1]}")
        unit = tidy_unit(unit) or "1"
        _unit(unit)
        return cls(_round12(value), unit, uncertainty)

    @classmethod
    def written(cls, text: str, unit: str) -> Quantity | None:
        """Return what a text says that a record keeps: a number and just this unit; None where it says more.

        It is what :meth:`parse` reads, four times as fast.
        """
        found = _WRITTEN.fullmatch(text) if len(text) <= MAX_TEXT else None
        return cls(_round12(float(found[1])), unit) if found is not None and found[2] == unit else None

    def to(self, unit: str) -> Quantity:
        """Convert; raises ``UnitError`` when the dimensions differ."""
        if unit == self.unit:
            return self
        source, target = _unit(self.unit), _unit(unit)
        if source.dimensionality != target.dimensionality:
            raise UnitError(
                f"'{self}' measures {source.dimensionality}; needed is {target.dimensionality}, "
                f"for example '{self.value:.12g} {unit}'",
            )
        value = _round12(float(registry().Quantity(self.value, source).to(target).magnitude))
        spread = None
        if self.uncertainty is not None:
            spread = _round12(abs(self.uncertainty * unit_factor(self.unit, unit)))
        return Quantity(value, unit, spread)

    def m_as(self, unit: str) -> float:
        """Return the plain number in ``unit``."""
        return self.to(unit).value

    def to_pint(self) -> Any:
        """Return a pint quantity of :func:`registry`, for arithmetic."""
        return registry().Quantity(self.value, _unit(self.unit))

    def __str__(self) -> str:
        spread = "" if self.uncertainty is None else f" +/- {self.uncertainty:.12g}"
        unit = "" if self.unit == "1" else f" {self.unit}"
        return f"{self.value:.12g}{spread}{unit}"

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"


def _meant(problem: str, instead: str) -> UnitError:
    error = UnitError(f"{problem}: did you mean '{instead}'?")
    error.instead = instead
    return error


def _split(text: str, example: str) -> tuple[float, float | None, str]:
    """Split '1.75 +/- 0.05 mg' into its three parts; no arithmetic is ever evaluated."""
    tidy = text.strip().replace("−", "-")
    found = None if len(tidy) > MAX_TEXT else _QUANTITY.fullmatch(tidy) or _GROUPED.fullmatch(tidy)
    if not found:
        comma = "; decimals take a point" if re.search(r"\d,\d", tidy) else ""
        raise UnitError(
            f"'{text[:MAX_TEXT]}' is no quantity: write a number and a unit, such as '{example}'{comma}"
        )
    spread = found["uncertainty"]
    return float(found["value"]), None if spread is None else float(spread), (found["unit"] or "").strip()


def _from_mapping(given: Mapping[Any, Any], example: str) -> tuple[float, float | None, str]:
    value, spread = given.get("value"), given.get("uncertainty")
    numbers = [n for n in (value, spread) if n is not None]
    if (
        not set(given) <= {"value", "unit", "uncertainty"}
        or value is None
        or any(isinstance(n, bool) or not isinstance(n, (int, float)) for n in numbers)
    ):
        raise UnitError(
            f'{dict(given)!r} is no quantity: write \'{example}\' or {{"value": ..., "unit": ...}}',
        )
    try:
        return float(value), None if spread is None else float(spread), str(given.get("unit", ""))
    except OverflowError as error:
        raise UnitError("the number is too large") from error
