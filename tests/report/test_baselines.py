"""Pictures stay as they were looked at: small renderings compared with a tolerance.

``SILTOMO_NEW_BASELINES=1`` writes them again; look at them before they are committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siltomo.report.figure_cycles import cycles_figure
from siltomo.report.figure_cycling import cycling_figure
from siltomo.report.figure_depth import depth_figure
from siltomo.report.figure_states import operando_figure
from siltomo.report.style import siltomo_style

BASELINES = Path(__file__).parent / "baselines"
FORMULATIONS = ("reference", "with-zn")
DPI = 45
MOST = 6.0
"""Root mean square of the difference, of 255; a lost line makes some 10."""

DRAWN = {
    "operando": operando_figure,
    "by_cycle": cycles_figure,
    "cycling": cycling_figure,
    "profile": depth_figure,
}


def difference(one: Image.Image, other: Image.Image) -> float:
    if one.size != other.size:
        return 255.0
    apart = np.asarray(one, float) - np.asarray(other, float)
    return float(np.sqrt((apart**2).mean()))


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_figure_looks_as_before(name, request, tmp_path):
    figure = DRAWN[name](request.getfixturevalue(name), FORMULATIONS)
    with siltomo_style():
        figure.savefig(tmp_path / "now.png", dpi=DPI)
    now = Image.open(tmp_path / "now.png").convert("L")
    kept = BASELINES / f"{name}.png"
    if os.environ.get("SILTOMO_NEW_BASELINES"):
        now.quantize(16).save(kept, optimize=True)
    assert difference(now, Image.open(kept).convert("L")) < MOST


def test_a_lost_line_is_seen(operando, tmp_path):
    figure = operando_figure(operando[operando["formulation"] == "reference"], FORMULATIONS)
    with siltomo_style():
        figure.savefig(tmp_path / "now.png", dpi=DPI)
    now = Image.open(tmp_path / "now.png").convert("L")
    assert difference(now, Image.open(BASELINES / "operando.png").convert("L")) > MOST
