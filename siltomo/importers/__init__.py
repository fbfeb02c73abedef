"""One file format, one module, one callable; :func:`open_volume` picks it by what the file is."""

from siltomo.importers.base import ImportedVolume, PlaneReader, Source, VolumeImporter, ZarrInPlace
from siltomo.importers.registry import FORMATS, Format, open_volume

__all__ = [
    "FORMATS",
    "Format",
    "ImportedVolume",
    "PlaneReader",
    "Source",
    "VolumeImporter",
    "ZarrInPlace",
    "open_volume",
]
