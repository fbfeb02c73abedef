"""Pictures stay as they were looked at: small renderings of every kind of figure, compared with a tolerance.

``SILTOMO_NEW_BASELINES=1`` writes them again; look at them before they are committed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageFilter

from siltomo.report.figure_cycles import cycles_figure, sei_figure
from siltomo.report.figure_cycling import cycling_figure, voltage_figure
from siltomo.report.figure_depth import depth_figure
from siltomo.report.figure_histogram import histogram_figure
from siltomo.report.figure_render import render_figure
from siltomo.report.figure_slices import slices_figure
from siltomo.report.figure_states import cycle_figure, operando_figure
from siltomo.report.figure_video import frame
from siltomo.report.kinds import KINDS
from siltomo.report.style import siltomo_style

BASELINES = Path(__file__).parent / "baselines"
FORMULATIONS = ("reference", "with-zn")
DPI = 60
TILE = 24
MOST = 6.0
"""Largest difference of a tile, of 255. matplotlib 3.11.0 and 3.11.2 draw the same but for 256 colours: below 1."""
MADE_WITH = "3.11"
"""The matplotlib that drew the baselines. 3.10 sets and measures text in another way: every panel moves by a pixel or
two, which is what a tile is to show."""
same_text = pytest.mark.skipif(
    ".".join(mpl.__version__.split(".")[:2]) != MADE_WITH,
    reason=f"the baselines were drawn with the text of matplotlib {MADE_WITH}",
)

WORDS = "cycle 1, delithiation   1200 mAh/g$_{Si}$   0.450 V   3.5 h"


def film(given: Any) -> bytes:
    table, images = given
    return frame(table.iloc[0], images[0], images[0].size_um, WORDS)


DRAWN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "cycling": ("cycling", lambda table: cycling_figure(table, FORMULATIONS)),
    "voltage": ("voltage", lambda table: voltage_figure(table, FORMULATIONS)),
    "slices": ("planes", lambda given: slices_figure(*given)),
    "expansion": ("expansion", lambda table: cycle_figure(table, FORMULATIONS)),
    "operando": ("operando", lambda table: operando_figure(table, FORMULATIONS)),
    "cycles": ("by_cycle", lambda table: cycles_figure(table, FORMULATIONS)),
    "depth": ("profile", lambda table: depth_figure(table, FORMULATIONS)),
    "sei": ("sei", lambda table: sei_figure(table, FORMULATIONS)),
    "gas": ("gas", lambda table: cycle_figure(table, FORMULATIONS)),
    "histogram": ("greys", histogram_figure),
    # pyvista's pixels are those of a driver: ours are the same everywhere
    "render3d": ("surfaces", lambda given: render_figure(*given, own=True)[0]),
    "video": ("planes", film),
}
"""For each kind of figure the table that it is drawn from, and how."""


def drawn(name: str, table: Any) -> Image.Image:
    """Draw a figure in small; a frame of a film has the size it has, and is made smaller."""
    made = DRAWN[name][1](table)
    if isinstance(made, bytes):
        with Image.open(io.BytesIO(made)) as whole:
            return whole.convert("RGB").resize((whole.width // 2, whole.height // 2), Image.Resampling.BOX)
    buffer = io.BytesIO()
    with siltomo_style():
        made.savefig(buffer, dpi=DPI, format="png")
    return Image.open(buffer).convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return how far the worst tile is off: root mean square over its pixels, slightly blurred, of 255.

    By tiles, since a moved curve is lost in the mean over a sheet that is mostly white; blurred, since another
    FreeType shifts letters by parts of a pixel.
    """
    if one.size != other.size:
        return 255.0
    soft = [np.asarray(i.convert("RGB").filter(ImageFilter.GaussianBlur(1.2)), float) for i in (one, other)]
    squares = ((soft[0] - soft[1]) ** 2).mean(axis=2)
    high, wide = (-n % TILE for n in squares.shape)
    padded = np.pad(squares, ((0, high), (0, wide)))
    tiles = padded.reshape(padded.shape[0] // TILE, TILE, -1, TILE).mean(axis=(1, 3))
    return float(np.sqrt(tiles.max()))


def baseline(name: str) -> Image.Image:
    return Image.open(BASELINES / f"{name}.png").convert("RGB")


def test_every_kind_of_figure_has_a_baseline():
    assert set(DRAWN) == {*KINDS, "video"}
    assert {file.stem for file in BASELINES.glob("*.png")} == set(DRAWN)


@same_text
@pytest.mark.parametrize("name", sorted(DRAWN))
def test_figure_looks_as_before(name, request):
    now = drawn(name, request.getfixturevalue(DRAWN[name][0]))
    if os.environ.get("SILTOMO_NEW_BASELINES"):
        now.quantize(256).save(BASELINES / f"{name}.png", optimize=True)
    assert difference(now, baseline(name)) < MOST


# ---- the comparison itself -------------------------------------------------------------------------------------


def moved(table: Any, factor: float, **chosen: Any) -> Any:
    """Move the values of some rows of a table."""
    mine = np.logical_and.reduce([table[name] == value for name, value in chosen.items()])
    column = "value" if "value" in table else "voltage"
    return table.assign(**{column: table[column].where(~mine, table[column] * factor)})


CHANGED: dict[str, Callable[[Any], Any]] = {
    "cycling": lambda t: moved(t, 1.03, formulation="with-zn"),
    "voltage": lambda t: moved(t, 1.05, cell="zn1", cycle=5, half="delithiation"),
    "slices": lambda given: (given[0].assign(grey_low=60.0), given[1]),
    "expansion": lambda t: moved(t, 1.05, metric="electrode_thickness_expansion", cell="zn1"),
    "operando": lambda t: moved(t, 1.05, metric="crack_volume_fraction", formulation="with-zn"),
    "cycles": lambda t: moved(t, 1.05, metric="crack_width_mean", formulation="with-zn"),
    "depth": lambda t: moved(t, 1.05, cycle=1),
    "sei": lambda t: moved(t, 1.05, metric="sei_thickness_mean", formulation="with-zn"),
    "gas": lambda t: moved(t, 1.05, formulation="with-zn"),
    "histogram": lambda t: t.assign(grey=t["grey"].where(t["kind"] != "cut", t["grey"] * 1.03)),
    "render3d": lambda given: (
        given[0],
        {n: replace(m, vertices=m.vertices * 1.05) for n, m in given[1].items()},
    ),
    "video": lambda given: (given[0].assign(grey_low=60.0), given[1]),
}
"""A figure of each kind with one thing changed by a few per cent."""


@same_text
@pytest.mark.parametrize("name", sorted(CHANGED))
def test_what_moves_by_a_few_per_cent_is_seen(name, request):
    changed = CHANGED[name](request.getfixturevalue(DRAWN[name][0]))
    assert difference(drawn(name, changed), baseline(name)) > MOST


def test_every_kind_is_shown_to_fail():
    assert set(CHANGED) == set(DRAWN)


@same_text
def test_a_lost_line_a_lost_label_and_another_size_are_seen(operando):
    alone = operando_figure(operando[operando["formulation"] == "reference"], FORMULATIONS)
    mute = operando_figure(operando, FORMULATIONS)
    mute.axes[0].set_ylabel("")
    for figure in (alone, mute):
        buffer = io.BytesIO()
        with siltomo_style():
            figure.savefig(buffer, dpi=DPI, format="png")
        assert difference(Image.open(buffer), baseline("operando")) > MOST
    assert difference(Image.new("RGB", (9, 9)), baseline("operando")) == 255
