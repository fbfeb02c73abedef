"""Learn what a recipe needs of whole volumes: histograms, cuts, matches, connected pieces, classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from siltomo.errors import Amend, BadInputError, TooLargeError
from siltomo.kernels import GreyHistogram, grey_histogram
from siltomo.model import FoundClass, Parting, Trust, Verdict
from siltomo.segmentation.cuts import class_fractions, cuts_of, labelled_fractions
from siltomo.segmentation.execute import ScanSource, Work, needs_whole_volume
from siltomo.segmentation.find_layers import find_layers
from siltomo.segmentation.fraction_checks import FRACTION_CHECKS
from siltomo.segmentation.grading import worst
from siltomo.segmentation.layers import Layers
from siltomo.segmentation.mixture import Mixture, fit_mixture
from siltomo.segmentation.operations import Linear
from siltomo.segmentation.pieces import change_pieces
from siltomo.segmentation.recipe import Node, Recipe
from siltomo.segmentation.scratch import Slabs
from siltomo.segmentation.spectrum import Spectrum, otsu_cuts, separability, spectrum_of
from siltomo.segmentation.steps import Classify, Cut, Fill, Match, RemoveSmall, Threshold
from siltomo.segmentation.verdicts import most_verdicts, series_verdicts, threshold_verdicts

__all__ = ["Classifying", "Fit", "Learnt", "NoCutError", "learn", "node_histogram"]

Told = Callable[[str, int, int], None]
"""Told what is being done, and how many slabs of how many are done."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A histogram with its fit and its cuts: what a picture of a threshold shows."""

    step: int
    spectrum: Spectrum
    mixture: Mixture
    cuts: tuple[float, ...]


class NoCutError(BadInputError):
    """A histogram has no cut of the kind that is asked for; its fit can still be looked at."""

    def __init__(self, message: str, scans: tuple[str, ...], fit: Fit) -> None:
        super().__init__(message, code="SIL171")
        self.scans, self.fit = scans, fit


@dataclass(frozen=True, eq=False)
class Learnt:
    """A recipe on a scan, ready to give its labels."""

    work: Work
    partings: tuple[Parting, ...]
    fits: tuple[Fit, ...]

    @property
    def trust(self) -> Trust:
        """The worst of all verdicts; what only fractions suffer from is none where classes serve to find surfaces."""
        deciding = self.work.recipe.deciding
        return worst(
            v
            for p in self.partings
            for v in p.verdicts
            if p.step - 1 in deciding or v.check not in FRACTION_CHECKS
        )


class Classifying(Protocol):
    """Carries out a ``classify`` step on one scan."""

    def __call__(self, node: Node, work: Work, slabs: Slabs, told: Callable[[], None]) -> Parting:
        """Write the classes into slabs and say what was found."""
        ...


@dataclass(frozen=True)
class Means:
    """What learning may use."""

    memory: int
    """Bytes."""
    scratch: Path
    """Folder for what is kept between readings."""
    told: Told | None = None
    classify: Classifying | None = None


def learn(recipe: Recipe, scans: Sequence[ScanSource], means: Means) -> list[Learnt]:
    """Learn everything that the steps need of the whole volumes, step after step.

    Parameters
    ----------
    recipe
        The recipe.
    scans
        The scans; those of one command make a series.
    means
        Memory, scratch folder, classifier.

    Returns
    -------
    list of Learnt
        One for each scan.

    Raises
    ------
    BadInputError
        When a histogram has no cut of the name that is asked for.
    TooLargeError
        When the smallest block takes more memory than allowed.
    """
    works = [Work(recipe, scan) for scan in scans]
    partings: list[list[Parting]] = [[] for _ in scans]
    fits: list[list[Fit]] = [[] for _ in scans]
    for node in recipe.nodes():
        match node.step:
            case Match():
                _learn_match(node, works, means)
            case Threshold() if node.step.method != "values":
                for n, (parting, fit) in enumerate(_learn_threshold(node, node.step, works, means)):
                    partings[n].append(parting)
                    fits[n].append(fit)
            case Threshold():
                for n, work in enumerate(works):
                    partings[n].append(_given(node, node.step, work))
            case Layers():
                for n, work in enumerate(works):
                    planes = planes_at_once(work, node.inputs[0], means.memory)
                    work.facts[node.index], parting = find_layers(node, work, means.memory, planes)
                    partings[n].append(parting)
        if needs_whole_volume(node):
            for n, work in enumerate(works):
                kept = _keep(node, work, means)
                partings[n] += [kept] if kept else []
    return [Learnt(w, tuple(p), tuple(f)) for w, p, f in zip(works, partings, fits, strict=True)]


