"""How siltomo's figures look: colours by formulation, print sizes, labels with units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "PHASE_COLOURS",
    "WIDTHS",
    "Look",
    "Width",
    "axis_label",
    "blank",
    "drawn_into",
    "letter",
    "looks",
    "phase_colour",
    "quantity_words",
    "shown",
    "siltomo_style",
    "spacing",
    "unit_text",
]

Width = Literal["single", "double"]
"""One or two columns of a journal."""

_MM = 1 / 25.4
WIDTHS = {"single": 89 * _MM, "double": 183 * _MM}
_LOW = 0.45
"""Height of a lone panel over two columns, in its width."""

# black, then the colour-blind set of Okabe and Ito (2008), most different ones first
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("s", "o", "^", "D", "v", "P", "X")

PHASE_COLOURS = {
    "crack": "#0072B2",
    "pore": "#56B4E9",
    "sei": "#009E73",
    "gas": "#E69F00",
    "solid": "#8C8C8C",
    "graphene": "#F0E442",
    "separator": "#CC79A7",
    "electrolyte": "#BBD9E8",
    "collector": "#D55E00",
    "matrix": "#666666",
}
"""Colours of phases in overlays; others take those that are left over, in the order of their names."""

_SHARES = re.compile(
    r"fraction|interconnectivity|expansion$|porosity|efficiency|retention|distribution|contraction|share"
)
_POWER = re.compile(r"^(?P<name>.+?)(?:\^(?P<power>-?\d+))?$")
_NAMES = {"um": "µm", "g_Si": "g_{Si}", "mg_Si": "mg_{Si}", "degC": "°C", "deg": "°"}


@dataclass(frozen=True)
class Look:
    """Colour and marker of a formulation."""

    colour: str
    marker: str


def looks(formulations: Sequence[str]) -> dict[str, Look]:
    """Give each formulation of a catalog its colour and marker: black squares for the first.

    Examples
    --------
    >>> looks(["reference", "with-zn"])["with-zn"].colour
    '#0072B2'
    """
    n = len(_COLOURS)
    return {name: Look(_COLOURS[i % n], _MARKERS[i % n]) for i, name in enumerate(formulations)}


def phase_colour(name: str) -> str:
    """Return the colour of a phase in overlays; the same name has the same colour in every figure."""
    left_over = ("#882255", "#44AA99", "#AA4499", "#999933")
    return PHASE_COLOURS.get(name, left_over[sum(map(ord, name)) % len(left_over)])


def shown(name: str, unit: str) -> tuple[float, str]:
    """Return the factor and the unit in which a quantity is drawn: shares in percent, all else as it is.

    Examples
    --------
    >>> shown("crack_volume_fraction", "1"), shown("crack_width_mean", "um")
    ((100.0, '%'), (1.0, 'um'))
    """
    return (100.0, "%") if unit == "1" and _SHARES.search(name) else (1.0, unit)


def unit_text(unit: str) -> str:
    """Typeset a unit: slashes become negative powers.

    Examples
    --------
    >>> unit_text("mAh/g_Si"), unit_text("1/um"), unit_text("%")
    ('mAh g$_{Si}^{-1}$', 'µm$^{-1}$', '%')
    """
    if unit in ("%", ""):
        return unit
    over, *under = unit.split("/")
    parts = [(part, 1) for part in re.split(r"[*·]", over) if part not in ("", "1")]
    parts += [(part, -1) for part in under]
    return " ".join(_typeset(part.strip(), sign) for part, sign in parts) or "1"


def _typeset(part: str, sign: int) -> str:
    found = _POWER.match(part)
    name, power = (found["name"], int(found["power"] or 1) * sign) if found else (part, sign)
    stem, _, index = _NAMES.get(name, name).partition("_")
    raised = "" if power == 1 else f"^{{{power}}}"
    return f"{stem}$_{index}{raised}$" if index else f"{stem}${raised}$" if raised else stem


def quantity_words(name: str) -> str:
    """Return a quantity's name as people write it.

    Examples
    --------
    >>> quantity_words("sei_volume_per_si_mass")
    'SEI volume per Si mass'
    """
    words = {"sei": "SEI", "si": "Si", "soc": "SoC"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def axis_label(name: str, unit: str, *, words: str = "") -> str:
    """Return ``quantity / unit`` for an axis, with the unit in which it is drawn.

    Examples
    --------
    >>> axis_label("crack_volume_fraction", "1")
    'crack volume fraction / %'
    """
    printed = unit_text(shown(name, unit)[1])
    label = words or quantity_words(name)
    return label if printed in ("", "1") else f"{label} / {printed}"


@contextmanager
def siltomo_style() -> Iterator[None]:
    """Draw in siltomo's style, whatever the user's matplotlibrc says; for use around making and saving."""
    import matplotlib as mpl

    sheet = mpl.rc_params_from_file(
        str(files("siltomo.report").joinpath("siltomo.mplstyle")), use_default_template=False
    )
    with mpl.rc_context():
        backend = mpl.rcParams["backend"]
        mpl.rcdefaults()
        mpl.rcParams.update({**sheet, "backend": backend})
        yield


_canvas: ContextVar[Any] = ContextVar("canvas", default=None)
_first_letter: ContextVar[int] = ContextVar("first_letter", default=0)
_last_letter: ContextVar[list[int]] = ContextVar("last_letter")


@contextmanager
def drawn_into(part: Any, first: int = 0) -> Iterator[list[int]]:
    """Draw what follows into a part of a larger figure, its panels named from a letter on.

    Yields a list whose last entry is the number of the last letter, -1 where none was drawn.
    """
    last = [-1]
    settings: list[tuple[ContextVar[Any], Any]] = [
        (_canvas, part),
        (_first_letter, first),
        (_last_letter, last),
    ]
    tokens = [variable.set(value) for variable, value in settings]
    try:
        yield last
    finally:
        for (variable, _), token in zip(settings, tokens, strict=True):
            variable.reset(token)


def blank(
    width: Width, *, height: float = 0.7, rows: int = 1, columns: int = 1, pictures: bool = False
) -> Figure:
    """Return an empty figure of a journal's column width; height is in widths of one panel, per row.

    Inside `drawn_into` it is the part of the larger figure. A panel over two columns of a journal is kept low,
    unless it holds ``pictures``, which have a shape of their own.
    """
    from matplotlib.figure import Figure

    part: Figure | None = _canvas.get()
    if part is not None:
        return part
    across = WIDTHS[width]
    if columns == 1 and width == "double" and not pictures:
        height = min(height, _LOW)
    return Figure(figsize=(across, across / columns * height * rows), layout="constrained")


def spacing(figure: Figure, *, pictures: bool = False, **pads: float) -> None:
    """Set the space around panels, where the figure is not part of a larger one.

    With ``pictures``, whose shape is given, what they leave of their panels goes to the margins.
    """
    if _canvas.get() is None:
        figure.set_layout_engine("compressed" if pictures else "constrained", **pads)


def letter(axes: Axes, number: int) -> None:
    """Name a panel a), b), ... above its upper left corner."""
    number += _first_letter.get()
    last = _last_letter.get(None)
    if last is not None:
        last.append(number)
    axes.set_title(f"{chr(ord('a') + number)})", loc="left", fontweight="bold")
