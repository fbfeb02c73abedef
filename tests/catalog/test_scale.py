"""What listing and opening cost, counted in files: it grows with what is asked for, not with what is there."""

from __future__ import annotations

from collections import Counter

import pytest

from siltomo.catalog import CatalogStore, FileSystem
from siltomo.catalog.layout import Layout
from siltomo.catalog.records import seal_record


class CountingDisk(FileSystem):
    def __init__(self):
        self.read_paths, self.listed = [], 0

    def read(self, path):
        self.read_paths.append(str(path))
        return super().read(path)

    def names(self, path):
        self.listed += 1
        return super().names(path)


def fill(root, scans, results):
    layout = Layout(CatalogStore.create(root).root)
    many = [("scan", f"s{n}") for n in range(scans)] + [("result", f"{n:064x}") for n in range(results)]
    for kind, id_ in many:
        data, _ = seal_record(kind, id_, {"n": 1}, after=None)
        for path in (layout.home(kind, id_, 1), layout.copy(kind, id_, 1, "0" * 22)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


@pytest.mark.parametrize("scans", [10, 300])
def test_only_what_is_asked_for_is_read(tmp_path, scans):
    fill(tmp_path / "c", scans, results=scans)
    disk = CountingDisk()
    store = CatalogStore.open(tmp_path / "c", fs=disk)
    assert len(disk.read_paths) == 1, "the marker"
    disk.read_paths.clear()
    assert len(store.ids("scan")) == scans
    assert disk.read_paths == [], "ids are names"
    assert len(list(store.all("scan"))) == scans
    assert Counter(disk.read_paths).most_common(1)[0][1] == 1, "each once"
    assert len(disk.read_paths) == scans, "no spare copy, no result"
    disk.read_paths.clear()
    disk.listed = 0
    store.get("scan", "s7")
    store.find_result(f"{7:064x}")
    assert (len(disk.read_paths), disk.listed) == (2, 1)
    disk.read_paths.clear()
    assert store.verify() == []
    assert len(disk.read_paths) == len(set(disk.read_paths)) == 4 * scans + 1