def _given(node: Node, step: Threshold, work: Work) -> Parting:
    return Parting(step=node.index + 1, scans=(work.source.id,), cuts=step.values)


def planes_at_once(work: Work, node: int, memory: int) -> int:
    """Return how many planes of a step are computed at once.

    Raises
    ------
    TooLargeError
        When not even one plane fits into the memory.
    """
    planes = work.block_planes(node, memory)
    if planes == 0:
        needed = work.block_bytes(node, 1)
        raise TooLargeError(
            f"scan {work.source.id}: one plane of {work.nodes[node].words} takes {needed / 2**20:.0f} MiB with its "
            f"margins; allowed are {memory / 2**20:.0f} MiB",
            fix=Amend(environment={"SILTOMO_MEMORY": f"{-(-needed * 4 // 2**20)} MiB"}),
        )
    return planes


def _learn_match(node: Node, works: Sequence[Work], means: Means) -> None:
    assert isinstance(node.step, Match)
    fits = []
    for work in works:
        spectrum = spectrum_of(node_histogram(work, node.inputs[0], means))
        fits.append(fit_mixture(spectrum, node.step.classes))
    first = fits[0]
    for work, fit in zip(works, fits, strict=True):
        gain = (first.means[-1] - first.means[0]) / (fit.means[-1] - fit.means[0])
        work.facts[node.index] = Linear(gain, first.means[0] - gain * fit.means[0])


def _learn_threshold(
    node: Node, step: Threshold, works: Sequence[Work], means: Means
) -> list[tuple[Parting, Fit]]:
    spectra = [node_histogram(work, node.inputs[0], means) for work in works]
    series = step.scope == "series" and len(works) > 1
    found = []
    for one, histogram in zip(works, spectra, strict=True):
        alone = spectrum_of(histogram)
        found.append(
            (one.source.id, alone, fit_mixture(alone, step.classes, partial_volume=step.partial_volume))
        )
    names = [name for name, _, _ in found]
    shared: tuple[tuple[float, ...], tuple[Verdict, ...]] | None = None
    if series:
        joined = spectrum_of(_joined(spectra))
        fit = fit_mixture(joined, step.classes, partial_volume=step.partial_volume)
        cuts = _cuts(node, step, joined, fit, tuple(names))
        shared = (cuts, series_verdicts(names, [m for _, _, m in found]))
    made = []
    for work, (name, spectrum, mixture) in zip(works, found, strict=True):
        cuts, more = shared or (_cuts(node, step, spectrum, mixture, (name,)), ())
        by_otsu = step.method == "otsu"
        verdicts = (
            *most_verdicts(labelled_fractions(spectrum, cuts), step.at_most),
            *threshold_verdicts(spectrum, mixture, cuts, by_otsu=by_otsu),
            *more,
        )
        work.facts[node.index] = cuts
        parting = Parting(
            step=node.index + 1,
            scans=tuple(names) if series else (name,),
            cuts=cuts,
            classes=_found_classes(spectrum, mixture, cuts),
            facts={
                "separability": separability(spectrum, cuts),
                "noise_over_contrast": max(mixture.noise_over_contrast),
                "shared_voxels": sum(mixture.shared),
                "misfit": sum(mixture.misfits),
            },
            verdicts=verdicts,
        )
        made.append((parting, Fit(node.index + 1, spectrum, mixture, cuts)))
    return made


def _found_classes(spectrum: Spectrum, mixture: Mixture, cuts: tuple[float, ...]) -> tuple[FoundClass, ...]:
    labelled = labelled_fractions(spectrum, cuts)
    return tuple(
        FoundClass(mean=mean, sd=sd, fraction=fraction, labelled=part)
        for mean, sd, fraction, part in zip(
            mixture.means, mixture.sds, class_fractions(spectrum, mixture), labelled, strict=True
        )
    )


def _cuts(
    node: Node, step: Threshold, spectrum: Spectrum, mixture: Mixture, scans: tuple[str, ...]
) -> tuple[float, ...]:
    """Return the cuts of a step; refuse where there is none of the name that is asked for."""
    if step.method == "otsu":
        return otsu_cuts(spectrum, step.classes)
    wanted = step.cut or Cut.OTSU
    cuts = cuts_of(mixture, wanted, spectrum)
    known = tuple(cut for cut in cuts if cut is not None)
    if len(known) == len(cuts) and list(known) == sorted(set(known)):
        return known
    means = ", ".join(
        f"{mean:.5g} ({share:.3%})" for mean, share in zip(mixture.means, mixture.fractions, strict=True)
    )
    why = {
        Cut.BAYES: "one class is nowhere the more likely one",
        Cut.EQUAL_ERROR: "the classes overlap too far",
        Cut.VALLEY: "the histogram has no valley between them",
        Cut.OTSU: "two of the fitted means coincide",
    }[wanted]
    raise NoCutError(
        f"{node.words}: the histogram of {', '.join(scans)} has no cut {str(wanted)!r} between the fitted classes at "
        f"{means}: {why}",
        scans,
        Fit(node.index + 1, spectrum, mixture, ()),
    )


