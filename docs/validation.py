"""Write docs/validation.md: the ladder of the twin, measured now. ``python docs/validation.py``, some minutes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from siltomo.engine.demo.ladder import LADDER, RUNGS, Rung, climb
from siltomo.twin import Twin
from siltomo.twin.laws import LAWS

PAGE = Path(__file__).with_name("validation.md")
START, END = "<!-- measured by docs/validation.py -->", "<!-- end -->"


def table(rungs: Iterable[Rung]) -> str:
    lines = [
        "| metric | scan | unit | " + " | ".join(RUNGS) + " | verdict | gate |",
        "|---|---|---|" + "---|" * (len(RUNGS) + 2),
    ]
    for rung in rungs:
        cells = " | ".join(cell(rung, name) for name in RUNGS)
        lines.append(
            f"| {rung.metric} | {rung.of} | {rung.unit} | {cells} | {rung.verdict or '-'} | {rung.gate} |"
        )
    return "\n".join(lines)


def cell(rung: Rung, name: str) -> str:
    """Write a rung: its value, bold where it is beyond the gate, or why there is none."""
    value = rung.values[name]
    if value is None:
        return rung.why[name]
    return f"**{value:.4g}**" if rung.within.get(name) is False else f"{value:.4g}"


def measured() -> list[Rung]:
    return [rung for name in LAWS for rung in climb(Twin(1, name, LADDER))]


def main() -> None:
    text = PAGE.read_text("utf-8")
    head, rest = text.split(START)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{START}\n\n{table(measured())}\n\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()
