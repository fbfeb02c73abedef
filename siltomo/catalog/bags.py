"""Fill a bag: the volume, small files beside it, the lists of both, and the proof that the disk has them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from siltomo.catalog.content import Planes
from siltomo.catalog.elsewhere import Elsewhere
from siltomo.catalog.layout import ELSEWHERE, IMAGE, LABELS, MANIFEST, RECORD, SIZES
from siltomo.catalog.manifest import FileFact, bag_problems, manifest_texts, volume_files
from siltomo.catalog.records import VolumeRef
from siltomo.catalog.transactions import Transaction
from siltomo.catalog.volume_writer import (
    Progress,
    compare_with_source,
    survey_volume,
    write_volume,
)
from siltomo.catalog.volumes import VolumeFacts, VolumeSpec
from siltomo.errors import DamagedError

__all__ = ["fill_bag", "fill_file_bag", "fill_reference_bag"]


def fill_bag(
    transaction: Transaction,
    id_: str,
    spec: VolumeSpec,
    planes: Planes,
    *,
    extra: Mapping[str, bytes],
    progress: Progress | None,
) -> tuple[VolumeRef, VolumeFacts]:
    """Write a volume's bag into the transaction and read all of it back.

    Raises
    ------
    DamagedError
        When the disk gives back other bytes than were written.
    """
    from siltomo.catalog.zarr_stores import open_level

    for name in extra:
        _check_name(name)
    bag, path = transaction.bag, LABELS if spec.is_labels else IMAGE
    facts, written = write_volume(bag / path, spec, planes, fs=transaction.fs, progress=progress)
    files = {f"{path}/{key}": fact for key, fact in written.items()}
    for name, data in extra.items():
        transaction.store(bag / name, data)
        files[name] = FileFact(len(data), hashlib.sha256(data).hexdigest())
    sums, sizes = manifest_texts(files)
    transaction.store(bag / SIZES, sizes)
    transaction.store(bag / MANIFEST, sums)
    for name, what in bag_problems(transaction.fs, bag, files, full=True):
        raise DamagedError(f"the disk does not give back what was written: {what}", where=str(bag / name))
    compare_with_source(open_level(transaction.fs, bag / path, volume_files(files, path), 0), facts.content)
    volume = VolumeRef(
        bag=transaction.bag_name(id_),
        path=path,
        manifest=hashlib.sha256(sums).hexdigest(),
        content=facts.content,
        shape=facts.shape,
        dtype=facts.dtype.name,
        levels=facts.levels,
        bytes=sum(fact.size for fact in files.values()),
    )
    return volume, facts


def fill_file_bag(transaction: Transaction, id_: str, files: Mapping[str, bytes]) -> VolumeRef:
    """Write a bag of plain files, without a volume, into the transaction and read all of it back.

    Raises
    ------
    DamagedError
        When the disk gives back other bytes than were written.
    """
    bag, facts = transaction.bag, {}
    for name, data in files.items():
        _check_name(name)
        transaction.store(bag / name, data)
        facts[name] = FileFact(len(data), hashlib.sha256(data).hexdigest())
    sums, sizes = manifest_texts(facts)
    transaction.store(bag / SIZES, sizes)
    transaction.store(bag / MANIFEST, sums)
    for name, what in bag_problems(transaction.fs, bag, facts, full=True):
        raise DamagedError(f"the disk does not give back what was written: {what}", where=str(bag / name))
    digest = hashlib.sha256(sums).hexdigest()
    size = sum(fact.size for fact in facts.values())
    return VolumeRef(transaction.bag_name(id_), "", digest, digest, (0, 0, 0), "", 0, size)


def fill_reference_bag(
    transaction: Transaction,
    id_: str,
    spec: VolumeSpec,
    planes: Planes,
    elsewhere: Elsewhere,
    *,
    progress: Progress | None,
) -> tuple[VolumeRef, VolumeFacts]:
    """Write a bag that says where a volume lies, after reading all of it where it lies."""
    facts = survey_volume(spec, planes, levels=len(elsewhere.arrays), progress=progress)
    kept = fill_file_bag(transaction, id_, {ELSEWHERE: elsewhere.to_bytes()})
    volume = replace(
        kept,
        path=ELSEWHERE,
        content=facts.content,
        shape=facts.shape,
        dtype=facts.dtype.name,
        levels=facts.levels,
    )
    return volume, facts


def _check_name(name: str) -> None:
    """Refuse names of small files that leave the bag or hide something in it."""
    parts = PurePosixPath(name).parts
    plain = name == "/".join(parts) and parts and not {".", "..", "/"} & set(parts)
    if not plain or "\\" in name or "\n" in name or parts[0] in {IMAGE, LABELS, MANIFEST, SIZES, RECORD}:
        raise ValueError(f"{name!r} cannot be the name of a file in a bag")
