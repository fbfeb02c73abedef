"""Classes kept on disk between two readings of a volume, in slabs that are whole or not there."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Slabs"]


@dataclass(frozen=True)
class Slabs:
    """Planes of a volume in one file for each slab.

    A slab is written under another name and renamed, so that a killed run leaves only whole ones, and the next run
    goes on after them.
    """

    folder: Path
    shape: tuple[int, int, int]
    depth: int
    """Planes of a slab."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The planes of each slab."""
        return [(z, min(z + self.depth, self.shape[0])) for z in range(0, self.shape[0], self.depth)]

    def has(self, start: int) -> bool:
        """Return whether the slab that starts at a plane is there."""
        return self._path(start).exists()

    def write(self, start: int, planes: NDArray[Any], facts: dict[str, Any] | None = None) -> None:
        """Keep a slab, and what was learnt of it."""
        if facts is not None:
            self._facts(start).write_text(json.dumps(facts), "utf-8")
        part = self.folder / f"{start}.part"
        with part.open("wb") as file:
            np.save(file, planes)
        part.replace(self._path(start))

    def facts(self, start: int) -> dict[str, Any]:
        """Return what was learnt of a slab."""
        found: dict[str, Any] = json.loads(self._facts(start).read_text("utf-8"))
        return found

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return any planes."""
        parts = []
        for z in range(start // self.depth * self.depth, stop, self.depth):
            slab = np.load(self._path(z))
            parts.append(slab[max(0, start - z) : stop - z])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:06d}.npy"

    def _facts(self, start: int) -> Path:
        return self.folder / f"{start:06d}.json"
