"""The catalog: add, list, show, set, rm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.command import command, damage_seen, group, mending, progress_bar, the_catalog
from siltomo.cli.options import (
    AllowGaps,
    Dataset,
    DomainOption,
    DryRun,
    FileArgument,
    IdOption,
    Notes,
    Prefix,
    Title,
    VoxelFrom,
    Where,
)
from siltomo.cli.reply import Reply, table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["app"]

app = group("catalog", "The catalog: register scans and studies, look at them, verify them.")


def _option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, show_default=False)


CellRef = Annotated[str | None, _option("--cell", "Id of the cell that was scanned.")]
Specimen = Annotated[
    str | None, _option("--specimen", "The piece of the cell that was imaged, such as lamella-2.")
]
Scale = Annotated[str | None, _option("--scale", "micro or nano.")]
Mode = Annotated[str | None, _option("--mode", "operando, in_situ or ex_situ.")]
Cycle = Annotated[int | None, _option("--cycle", "Cycle number; 0 is pristine.")]
Half = Annotated[str | None, _option("--half", "pristine, lithiation, delithiation or rest.")]
Capacity = Annotated[
    str | None, _option("--capacity", 'Capacity passed in the half-cycle, such as "1200 mAh/g_Si".')
]
Voltage = Annotated[str | None, _option("--voltage", 'Voltage, such as "0.35 V".')]
VoxelSize = Annotated[
    str | None, _option("--voxel-size", 'Edge of a voxel, such as "0.16 um", or z,y,x: "0.32,0.16,0.16 um".')
]
Resolution = Annotated[str | None, _option("--resolution", 'Smallest resolved feature, such as "0.65 um".')]
DepthAxis = Annotated[
    str | None,
    _option(
        "--depth-axis", "Axis through the electrode, from collector to separator: +z, -y, or z if unknown."
    ),
]
Energy = Annotated[str | None, _option("--energy", 'Photon energy, such as "20 keV".')]
Start = Annotated[str | None, _option("--start", "Start of the scan, such as 2021-06-14T10:41:07+02:00.")]
End = Annotated[str | None, _option("--end", "End of the scan.")]
Beamline = Annotated[str | None, _option("--beamline", "Beamline or instrument.")]
RecordId = Annotated[str, typer.Argument(help="Id of a record.", show_default=False)]
ScanId = Annotated[str, typer.Argument(help="Id of a scan.", show_default=False)]
Kind = Annotated[
    str | None, _option("--kind", "Kind of record (scan, segmentation, cell, formulation, study, ...).")
]
ByReference = Annotated[
    bool,
    typer.Option(
        "--by-reference",
        help="Leave the voxels of an OME-Zarr where they are; the catalog keeps digests, and cannot mend them.",
    ),
]
Pattern = Annotated[
    str | None,
    _option(
        "--pattern",
        'Register all scans of a folder whose names match, such as "{cell}_op{step:d}"; fields: cell, cycle, '
        "half, step, scale, mode, domain, _.",
    ),
]


@command(app, "add", csv=True)
def add(
    path: FileArgument,
    cell: CellRef = None,
    scale: Scale = None,
    mode: Mode = None,
    cycle: Cycle = None,
    half: Half = None,
    voxel_size: VoxelSize = None,
    capacity: Capacity = None,
    voltage: Voltage = None,
    domain: DomainOption = None,
    specimen: Specimen = None,
    id: IdOption = None,  # noqa: A002
    resolution: Resolution = None,
    depth_axis: DepthAxis = None,
    energy: Energy = None,
    start: Start = None,
    end: End = None,
    beamline: Beamline = None,
    dataset: Dataset = None,
    prefix: Prefix = None,
    allow_gaps: AllowGaps = False,
    by_reference: ByReference = False,
    voxel_from: VoxelFrom = None,
    title: Title = None,
    notes: Notes = None,
    pattern: Pattern = None,
    dry_run: DryRun = False,
) -> Reply:
    """Register a scan, all scans of a folder (--pattern), or a whole study (study.yaml).

    Read are TIFF (stacks, multi-page, ImageJ, OME), HDF5 (nabu, ilastik), OME-Zarr, MetaImage, NRRD,
    Avizo, PyHST2, TOMCAT folders with their log, EDF, npy. What the file says need not be typed; where
    file and user disagree, both are shown. Adding the same thing again changes nothing.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return _add_study(path, dry_run=dry_run)
    from siltomo.engine.intake.scans import ScanOrder, add_scan
    from siltomo.engine.intake.study import read_voxel_size
    from siltomo.importers import Source

    needed = {"--cell": cell, "--scale": scale, "--mode": mode, "--cycle": cycle, "--half": half}
    if pattern is not None:
        from siltomo.cli.folders import fields_of

        needed = {k: v for k, v in needed.items() if k.removeprefix("--") not in fields_of(pattern)}
    _require(needed)
    state = _given({"cycle": cycle, "half": half, "capacity": capacity, "voltage": voltage})
    acquisition = _given({"energy": energy, "start": start, "end": end, "beamline": beamline})
    fields = _given(
        {"id": id, "cell": cell, "scale": scale, "mode": mode, "domain": domain, "resolution": resolution}
        | {"specimen": specimen, "depth_axis": depth_axis, "title": title, "notes": notes}
    )
    if pattern is not None:
        _refuse_id(id)
        from siltomo.cli.folders import add_scans_of

        return add_scans_of(
            path,
            pattern,
            {**fields, "state": state, "acquisition": acquisition},
            voxel_size=voxel_size,
            voxel_from=None if voxel_from is None else str(voxel_from),
            member=dataset or prefix,
            allow_gaps=allow_gaps,
            by_reference=by_reference,
            dry_run=dry_run,
        )
    order = ScanOrder(
        source=Source(path, member=dataset or prefix, allow_gaps=allow_gaps),
        fields={**fields, "state": state, "acquisition": acquisition},
        voxel_size=None if voxel_size is None else read_voxel_size(voxel_size),
        trust_voxel=None if voxel_from is None else str(voxel_from),
        by_reference=by_reference,
    )
    with mending(), progress_bar(f"registering {path.name}") as progress:
        done = add_scan(the_catalog(), order, dry_run=dry_run, progress=progress)
    outcome = _outcome(done.added, dry_run)
    row = {"kind": "scan", "id": done.record.id, "outcome": outcome}
    text = f"{outcome}: scan {done.record.id}"
    data = {**row, "added": done.added and not dry_run, "record": done.record.body()}
    return Reply(data, text, [row], done.warnings)


