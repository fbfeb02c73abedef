"""Registering takes memory by the plane, not by the volume."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MEASURE = """
import json, resource, sys, time
import numpy as np
from siltomo.catalog import CatalogStore, VolumeSpec

root, dtype, planes, side = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
one = np.random.default_rng(0).integers(0, 2**16, (side, side)).astype(dtype)
store = CatalogStore.create(root)
spec = VolumeSpec((planes, side, side), dtype, (1, 1, 1), "s")
begin = time.perf_counter()
planes_of = lambda a, b: np.stack([one + z for z in range(a, b)])
store.add_volume("scan", "s", spec, planes_of, lambda facts: {})
seconds = time.perf_counter() - begin
array = store.open_volume(store.get("scan", "s"))
same = bool((array[-1] == one + (planes - 1)).all())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"peak": peak, "seconds": seconds, "bytes": spec.nbytes, "same": same}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
@pytest.mark.parametrize(("dtype", "planes"), [("uint8", 192), ("float32", 48)])
def test_a_volume_of_any_length_is_registered_in_less_than_one_gibibyte(tmp_path, dtype, planes):
    """Noise, the worst for compression; several slabs, so that more of them would add nothing."""
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "c"), dtype, str(planes), "2048"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    sizes = (
        f"{found['bytes'] / 2**30:.2f} GiB in {found['seconds']:.1f} s, peak {found['peak'] / 2**20:.0f} MiB"
    )
    print(f"{dtype}: {sizes}")  # noqa: T201
    assert found["same"]
    assert found["peak"] < 2**30
