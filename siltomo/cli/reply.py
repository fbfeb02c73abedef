"""What a command answers, and how it is printed: for people, as JSON, as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siltomo.errors import Amend, SiltomoError

__all__ = ["Reply", "amended", "print_error", "print_reply", "table"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Reply:
    """The answer of a command."""

    data: Any
    """What ``--json`` prints."""
    text: str = ""
    """What people read."""
    rows: Sequence[Mapping[str, Any]] | None = None
    """What ``--csv`` prints, for tables."""
    warnings: Sequence[str] = ()
    exit_code: int = 0


def print_reply(reply: Reply, command: str, *, form: str) -> None:
    """Print an answer to stdout, its warnings to stderr."""
    if form == "json":
        envelope = {
            "siltomo": "1",
            "command": command,
            "ok": reply.exit_code == 0,
            "data": reply.data,
            "warnings": list(reply.warnings),
        }
        _write(json.dumps(envelope, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")
        return
    if form == "csv":
        _write(csv_text(reply.rows or []))
    elif reply.text:
        _write(clean(reply.text.rstrip("\n")) + "\n")
    for warning in reply.warnings:
        print(f"warning: {clean(warning)}", file=sys.stderr)


def print_error(error: SiltomoError, command: str, arguments: Sequence[str], *, form: str) -> None:
    """Print an error: what, where, why, and the command that mends it."""
    fix, advice = _fix(error, arguments)
    if form == "json":
        said = {"code": error.code, "message": error.message, "fix": fix, "where": error.where}
        if advice:
            said["advice"] = advice
        envelope = {"siltomo": "1", "command": command, "ok": False, "error": said, "warnings": []}
        _write(json.dumps(envelope, indent=2, ensure_ascii=False) + "\n")
        return
    lines = [f"error[{error.code}] {error}"]
    if advice:
        lines.append(f"  {advice}:" if fix else f"  {advice}")
    if fix:
        lines.append(f"  fix: {fix}")
    print(clean("\n".join(lines)), file=sys.stderr)


def _fix(error: SiltomoError, arguments: Sequence[str]) -> tuple[str, str]:
    if isinstance(error.fix, Amend):
        return amended(arguments, error.fix), error.fix.advice
    return error.fix, ""


def amended(arguments: Sequence[str], change: Amend) -> str:
    """Return the user's command with some options changed.

    Examples
    --------
    >>> amended(["catalog", "add", "a b.tif", "--cell", "zn1"], Amend({"--prefix": "op 1"}))
    "siltomo catalog add 'a b.tif' --cell zn1 --prefix 'op 1'"
    >>> amended(["catalog", "add", "x", "--id", "one"], Amend({"--id": "two"}))
    'siltomo catalog add x --id two'
    >>> amended(["report", "--all", "op1"], Amend(drop_flags=("--all",)))
    'siltomo report op1'
    """
    left: list[str] = []
    gone = {*change.options, *change.drop}
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in gone:
            skip = change.options.get(argument, "value") != ""
        elif argument in change.drop_flags:
            continue
        elif argument.split("=")[0] not in gone:
            left.append(argument)
    for option, value in change.options.items():
        left += [option, value] if value else [option]
    environment = "".join(f"{name}={shlex.quote(value)} " for name, value in change.environment.items())
    return f"{environment}siltomo {shlex.join(left)}"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Return rows as aligned text; nothing is cut off."""
    if not rows:
        return "(none)"
    names = list(columns or rows[0])
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[n]) for line in cells)) for n, name in enumerate(names)]
    lines = ["  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True))]
    lines.append("  ".join("-" * width for width in widths))
    lines += ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV; values with parts are written as JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_field(row.get(name)) for name in names])
    return made.getvalue()


def _field(value: Any) -> Any:
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return "" if value is None else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value) or "-"
    return clean(str(value)) or "-"


def clean(text: str) -> str:
    """Drop control characters: what a file says must not steer a terminal."""
    return _CONTROL.sub("?", text)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
