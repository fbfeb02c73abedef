"""Damage, repair, garbage and migration through the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def two(cli: Cli, study: Path) -> Path:
    """A catalog with the scan op1 and the declared cells zn1 and zn2."""
    assert cli("cell", "add", "zn2", "--formulation", "zn").code == 0
    return study


def record(root: Path, kind: str, id_: str) -> Path:
    (path,) = root.rglob(f"records/{kind}/{id_}/000001.json")
    return path


def spoil(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-3])


def test_a_list_shows_what_is_sound_and_names_what_is_not(cli: Cli, two: Path) -> None:
    spoil(record(two, "cell", "zn2"))
    answer = cli("cell", "list", "--json")
    assert answer.code == 7
    envelope = answer.envelope
    assert [row["id"] for row in envelope["data"]] == ["zn1"]
    (warning,) = envelope["warnings"]
    assert "records/cell/zn2/000001.json" in warning
    assert "siltomo catalog repair" in warning
    scans = cli("catalog", "list", "--json")
    assert (scans.code, [row["id"] for row in scans.envelope["data"]]) == (7, ["op1"])
    assert cli("catalog", "repair").code == 0
    assert [row["id"] for row in cli("cell", "list", "--json").data] == ["zn1", "zn2"]
    assert cli("catalog", "list", "--json").code == 0


def test_a_damaged_scan_does_not_hide_the_catalog(cli: Cli, two: Path) -> None:
    spoil(record(two, "scan", "op1"))
    answer = cli("catalog", "list")
    assert answer.code == 7
    assert "records/scan/op1/000001.json" in answer.err
    assert cli("catalog", "verify").code == 5


def test_repair_says_what_it_did_and_what_is_left(cli: Cli, two: Path) -> None:
    assert cli("catalog", "repair").out == "nothing is damaged\n"
    shutil.copytree(two, two.with_name("backup"))
    spoil(record(two, "cell", "zn2"))
    (shard,) = list(two.rglob("image.ome.zarr/0/c/0/0/0"))[:1]
    spoil(shard)
    dry = cli("catalog", "repair", "--dry-run", "--json")
    assert (dry.code, {row["outcome"] for row in dry.envelope["data"]}) == (5, {"left"})
    answer = cli("catalog", "repair", "--json")
    assert answer.code == 5
    assert {row["id"]: row["outcome"] for row in answer.envelope["data"]} == {"zn2": "mended", "op1": "left"}
    assert "--from BACKUP" in next(row["how"] for row in answer.envelope["data"] if row["id"] == "op1")
    assert cli("catalog", "repair", "--from", two.with_name("backup")).code == 0
    assert cli("catalog", "verify", "--full").code == 0


def test_repair_from_what_is_no_catalog_is_refused(cli: Cli, two: Path) -> None:
    (two / "empty").mkdir()
    answer = cli("catalog", "repair", "--from", two / "empty", "--json")
    assert (answer.code, answer.error["code"]) == (4, "SIL120")


def test_a_lost_marker_is_said_and_mended_by_the_command_that_is_printed(cli: Cli, two: Path) -> None:
    (marker,) = two.rglob("siltomo-catalog.json")
    folder = marker.parent
    marker.unlink()
    answer = cli("--catalog", folder, "catalog", "list", "--json")
    assert answer.code == 5
    assert cli(*answer.error["fix"].split()[1:]).code == 0
    assert cli("--catalog", folder, "catalog", "verify").code == 0


def test_gc_frees_what_was_removed_and_says_so_first(cli: Cli, two: Path) -> None:
    assert cli("catalog", "gc", "--grace-days", "0", "--json").data == []
    for labels in [row["id"] for row in cli("segment", "list", "--json").data]:
        assert cli("catalog", "rm", labels).code == 0
    assert cli("catalog", "rm", "op1").code == 0
    assert cli("catalog", "gc", "--json").data == []
    dry = cli("catalog", "gc", "--grace-days", "0", "--dry-run", "--json").data
    assert "op1" in [row["id"] for row in dry]
    assert {row["outcome"] for row in dry} == {"would be removed"}
    bags = list(two.rglob("objects/scan/op1.*"))
    assert len(bags) == 1
    done = cli("catalog", "gc", "--grace-days", "0", "--json").data
    assert [row["bag"] for row in done] == [row["bag"] for row in dry]
    assert not bags[0].exists()
    assert cli("catalog", "verify", "--full").code == 0
    refused = cli("catalog", "gc", "--grace-days", "-1", "--json")
    assert (refused.code, "no less than 0 days" in refused.error["message"]) == (3, True)


def test_migrate_brings_an_older_catalog_up(cli: Cli, two: Path) -> None:
    from siltomo.catalog.sealed import seal, unseal

    assert "already" in cli("catalog", "migrate").out
    (marker,) = two.rglob("siltomo-catalog.json")
    said, _ = unseal(marker.read_bytes(), where="")
    marker.chmod(0o644)
    marker.write_bytes(seal({**said, "version": 1})[0])
    shutil.rmtree(marker.parent / "copies")
    assert cli("catalog", "verify").code == 0
    done = cli("catalog", "migrate", "--json").data
    assert (done["from"], done["to"]) == (1, 2)
    assert done["copies_made"] >= 3
    assert cli("catalog", "verify", "--full").code == 0
