"""Cells and formulations: add, list, show, set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from siltomo.cli.command import command, damage_seen, group, mending, the_catalog
from siltomo.cli.options import Notes, Title
from siltomo.cli.reply import Reply, table

__all__ = ["cell_app", "formulation_app", "set_record"]

cell_app = group("cell", "Cells: what was built, with units.")
formulation_app = group("formulation", "Formulations: recipes of electrodes.")

Id = Annotated[str, typer.Argument(help="Its id: lower-case letters, digits, '-', '_'.", show_default=False)]


def _option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, show_default=False)


FormulationRef = Annotated[str, _option("--formulation", "Id of its formulation.")]
NewFormulation = Annotated[str | None, _option("--formulation", "Id of its formulation.")]
Diameter = Annotated[str | None, _option("--diameter", 'Diameter of the electrode, such as "3 mm".')]
SiMass = Annotated[str | None, _option("--si-mass", 'Mass of silicon, such as "0.13 mg_Si".')]
Loading = Annotated[str | None, _option("--loading", 'Silicon per area, such as "1.75 +/- 0.05 mg_Si/cm^2".')]
Thickness = Annotated[
    str | None, _option("--initial-thickness", 'Thickness before cycling, such as "40 um".')
]
Collector = Annotated[str | None, _option("--collector", 'Current collector, such as "copper 25 um".')]
Separator = Annotated[str | None, _option("--separator", "Separator.")]
Electrolyte = Annotated[str | None, _option("--electrolyte", "Electrolyte.")]
Counter = Annotated[str | None, _option("--counter", "Counter electrode.")]
SiFraction = Annotated[
    str | None, _option("--si-fraction", 'Silicon per mass of dry electrode, such as "0.732 g_Si/g".')
]
Binder = Annotated[str | None, _option("--binder", "Binder, in words.")]
Additive = Annotated[str | None, _option("--additive", 'Additive, such as "ZnSO4".')]
TrueDensity = Annotated[
    str | None, _option("--true-density", 'Density of the solids, such as "2.17 g/cm^3".')
]
Components = Annotated[
    list[str] | None,
    _option("--component", 'Component as MATERIAL:ROLE:FRACTION, such as "silicon:active:73.2 %"; repeat.'),
]


@command(cell_app, "add")
def add_cell(
    id: Id,  # noqa: A002
    formulation: FormulationRef,
    diameter: Diameter = None,
    si_mass: SiMass = None,
    loading: Loading = None,
    initial_thickness: Thickness = None,
    collector: Collector = None,
    separator: Separator = None,
    electrolyte: Electrolyte = None,
    counter: Counter = None,
    title: Title = None,
    notes: Notes = None,
) -> Reply:
    """Add a cell. Only its id and its formulation are needed; the rest can be set later."""
    from siltomo.model import Cell

    return _add(Cell, locals())


@command(cell_app, "set")
def set_cell(
    id: Id,  # noqa: A002
    formulation: NewFormulation = None,
    diameter: Diameter = None,
    si_mass: SiMass = None,
    loading: Loading = None,
    initial_thickness: Thickness = None,
    collector: Collector = None,
    separator: Separator = None,
    electrolyte: Electrolyte = None,
    counter: Counter = None,
    title: Title = None,
    notes: Notes = None,
) -> Reply:
    """Change fields of a cell; the old values stay in its history."""
    from siltomo.model import Cell

    return set_record(Cell, locals())


@command(cell_app, "list", csv=True)
def list_cells() -> Reply:
    """List the cells."""
    from siltomo.model import Cell

    return _list(Cell, ["id", "formulation", "si_mass", "diameter", "loading", "initial_thickness", "title"])


@command(cell_app, "show")
def show_cell(id: Id) -> Reply:  # noqa: A002
    """Show a cell."""
    from siltomo.model import Cell

    return _show(Cell, id)


@command(formulation_app, "add")
def add_formulation(
    id: Id,  # noqa: A002
    si_fraction: SiFraction = None,
    binder: Binder = None,
    additive: Additive = None,
    true_density: TrueDensity = None,
    component: Components = None,
    title: Title = None,
    notes: Notes = None,
) -> Reply:
    """Add a formulation. Only its id is needed; the rest can be set later."""
    from siltomo.model import Formulation

    return _add(Formulation, {**locals(), "component": None, "components": _components(component)})


@command(formulation_app, "set")
def set_formulation(
    id: Id,  # noqa: A002
    si_fraction: SiFraction = None,
    binder: Binder = None,
    additive: Additive = None,
    true_density: TrueDensity = None,
    component: Components = None,
    title: Title = None,
    notes: Notes = None,
) -> Reply:
    """Change fields of a formulation; the old values stay in its history."""
    from siltomo.model import Formulation

    return set_record(Formulation, {**locals(), "component": None, "components": _components(component)})


@command(formulation_app, "list", csv=True)
def list_formulations() -> Reply:
    """List the formulations."""
    from siltomo.model import Formulation

    return _list(Formulation, ["id", "si_fraction", "true_density", "binder", "additive", "title"])


@command(formulation_app, "show")
def show_formulation(id: Id) -> Reply:  # noqa: A002
    """Show a formulation."""
    from siltomo.model import Formulation

    return _show(Formulation, id)


def _given(options: Mapping[str, Any], model: Any) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k in model.model_fields and v is not None}


def _add(model: Any, options: Mapping[str, Any]) -> Reply:
    from siltomo.model import validated

    with mending():
        record = validated(model, _given(options, model), place=f"{model.kind} {options['id']}")
    change = the_catalog().add(record)
    said = "added" if change.changed else "already there, unchanged:"
    data = {"id": record.id, "added": change.changed, "record": record.body()}
    return Reply(data, f"{said} {model.kind} {record.id}")


def set_record(model: Any, options: Mapping[str, Any]) -> Reply:
    """Change the fields of a record that were given as options; an empty text takes a field back."""
    changes = {k: None if v == "" else v for k, v in _given(options, model).items() if k != "id"}
    with mending():
        change = the_catalog().set(model, options["id"], changes)
    said = f"set {', '.join(changes)} of" if change.changed else "unchanged:"
    data = {
        "id": change.record.id,
        "changed": change.changed,
        "revision": change.revision,
        "record": change.record.body(),
    }
    return Reply(data, f"{said} {model.kind} {change.record.id} (revision {change.revision})")


def _list(model: Any, columns: list[str]) -> Reply:
    catalog = the_catalog()
    rows = [record.body() for record in catalog.sound_records(model)]
    damage = damage_seen(catalog)
    return Reply(rows, table(rows, columns), rows, damage, exit_code=7 if damage else 0)


def _show(model: Any, id_: str) -> Reply:
    record = the_catalog().record(model, id_)
    return Reply(record.body(), table([{"field": k, "value": v} for k, v in record.body().items() if v]))


def _components(given: list[str] | None) -> list[dict[str, str]] | None:
    from siltomo.errors import Amend, BadInputError

    if given is None:
        return None
    made = []
    for text in given:
        parts = [part.strip() for part in text.split(":")]
        if len(parts) != 3:
            raise BadInputError(
                f"a component is MATERIAL:ROLE:FRACTION, such as 'silicon:active:73.2 %', not {text!r}",
                code="SIL191",
                fix=Amend({"--component": "silicon:active:73.2 %"}),
            )
        made.append({"material": parts[0], "role": parts[1], "mass_fraction": parts[2]})
    return made
