"""The folder that holds records and volumes, and loses nothing."""

from siltomo.catalog.content import ContentHasher, content_of
from siltomo.catalog.damage import Damage
from siltomo.catalog.elsewhere import Elsewhere
from siltomo.catalog.faults import voxel_faults
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.records import StoredRecord, VolumeRef
from siltomo.catalog.recovery import Recovered
from siltomo.catalog.store import CatalogStore
from siltomo.catalog.volumes import LabelClass, VolumeFacts, VolumeSpec

__all__ = [
    "CatalogStore",
    "ContentHasher",
    "Damage",
    "Elsewhere",
    "FileSystem",
    "LabelClass",
    "Recovered",
    "StoredRecord",
    "VolumeFacts",
    "VolumeRef",
    "VolumeSpec",
    "content_of",
    "voxel_faults",
]