def _joined(histograms: Sequence[GreyHistogram]) -> GreyHistogram:
    """Add the histograms of a series; those of floats are put into common bins first."""
    bins = {(h.counts.size, h.lower, h.upper, h.exact) for h in histograms}
    if len(bins) == 1:
        return reduce(add, histograms)
    low, high = min(h.lower for h in histograms), max(h.upper for h in histograms)
    total = np.zeros(FLOAT_BINS, np.int64)
    for one in histograms:
        place = np.clip((one.values - low) / (high - low) * FLOAT_BINS, 0, FLOAT_BINS - 1).astype(np.intp)
        total += np.bincount(place, one.counts, minlength=FLOAT_BINS).astype(np.int64)
    return GreyHistogram(total, low, high, exact=False)


FLOAT_BINS = 1 << 14
_PIECES_BYTES = 16
"""Bytes per voxel that finding connected pieces takes: classes, numbers of pieces, faces."""


def node_histogram(work: Work, node: int, means: Means) -> GreyHistogram:
    """Return the histogram of the greys of a step inside of the domain, in one or two readings."""
    planes = planes_at_once(work, node, means.memory)
    dtype = work.grey_types()[node]
    lower: float | None = None
    upper: float | None = None
    if dtype.kind == "f":
        lower, upper = _range(work, node, planes, means)
        if not lower < upper:
            raise BadInputError(
                f"scan {work.source.id}: all voxels have one grey value: there is nothing to part",
                code="SIL140",
            )
    total = None
    for start, stop in _slabs(work, planes, means, "histogram"):
        part = work.planes(node, start, stop)
        values = part.values if part.inside is None else part.values[part.inside]
        if dtype.kind == "f":
            one = grey_histogram(values, lower=lower, upper=upper, bins=FLOAT_BINS)
        else:
            one = grey_histogram(values)
        total = one if total is None else total + one
    assert total is not None
    return total


def _range(work: Work, node: int, planes: int, means: Means) -> tuple[float, float]:
    """Return a range for the bins of floats: that of the scan where filters cannot leave it, else the data's."""
    low, high = np.inf, -np.inf
    for start, stop in _slabs(work, planes, means, "range"):
        part = work.planes(node, start, stop)
        values = part.values if part.inside is None else part.values[part.inside]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high


def _slabs(work: Work, planes: int, means: Means, words: str) -> Any:
    depth = work.source.shape[0]
    count = -(-depth // planes)
    for n, start in enumerate(range(0, depth, planes)):
        yield start, min(start + planes, depth)
        if means.told is not None:
            means.told(f"{words} of {work.source.id}", n + 1, count)


def _keep(node: Node, work: Work, means: Means) -> Parting | None:
    """Carry out a step on the whole volume and keep its classes on disk."""
    folder = means.scratch / work.source.id
    memory = means.memory // 2
    count = -(-work.source.shape[0] // 32)
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        if means.told is not None:
            means.told(f"{node.step.word} of {work.source.id}", done, max(count, done))

    if isinstance(node.step, Classify):
        if means.classify is None:
            raise BadInputError(f"{node.words}: no classifier was given")
        given = Slabs(folder / f"step{node.index + 1}", work.source.shape, 16)
        parting = means.classify(node, work, given, told)
        work.kept[node.index] = given.read
        return parting
    assert isinstance(node.step, (RemoveSmall, Fill))
    fits = memory // (work.source.plane * _PIECES_BYTES)
    depth = max(1, min(32, fits, planes_at_once(work, node.inputs[0], memory)))
    taken = Slabs(folder / f"step{node.index + 1}-taken", work.source.shape, depth)
    given = Slabs(folder / f"step{node.index + 1}", work.source.shape, depth)
    for start, stop in taken.ranges:
        taken.write(start, work.planes(node.inputs[0], start, stop).values)
        told()
    change_pieces(node.step, taken, given, work.source.spacing, told)
    taken.remove()
    work.kept[node.index] = given.read
    return None
