"""The same protocol in buckets: in memory, and on an S3 server that the tests start."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from siltomo.catalog import CatalogStore, VolumeSpec
from siltomo.catalog.buckets import BucketFileSystem, FsspecBucket, MemoryBucket, storage_of
from siltomo.errors import BadInputError, DamagedError, MismatchError, NotFoundError, StorageError, TakenError

pytestmark = pytest.mark.usefixtures("tiny_grid")
KEY = "ab" * 32
NOW = timedelta(0)


@pytest.fixture(scope="session")
def s3():
    """A fresh S3 file system on a server of our own."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    s3fs = pytest.importorskip("s3fs")
    server.start()
    host, port = server.get_host_and_port()
    fs = s3fs.S3FileSystem(
        key="test", secret="test", endpoint_url=f"http://{host}:{port}", use_listings_cache=False,
        skip_instance_cache=True, client_kwargs={"region_name": "eu-central-1"},
    )  # fmt: skip
    fs.mkdir("beamtime")
    yield fs
    server.stop()


@pytest.fixture
def requests(s3):
    """The requests that reach the server, by their kind."""
    seen = Counter()

    def count(request, event_name, **_):
        seen[event_name.rpartition(".")[2]] += 1

    s3.s3.meta.events.register("before-send.s3", count)
    yield seen
    s3.s3.meta.events.unregister("before-send.s3", count)


@pytest.fixture(params=["memory", "s3"])
def bucket(request):
    return MemoryBucket() if request.param == "memory" else FsspecBucket(request.getfixturevalue("s3"))


@pytest.fixture
def place(request):
    name = "".join(c for c in request.node.name if c.isalnum())
    return f"s3://beamtime/{name}"


@pytest.fixture
def store(bucket, place):
    return CatalogStore.create(place, fs=BucketFileSystem(bucket, "s3:/"))


def again(store, bucket, **options):
    return CatalogStore.open(store.root, fs=BucketFileSystem(bucket, "s3:/", **options))


def left_over(bucket, store):
    root = store.root.as_posix().removeprefix("s3:/")
    return [key for part in ("staging", "locks", "trash") for key in bucket.keys(f"{root}/{part}/")]


# ------------------------------------------------------------------ the protocol


def test_records_and_results_live_as_on_a_disk(store, bucket):
    assert store.put("cell", "c", {"x": 1})[1]
    assert not store.put("cell", "c", {"x": 1})[1]
    with pytest.raises(TakenError):
        store.put("cell", "c", {"x": 2})
    store.revise("cell", "c", {"x": 2}, of=1)
    with pytest.raises(TakenError, match="changed by somebody else"):
        again(store, bucket).revise("cell", "c", {"x": 3}, of=1)
    store.put("cell", "d", {})
    store.remove("cell", "d")
    store.put_result(KEY, {"value": 1.5})
    with pytest.raises(MismatchError):
        store.put_result(KEY, {"value": 2})
    other = again(store, bucket)
    assert other.uuid == store.uuid
    assert other.ids("cell") == ["c"]
    assert [(r.id, r.body) for r in other.all("cell")] == [("c", {"x": 2})]
    assert [r.body for r in other.history("cell", "c")] == [{"x": 1}, {"x": 2}]
    assert other.find_result(KEY).body == {"value": 1.5}
    with pytest.raises(NotFoundError):
        other.get("cell", "e")
    assert other.verify(full=True) == []
    assert left_over(bucket, store) == []


def test_volumes_and_files_live_as_on_a_disk(store, bucket, add_scan, random_voxels):
    voxels = random_voxels(1)
    scan = add_scan(store, "s", voxels)
    labels = random_voxels(2, dtype="uint16")
    add_scan(store, "l", labels, kind="segmentation", is_labels=True, source=scan)
    store.add_files("cycling_run", "r", {"a/run.mpt": b"0 1 2"}, {"cell": "c"})
    with pytest.raises(TakenError):
        add_scan(store, "s", voxels)
    other = again(store, bucket)
    np.testing.assert_array_equal(other.open_volume(other.get("scan", "s"))[:], voxels)
    np.testing.assert_array_equal(
        other.open_volume(other.get("scan", "s"))[3:5, 7:20, 2], voxels[3:5, 7:20, 2]
    )
    np.testing.assert_array_equal(other.open_volume(other.get("segmentation", "l"))[:], labels)
    assert other.open_volume(other.get("scan", "s"), level=1).shape == (6, 12, 5)
    assert other.file(other.get("cycling_run", "r"), "a/run.mpt").read_bytes() == b"0 1 2"
    assert other.verify(full=True) == []
    assert other.recover() == []
    assert left_over(bucket, store) == []


