"""Segmentations by recipes: run, preview, recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.command import command, mending, progress_bar, the_catalog
from siltomo.cli.options import DomainOption, DryRun
from siltomo.cli.reply import Reply, table
from siltomo.cli.segment import app

if TYPE_CHECKING:
    from siltomo.engine.segment.segmenting import RecipeOrder, Segmented
    from siltomo.model import Segmentation

__all__: list[str] = []

Scans = Annotated[list[str], typer.Argument(help="Ids of scans.", show_default=False)]
RecipeOption = Annotated[
    str,
    typer.Option(
        "--recipe", help="File of a recipe, or the name of one that comes with siltomo.", show_default=False
    ),
]
LabelsId = Annotated[
    str | None,
    typer.Option("--id", help="Id of the labels; {scan} stands for the scan's.", show_default=False),
]
MinFeature = Annotated[
    str | None,
    typer.Option("--min-feature", help='Smallest feature to trust, such as "0.65 um".', show_default=False),
]
Within = Annotated[
    str | None,
    typer.Option(
        "--within",
        help="Only inside of phases of other labels, such as {scan}-electrode-layers:electrode; 'none' for no "
        "mask where the recipe would find one.",
        show_default=False,
    ),
]
Checked = Annotated[str, typer.Argument(help="Id of a segmentation.", show_default=False)]
Other = Annotated[str | None, typer.Argument(help="Id of another one, on the same grid.", show_default=False)]
Shift = Annotated[
    float, typer.Option("--shift", help="How far cuts are moved, as part of the difference of the means.")
]
Cuts = Annotated[bool, typer.Option("--cuts/--no-cuts", help="Whether to move the cuts at all.")]
Store = Annotated[
    bool,
    typer.Option("--store", help="Keep the labels with moved cuts as variants, for compute --sensitivity."),
]
Picture = Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.", show_default=False)]


@command(app, "run", csv=True)
def run(
    scans: Scans,
    recipe: RecipeOption,
    within: Within = None,
    id: LabelsId = None,  # noqa: A002
    domain: DomainOption = None,
    min_feature: MinFeature = None,
    dry_run: DryRun = False,
) -> Reply:
    """Segment scans by a recipe; verdicts say how far the labels may be believed.

    The scans of one command are a series: where the recipe says so they share one threshold. Labels that the same
    steps made from the same voxels are not made again. Exit code 7 when some scans failed.
    """
    from siltomo.engine.segment.segmenting import run_recipe
    from siltomo.segmentation.prepare import NoCutError

    order = _order(scans, recipe, id, {"domain": domain, "min_feature": min_feature}, within)
    with mending(), progress_bar("segmenting") as progress:
        told = None if progress is None else lambda _, done, total: progress(done, total)
        try:
            made = run_recipe(the_catalog(), order, dry_run=dry_run, progress=told)
        except NoCutError as error:
            error.fix = (
                error.fix
                or f"siltomo segment preview {' '.join(error.scans)} --recipe {recipe} -o preview.png"
            )
            raise
    rows = [row for one in made for row in _rows(one)]
    data = [_data(one) for one in made]
    warnings = [warning for one in made for warning in _warnings(one)]
    failed = any(one.outcome == "failed" for one in made)
    masks = [f"inside of {one.within}" for one in made if one.within]
    return Reply(data, "\n".join([*masks, table(rows)]), rows, warnings, exit_code=7 if failed else 0)


@command(app, "preview")
def preview(scans: Scans, recipe: RecipeOption, output: Picture, within: Within = None) -> Reply:
    """Draw what a recipe would do to a scan: histogram, fit, cuts, labels over greys; nothing is kept.

    With several scans a shared threshold is learnt from all, and the first is drawn.
    """
    from siltomo.engine.segment.preview import preview_recipe
    from siltomo.errors import Amend, UsageError
    from siltomo.report.segment_preview import draw_preview

    if output.suffix.lower() != ".png":
        raise UsageError(f"a preview is a PNG, not {output.name!r}", fix=Amend({"-o": f"{output.stem}.png"}))
    if not output.absolute().parent.is_dir():
        raise UsageError(f"the folder {str(output.parent)!r} does not exist", fix=Amend({"-o": output.name}))
    order = _order(scans, recipe, None, {}, within)
    with progress_bar("learning") as progress:
        told = None if progress is None else lambda _, done, total: progress(done, total)
        found = preview_recipe(the_catalog(), order, progress=told)
    draw_preview(found, output)
    data = {
        "scan": found.scan,
        "recipe": found.recipe,
        "trust": str(found.trust),
        "planes": list(found.planes),
        "shares_of_these_planes": found.shares,
        "partings": [p.model_dump(mode="json", exclude_none=True) for p in found.partings],
        "picture": str(output),
    }
    verdicts = [
        {"step": p.step, "check": v.check, "trust": str(v.trust), "value": v.value, "reason": v.reason}
        for p in found.partings
        for v in p.verdicts
    ]
    cuts = "; ".join(f"step {p.step} cuts {', '.join(f'{c:.6g}' for c in p.cuts)}" for p in found.partings)
    warnings = [] if found.labels else [found.partings[0].verdicts[0].reason]
    return Reply(data, f"wrote {output}: {found.trust}; {cuts}\n{table(verdicts)}", verdicts, warnings)


@command(app, "recipes", csv=True)
def recipes() -> Reply:
    """List the recipes that come with siltomo."""
    from siltomo.engine.segment.recipes import bundled_recipes

    loaded = list(bundled_recipes())
    rows = [
        {
            "recipe": one.recipe.name,
            "phases": ", ".join(name for _, name in one.recipe.phases),
            "title": one.recipe.title,
            "file": str(one.place),
        }
        for one in loaded
    ]
    data = [
        {**row, "notes": one.recipe.notes, **one.recipe.content()}
        for row, one in zip(rows, loaded, strict=True)
    ]
    return Reply(data, table(rows, ["recipe", "phases", "title"]), rows)


@command(app, "check", csv=True)
def check(
    segmentation: Checked,
    other: Other = None,
    shift: Shift = 0.05,
    cuts: Cuts = True,
    store: Store = False,
) -> Reply:
    """Compare two segmentations, and move the cuts of the first to see what its metrics owe to them.

    Dice, volumes, distance between the boundaries and the confusion of phases; then the main metrics with all cuts
    moved to either side. Exit code 0: what is enough is for you to say. With --store the labels with moved cuts are
    kept as variants, and compute metric --sensitivity takes their distance for one standard uncertainty.
    """
    from siltomo.engine.segment.check import compare_segmentations, comparison_rows
    from siltomo.model import Scan, Segmentation

    catalog = the_catalog()
    data: dict[str, Any] = {"segmentation": segmentation, "other": other}
    text: list[str] = []
    rows: list[dict[str, Any]] = []
    if other is not None:
        with progress_bar("comparing") as progress:
            found = compare_segmentations(catalog, segmentation, other, told=progress)
        spacing = catalog.record(Scan, catalog.record(Segmentation, segmentation).scan).voxel_size.um
        rows = list(comparison_rows(found, spacing))
        confusion = [
            {
                f"{segmentation} \\ {other}": name,
                **dict(zip(found.names, (int(n) for n in line), strict=True)),
            }
            for name, line in zip(found.names, found.confusion, strict=True)
        ]
        table_of = {"phases": list(found.names), "voxels": found.confusion.tolist()}
        data |= {"agreement": found.agreement, "phases": rows, "confusion": table_of}
        text += [f"same phase in {found.agreement:.4%} of the voxels", table(rows), table(confusion)]
    if cuts:
        moved = _sensitivity(segmentation, shift, store=store, optional=other is not None and not store)
        data |= {"sensitivity": moved, "shift": shift}
        rows = rows or moved
        text += [f"cuts moved by {shift:g} of the contrast", table(moved)] if moved else []
    return Reply(data, "\n".join(text), rows)


def _sensitivity(segmentation: str, shift: float, *, store: bool, optional: bool) -> list[dict[str, Any]]:
    """Return the rows of metrics with moved cuts; none where there is no cut to move and nobody insists."""
    from siltomo.engine.segment.check import threshold_sensitivity
    from siltomo.errors import BadInputError

    try:
        found = threshold_sensitivity(the_catalog(), segmentation, shift=shift, store=store)
    except BadInputError as error:
        if optional and error.code == "SIL144":
            return []
        raise
    return [
        {
            "metric": one.metric,
            "darker_cuts": one.values[0],
            "value": one.values[1],
            "brighter_cuts": one.values[2],
            "half_range": one.half_range,
            "unit": one.unit,
            "reason": one.reason,
        }
        for one in found
    ]


def _order(
    scans: list[str],
    recipe: str,
    id: str | None,  # noqa: A002
    fields: dict[str, Any],
    within: str | None,
) -> RecipeOrder:
    from siltomo.engine.segment.recipes import load_recipe
    from siltomo.engine.segment.segmenting import RecipeOrder

    given = {name: value for name, value in fields.items() if value is not None}
    loaded = load_recipe(recipe)
    return RecipeOrder(loaded if within is None else loaded.within(within), tuple(scans), id, given)


def _trust(record: Segmentation | None) -> str | None:
    return str(record.making.trust) if record and record.making else None


def _rows(one: Segmented) -> list[dict[str, Any]]:
    """One row for each phase of a scan."""
    base = {"scan": one.scan, "segmentation": one.record.id if one.record else None, "outcome": one.outcome}
    base["trust"] = _trust(one.record) if one.outcome in {"added", "unchanged"} else None
    if not one.voxels or one.record is None:
        return [{**base, "phase": None, "voxels": None, "share_of_domain": None, "reason": one.reason}]
    inside = sum(count for value, count in one.voxels.items() if value != 0)
    return [
        {
            **base,
            "phase": phase.name,
            "voxels": one.voxels.get(phase.value, 0),
            "share_of_domain": one.voxels.get(phase.value, 0) / inside if phase.value else None,
            "reason": "",
        }
        for phase in one.record.phases
    ]


def _data(one: Segmented) -> dict[str, Any]:
    return {
        "scan": one.scan,
        "outcome": one.outcome,
        "added": one.outcome == "added",
        "id": one.record.id if one.record else None,
        "trust": _trust(one.record),
        "reason": one.reason,
        "within": one.within or None,
        "record": one.record.body() if one.record else None,
        "values": _rows(one) if one.voxels else [],
    }


def _warnings(one: Segmented) -> list[str]:
    if one.record is None or one.record.making is None or one.outcome not in {"added", "unchanged"}:
        return []
    found = [
        f"{one.record.id}, step {p.step}: {v.trust}: {v.reason}"
        for p in one.record.making.partings
        for v in p.verdicts
        if v.trust in {"doubtful", "bad"}
    ]
    if one.advice:
        found.append(f"{one.record.id}: {one.advice}")
    return found
