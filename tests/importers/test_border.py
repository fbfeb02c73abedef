"""What crosses the border to other libraries."""

from __future__ import annotations

import logging
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.errors import FormatError, NotFoundError, UnitError
from siltomo.importers.border import border, log_lines, plain_text
from siltomo.importers.reading import Planes, check_ratio, voxel_dtype


@pytest.mark.parametrize(
    "error",
    [ValueError, ZeroDivisionError, struct.error, MemoryError, RecursionError, KeyError, OSError],
)
def test_foreign_errors_become_one_kind(error: type[Exception], refused: Any) -> None:
    says = ("a.tif: cannot read plane 3: ", "bad", error.__name__)
    with refused(FormatError, "SIL103", *says, fix="copy the file again"), border(Path("a.tif"), "plane 3"):
        raise error("bad")


def test_a_missing_file_stays_a_missing_file(refused: Any) -> None:
    with (
        refused(NotFoundError, "SIL120", "a.tif", "not there", fix="check the path"),
        border(Path("a.tif"), "it"),
    ):
        raise FileNotFoundError(2, "No such file")


def test_our_own_errors_pass_as_they_are() -> None:
    with pytest.raises(UnitError, match="no unit"), border(Path("a.tif"), "it"):
        raise UnitError("no unit")


def test_an_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt), border(Path("a.tif"), "it"):
        raise KeyboardInterrupt


def test_control_characters_and_long_texts_stay_out() -> None:
    assert plain_text("a\x1b[31m\x00b\nc") == "a [31m b c"
    assert len(plain_text("x" * 10_000)) == 500
    with pytest.raises(FormatError) as caught, border(Path("a.tif"), "it"):
        raise ValueError("\x1b" + "y" * 10_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_log_lines_are_those_of_this_thread() -> None:
    logger = logging.getLogger("siltomo.tests.border")
    with log_lines(logger.name) as lines:
        logger.warning("mine")
        logger.info("too quiet")
        other = threading.Thread(target=logger.warning, args=("theirs",))
        other.start()
        other.join()
    logger.addHandler(logging.NullHandler())
    logger.warning("too late")
    assert lines == ["mine"]


def test_a_reader_that_gives_something_else_is_a_bug() -> None:
    planes = Planes((4, 2, 2), np.dtype("u1"), lambda start, stop: np.zeros((1, 2, 2), np.uint8))
    assert planes(1, 2).shape == (1, 2, 2)
    with pytest.raises(ValueError, match="the reader gave"):
        planes(0, 3)
    with pytest.raises(TypeError):
        Planes((4, 2, 2), np.dtype("u1"), lambda start, stop: np.zeros((stop - start, 2, 2)))(0, 1)


@pytest.mark.parametrize("dtype", ["?", "i1", ">u2", "<f4", ">f8", "f2", "u8"])
def test_voxels_are_native_and_never_bool(dtype: str) -> None:
    found = voxel_dtype(dtype, "a")
    assert found.isnative
    assert found.kind in "iuf"
    assert found.itemsize == np.dtype(dtype).itemsize


def test_ratio_is_that_of_deflate() -> None:
    check_ratio(1_000_000, 1000, "a")
    with pytest.raises(FormatError, match="1 MB of voxels but stores 999 bytes"):
        check_ratio(1_000_000, 999, "a")
