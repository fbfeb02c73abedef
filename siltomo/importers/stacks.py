"""What all folders of slices share: which stack is meant, whether its numbers are whole, its files plain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path

from siltomo.errors import Amend, FormatError, NotFoundError
from siltomo.importers.base import Source
from siltomo.importers.border import border, plain_text
from siltomo.importers.slices import Stack, gap_words

__all__ = ["check_file", "check_numbers", "chosen_stack", "gap_warning"]


def chosen_stack(stacks: Sequence[Stack], source: Source, kind: str) -> Stack:
    """Return the stack that is meant, or say which there are.

    Parameters
    ----------
    stacks
        The stacks of the folder, the largest first.
    source
        The folder, and the stack that is meant.
    kind
        The format of a slice, such as ``"TIFF"``.

    Raises
    ------
    FormatError
        SIL101 when there are several and none is named; when there is none.
    NotFoundError
        When the one that is named is not there.
    """
    folder = source.path
    if not stacks:
        raise FormatError(
            f"holds no {kind} slices", where=str(folder), fix=Amend(advice="give the folder of slices")
        )
    labels = _labels(stacks)
    if source.member is not None:
        for label, stack in zip(labels, stacks, strict=True):
            if source.member == label:
                return stack
        same_prefix = [stack for stack in stacks if stack.prefix == source.member]
        if len(same_prefix) == 1:
            return same_prefix[0]
        near = (get_close_matches(source.member, labels, 1, 0.0) or labels)[0]
        raise NotFoundError(
            f"no stack '{plain_text(source.member, 80)}'; there is {_listing(labels, stacks)}",
            where=str(folder),
            fix=Amend({"--prefix": near}),
        )
    if len(stacks) > 1 and max(len(stack.names) for stack in stacks) == 1:
        names = [plain_text(stack.names[0], 80) for stack in stacks]
        raise FormatError(
            f"'{folder.name}/' holds {len(names)} single {kind} files and no stack of slices: "
            + ", ".join(names[:8])
            + (" and more" if len(names) > 8 else ""),
            code="SIL101",
            fix=Amend(advice=f"give one of the files: {folder / names[0]}"),
        )
    if len(stacks) > 1:
        raise FormatError(
            f"'{folder.name}/' holds {len(stacks)} stacks: {_listing(labels, stacks)}.",
            code="SIL101",
            fix=Amend({"--prefix": labels[0]}),
        )
    return stacks[0]


def _labels(stacks: Sequence[Stack]) -> list[str]:
    """Return a name for each stack that no other one has."""
    names = [(stack.label, f"{stack.prefix}*{stack.suffix}", stack.names[0]) for stack in stacks]
    counts = Counter(name for candidates in names for name in candidates)
    return [next((n for n in candidates if counts[n] == 1), candidates[-1]) for candidates in names]


def _listing(labels: Sequence[str], stacks: Sequence[Stack], limit: int = 8) -> str:
    words = [
        f"{plain_text(label, 80)} ({len(stack.names)}{_slices(stack) if i == 0 else ''})"
        for i, (label, stack) in enumerate(zip(labels[:limit], stacks, strict=False))
    ]
    rest = len(stacks) - limit
    return ", ".join(words) + (f" and {rest} more" if rest > 0 else "")


def _slices(stack: Stack) -> str:
    return " slice" if len(stack.names) == 1 else " slices"


def check_numbers(stack: Stack, source: Source) -> None:
    """Refuse repeated slice numbers, and gaps unless they are allowed."""
    where = stack.label if stack.prefix else source.path.name
    named = zip(stack.numbers, stack.names, strict=True)
    for number, group in groupby(named, key=lambda pair: pair[0]):
        names = [plain_text(name, 80) for _, name in group]
        if len(names) > 1:
            raise FormatError(
                f"slice {number} is there {len(names)} times: {', '.join(names)}",
                where=where,
                fix=Amend(advice="remove or rename the files that do not belong to the stack"),
            )
    expected = stack.numbers[-1] - stack.numbers[0] + 1
    present = len(stack.numbers)
    if expected == present:
        return
    if expected > 2 * present + 1:  # no stack: do not even count what is missing
        raise FormatError(
            f"{present} slices are numbered {stack.numbers[0]} to {stack.numbers[-1]}: more are missing than "
            "there are",
            code="SIL102",
            where=where,
            fix=Amend(advice="renumber the slices, or copy the missing ones again"),
        )
    if not source.allow_gaps:
        raise FormatError(
            f"slices {gap_words(stack.missing, stack.width)} missing ({present} of {expected}).",
            code="SIL102",
            where=where,
            fix=Amend(
                {"--allow-gaps": ""},
                advice="copy the missing slices again, or read them as zero (metrics will be refused)",
            ),
        )


def check_file(file: Path, folder: Path) -> None:
    """Refuse links that lead out of the folder, and what is no plain file."""
    if file.is_symlink():
        with border(file, "the link"):
            target = file.resolve(strict=True)
        if not target.is_relative_to(folder.resolve()):
            raise FormatError(
                f"is a link out of its folder, to {target}",
                where=str(file),
                fix=Amend(advice="copy the file itself into the folder, or give the folder it is in"),
            )
    if not file.is_file():
        raise FormatError(
            "is no plain file", where=str(file), fix=Amend(advice="remove it, or give the folder of slices")
        )


def gap_warning(stack: Stack) -> tuple[str, ...]:
    """Return what to say of missing slices that were allowed."""
    if not stack.missing:
        return ()
    return (f"slices {gap_words(stack.missing, stack.width)} are missing and read as zero",)
