"""File names of slices: natural order, stacks told apart by their names, gaps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Stack", "gap_words", "group_slices", "natural_key"]

DIGITS = re.compile(r"([0-9]+)")
SLICE_DIGITS = 4
"""Beamlines glue the scan's name to a slice number of four digits: ``ref1_op010001.rec.8bit.tif``."""


@dataclass(frozen=True)
class Stack:
    """Files whose names differ in one number, the number of the slice."""

    prefix: str
    suffix: str
    numbers: tuple[int, ...]
    """Slice numbers, ascending; one twice when two names spell the same number."""
    names: tuple[str, ...]
    """File names in the order of ``numbers``."""
    width: int
    """Digits of a slice number, 0 when they vary or there are none."""

    @property
    def label(self) -> str:
        """The name that people would give it."""
        return self.prefix.rstrip("_-. ") or self.prefix or f"*{self.suffix}"

    @property
    def missing(self) -> tuple[int, ...]:
        """Slice numbers absent between the first and the last."""
        present = set(self.numbers)
        return tuple(n for n in range(self.numbers[0], self.numbers[-1]) if n not in present)


@dataclass(frozen=True)
class _Name:
    """A file name cut at its numbers: ``texts[0] digits[0] texts[1] ...``."""

    name: str
    texts: tuple[str, ...]
    digits: tuple[str, ...]


def natural_key(name: str) -> tuple[tuple[str, int, str], ...]:
    """Return a sort key under which ``s2`` comes before ``s10``.

    Examples
    --------
    >>> sorted(["s10.tif", "s2.tif", "s1.tif"], key=natural_key)
    ['s1.tif', 's2.tif', 's10.tif']
    """
    parts = DIGITS.split(name)
    pairs = zip(parts[::2], [*parts[1::2], "-1"], strict=True)
    return tuple((text, int(number), number) for text, number in pairs)


def group_slices(names: Iterable[str]) -> list[Stack]:
    """Tell the stacks of a folder apart by the names of its files.

    Names that differ in their text are of different stacks. Of the numbers in names with one text, the
    one that takes most values counts the slices; the others name the stack, unless they change with every
    slice as a time or a position does.

    Returns
    -------
    list of Stack
        The one with most slices first.

    Examples
    --------
    >>> [(s.label, s.numbers) for s in group_slices(["a_1.tif", "b01.tif", "a_10.tif", "a_9.tif"])]
    [('a', (1, 9, 10)), ('b', (1,))]
    """
    by_text: dict[tuple[str, ...], list[_Name]] = defaultdict(list)
    for name in sorted(set(names), key=natural_key):
        parts = DIGITS.split(name)
        by_text[tuple(parts[::2])].append(_Name(name, tuple(parts[::2]), tuple(parts[1::2])))
    stacks = [stack for group in by_text.values() for stack in _stacks_of(group)]
    return sorted(stacks, key=lambda s: (-len(s.names), natural_key(s.label), natural_key(s.suffix)))


def _stacks_of(names: Sequence[_Name]) -> list[Stack]:
    """Split names that differ in their numbers only."""
    if not names[0].digits:
        return [
            Stack(n.name.rpartition(".")[0], "." + n.name.rpartition(".")[2], (0,), (n.name,), 0)
            for n in names
        ]
    column = _slice_column(names)
    by_others: dict[tuple[str, ...], list[_Name]] = defaultdict(list)
    for name in names:
        by_others[name.digits[:column] + name.digits[column + 1 :]].append(name)
    groups = list(by_others.values())
    if len(groups) == len(names) == len({int(n.digits[column]) for n in names}):
        groups = [list(names)]
    return [stack for group in groups for stack in _split_glued(group, column)]


def _slice_column(names: Sequence[_Name]) -> int:
    """Return which number of the names counts the slices: the last one of those that vary most.

    A few values beside many are scans, channels or bit depths beside slices. Where two numbers change with
    every file, one counts and the other is a time or a position: the denser one counts.
    """
    values = [{int(n.digits[column]) for n in names} for column in range(len(names[0].digits))]
    most = max(len(v) for v in values)
    columns = [column for column, v in enumerate(values) if 4 * len(v) >= most]
    if len(names) > 1 and all(len(values[column]) == len(names) for column in columns):
        return max(columns, key=lambda c: (len(names) / (max(values[c]) - min(values[c]) + 1), c))
    texts = names[0].texts
    return max(columns, key=lambda c: (not texts[c + 1].lower().startswith("bit"), c))


def _split_glued(names: Sequence[_Name], column: int) -> list[Stack]:
    """Split numbers that hold the end of the scan's name and the slice, as 010001 to 022160."""
    widths = {len(n.digits[column]) for n in names}
    if len(widths) > 1 or min(widths) <= SLICE_DIGITS:
        return [_stack(names, column, 0)]
    lead = min(widths) - SLICE_DIGITS
    blocks: dict[str, list[_Name]] = defaultdict(list)
    for name in sorted(names, key=lambda n: int(n.digits[column])):
        blocks[name.digits[column][:lead]].append(name)
    if len(blocks) == 1:
        belongs_to_scan = names[0].texts[column][-1:].isalnum() and next(iter(blocks)).strip("0")
        return [_stack(names, column, lead if belongs_to_scan else 0)]
    runs: list[list[_Name]] = []
    for block in blocks.values():
        if runs and not _starts_anew(runs[-1], block, column):
            runs[-1].extend(block)
        else:
            runs.append(list(block))
    leads_are_scans = len(runs) == len(blocks)
    return [_stack(run, column, lead if leads_are_scans else 0) for run in runs]


def _starts_anew(before: Sequence[_Name], block: Sequence[_Name], column: int) -> bool:
    """Return whether a block of numbers is another stack rather than the continuation of the one before."""
    last, first = int(before[-1].digits[column]), int(block[0].digits[column])
    if first == last + 1:
        return False
    return first % 10**SLICE_DIGITS <= 1 or first - last > min(len(before), len(block))


def _stack(names: Sequence[_Name], column: int, lead: int) -> Stack:
    """Make the stack of names; ``lead`` digits of the number belong to the prefix."""
    ordered = sorted(names, key=lambda n: (int(n.digits[column][lead:]), n.name))
    first = ordered[0]
    before = "".join(t + d for t, d in zip(first.texts[:column], first.digits[:column], strict=True))
    after = "".join(d + t for d, t in zip(first.digits[column + 1 :], first.texts[column + 2 :], strict=True))
    widths = {len(n.digits[column]) - lead for n in names}
    return Stack(
        prefix=before + first.texts[column] + first.digits[column][:lead],
        suffix=first.texts[column + 1] + after,
        numbers=tuple(int(n.digits[column][lead:]) for n in ordered),
        names=tuple(n.name for n in ordered),
        width=widths.pop() if len(widths) == 1 else 0,
    )


def gap_words(missing: Sequence[int], width: int, *, limit: int = 5) -> str:
    """Return missing slice numbers in words.

    Examples
    --------
    >>> gap_words([413, 414, 415, 420], 4)
    '0413–0415, 0420'
    """
    runs: list[list[int]] = []
    for number in missing:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [f"{a:0{width}d}" if a == b else f"{a:0{width}d}–{b:0{width}d}" for a, b in runs[:limit]]
    rest = len(runs) - limit
    return ", ".join(words) + (f" and {rest} more gaps" if rest > 0 else "")