def _refuse_id(id_: str | None) -> None:
    """Refuse one id for many scans."""
    from siltomo.errors import Amend, UsageError

    if id_ is not None:
        raise UsageError(
            "with --pattern each scan gets the id of its own name", code="SIL002", fix=Amend(drop=("--id",))
        )


def _require(needed: Mapping[str, object]) -> None:
    """Ask for the options that a scan needs, all at once."""
    from siltomo.errors import Amend, UsageError

    examples = {
        "--cell": "CELL",
        "--scale": "micro",
        "--mode": "operando",
        "--cycle": "1",
        "--half": "delithiation",
    }
    missing = [option for option, value in needed.items() if value is None]
    if missing:
        raise UsageError(
            f"a scan needs {', '.join(missing)}",
            code="SIL002",
            fix=Amend({option: examples[option] for option in missing}, advice="with your own values"),
        )


def _add_study(path: Path, *, dry_run: bool) -> Reply:
    from siltomo.engine.intake.study import add_study, read_study

    plan = read_study(path)
    with progress_bar(f"registering {path.name}") as progress:
        outcomes = list(add_study(the_catalog(), plan, dry_run=dry_run, progress=progress))
    rows = [{"kind": o.kind, "id": o.id, "outcome": o.outcome, "reason": o.reason} for o in outcomes]
    failed = [row for row in rows if row["outcome"] == "failed"]
    warnings = [f"{o.kind} {o.id}: {warning}" for o in outcomes for warning in o.warnings]
    if failed:
        warnings.append(
            f"{len(failed)} of {len(rows)} failed; the others stay. Mend {path} and repeat the command"
        )
    return Reply(rows, table(rows), rows, warnings, exit_code=7 if failed else 0)


