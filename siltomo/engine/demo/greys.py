"""The demo from its greys: segmented by recipes as a beamtime would be, the true labels only to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from siltomo.engine.catalog import Catalog
from siltomo.engine.demo.checks import Check, Gate
from siltomo.engine.demo.parts import computed, register
from siltomo.engine.segment.recipes import load_recipe
from siltomo.errors import BadInputError
from siltomo.twin import Twin, scans_of
from siltomo.twin.study import TwinScan

if TYPE_CHECKING:
    from siltomo.engine.compute.rows import Row

__all__ = [
    "GATES",
    "METRICS",
    "Segmented",
    "chosen_scans",
    "operando_cracks",
    "recipe_checks",
    "segment_and_measure",
    "segment_greys",
]

GATES: Mapping[str, Gate] = {
    "crack_volume_fraction": Gate(0.01),
    "crack_surface_to_volume_ratio": Gate(0.03, relative=True),
    "crack_width_median": Gate(0, voxels=0.5),
    "crack_interconnectivity": Gate(0.03),
    "sei_volume_fraction": Gate(0.03, relative=True),
    "pore_volume_fraction": Gate(0.03, relative=True),
}
"""Limits between what is measured on greys and on true labels, the same as those of the ladder."""
METRICS = {
    "micro": tuple(name for name in GATES if name.startswith("crack_")),
    "nano": ("sei_volume_fraction", "pore_volume_fraction"),
}
"""What is measured on the segmentations of each kind of scan."""

CATALOG = "from-greys"
_ENDS = {
    "reference": ((1, "lithiation"), (1, "delithiation"), (2, "delithiation")),
    "with-zn": ((1, "delithiation"),),
}
_INSIDE = ("crack", "solid", "graphene")
_GAS_BELOW, _BRIGHT_ABOVE = 90, 160
"""Greys half way from gas to an islet, and from an islet to graphene (fibres and metal are brighter still)."""
_NOTES = """\
The recipe 'micro-cracks' that comes with siltomo, for scans that show more than electrolyte and islets: gas, graphene
and metal are so far off in grey that their blur spoils the histogram beside them, and get a cut of their own first.
"""


@dataclass(frozen=True)
class Segmented:
    """A scan of the demo, segmented from its greys."""

    scan: str
    segmentation: str
    """Empty where the recipe could not be carried out."""
    recipe: str
    verdict: str
    """``good``, ``doubtful``, ``bad``, or ``refused``."""
    reasons: tuple[str, ...]
    """Why it is not good."""


def chosen_scans(twins: Sequence[Twin]) -> Iterator[TwinScan]:
    """List what is segmented: ends of half-cycles of the reference cell, one with Zn, a nano scan of each formulation.

    At full lithiation the contrast vanishes: that scan is there to show what the recipe says of it.
    """
    for twin in twins:
        for scan in scans_of(twin, ("micro", "nano")):
            at = scan.moment
            if scan.kind == "nano":
                chosen = at.cycle == 1
            else:
                named = scan.mode == "operando" and (at.cycle, at.half) in _ENDS[twin.formulation]
                chosen = named and at.capacity == twin.half_capacity(at.cycle, at.half)
            if chosen:
                yield scan


def segment_and_measure(folder: Path, twins: Sequence[Twin]) -> tuple[list[Segmented], list[Row]]:
    """Segment the chosen greys of a demo by recipes, and measure what was found."""
    catalog, segmented = segment_greys(folder, twins)
    return segmented, computed(catalog, [name for names in METRICS.values() for name in names])


def segment_greys(folder: Path, twins: Sequence[Twin]) -> tuple[Catalog, list[Segmented]]:
    """Register the chosen greys in a catalog of their own, and segment them by recipes.

    Each scan gets its own cuts, since the islets grow darker and lighter through the series. Labels that are there
    are not made again.

    Parameters
    ----------
    folder
        Of the demo, with its study.yaml.
    """
    scans = list(chosen_scans(twins))
    home = folder / CATALOG
    home.mkdir(exist_ok=True)
    study, recipe = home / "study.yaml", home / "operando-cracks.yaml"
    known = yaml.safe_load((folder / "study.yaml").read_text("utf-8"))
    study.write_text(yaml.safe_dump(_part_of(known, scans), sort_keys=False, allow_unicode=True), "utf-8")
    recipe.write_text(yaml.safe_dump(operando_cracks(), sort_keys=False, width=100), "utf-8")
    catalog = register(home, study)
    return catalog, [
        _segment(catalog, scan.id, str(recipe) if scan.kind == "micro" else "nano-sei") for scan in scans
    ]


def _part_of(study: Mapping[str, Any], scans: Sequence[TwinScan]) -> dict[str, Any]:
    """Return a study of some greys: no true labels, but for which voxels are the electrode."""
    made = {name: study[name] for name in ("study", "formulations", "cells")}
    made["scans"] = {
        scan.id: {**study["scans"][scan.id], "file": f"../greys/{scan.id}.npy"} for scan in scans
    }
    made["segmentations"] = {
        f"{scan.id}-electrode": {
            "scan": scan.id,
            "file": f"../labels/{scan.id}.npy",
            "phases": {
                value: "electrode" if name in _INSIDE else "outside"
                for value, name in study["segmentations"][f"{scan.id}-cracks"]["phases"].items()
            },
            "domain": "electrode",
            "method": "mask of the electrode, from the digital twin",
        }
        for scan in scans
        if scan.kind == "micro"
    }
    return made


def operando_cracks(rim: str = "1 um") -> dict[str, Any]:
    """Return a recipe around the bundled one for cracks: its steps are taken as they are, but for their last.

    Parameters
    ----------
    rim
        Full width of the blur: how far gas and metal reach into the greys beside them.
    """
    bundled = yaml.safe_load(load_recipe("micro-cracks").place.read_text("utf-8"))["steps"]
    steps: list[dict[str, Any]] = [
        {"median": "3 voxel"},
        {"threshold": {"method": "values", "values": [_GAS_BELOW, _BRIGHT_ABOVE]}, "as": "levels"},
        {"select": 3, "of": "levels"},
        {"remove_small": "27 voxel"},
        {"dilate": rim},
        {"select": 2, "as": "off-bright"},
        {"select": 1, "of": "levels"},
        {"remove_small": "27 voxel", "as": "gas"},
        {"dilate": rim},
        {"select": 2, "as": "off-gas"},
        {"mask": _electrode(), "of": "gas", "as": "gas-cracks"},
        {"mask": {"inside": "off-bright"}, "of": "grey"},
        {"mask": {"inside": "off-gas"}},
        {"mask": _electrode()},
        *bundled[:-1],
        {"combine": {"filled": "dark", "gas": "gas-cracks", "solid": "rest"}},
        {"label": {1: "crack", 2: "crack", 3: "solid"}},
    ]
    return {
        "recipe": "operando-cracks",
        "title": "Cracks of an electrode seen with its collector, and with gas in it",
        "notes": _NOTES,
        "domain": "electrode",
        "steps": steps,
    }


def _electrode() -> dict[str, Any]:
    """Return the mask of the electrode, anew: recipes have no aliases."""
    return {"segmentation": "{scan}-electrode", "phase": ["electrode"]}


def _segment(catalog: Catalog, scan: str, recipe: str) -> Segmented:
    from siltomo.engine.segment.segmenting import RecipeOrder, run_recipe

    loaded = load_recipe(recipe)
    try:
        (one,) = run_recipe(catalog, RecipeOrder(loaded, (scan,)))
    except BadInputError as error:
        # a recipe that finds no cut says so instead of inventing one: that is its answer for this scan
        return Segmented(scan, "", loaded.recipe.name, "refused", (error.message,))
    assert one.record is not None
    assert one.record.making is not None
    making = one.record.making
    reasons = tuple(v.reason for p in making.partings for v in p.verdicts if v.trust in ("doubtful", "bad"))
    return Segmented(scan, one.record.id, loaded.recipe.name, str(making.trust), reasons)


# ---- compared with the true labels --------------------------------------------------------------------------


def recipe_checks(
    twins: Sequence[Twin], made: Sequence[Segmented], rows: Sequence[Row], true: Sequence[Row]
) -> Iterator[Check]:
    """Set what was measured on each segmentation beside the same metric on the true labels.

    Parameters
    ----------
    rows, true
        Rows of the metrics on the segmentations, and on the true labels.
    """
    known = {(row["metric"], row["scan"]): row["value"] for row in true}
    found = {(row["metric"], row["segmentation"]): row for row in rows}
    kinds = {scan.id: scan for scan in chosen_scans(twins)}
    for one in made:
        scan = kinds[one.scan]
        for metric in METRICS[scan.kind]:
            row, value = found.get((metric, one.segmentation)), known.get((metric, one.scan))
            if row is None or row["value"] is None or value is None:
                continue
            gate = GATES[metric]
            within = abs(row["value"] - value) <= gate.width(value, scan.volume.voxel_um)
            yield Check(
                metric,
                one.scan,
                float(row["value"]),
                float(value),
                row["unit"],
                gate.words,
                bool(within),
                labels=one.recipe,
                verdict=one.verdict,
            )
