"""The folder that holds records and volumes, and loses nothing."""

from siltomo.catalog.content import ContentHasher, content_of
from siltomo.catalog.faults import StorageError, voxel_faults
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.ids import check_id, slug
from siltomo.catalog.records import StoredRecord, VolumeRef
from siltomo.catalog.recovery import Recovered
from siltomo.catalog.sealed import DamagedError
from siltomo.catalog.store import CatalogStore
from siltomo.catalog.verify import Damage
from siltomo.catalog.volumes import LabelClass, VolumeFacts, VolumeSpec

__all__ = [
    "CatalogStore",
    "ContentHasher",
    "Damage",
    "DamagedError",
    "FileSystem",
    "LabelClass",
    "Recovered",
    "StorageError",
    "StoredRecord",
    "VolumeFacts",
    "VolumeRef",
    "VolumeSpec",
    "check_id",
    "content_of",
    "slug",
    "voxel_faults",
]
