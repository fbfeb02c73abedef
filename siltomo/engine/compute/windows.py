"""Measure within the part of the specimen that all scans of a series show."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.subjects import Item, Subject
from siltomo.metrics import Sample
from siltomo.model import Scan, Status, VoxelBox

__all__ = ["Within", "WithinCommon", "window_of", "window_words"]

Within = Literal["common"]
"""Where to measure: in the field of view that the scans of a series have in common."""


@dataclass(frozen=True)
class _Windowed(Subject):
    """A subject of which only some voxels are measured, as if its labels ended there."""

    window: VoxelBox = ((0, 0), (0, 0), (0, 0))
    series: tuple[str, ...] = ()

    def sample(self, phase: str) -> Sample:
        """Return what a metric may know of the subject."""
        (z, depth), (y, height), (x, width) = self.window
        return replace(super().sample(phase), shape=(depth - z, height - y, width - x))


def window_of(subject: Subject) -> VoxelBox | None:
    """Return the voxels that are measured, None where they are all."""
    return subject.window if isinstance(subject, _Windowed) else None


def window_words(subject: Subject) -> str:
    """Return the window and the series whose it is, as results say it; empty where all voxels are measured."""
    if not isinstance(subject, _Windowed):
        return ""
    box = ", ".join(f"{axis} {a}..{b - 1}" for axis, (a, b) in zip("zyx", subject.window, strict=True))
    return f"voxels {box}, the field of view common to {', '.join(subject.series)}"


@dataclass(frozen=True)
class WithinCommon:
    """Puts the rows to come into the windows that registered series have in common; reads records, no voxel.

    A scan without such a window keeps its rows, and they say why they have no value: a number of its whole field of
    view is not comparable with the others.
    """

    catalog: Catalog

    @cached_property
    def _scans(self) -> dict[str, Scan]:
        return {scan.id: scan for scan in self.catalog.records(Scan)}

    def __call__(self, item: Item) -> Item:
        """Return the row of the window in place of that of the whole scan."""
        if not item.key:  # there will be no value anyway
            return item
        scan = self._scans[item.subject.outline.id]
        if why := self._why_not(scan):
            return Item(item.request, item.subject, status=Status.MISSING, reason=why)
        assert scan.registration is not None
        assert scan.registration.window is not None
        whole = {one.name: getattr(item.subject, one.name) for one in fields(Subject)}
        subject = _Windowed(**whole, window=scan.registration.window, series=scan.registration.series)
        key = hashlib.sha256(f"{item.key} within {window_words(subject)}".encode()).hexdigest()
        return replace(item, subject=subject, key=key, found=self.catalog.store.find_result(key))

    def _why_not(self, scan: Scan) -> str:
        """Say why a scan has no window, or none that the others of its series share."""
        registration = scan.registration
        if registration is None or registration.window is None:
            return f"scan {scan.id} has no window in common with others: siltomo segment register REFERENCE {scan.id}"
        for name in registration.series:
            other = self._scans[name].registration if name in self._scans else None
            if other is None or other.series != registration.series:
                series = registration.series
                found = f"with {', '.join(other.series)}" if other and other.series else "not at all"
                return (
                    f"the window of scan {scan.id} is that of {', '.join(series)}, and {name} is now registered "
                    f"{found}: siltomo segment register {' '.join(series)}"
                )
        return ""
