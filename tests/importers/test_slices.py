"""Names of slices: order, stacks, gaps."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from siltomo.importers.slices import gap_words, group_slices, natural_key


def labels(names: list[str]) -> list[tuple[str, int]]:
    return [(stack.label, len(stack.names)) for stack in group_slices(names)]


def test_tomcat_names_are_one_stack() -> None:
    (stack,) = group_slices([f"ref1_op01{i:04d}.rec.8bit.tif" for i in range(1, 2161)])
    assert (stack.label, stack.numbers[0], stack.numbers[-1], stack.width) == ("ref1_op01", 1, 2160, 4)
    assert stack.missing == ()


@pytest.mark.parametrize("depth", ["8bit", "16bit"])
def test_tomcat_names_with_underscore(depth: str) -> None:
    (stack,) = group_slices([f"r01_{i:04d}.rec.{depth}.tif" for i in range(30)])
    assert (stack.label, stack.numbers[:2], stack.suffix) == ("r01", (0, 1), f".rec.{depth}.tif")


def test_glued_scans_are_told_apart() -> None:
    names = [f"ref1_op{op:02d}{i:04d}.rec.8bit.tif" for op in (1, 2, 10) for i in range(1, 21)]
    assert labels(names) == [("ref1_op01", 20), ("ref1_op02", 20), ("ref1_op10", 20)]


def test_five_digits_across_ten_thousand_are_one_stack() -> None:
    (stack,) = group_slices([f"scan_{i:05d}.tif" for i in range(9000, 12161)])
    assert (stack.label, stack.numbers[0], len(stack.missing)) == ("scan", 9000, 0)


def test_five_digits_with_a_gap_near_ten_thousand_are_one_stack() -> None:
    (stack,) = group_slices([f"scan_{i:05d}.tif" for i in range(1, 12161) if not 9990 <= i < 10010])
    assert stack.missing == tuple(range(9990, 10010))


def test_resolutions_of_one_scan_are_two_stacks() -> None:
    names = [f"ref1_op01{i:04d}.rec.8bit.tif" for i in range(9)]
    names += [f"ref1_op01_lowres{i:04d}.rec.8bit.tif" for i in range(5)]
    assert labels(names) == [("ref1_op01", 9), ("ref1_op01_lowres", 5)]


def test_bit_depths_are_two_stacks() -> None:
    names = [f"a_{i:04d}.rec.{bits}bit.tif" for bits in (8, 16) for i in range(6)]
    first, second = group_slices(names)
    assert (len(first.names), len(second.names)) == (6, 6)
    assert {first.suffix, second.suffix} == {".rec.8bit.tif", ".rec.16bit.tif"}


def test_a_number_that_changes_with_every_slice_is_no_stack() -> None:
    names = [f"img_{i:04d}_2021061410{i * 7 % 60:02d}{i % 60:02d}.tif" for i in range(50)]
    (stack,) = group_slices(names)
    assert stack.numbers == tuple(range(50))


def test_names_without_numbers_are_alone() -> None:
    assert labels(["overview.tif", "mask.tif"]) == [("mask", 1), ("overview", 1)]


def test_a_number_spelled_twice_is_kept_twice() -> None:
    (stack,) = group_slices(["s1.tif", "s0001.tif", "s2.tif"])
    assert stack.numbers == (1, 1, 2)


@given(
    prefix=st.text("ab_-.", min_size=1, max_size=6),
    suffix=st.sampled_from([".tif", ".rec.8bit.tif", "_x.tiff"]),
    start=st.integers(0, 300),
    count=st.integers(2, 120),
    width=st.integers(0, 4),
    seed=st.integers(),
)
@settings(max_examples=150, deadline=None)
def test_any_stack_comes_back_in_order(
    prefix: str, suffix: str, start: int, count: int, width: int, seed: int
) -> None:
    names = [f"{prefix}{i:0{width}d}{suffix}" for i in range(start, start + count)]
    shuffled = list(names)
    random.Random(seed).shuffle(shuffled)
    (stack,) = group_slices(shuffled)
    assert stack.names == tuple(names)
    assert stack.numbers == tuple(range(start, start + count))
    assert stack.prefix == prefix


@given(
    scans=st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True),
    count=st.integers(4, 40),
    holes=st.sets(st.integers(2, 39)),
    glue=st.sampled_from(["_", "", "-s"]),
)
@settings(max_examples=150, deadline=None)
def test_scans_in_one_folder_come_apart(scans: list[int], count: int, holes: set[int], glue: str) -> None:
    kept = [i for i in range(1, count + 1) if i not in holes or i == count]
    assume(len(kept) >= 4)
    names = [f"op{scan:02d}{glue}{i:04d}.rec.16bit.tif" for scan in scans for i in kept]
    stacks = group_slices(names)
    assert sorted(stack.prefix.rstrip("-_s") for stack in stacks) == sorted(f"op{scan:02d}" for scan in scans)
    for stack in stacks:
        assert stack.numbers == tuple(kept)
        assert set(stack.missing) == set(range(1, count + 1)) - set(kept)


@given(st.lists(st.text("a0123_.", max_size=12), max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_name_is_in_one_stack(names: list[str]) -> None:
    stacks = group_slices(names)
    assert sorted(name for stack in stacks for name in stack.names) == sorted(set(names))
    assert all(list(stack.numbers) == sorted(stack.numbers) for stack in stacks)


@given(st.lists(st.text("ab0123456789._", max_size=10), max_size=20))
@settings(max_examples=200, deadline=None)
def test_natural_order_is_an_order(names: list[str]) -> None:
    ordered = sorted(set(names), key=natural_key)
    assert all(natural_key(a) < natural_key(b) for a, b in itertools.pairwise(ordered))


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ([413, 414, 415], "0413–0415"),
        ([7], "0007"),
        ([1, 3, 4, 6], "0001, 0003–0004, 0006"),
        ([1, 3, 5, 7, 9, 11, 13], "0001, 0003, 0005, 0007, 0009 and 2 more gaps"),
    ],
)
def test_gaps_in_words(missing: list[int], words: str) -> None:
    assert gap_words(missing, 4) == words


def test_more_scans_than_slices() -> None:
    """The last number counts, unless one before it takes many more values."""
    assert labels([f"op{scan}_{i}.tif" for scan in range(5) for i in range(3)]) == [
        (f"op{scan}", 3) for scan in range(5)
    ]
    first, second = group_slices([f"slice{i:04d}_ch{channel}.tif" for i in range(50) for channel in (1, 2)])
    assert (len(first.names), len(second.names)) == (50, 50)
    assert {first.suffix, second.suffix} == {"_ch1.tif", "_ch2.tif"}
