"""The schemas of records, and files checked against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import command, group
from siltomo.cli.reply import Reply, table

__all__ = ["app"]

app = group("schema", "Schemas: what a record may hold, with units.")

Kind = Annotated[str, typer.Argument(help="Kind of record, such as cell.", show_default=False)]
StudyFile = Annotated[Path, typer.Argument(help="A study file (YAML).", show_default=False)]


@command(app, "list", csv=True)
def list_schemas() -> Reply:
    """List the kinds of record."""
    from siltomo.model import json_schema, kinds

    rows = [{"kind": k, "describes": json_schema(k)["description"].split("\n")[0]} for k in kinds()]
    return Reply(rows, table(rows), rows)


@command(app, "show")
def show_schema(kind: Kind) -> Reply:
    """Show the fields of a kind of record: type, unit, meaning; --json prints the JSON Schema."""
    from siltomo.engine.tables import field_rows
    from siltomo.model import json_schema, model_named

    return Reply(json_schema(kind), table(field_rows(model_named(kind))))


@command(app, "validate")
def validate(file: StudyFile) -> Reply:
    """Check a study file without touching a catalog: every field, unit and reference inside the file."""
    from siltomo.engine.intake.study import check_study

    found = check_study(file)
    return Reply(found, f"{file} is valid: {json.dumps(found['counts'])[1:-1]}".replace('"', ""))
