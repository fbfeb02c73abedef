"""Sparse labels that classifiers are trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Training"]


@dataclass(frozen=True, eq=False)
class Training:
    """Sparse labels on the grid of a scan."""

    places: NDArray[np.int64]
    """Voxels that are labelled, shape (n, 3), z, y, x, in C order."""
    classes: NDArray[np.uint8]
    """The class of each, from 1."""
    strokes: NDArray[np.int64]
    """The stroke that each belongs to: labelled voxels of a class that hang together."""

    @property
    def digest(self) -> str:
        """Digest of the labelled voxels and their classes."""
        made = hashlib.sha256(np.ascontiguousarray(self.places, "<i8").tobytes())
        made.update(np.ascontiguousarray(self.classes).data)
        return f"sha256:{made.hexdigest()}"

    @classmethod
    def of(cls, labels: NDArray[Any]) -> Training:
        """Read sparse labels from a volume where 0 is unlabelled."""
        places = np.argwhere(labels > 0)
        classes = labels[tuple(places.T)]
        strokes = np.zeros(len(places), np.int64)
        count = 0
        for value in np.unique(classes):
            pieces, number = ndimage.label(labels == value, np.ones((3, 3, 3)))
            mine = classes == value
            strokes[mine] = pieces[tuple(places[mine].T)] + count
            count += number
        return cls(places.astype(np.int64), classes.astype(np.uint8), strokes)
