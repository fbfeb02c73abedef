"""The picture of a recipe on a scan: is the threshold where it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from siltomo.engine.intake.labels import PHASE_COLOURS
from siltomo.engine.segment.preview import Preview
from siltomo.segmentation.prepare import Fit

__all__ = ["draw_preview"]

_TRUST_COLOURS = {"good": "#2a7f3f", "doubtful": "#b07a00", "bad": "#b02020", "unjudged": "#555555"}
_INCHES = 4.2


def draw_preview(preview: Preview, path: Path) -> None:
    """Draw histogram, fit and cuts of each threshold, and labels over greys in three planes, as a PNG.

    Parameters
    ----------
    preview
        What there is to see.
    path
        The file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(preview.planes)
    rows = max(1, len(preview.fits)) + 1
    figure = Figure(figsize=(_INCHES * max(2, count), _INCHES * rows + 0.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{preview.scan} by recipe {preview.recipe}: {preview.trust}",
        color=_TRUST_COLOURS[str(preview.trust)],
        fontweight="bold",
    )
    halves: Any = figure.subfigures(2, 1, height_ratios=[rows - 1, 1.15])
    upper, lower = halves
    panels = upper.subplots(max(1, len(preview.fits)), 2, squeeze=False, width_ratios=[1.5, 1])
    for row, fit in zip(panels, preview.fits, strict=False):
        _draw_histogram(row[0], fit)
        _write_verdicts(row[1], preview, fit.step)
    if not preview.fits:
        panels[0][0].set_axis_off()
        _write_verdicts(panels[0][1], preview, 0)
    for axes, n in zip(lower.subplots(1, count, squeeze=False)[0], range(count), strict=True):
        _draw_plane(axes, preview, n)
    if preview.labels:
        lower.legend(handles=_keys(preview), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path, format="png")


def _draw_histogram(axes: Any, fit: Fit) -> None:
    """Draw the histogram on a logarithmic scale: minority classes are what thresholds are judged by."""
    spectrum, mixture = fit.spectrum, fit.mixture
    axes.fill_between(spectrum.centres, spectrum.shares, step="mid", color="#c8ccd2", label="histogram")
    bins = np.diff(mixture.below(spectrum.edges), axis=1)
    count = len(mixture.weights)
    for k, row in enumerate(bins):
        pure = k < count
        label = (
            f"class {k + 1}: {mixture.fractions[k]:.3%}" if pure else "shared voxels" if k == count else None
        )
        axes.plot(spectrum.centres, row, lw=1.6, ls="-" if pure else ":", color=f"C{k % count}", label=label)
    axes.plot(spectrum.centres, bins.sum(axis=0), lw=1, ls="--", color="black", label="fit")
    for cut in fit.cuts:
        axes.axvline(cut, color="#b02020", lw=1.4)
        axes.annotate(
            f" {cut:.5g}",
            (cut, 0.97),
            xycoords=("data", "axes fraction"),
            color="#b02020",
            va="top",
            rotation=90,
        )
    axes.set_yscale("log")
    top = float(spectrum.shares.max())
    least = float(spectrum.shares[spectrum.shares > 0].min())
    axes.set_ylim(max(least / 2, top * 1e-7), top * 2)
    axes.set_xlabel("grey value after the steps before the threshold / 1")
    axes.set_ylabel(f"share of voxels in {spectrum.width:.3g} grey values / 1")
    axes.set_title(f"step {fit.step}: {spectrum.voxels:,} voxels", loc="left", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def _write_verdicts(axes: Any, preview: Preview, step: int) -> None:
    """Write what the checks say, the worst first, with its reason."""
    import textwrap

    axes.set_axis_off()
    order = ["bad", "doubtful", "good"]
    verdicts = [v for p in preview.partings if step in (p.step, 0) for v in p.verdicts]
    y = 1.0
    for verdict in sorted(verdicts, key=lambda v: order.index(str(v.trust))):
        value = "" if verdict.value is None else f" {verdict.value:.3g}"
        colour = _TRUST_COLOURS[str(verdict.trust)]
        head = f"{verdict.trust}: {verdict.check}{value}"
        axes.text(0, y, head, color=colour, fontsize=9, va="top", transform=axes.transAxes)
        y -= 0.06
        for line in textwrap.wrap(verdict.reason, 62):
            axes.text(0.03, y, line, fontsize=7.5, va="top", transform=axes.transAxes)
            y -= 0.045


def _draw_plane(axes: Any, preview: Preview, n: int) -> None:
    grey = preview.greys[n].astype(np.float64)
    low, high = np.nanpercentile(grey, [0.5, 99.5])
    axes.imshow(grey, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
    if preview.labels:
        axes.imshow(_cover(preview, preview.labels[n]), interpolation="nearest")
    axes.set_title(f"plane z = {preview.planes[n]}", fontsize=10, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    _scale_bar(axes, preview.edge_um, grey.shape)


def _cover(preview: Preview, labels: Any) -> Any:
    """Return labels as colours to lay over greys."""
    cover = np.zeros((*labels.shape, 4))
    for k, (value, name) in enumerate(preview.phases):
        # outlines of what is not the last phase: the greys stay visible
        if k < len(preview.phases) - 1 and name != "outside":
            cover[labels == value] = (*_rgb(k), 0.45)
    cover[labels == 0] = (0.1, 0.1, 0.1, 0.6)
    return cover


def _scale_bar(axes: Any, edge_um: float, shape: tuple[int, ...]) -> None:
    """Draw a bar of a round length, about a fifth of the width."""
    wanted = shape[1] * edge_um / 5
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted * 1.001)
    y, x = shape[0] * 0.95, shape[1] * 0.05
    axes.plot([x, x + length / edge_um], [y, y], color="white", lw=4, solid_capstyle="butt")
    axes.text(x, y - shape[0] * 0.02, f"{length:g} um", color="white", fontsize=9, va="bottom")


def _keys(preview: Preview) -> list[Any]:
    from matplotlib.patches import Patch

    shares = preview.shares
    last = len(preview.phases) - 1
    return [
        Patch(
            facecolor=(*_rgb(k), 0.6) if k < last else "white",
            edgecolor="grey",
            label=f"{name} {shares[name]:.3%} of these planes" + ("" if k < last else " (not coloured)"),
        )
        for k, (_, name) in enumerate(preview.phases)
    ]


def _rgb(k: int) -> tuple[float, float, float]:
    red, green, blue = PHASE_COLOURS[(k + 3) % len(PHASE_COLOURS)]
    return red / 255, green / 255, blue / 255
