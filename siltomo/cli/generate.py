"""Write what is generated: ``cli.md`` from the commands, ``docs/metrics.md`` from the metrics, ``schemas/``.

Run ``python -m siltomo.cli.generate`` at the project's root; a test fails when the files are stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["cli_text", "generated_files", "metrics_text"]

_EXIT_CODES = (
    ("0", "done"),
    ("1", "a bug in siltomo"),
    ("2", "usage: the command itself is wrong"),
    ("3", "bad input: a value, a file or a declaration cannot be used"),
    ("4", "not found"),
    ("5", "a check failed"),
    ("6", "an optional part is missing"),
    ("7", "some items failed, the others were kept"),
    ("130", "interrupted; what was finished stays"),
)


def generated_files() -> dict[str, str]:
    """Return the text of each generated file, by its path from the project's root."""
    from siltomo.model import kinds, schema_text

    files = {f"schemas/{kind}.schema.json": schema_text(kind) for kind in kinds()}
    return {"cli.md": cli_text(), "docs/metrics.md": metrics_text(), **files}


def metrics_text() -> str:
    """Return the description of the metrics that come with siltomo, in Markdown."""
    from siltomo.engine.compute.catalogue import describe_metric
    from siltomo.metrics import Metric, registry

    by_function: dict[object, list[Metric]] = {}
    for metric in registry:
        if metric.package == "siltomo":
            by_function.setdefault(metric.function, []).append(metric)
    lines = [
        "# Metrics",
        "",
        "Generated from their declarations by `python -m siltomo.cli.generate`; do not edit. `<phase>` stands for",
        "any phase of a segmentation; lengths are in micrometres.",
    ]
    for metrics in by_function.values():
        lines += ["", "## " + ", ".join(f"`{m.name.replace('{phase}', '<phase>')}`" for m in metrics), ""]
        lines += [f"Unit: `{metrics[0].unit}`. Version: {metrics[0].version}.", ""]
        lines += [_markdown(metrics[0].description), ""]
        shown = describe_metric(metrics[0].name.replace("{phase}", "phase"))
        lines += [f"- `{i['name']}`: {i['takes']}" for i in shown["inputs"]]
        lines += [f"- assumes: {shown['assumption']}"] if shown["assumption"] else []
        parameters = shown["parameters"]
        lines += [f"- `--set {p['name']}=...`: {p['takes']}; default {p['default']}" for p in parameters]
    return "\n".join(lines).rstrip() + "\n"


def _markdown(description: str) -> str:
    """Turn a numpydoc description into Markdown."""
    return description.replace("Notes\n-----\n", "**Conventions and limits.** ").replace("``", "`")


def cli_text() -> str:
    """Return the description of all commands, in Markdown."""
    from typer.main import get_command

    from siltomo.cli.app import app

    lines = [
        "# The `siltomo` command",
        "",
        "Generated from the commands by `python -m siltomo.cli.generate`; do not edit.",
        "",
        "Results go to stdout, words and progress to stderr. `--json` prints one object: "
        '`{"siltomo": "1", "command": ..., "ok": true, "data": ..., "warnings": [...]}`, or with '
        '`"ok": false` and `"error": {"code", "message", "fix", "where"}`. `--csv` prints tables.',
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in _EXIT_CODES),
        "",
    ]
    root = get_command(app)
    lines += _options(root)
    for words, command in _commands(root, "siltomo"):
        lines += ["", f"## `{words}`", "", *_paragraphs(command.help), "", f"    {_usage(words, command)}"]
        lines += ["", *_options(command)]
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from _commands(inner, f"{words} {name}")
        else:
            yield f"{words} {name}", inner


def _paragraphs(text: str | None) -> list[str]:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n")).split("\n")


def _usage(words: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    named = [f"{a.name.upper()}{'...' if a.nargs == -1 or a.multiple else ''}" for a in arguments]
    return " ".join([words, *named, "[OPTIONS]"])


def _options(command: Any) -> list[str]:
    lines = ["| | |", "|---|---|"]
    for parameter in command.params:
        is_argument = parameter.param_type_name == "argument"
        said = f"`{parameter.name.upper()}`" if is_argument else ", ".join(f"`{o}`" for o in parameter.opts)
        needed = " **needed**" if parameter.required and not is_argument else ""
        text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
        lines.append(f"| {said}{needed} | {text} |")
    return lines if len(lines) > 2 else []


def main() -> None:
    """Write the files below the working folder."""
    for name, text in generated_files().items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
