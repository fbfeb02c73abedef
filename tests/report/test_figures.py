"""Figures show what their tables hold: points, gaps, hatches, units, resolution."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from siltomo.engine.figures.slices import PlaneImage
from siltomo.report.figure_cycles import cycles_figure, sei_figure
from siltomo.report.figure_cycling import cycling_figure, voltage_figure
from siltomo.report.figure_depth import depth_figure
from siltomo.report.figure_slices import slices_figure
from siltomo.report.figure_states import cycle_figure, operando_figure
from siltomo.report.style import axis_label, looks, siltomo_style, unit_text

FORMULATIONS = ("reference", "with-zn")


def lines(axes):
    return {line.get_color(): line for line in axes.get_lines() if len(line.get_xdata())}


def hatched(axes):
    return [p for p in axes.patches if p.get_hatch()]


# ---- what all share ------------------------------------------------------------------------------------------


def test_a_formulation_has_one_colour_whatever_else_is_drawn(operando):
    alone = operando[operando["formulation"] == "with-zn"]
    (line,) = operando_figure(alone, FORMULATIONS).axes[0].get_lines()
    assert line.get_color() == looks(FORMULATIONS)["with-zn"].colour == "#0072B2"


def test_labels_carry_units():
    assert axis_label("crack_width_mean", "um") == "crack width mean / µm"
    assert axis_label("crack_euler_number", "1") == "crack euler number"
    assert unit_text("cm^3/g_Si") == "cm$^{3}$ g$_{Si}^{-1}$"
    assert unit_text("1/um") == "µm$^{-1}$"


def test_the_style_leaves_the_users_settings_alone():
    before = dict(mpl.rcParams)
    with siltomo_style():
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["svg.fonttype"] == "none"
    assert dict(mpl.rcParams) == before


# ---- states --------------------------------------------------------------------------------------------------


def test_operando_shows_the_values_and_breaks_where_one_is_missing(operando):
    axes = operando_figure(operando, FORMULATIONS).axes
    assert [a.get_ylabel() for a in axes] == ["crack volume fraction / %", "crack width mean / µm"]
    drawn = lines(axes[0])
    assert drawn["#0072B2"].get_ydata() == pytest.approx([5, 10, 15, 20])
    broken = drawn["#000000"]
    assert list(broken.get_xdata()) == [500, 1000, 1500, 2000]
    assert np.isnan(broken.get_ydata()[2])
    assert broken.get_ydata()[[0, 1, 3]] == pytest.approx([5, 10, 20])


def test_operando_hatches_what_was_not_measured_in_the_colour_of_its_formulation(operando):
    axes = operando_figure(operando, FORMULATIONS).axes[0]
    spans = {(round(p.get_x()), round(p.get_x() + p.get_width())) for p in hatched(axes)}
    # the missing third state; what the zinc cell did after its last scan
    assert (1250, 1750) in spans
    assert (2000, 2700) in spans
    words = {t.get_text() for t in axes.texts}
    # the axis goes on to where the zinc cell ended; there the reference, stopped at its last scan, has nothing
    assert words == {"cycle 1 not scanned", "cycle 1 stopped"}
    assert axes.get_xlim()[1] > 2700


def test_a_half_cycle_that_was_not_completed_is_hatched_onwards(operando):
    longer = operando.copy()
    longer.loc[longer["formulation"] == "with-zn", "capacity"] *= 1.5
    axes = operando_figure(longer, FORMULATIONS).axes[0]
    assert "cycle 1 stopped" in {t.get_text() for t in axes.texts}


def test_uncertainty_is_a_band_and_a_bar_where_no_band_can_be(operando):
    axes = operando_figure(operando, FORMULATIONS).axes[0]
    assert len(axes.collections) >= 2
    alone = [c for c in axes.containers if len(c.lines[0].get_xdata() if c.lines[0] else []) or c.has_yerr]
    (bar,) = alone  # the reference's last state stands alone after the gap
    (segment,) = bar.lines[2][0].get_segments()
    assert segment[:, 0] == pytest.approx([2000, 2000])
    assert segment[:, 1] == pytest.approx([19, 21])


def test_widths_below_the_resolution_are_shaded_and_fractions_are_not(operando):
    fraction, width = operando_figure(operando, FORMULATIONS).axes
    shaded = [p for p in width.patches if isinstance(p, Rectangle) and p.get_height() == pytest.approx(0.65)]
    assert len(shaded) == 1
    assert not [p for p in fraction.patches if p.get_height() == pytest.approx(0.65)]


def test_expansion_has_a_panel_for_each_half_and_starts_at_the_pristine_state(row):
    rows = [row("electrode_thickness_expansion", 0.0, cycle=0, half="pristine", capacity=None)]
    rows += [
        row("electrode_thickness_expansion", 0.5, half="lithiation", capacity=1000.0),
        row("theoretical_thickness_expansion", 0.8, half="lithiation", capacity=1000.0),
        row("electrode_thickness_expansion", 0.3, half="delithiation", capacity=700.0),
        row("cumulative_irreversible_expansion", 12.0, unit="um", coordinate_value=2000.0),
    ]
    left, right, stays = cycle_figure(pd.DataFrame(rows), FORMULATIONS).axes
    measured, theory = sorted(left.get_lines(), key=lambda line: line.get_linestyle() == ":")
    assert measured.get_xdata().tolist() == [0, 1000]
    assert measured.get_ydata() == pytest.approx([0, 50])
    assert theory.get_ydata() == pytest.approx([80])
    assert right.get_lines()[0].get_ydata() == pytest.approx([30])
    assert left.get_ylim() == right.get_ylim()
    assert stays.get_lines()[0].get_xdata() == pytest.approx([2.0])
    assert "Ah" in stays.get_xlabel()


# ---- cycles --------------------------------------------------------------------------------------------------


def test_cycles_stack_and_leave_a_hatched_slot(by_cycle):
    first, second = cycles_figure(by_cycle, FORMULATIONS).axes
    bars = [p for p in first.patches if isinstance(p, Rectangle) and not p.get_hatch()]
    assert [round(p.get_height(), 6) for p in bars[:6]] == [0, 10, 10, 20, 20, 20]
    assert [round(p.get_y(), 6) for p in bars[3:6]] == [0, 10, 10]
    assert len(hatched(second)) == 2
    assert not hatched(first)


def test_cycling_breaks_at_a_cycle_that_no_cell_completed(cycling):
    (axes,) = cycling_figure(cycling, FORMULATIONS).axes
    line = lines(axes)["#000000"]
    assert np.isnan(line.get_ydata()[3])
    assert line.get_ydata()[4] == 2100
    ((left, width),) = [(p.get_x(), p.get_width()) for p in hatched(axes)]
    assert (left, width) == (3.5, 1.0)


def test_voltage_has_a_panel_for_each_cell(row):
    rows = [
        {"formulation": "reference", "cell": cell, "cycle": 1, "half": half, "capacity": q, "capacity_unit": "mAh",
         "voltage": v, "voltage_unit": "V"}
        for cell in ("a", "b") for half in ("lithiation", "delithiation") for q, v in ((0.0, 0.9), (1.0, 0.1))
    ]  # fmt: skip
    figure = voltage_figure(pd.DataFrame(rows), FORMULATIONS)
    assert [len(axes.get_lines()) for axes in figure.axes] == [2, 2]
    assert figure.axes[0].get_xlabel() == "capacity / mAh"


def test_depth_leaves_a_gap_in_a_bin_without_value(profile):
    _, axes = depth_figure(profile, FORMULATIONS).axes
    full, broken = axes.get_lines()
    assert full.get_xdata() == pytest.approx([2.0, 2.1, 2.2, 2.3, 2.4])
    assert np.isnan(broken.get_xdata()[2])
    assert axes.get_ylim() == (0, 1)


def said_of(axes):
    legend = axes.get_legend()
    return legend.get_title().get_text(), [text.get_text() for text in legend.get_texts()]


def test_depth_is_ordered_and_shaded_by_contraction_where_that_is_known(profile):
    shuffled = profile.iloc[::-1]
    operando, in_situ = depth_figure(shuffled, FORMULATIONS).axes
    assert said_of(operando) == ("contraction", ["28 %", "62 %"])
    pale, dark = operando.get_lines()
    assert pale.get_xdata()[0] == pytest.approx(1.2)
    assert sum(pale.get_color()) > sum(dark.get_color()) == 0
    assert said_of(in_situ) == ("", ["cycle 1", "cycle 5"])


def test_depth_by_cycle_names_the_capacity_where_a_cycle_has_several_states(profile):
    operando, _ = depth_figure(profile, FORMULATIONS, by="cycle").axes
    assert said_of(operando) == ("", ["cycle 1, 840 mAh/g$_{Si}$", "cycle 1, 1860 mAh/g$_{Si}$"])


def test_a_state_without_contraction_says_so_among_those_that_have_one(profile):
    more = profile.assign(contraction=profile["contraction"].where(profile["contraction"] != 0.62))
    operando, _ = depth_figure(more, FORMULATIONS).axes
    assert said_of(operando) == ("contraction", ["28 %", "not known, cycle 1"])


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_depth_says_which_statistic_it_draws(profile, statistic):
    name = {"median": "crack_width_median_depth_profile", "mean": "crack_width_depth_profile"}[statistic]
    *_, last = depth_figure(profile.assign(metric=name, statistic=statistic), FORMULATIONS).axes
    assert last.get_xlabel() == f"{statistic} crack width / µm"


def test_sei_draws_shares_as_steps_of_their_bins(row):
    common = {"cycle": 1, "scale": "nano", "segmentation": "n1", "min_feature": 0.1}
    rows = [
        row("sei_volume_per_si_mass", 1.2, unit="cm^3/g_Si", **common),
        row("sei_thickness_mean", 0.15, unit="um", **common),
    ]
    rows += [
        row("sei_thickness_distribution", share, coordinate_value=at, **common)
        for share, at in ((0.75, 0.15), (0.25, 0.25))
    ]
    *_, steps = sei_figure(pd.DataFrame(rows), FORMULATIONS).axes
    (stairs,) = [p for p in steps.patches if hasattr(p, "get_data")]
    values, edges, _ = stairs.get_data()
    assert values == pytest.approx([75, 25])
    assert edges == pytest.approx([0.1, 0.2, 0.3])


# ---- slices --------------------------------------------------------------------------------------------------


def plane(**more):
    grey = np.tile(np.arange(40, dtype=np.uint8), (20, 1))
    mask = np.zeros(grey.shape, bool)
    mask[5:10] = True
    given = {"grey": grey, "phases": {"crack": mask}, "pixel_um": (0.5, 0.5), "position_um": 3.0, "level": 0,
             "segmentation": "s"}  # fmt: skip
    return PlaneImage(**{**given, **more})


def slices_rows():
    common = {"plane": 0, "axes": "xz", "scale": "micro", "grey_low": 1.0, "grey_high": 30.0}
    rows = [
        {"formulation": "reference", "cycle": 1, "reason": "", **common},
        {"formulation": "reference", "cycle": 5, "reason": "no micro scan of reference in cycle 5", **common},
    ]
    return pd.DataFrame(rows)


def test_slices_share_window_and_scale_and_hatch_what_was_not_scanned():
    shown, absent = slices_figure(slices_rows(), {0: plane()}).axes
    picture, overlay = shown.images
    assert picture.get_clim() == (1.0, 30.0)
    assert picture.get_extent() == [0, 20, 0, 10]
    assert overlay.get_array()[..., 3].astype(bool).mean() == 0.25
    assert [t.get_text() for t in shown.texts] == ["5 µm"]
    bar = next(p for p in shown.patches if isinstance(p, Rectangle))
    assert bar.get_width() == 5.0
    assert absent.patch.get_hatch()
    assert not absent.images


def test_a_scan_whose_separator_lies_at_the_foot_is_turned():
    up, _ = slices_figure(slices_rows(), {0: plane()}).axes
    down, _ = slices_figure(slices_rows(), {0: plane(upside_down=True)}).axes
    assert (up.images[0].origin, down.images[0].origin) == ("lower", "upper")