def test_damage_is_found_mended_and_collected(store, bucket, add_scan, random_voxels):
    add_scan(store, "s", random_voxels(1))
    store.put("cell", "c", {"x": 1})
    root = store.root.as_posix().removeprefix("s3:/")
    bucket.delete(f"{root}/records/cell/c/000001.json")
    (found,) = store.verify()
    assert (found.kind, found.id, found.what) == ("cell", "c", "missing")
    assert [one.outcome for one in store.repair()] == ["mended"]
    assert store.get("cell", "c").body == {"x": 1}
    (shard,) = [key for key in bucket.keys(f"{root}/objects/") if key.endswith("image.ome.zarr/0/c/0/0/0")]
    data = bucket.get(shard)
    bucket.put(shard, data[:-1])
    with pytest.raises(DamagedError, match="bytes instead of"):
        store.open_volume(store.get("scan", "s"))[0, 0, 0]
    bucket.delete(shard)
    with pytest.raises(DamagedError, match="missing"):
        store.open_volume(store.get("scan", "s"))[0, 0, 0]
    assert [d.what for d in store.verify()] == ["missing"]
    bucket.put(shard, data)
    store.remove("scan", "s")
    assert [one.id for one in store.collect(NOW)] == ["s"]
    assert bucket.keys(f"{root}/objects/") == []
    assert store.verify(full=True) == []


