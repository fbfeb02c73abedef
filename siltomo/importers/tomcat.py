"""Folders of TOMCAT: slices as TIFF or .DMP, with the scan's text log beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from siltomo.importers import dmp, tiff_stack
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border, plain_text
from siltomo.importers.tomcat_log import ScanLog, find_log, read_log
from siltomo.units import Quantity

__all__ = ["import_tomcat", "recognises"]

TOLERANCE = 1e-3


def recognises(path: Path) -> bool:
    """Return whether a path is a folder of slices with logs of TOMCAT in reach."""
    if not path.is_dir() or not (tiff_stack.recognises(path) or dmp.recognises(path)):
        return False
    log, warnings = find_log(path, path.parent.name)
    return log is not None or bool(warnings)


def import_tomcat(source: Source, /) -> ImportedVolume:
    """Describe a folder of slices with what its log says: voxel size, energy, start and end.

    Returns
    -------
    ImportedVolume
        Where the log and the headers of the slices state different voxel sizes, neither is taken, and
        both are shown.

    Raises
    ------
    FormatError
        As :func:`siltomo.importers.tiff_stack.import_tiff_stack` does.
    """
    folder = source.path
    reader = tiff_stack.import_tiff_stack if tiff_stack.recognises(folder) else dmp.import_dmp
    opened = reader(source)
    label = opened.facts.get("stack", folder.parent.name)
    with border(folder, "the log beside it"):
        path, left_alone = find_log(folder, label)
        if path is None:
            return replace(opened, warnings=(*opened.warnings, *left_alone))
        log = read_log(path, (label, folder.parent.name, folder.name))
    return _joined(opened, log)


def _joined(opened: ImportedVolume, log: ScanLog) -> ImportedVolume:
    """Add what the log says to what the slices say."""
    warnings = (*opened.warnings, *log.warnings, *_binning(opened, log))
    files_say = next((edge for edge in opened.voxel_size if edge is not None), None)
    sizes, source, note = opened.voxel_size, opened.voxel_source, ""
    if log.pixel is not None:
        if files_say is None or _same(files_say, log.pixel):
            sizes, source = (log.pixel,) * 3, f"log {plain_text(log.path.name, 60)}"
        else:
            note = f"{opened.voxel_source} says {files_say}, log {plain_text(log.path.name, 60)} {log.pixel}"
            sizes, source = (None, None, None), ""
    return replace(
        opened,
        format=opened.format if opened.format.startswith("TOMCAT") else f"TOMCAT {opened.format}",
        voxel_size=sizes,
        voxel_source=source,
        voxel_note=note,
        acquisition=log.acquisition,
        facts={**opened.facts, **log.facts},
        warnings=warnings,
    )


def _same(one: Quantity, other: Quantity) -> bool:
    return abs(one.m_as("um") - other.m_as("um")) <= TOLERANCE * other.m_as("um")


def _binning(opened: ImportedVolume, log: ScanLog) -> tuple[str, ...]:
    """Warn of slices half or a third as wide as the camera: the log's pixel may not be their voxel."""
    width = opened.shape[2]
    if log.width is None or log.pixel is None or width >= log.width or log.width % width:
        return ()
    times = log.width // width
    return (
        f"the slices are {width} wide, the camera {log.width}: if they were binned {times} times, a voxel is "
        f"{log.pixel.value * times:.6g} um and not {log.pixel}",
    )
