"""Measure within the part of the specimen that all scans of a series show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from siltomo.engine.compute.subjects import Subject, Subjects
from siltomo.model import Scan

__all__ = ["Within", "within_common"]

Within = Literal["common"]
"""Where to measure: in the field of view that the scans of a series have in common."""


def within_common(subjects: Subjects) -> Subjects:
    """Return subjects that are measured within the common window of their series; reads records, no voxel.

    A scan without such a window keeps its place, and its rows say why they have no value: a number of its whole
    field of view is not comparable with the others.
    """
    every = {subject.scan.id: subject.scan for subject in (*subjects.scans, *subjects.every_labelled)}
    windowed = {id(subject): _windowed(subject, every) for subject in subjects.every_labelled}
    return replace(
        subjects,
        labelled=tuple(windowed[id(subject)] for subject in subjects.labelled),
        every_labelled=tuple(windowed[id(subject)] for subject in subjects.every_labelled),
    )


def _windowed(subject: Subject, scans: Mapping[str, Scan]) -> Subject:
    scan, registration = subject.scan, subject.scan.registration
    if registration is None or registration.window is None:
        return replace(
            subject,
            without_window=f"scan {scan.id} has no window in common with others: siltomo segment register REFERENCE "
            f"{scan.id}",
        )
    for name in registration.series:
        other = scans[name].registration if name in scans else None
        if other is None or other.series != registration.series:
            again = f"siltomo segment register {' '.join(registration.series)}"
            found = f"with {', '.join(other.series)}" if other and other.series else "not at all"
            return replace(
                subject,
                without_window=f"the window of scan {scan.id} is that of {', '.join(registration.series)}, and {name} "
                f"is now registered {found}: {again}",
            )
    return replace(subject, window=registration.window)
