"""A beamtime in a bucket, through the command line: the same commands, the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow
Cli = Callable[..., Any]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve S3 from this process, as the environment of a user would name it."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    s3fs = pytest.importorskip("s3fs")
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("beamtime")
    yield "s3://beamtime/study"
    server.stop()


def test_a_bucket_takes_scans_labels_and_metrics(cli: Cli, tmp_path: Path, bucket: str) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "grey.npy", rng.integers(0, 255, (20, 30, 40), dtype="u1"))
    labels = rng.integers(1, 3, (20, 30, 40), dtype="u1")
    np.save(tmp_path / "labels.npy", labels)
    at = ("--catalog", bucket)
    assert cli("init", bucket).code == 0
    assert cli(*at, "formulation", "add", "zn").code == 0
    assert cli(*at, "cell", "add", "zn1", "--formulation", "zn").code == 0
    state = ["--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "delithiation"]
    scan = [*state, "--cell", "zn1", "--id", "op1", "--voxel-size", "0.5 um"]
    assert cli(*at, "catalog", "add", "grey.npy", *scan).code == 0
    phases = ["--phases", "1=crack,2=solid", "--domain", "electrode"]
    assert cli(*at, "segment", "import", "op1", "labels.npy", *phases).code == 0
    assert [row["id"] for row in cli(*at, "catalog", "list", "--json").data] == ["op1"]
    shown = cli(*at, "catalog", "show", "op1", "--json").data
    assert shown["path"].startswith("s3://beamtime/study/objects/scan/op1.")
    (row,) = cli(*at, "compute", "metric", "crack_volume_fraction", "--json").data
    assert (row["status"], row["value"]) == ("ok", pytest.approx(np.mean(labels == 1)))
    assert cli(*at, "catalog", "verify", "--full").code == 0
    assert cli(*at, "catalog", "rm", "op1-seg").code == 0
    (gone,) = cli(*at, "catalog", "gc", "--grace-days", "0", "--json").data
    assert gone["id"] == "op1-seg"
    assert cli(*at, "catalog", "repair").code == 0
    assert cli(*at, "catalog", "verify", "--full").code == 0
