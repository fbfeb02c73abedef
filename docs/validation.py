"""Write docs/validation.md: the ladder of the twin, measured now. ``python docs/validation.py``, some minutes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from siltomo.engine.demo.ladder import LADDER, RUNGS, Rung, climb
from siltomo.twin import Twin

PAGE = Path(__file__).with_name("validation.md")
SCANS = (("reference", "ref-c1"), ("with-zn", "zn-c1"))
START, END = "<!-- measured by docs/validation.py -->", "<!-- end -->"


def table(rungs: Iterable[Rung]) -> str:
    lines = [
        "| metric | scan | unit | " + " | ".join(RUNGS) + " | verdict | gate |",
        "|---|---|---|" + "---|" * (len(RUNGS) + 2),
    ]
    for rung in rungs:
        cells = []
        for name in RUNGS:
            value = rung.values[name]
            beyond = rung.within.get(name) is False
            cells.append("-" if value is None else f"**{value:.4g}**" if beyond else f"{value:.4g}")
        lines.append(
            f"| {rung.metric} | {rung.of} | {rung.unit} | {' | '.join(cells)} | {rung.verdict} | {rung.gate} |"
        )
    return "\n".join(lines)


def measured() -> list[Rung]:
    made: list[Rung] = []
    for formulation, cell in SCANS:
        twin = Twin(1, formulation, LADDER)
        for kind in ("micro", "nano"):
            made += climb(twin, twin.at(cell), kind)
    return made


def main() -> None:
    text = PAGE.read_text("utf-8")
    head, rest = text.split(START)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{START}\n\n{table(measured())}\n\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()