def test_one_of_eight_writers_wins_each_id(store, bucket, add_scan, random_voxels):
    won = Counter()

    def write(me):
        own = again(store, bucket)
        for turn in range(3):
            try:
                if own.put("cell", f"c{turn}", {"by": me})[1]:
                    won[f"c{turn}"] += 1
            except TakenError:
                pass
        try:
            add_scan(own, "s", random_voxels(me))
            won["s"] += 1
        except TakenError:
            pass

    threads = [threading.Thread(target=write, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert won == {"c0": 1, "c1": 1, "c2": 1, "s": 1}
    assert store.verify(full=True) == []
    assert left_over(bucket, store) == []


# ------------------------------------------------------------------ crashes


class DyingBucket:
    """Stops at the n-th change, before or after it, and does nothing more."""

    def __init__(self, inner, n, mode, crash):
        self._inner, self._n, self._mode, self._crash, self.count = inner, n, mode, crash, 0

    def __getattr__(self, name):
        act = getattr(self._inner, name)
        if name not in ("put", "create", "delete"):
            return act

        def run(*args):
            self.count += 1
            if self._n is not None and self.count >= self._n:
                if self.count == self._n and self._mode == "after":
                    act(*args)
                raise self._crash
            return act(*args)

        return run


def test_a_crash_at_any_request_loses_nothing(crash, add_scan, random_voxels):
    """A writer that dies is settled by the next one, once its lease has run out."""
    voxels, old = random_voxels(1), random_voxels(2)

    def start():
        bucket = MemoryBucket()
        store = CatalogStore.create("memory://c", fs=BucketFileSystem(bucket, "memory:/"))
        add_scan(store, "old", old)
        store.put("cell", "c", {"x": 1})
        return bucket

    changes = {
        "volume": lambda s: add_scan(s, "new", voxels),
        "files": lambda s: s.add_files("cycling_run", "new", {"r.mpt": b"1"}, {}),
        "put": lambda s: s.put("cell", "new", {}),
        "revise scan": lambda s: s.revise("scan", "old", {"x": 2}, of=1),
        "result": lambda s: s.put_result(KEY, {"v": 1}),
    }
    points = 0
    for name, change in changes.items():
        dry = DyingBucket(start(), None, "", crash)
        change(CatalogStore.open("memory://c", fs=BucketFileSystem(dry, "memory:/")))
        for n in range(1, dry.count + 1):
            for mode in ("crash", "after"):
                bucket = start()
                dying = CatalogStore.open(
                    "memory://c", fs=BucketFileSystem(DyingBucket(bucket, n, mode, crash), "memory:/")
                )
                with pytest.raises(crash):
                    change(dying)
                assert (
                    CatalogStore.open("memory://c", fs=BucketFileSystem(bucket, "memory:/")).recover() == []
                )
                store = CatalogStore.open("memory://c", fs=BucketFileSystem(bucket, "memory:/", lease_s=0))
                store.recover()
                np.testing.assert_array_equal(store.open_volume(store.get("scan", "old"))[:], old)
                assert store.get("cell", "c").body == {"x": 1}
                try:
                    change(store)
                except TakenError:
                    assert name in ("volume", "files", "revise scan")
                assert store.verify(full=True) == [], (name, n, mode)
                assert store.recover() == []
                assert not [k for k in bucket.keys("c/") if k.split("/")[1] in ("staging", "locks", "trash")]
                assert len({k.split("/")[3] for k in bucket.keys("c/objects/")}) == 1 + (
                    name in ("volume", "files")
                )
                points += 1
    print(f"{points} points")  # noqa: T201
    assert points > 100


def test_a_reply_that_is_lost_is_no_refusal(add_scan, random_voxels):
    """The client repeats the request and hears that the key is taken: by ourselves."""

    class Forgetful(MemoryBucket):
        left = None

        def create(self, key, data):
            super().create(key, data)
            if self.left is not None:
                self.left -= 1
                if self.left == 0:
                    raise FileExistsError(key)

    n, forgot = 0, True
    while forgot:
        n += 1
        bucket = Forgetful()
        store = CatalogStore.create("memory://c", fs=BucketFileSystem(bucket, "memory:/"))
        bucket.left = n
        add_scan(store, "s", random_voxels(1))
        store.put("cell", "c", {"x": 1})
        forgot = bucket.left <= 0
        assert store.verify(full=True) == []
        np.testing.assert_array_equal(store.open_volume(store.get("scan", "s"))[:], random_voxels(1))
    assert n > 20


# ------------------------------------------------------------------ requests


def test_listing_ten_thousand_scans_takes_few_requests():
    """One listing request for each thousand keys, and one read for each record."""
    from siltomo.catalog.records import seal_record

    bucket, asked = MemoryBucket(), Counter()
    store = CatalogStore.create("memory://many", fs=BucketFileSystem(bucket, "memory:/"))
    for n in range(10_000):
        data, _ = seal_record("scan", f"s{n}", {"n": n}, after=None)
        bucket.create(f"many/records/scan/s{n}/000001.json", data)
    for name in ("get", "head", "keys", "names"):
        plain = getattr(bucket, name)
        setattr(bucket, name, lambda *a, n=name, p=plain: asked.update([n]) or p(*a))
    assert len(store.ids("scan")) == 10_000
    assert asked == {"keys": 1}, "ten requests of a thousand keys"
    asked.clear()
    assert sum(1 for _ in store.all("scan")) == 10_000
    assert asked == {"keys": 1, "get": 10_000}
    asked.clear()
    store.get("scan", "s77")
    assert asked.total() <= 2


def test_opening_a_scan_takes_a_bounded_number_of_requests(s3, requests, place, add_scan, random_voxels):
    store = CatalogStore.create(place, fs=BucketFileSystem(FsspecBucket(s3), "s3:/"))
    for n in range(5):
        add_scan(store, f"s{n}", random_voxels(n))
    requests.clear()
    fresh = CatalogStore.open(place, fs=BucketFileSystem(FsspecBucket(s3), "s3:/"))
    assert requests.total() <= 1
    requests.clear()
    assert len(fresh.ids("scan")) == 5
    assert requests.total() <= 2, requests
    requests.clear()
    array = fresh.open_volume(fresh.get("scan", "s3"))
    assert requests.total() <= 7, requests
    requests.clear()
    array[0, 0, 0]
    assert requests.total() <= 4, requests


# ------------------------------------------------------------------ what is refused


def test_the_address_of_a_volume_is_one_that_viewers_open(store, add_scan, random_voxels):
    record = add_scan(store, "s", random_voxels(1))
    assert store.address(record).startswith("s3://beamtime/")
    assert store.address(record).endswith(f"/objects/scan/{record.volume.bag}/image.ome.zarr")


def test_a_bucket_is_mended_from_a_backup_on_a_disk(tmp_path, add_scan, random_voxels):
    local = CatalogStore.create(tmp_path / "c")
    add_scan(local, "s", random_voxels(1))
    bucket = MemoryBucket()
    for path in (tmp_path / "c").rglob("*"):
        if path.is_file():
            bucket.create(f"c/{path.relative_to(local.root).as_posix()}", path.read_bytes())
    store = CatalogStore.open("memory://c", fs=BucketFileSystem(bucket, "memory:/"))
    assert store.verify(full=True) == []
    for key in bucket.keys("c/objects/"):
        bucket.delete(key)
    assert store.verify() != []
    store.repair(backup=local.root)
    assert store.verify(full=True) == []
    np.testing.assert_array_equal(store.open_volume(store.get("scan", "s"))[:], random_voxels(1))


def test_a_store_that_creates_twice_is_refused():
    class Careless(MemoryBucket):
        create = MemoryBucket.put

    bucket = Careless()
    with pytest.raises(StorageError, match="lets two writers create one key"):
        CatalogStore.create("s3://b/c", fs=BucketFileSystem(bucket, "s3:/"))
    assert bucket.keys("") == []


def test_the_place_says_the_storage(tmp_path):
    assert storage_of(tmp_path)[1].is_disk
    path, fs = storage_of("memory://trial/one")
    assert (str(path), fs.is_disk) == ("memory:/trial/one", False)
    made = CatalogStore.create("memory://trial/one")
    assert CatalogStore.open(made.root).uuid == made.uuid
    with pytest.raises(BadInputError, match="s3://bucket/name"):
        storage_of("ftp://host/x")


def test_a_volume_that_fails_midway_leaves_nothing(store, bucket):
    def planes(start, stop):
        raise OSError("the source is gone")

    spec = VolumeSpec((9, 9, 9), "uint8", (1, 1, 1), "s")
    with pytest.raises(BadInputError):
        store.add_volume("scan", "s", spec, planes, lambda facts: {})
    root = store.root.as_posix().removeprefix("s3:/")
    assert bucket.keys(f"{root}/objects/") == []
    assert left_over(bucket, store) == []


def test_a_bucket_leaves_nothing_on_the_disk(tmp_path, monkeypatch, add_scan, random_voxels):
    monkeypatch.chdir(tmp_path)
    store = CatalogStore.create("memory://nothing-here")
    record = add_scan(store, "s", random_voxels(1))
    np.testing.assert_array_equal(store.open_volume(record)[:], random_voxels(1))
    assert list(tmp_path.iterdir()) == []
