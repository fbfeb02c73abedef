"""What volumes with channels have in common, whatever their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError, MismatchError

__all__ = ["WHOLE", "Channels", "Shape", "Window", "agreed_axes", "numbered"]

Shape = tuple[int, int, int]
Window = tuple[slice, slice]
"""A part of the plane, along y and x."""
WHOLE: Window = (slice(None), slice(None))


class ReadBox(Protocol):
    """Reads channels of some planes."""

    def __call__(self, start: int, stop: int, window: Window = WHOLE, /) -> NDArray[Any]:
        """Return planes ``start`` to ``stop`` (excluded), or a part of each, of shape (channels, planes, y, x)."""
        ...


@dataclass(frozen=True)
class Channels:
    """Several values for each voxel, as their files describe them; no voxel has been read."""

    format: str
    """What the files are, in words."""
    shape: Shape
    """Voxels along z, y, x."""
    names: tuple[str, ...]
    """One name for each channel; ``channel 1`` and so on where the files name none."""
    dtype: np.dtype[Any]
    """The type of the values as ``read`` gives them."""
    read: ReadBox
    """Reads some planes, or a part of them."""
    files: tuple[Path, ...]
    chunks: tuple[int, int, int] | None = None
    """Voxels along z, y, x that the file keeps together; None for whole planes. Whoever reads less reads as much."""


def agreed_axes(said: Sequence[str] | None, axes: str | None, where: str) -> list[str]:
    """Return the letters of the axes, from the file or as declared; refuse where neither says, or they differ."""
    if said is None and axes is None:
        raise FormatError(
            "does not say which of its axes is which",
            where=where,
            fix=Amend(
                advice="write the order of the axes beside the file: features: {file: ..., axes: zyxc}"
            ),
        )
    if said is not None and axes is not None and list(said) != list(axes):
        raise MismatchError(f"its axes are {''.join(said)}; 'axes' says {axes}", where=where)
    return list(said if said is not None else axes or "")


def numbered(count: int) -> tuple[str, ...]:
    """Return names for channels that have none."""
    return tuple(f"channel {n}" for n in range(1, count + 1))