@command(app, "list", csv=True)
def list_(where: Where = None) -> Reply:
    """List the scans."""
    from siltomo.engine.select import parse_where
    from siltomo.engine.upkeep import list_scans

    catalog = the_catalog()
    rows = list_scans(catalog, parse_where(where))
    columns = [
        "id",
        "formulation",
        "cell",
        "scale",
        "mode",
        "cycle",
        "half",
        "capacity",
        "voxel_size",
        "shape",
    ]
    shown = [{**row, "capacity": _with_unit(row["capacity"], "mAh/g_Si")} for row in rows]
    damage = damage_seen(catalog)
    text = table(shown, [*columns, "segmentations"])
    return Reply(rows, text, rows, damage, exit_code=7 if damage else 0)


@command(app, "show")
def show(id: RecordId, kind: Kind = None) -> Reply:  # noqa: A002
    """Show a record: its fields, where its volume lies, its segmentations."""
    from siltomo.engine.upkeep import show_record

    shown = show_record(the_catalog(), id, kind=kind)
    lines = [{"field": k, "value": v} for k, v in _flat(shown) if v not in (None, "", [], {})]
    return Reply(shown, table(lines))


@command(app, "set")
def set_(
    id: ScanId,  # noqa: A002
    cell: CellRef = None,
    scale: Scale = None,
    mode: Mode = None,
    cycle: Cycle = None,
    half: Half = None,
    voxel_size: VoxelSize = None,
    capacity: Capacity = None,
    voltage: Voltage = None,
    domain: DomainOption = None,
    specimen: Specimen = None,
    resolution: Resolution = None,
    depth_axis: DepthAxis = None,
    energy: Energy = None,
    start: Start = None,
    end: End = None,
    beamline: Beamline = None,
    title: Title = None,
    notes: Notes = None,
) -> Reply:
    """Change fields of a scan; the old values stay in its history, the voxels stay as they are."""
    from siltomo.model import Scan

    state = {"cycle": cycle, "half": half, "capacity": capacity, "voltage": voltage}
    acquisition = {"energy": energy, "start": start, "end": end, "beamline": beamline}
    plain = {"cell": cell, "scale": scale, "mode": mode, "domain": domain, "resolution": resolution}
    changes = _given(
        {**plain, "specimen": specimen, "depth_axis": depth_axis, "title": title, "notes": notes}
    )
    changes |= {f"state.{k}": v for k, v in _given(state).items()}
    changes |= {f"acquisition.{k}": v for k, v in _given(acquisition).items()}
    warnings = []
    if voxel_size is not None:
        changes |= {"voxel_size": voxel_size, "voxel_source": "user"}
        warnings.append(
            "viewers still show the voxel size that stands in the stored image; metrics use the new one"
        )
    with mending():
        change = the_catalog().set(Scan, id, changes)
    said = f"set {', '.join(changes)} of" if change.changed else "unchanged:"
    data = {"id": id, "changed": change.changed, "revision": change.revision, "record": change.record.body()}
    return Reply(
        data, f"{said} scan {id} (revision {change.revision})", warnings=warnings if change.changed else ()
    )


@command(app, "rm")
def remove(id: RecordId, kind: Kind = None) -> Reply:  # noqa: A002
    """Remove a record. Its history stays; its bytes stay until they are collected."""
    from siltomo.engine.upkeep import remove_record

    removed = remove_record(the_catalog(), id, kind=kind)
    return Reply(removed, f"removed {removed['kind']} {id}")


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _outcome(added: bool, dry_run: bool) -> str:
    if not added:
        return "unchanged"
    return "would be added" if dry_run else "added"


def _with_unit(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:g} {unit}"


def _flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in data.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return found
