"""How commands are declared: typer, plus ``--json`` and ``--csv`` on each."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.reply import Reply

if TYPE_CHECKING:
    from siltomo.engine.catalog import Catalog
    from siltomo.engine.figures.tables import Said
    from siltomo.engine.intake.scans import Progress

__all__ = [
    "catalog_option",
    "command",
    "damage_seen",
    "group",
    "mending",
    "progress_bar",
    "stages",
    "tell",
    "the_catalog",
]

CONTEXT = {"help_option_names": ["-h", "--help"]}

catalog_option: ContextVar[Path | None] = ContextVar("catalog_option", default=None)
"""The folder given with ``--catalog``."""

_JSON = typer.Option("--json", help="Print one JSON object.")
_CSV = typer.Option("--csv", help="Print the table as CSV.")


GROUPS: set[str] = set()
"""Names of the groups of commands: after one of them, the next word is part of the command."""


def group(name: str, text: str) -> typer.Typer:
    """Make a group of commands."""
    GROUPS.add(name)
    return typer.Typer(name=name, help=text, no_args_is_help=True, context_settings=CONTEXT)


def command(
    app: typer.Typer, name: str, *, csv: bool = False
) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Add a function to an app as a command that takes ``--json`` and, for tables, ``--csv``.

    The flags are read by :mod:`siltomo.cli.main`, which prints the reply; the function never sees them.
    """

    def add(function: Callable[..., Reply]) -> Callable[..., Reply]:
        extra = {"as_json": _JSON, **({"as_csv": _CSV} if csv else {})}

        @functools.wraps(function)
        def run(**given: Any) -> Reply:
            return function(**{key: value for key, value in given.items() if key not in extra})

        own = inspect.signature(function, eval_str=True)
        flags = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]
            )
            for key, option in extra.items()
        ]
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.parameters.values()]
        run.__signature__ = own.replace(parameters=[*parameters, *flags])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*parameters, *flags]}
        del run.__wrapped__  # typer would look through it, at the function without the flags
        app.command(name, context_settings=CONTEXT)(run)
        return function

    return add


def the_catalog() -> Catalog:
    """Open the catalog that the command is about."""
    from siltomo.engine.catalog import open_catalog

    return open_catalog(catalog_option.get())


def damage_seen(catalog: Catalog) -> list[str]:
    """Return what a table had to leave out, in words, with the command that mends it."""
    return [f"left out: {error} (fix: {error.fix})" for error in catalog.damaged]


@contextmanager
def mending() -> Iterator[None]:
    """Turn what was probably meant by a field into the command that says it."""
    from siltomo.errors import Amend, RecordError

    try:
        yield
    except RecordError as error:
        if error.instead:
            options = {f"--{field.replace('_', '-')}": value for field, value in error.instead.items()}
            error.fix = Amend(options)
        raise


def tell(words: str) -> None:
    """Say something to the person at the terminal, if there is one."""
    if sys.stderr.isatty():
        print(words, file=sys.stderr)


@contextmanager
def progress_bar(words: str) -> Iterator[Progress | None]:
    """Show a bar on stderr while planes go by; nothing when stderr is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stages(whole: str = "") -> Iterator[tuple[Said | None, Said | None]]:
    """Show on stderr what is being done, how far it is and how long it will take; nothing when it is no terminal.

    Yields two functions to tell: the first of the whole, which keeps its line, the second of the stage at hand,
    whose line is replaced by that of the next one. Both take words, how much is done, and how much there is.

    Parameters
    ----------
    whole
        What to say of the whole before anything is told; no line without it.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None, None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    clocks = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *clocks, console=console, transient=True) as bar:
        lines: dict[str, tuple[str, TaskID]] = {}

        def tell(line: str, words: str, done: int, total: int) -> None:
            if line in lines and lines[line][0] != words:
                bar.remove_task(lines.pop(line)[1])
            if line not in lines:
                lines[line] = words, bar.add_task(words, total=total)
            bar.update(lines[line][1], completed=done, total=total)
            bar.refresh()  # a short stage is over before the next beat

        if whole:
            tell("whole", whole, 0, 1)
        yield functools.partial(tell, "whole"), functools.partial(tell, "stage")
