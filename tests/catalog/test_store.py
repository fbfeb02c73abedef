from __future__ import annotations

import pytest

from siltomo.catalog import CatalogStore
from siltomo.errors import BadInputError, MismatchError, NotFoundError, RecordError, TakenError


def test_a_folder_without_a_catalog_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(NotFoundError, match="no catalog") as caught:
        CatalogStore.open(tmp_path)
    assert caught.value.fix == f"siltomo init {tmp_path}"


def test_a_catalog_is_made_once(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    made = CatalogStore.create(tmp_path)
    with pytest.raises(TakenError, match="catalog already"):
        CatalogStore.create(tmp_path)
    assert CatalogStore.open(tmp_path).uuid == made.uuid
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_is_no_place_for_a_catalog(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(BadInputError, match="is a file"):
        CatalogStore.create(tmp_path / "f")
    with pytest.raises(NotFoundError, match="no catalog"):
        CatalogStore.open(tmp_path / "f")


def test_a_record_comes_back_as_it_was_put(store):
    body = {"title": "Réf 1 µm", "n": 3, "x": 0.1, "list": [1, {"a": None}]}
    record, new = store.put("cell", "ref-1", body)
    assert new
    assert CatalogStore.open(store.root).get("cell", "ref-1") == record
    assert record.body == body
    assert (record.revision, record.removed, record.volume) == (1, False, None)


def test_the_same_record_again_changes_nothing_and_another_is_refused(store):
    first, _ = store.put("cell", "a", {"x": 1})
    assert store.put("cell", "a", {"x": 1}) == (first, False)
    with pytest.raises(TakenError, match="already"):
        store.put("cell", "a", {"x": 2})
    assert store.history("cell", "a") == [first]


def test_revisions_form_a_chain_and_the_late_one_loses(store):
    first, _ = store.put("cell", "a", {"x": 1})
    second = store.revise("cell", "a", {"x": 2}, of=1)
    with pytest.raises(TakenError, match="revision 2") as caught:
        store.revise("cell", "a", {"x": 3}, of=1)
    assert caught.value.code == "SIL112"
    assert store.revise("cell", "a", {"x": 2}, of=2) == second
    assert [r.prev for r in store.history("cell", "a")] == [None, first.seal]


def test_a_removed_record_is_out_of_sight_and_its_id_is_free(store):
    store.put("cell", "a", {"x": 1})
    store.put("cell", "b", {"x": 1})
    assert store.remove("cell", "a").removed
    assert store.ids("cell") == ["b"]
    assert [r.id for r in store.all("cell")] == ["b"]
    assert store.find("cell", "a") is None
    with pytest.raises(NotFoundError, match="no cell 'a'"):
        store.remove("cell", "a")
    again, new = store.put("cell", "a", {"x": 9})
    assert (again.revision, new) == (3, True)
    assert [r.removed for r in store.history("cell", "a")] == [False, True, False]


def test_an_unknown_id_names_its_neighbours(store):
    store.put("cell", "ref1-op07", {})
    with pytest.raises(NotFoundError, match="did you mean ref1-op07"):
        store.get("cell", "ref1-op7")


@pytest.mark.parametrize("bad", ["", "A", "a/b", "..", "con", "com1", "a ", "-a", "a-", "é", "a" * 65, "a\n"])
def test_ids_that_some_file_system_cannot_hold_are_refused_with_one_that_all_can(store, bad):
    with pytest.raises(BadInputError, match="cannot be an id") as caught:
        store.put("cell", bad, {})
    assert caught.value.code == "SIL114"
    suggested = str(caught.value).split("such as '")[1].split("'")[0]
    store.put("cell", suggested, {})


@pytest.mark.parametrize(
    "body", [{"x": float("nan")}, {"x": float("inf")}, {1: 2}, {"a": {2: 3}}, {"x": {1, 2}}]
)
def test_what_json_cannot_say_is_refused(store, body):
    with pytest.raises(RecordError, match="cannot be written as JSON"):
        store.put("cell", "a", body)


def test_a_result_is_kept_once_per_key(store):
    key = "ab" * 32
    assert store.find_result(key) is None
    kept = store.put_result(key, {"value": 1.5})
    assert store.put_result(key, {"value": 1.5}) == kept == store.find_result(key)
    with pytest.raises(MismatchError, match="other numbers") as caught:
        store.put_result(key, {"value": 1.25})
    assert caught.value.code == "SIL113"
    assert store.ids("cell") == []


def test_a_copy_without_its_empty_folders_is_a_catalog(store):
    for folder in [p for p in store.root.iterdir() if p.is_dir()]:
        folder.rmdir()
    copy = CatalogStore.open(store.root)
    assert (copy.ids("cell"), copy.recover(), copy.verify(full=True)) == ([], [], [])
    copy.put("cell", "a", {"x": 1})
    assert copy.ids("cell") == ["a"]


def test_a_newer_catalog_is_refused(store):
    from siltomo.catalog.sealed import seal

    marker = store.root / "siltomo-catalog.json"
    marker.unlink()
    marker.write_bytes(seal({"format": "siltomo-catalog", "version": 9, "uuid": "u", "features": []})[0])
    with pytest.raises(MismatchError, match="version 9") as caught:
        CatalogStore.open(store.root)
    assert caught.value.fix == "install a newer siltomo"
