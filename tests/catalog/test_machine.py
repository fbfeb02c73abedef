"""A catalog and a dict are driven by the same random steps, with crashes between, and must agree."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from siltomo.catalog import CatalogStore, VolumeSpec
from siltomo.errors import NotFoundError, TakenError

IDS = st.sampled_from(["a", "b", "c"])
KINDS = st.sampled_from(["cell", "formulation"])
BODIES = st.fixed_dictionaries({"x": st.integers(0, 2)})


class Machine(RuleBasedStateMachine):
    disk_type: type
    crash: type

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp())
        self.disk = self.disk_type()
        self.store = CatalogStore.create(self.folder / "c", fs=self.disk)
        self.model = {}
        self.revisions = {}
        self.volumes = {}
        self.results = {}
        self.files = {}

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def attempt(self, act, effect):
        """Do something, and its effect on the model; after a crash see which of the two states it is."""
        try:
            act()
        except self.crash:
            self.disk = self.disk_type()
            self.store = CatalogStore.open(self.folder / "c", fs=self.disk)
            self.store.recover()
            before = self.seen()
            kept = self.expected()
            effect()
            if before != self.expected():
                assert before == kept
                return False
        else:
            effect()
        return True

    def undoable(self, act, change):
        """Run :meth:`attempt` with a change of the model that is taken back where it did not happen."""
        import copy

        saved = copy.deepcopy((self.model, self.revisions, self.volumes, self.results, self.files))
        if not self.attempt(act, change):
            self.model, self.revisions, self.volumes, self.results, self.files = saved

    def expected(self):
        return (
            dict(self.model),
            dict(self.revisions),
            {k: v.tobytes() for k, v in self.volumes.items()},
            dict(self.results),
            dict(self.files),
        )

    def seen(self):
        kinds = ("cell", "formulation")
        model = {(k, r.id): r.body for k in kinds for r in self.store.all(k)}
        known = [
            (k, p.name)
            for k in (*kinds, "scan", "cycling_run")
            for p in (self.store.root / "records" / k).glob("*")
        ]
        revisions = {key: len(h) for key in known if (h := self.store.history(*key))}
        volumes = {r.id: self.store.open_volume(r)[:].tobytes() for r in self.store.all("scan")}
        results = {k: r.body for k in self.keys() if (r := self.store.find_result(k))}
        runs = self.store.all("cycling_run")
        files = {r.id: self.store.file(r, "a/run.mpt").read_bytes() for r in runs}
        return model, revisions, volumes, results, files

    def keys(self):
        return [c * 64 for c in "0123"]

    @rule(n=st.integers(1, 60), mode=st.sampled_from(["crash", "after", "torn"]))
    def crash_soon(self, n, mode):
        self.disk.n, self.disk.mode = self.disk.count + n, mode

    @rule()
    def reopen(self):
        self.store = CatalogStore.open(self.folder / "c", fs=self.disk)

    @rule(kind=KINDS, id_=IDS, body=BODIES)
    def put(self, kind, id_, body):
        key = (kind, id_)
        if key in self.model and self.model[key] != body:
            with pytest.raises(TakenError):
                self.store.put(kind, id_, body)
        elif key in self.model:
            assert self.store.put(kind, id_, body)[1] is False
        else:

            def change():
                self.model[key] = body
                self.revisions[key] = self.revisions.get(key, 0) + 1

            self.undoable(lambda: self.store.put(kind, id_, body), change)

    @rule(kind=KINDS, id_=IDS, body=BODIES, late=st.booleans())
    def revise(self, kind, id_, body, late):
        key = (kind, id_)
        if key not in self.model:
            with pytest.raises(NotFoundError):
                self.store.revise(kind, id_, body, of=1)
        elif late:
            with pytest.raises(TakenError):
                self.store.revise(kind, id_, body, of=self.revisions[key] - 1)
        else:
            of, same = self.revisions[key], self.model[key] == body

            def change():
                self.model[key] = body
                self.revisions[key] += 0 if same else 1

            self.undoable(lambda: self.store.revise(kind, id_, body, of=of), change)

    @rule(kind=KINDS, id_=IDS)
    def remove(self, kind, id_):
        key = (kind, id_)
        if key not in self.model:
            with pytest.raises(NotFoundError):
                self.store.remove(kind, id_)
        else:

            def change():
                del self.model[key]
                self.revisions[key] += 1

            self.undoable(lambda: self.store.remove(kind, id_), change)

    @rule(id_=IDS, seed=st.integers(0, 9))
    def add_volume(self, id_, seed):
        voxels = np.random.default_rng(seed).integers(0, 9, (9, 20, 5), dtype=np.uint8)
        spec = VolumeSpec(voxels.shape, voxels.dtype, (1, 1, 1), id_)

        def act():
            self.store.add_volume("scan", id_, spec, lambda a, b: voxels[a:b], lambda facts: {})

        def change():
            self.volumes[id_] = voxels
            self.revisions["scan", id_] = self.revisions.get(("scan", id_), 0) + 1

        if id_ in self.volumes:
            with pytest.raises(TakenError):
                act()
        else:
            self.undoable(act, change)

    @rule(id_=IDS)
    def remove_volume(self, id_):
        if id_ in self.volumes:

            def change():
                del self.volumes[id_]
                self.revisions["scan", id_] += 1

            self.undoable(lambda: self.store.remove("scan", id_), change)

    @rule(which=st.integers(0, 3))
    def put_result(self, which):
        key = self.keys()[which]
        self.undoable(
            lambda: self.store.put_result(key, {"v": which}), lambda: self.results.update({key: {"v": which}})
        )

    @rule(id_=IDS, note=st.integers(0, 3))
    def revise_volume(self, id_, note):
        """A revision of a scan names the volume that is there."""
        if id_ in self.volumes:
            of, body = self.revisions["scan", id_], {"note": note}
            same = self.store.get("scan", id_).body == body

            def change():
                self.revisions["scan", id_] += 0 if same else 1

            self.undoable(lambda: self.store.revise("scan", id_, body, of=of), change)

    @rule(id_=IDS, data=st.binary(max_size=9))
    def add_files(self, id_, data):
        def act():
            self.store.add_files("cycling_run", id_, {"a/run.mpt": data}, {"n": len(data)})

        def change():
            self.files[id_] = data
            self.revisions["cycling_run", id_] = self.revisions.get(("cycling_run", id_), 0) + 1

        if id_ in self.files:
            with pytest.raises(TakenError):
                act()
        else:
            self.undoable(act, change)

    @rule(id_=IDS)
    def remove_files(self, id_):
        if id_ in self.files:

            def change():
                del self.files[id_]
                self.revisions["cycling_run", id_] += 1

            self.undoable(lambda: self.store.remove("cycling_run", id_), change)

    @rule()
    def collect(self):
        """What was removed goes from the disk, and nothing else."""
        self.undoable(lambda: self.store.collect(timedelta(0)), lambda: None)
        if self.disk.n is None:
            self.store.collect(timedelta(0))
            assert len(list(self.store.root.glob("objects/*/*"))) == len(self.volumes) + len(self.files)

    @rule(pick=st.integers(0, 10**6), delete=st.booleans())
    def damage_and_repair(self, pick, delete):
        """Any small file is lost or spoilt; it is found, and comes back, whatever interrupts that."""
        root = self.store.root
        found = [
            *root.glob("records/**/*.json"),
            *root.glob("copies/**/*.json"),
            *root.glob("objects/*/*/*.*"),
        ]
        small = sorted(p for p in found if p.is_file())
        if not small:
            return
        path = small[pick % len(small)]
        path.chmod(0o644)
        path.unlink() if delete else path.write_bytes(path.read_bytes()[:-1] + b"?")
        assert self.store.verify(), path
        while True:
            try:
                self.store.repair()
                break
            except self.crash:
                self.disk = self.disk_type()
                self.store = CatalogStore.open(self.folder / "c", fs=self.disk)
                self.store.recover()

    @rule()
    def recover(self):
        self.undoable(self.store.recover, lambda: None)

    @invariant()
    def agree(self):
        if hasattr(self, "store"):
            assert self.seen() == self.expected()

    @invariant()
    @precondition(lambda self: hasattr(self, "store") and self.disk.n is None)
    def sound(self):
        assert CatalogStore.open(self.folder / "c").verify(full=True) == []


def run(faulty_disk, crash, **options):
    Machine.disk_type, Machine.crash = faulty_disk, crash
    machine = type("M", (Machine,), {}).TestCase
    machine.settings = settings(
        deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, **options
    )
    machine("runTest").runTest()


def test_a_catalog_agrees_with_a_dict(faulty_disk, crash, tiny_grid):
    run(faulty_disk, crash, max_examples=12, stateful_step_count=15)


@pytest.mark.slow
def test_a_catalog_agrees_with_a_dict_for_long(faulty_disk, crash, tiny_grid):
    run(faulty_disk, crash, max_examples=40, stateful_step_count=40)
