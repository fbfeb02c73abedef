"""Every voxel of the twin is a function of its place: blocks, order and threads make no difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import BadInputError, NotFoundError
from siltomo.twin import Preset, Twin
from siltomo.twin.grid import Window

TINY = Preset("tiny", 0.8, 48.0, None, 4.0, 100.0, 120.0, 0.1, 4.0, 2.0, 2)
MICRO = {"reference": "ref-c1", "with-zn": "zn-c1"}


@pytest.fixture(scope="module", params=["micro", "wide", "nano", "micro greys", "nano greys"])
def made(request):
    """What computes blocks of a scan, and the whole scan."""
    kind, *greys = request.param.split()
    twin = Twin(3, "with-zn", TINY)
    moment = twin.at("zn-operando", cycle=1, half="delithiation") if kind == "wide" else twin.at("zn-c1")
    volume = getattr(twin, kind)(moment)
    block = twin.greys(moment, kind).block if greys else volume.block
    return block, block(volume.planes(0, None)), volume.shape


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_block_is_that_part_of_the_whole(made, data):
    block, whole, shape = made
    ends = []
    for size in shape:
        low = data.draw(st.integers(0, size - 1))
        ends.append((low, data.draw(st.integers(low + 1, size))))
    z, y, x = ends
    found = block(Window(z, y, x), threads=data.draw(st.integers(1, 3)))
    np.testing.assert_array_equal(found, whole[z[0] : z[1], y[0] : y[1], x[0] : x[1]])


def test_planes_in_any_order_make_the_whole():
    twin = Twin(3, "reference", TINY)
    volume = twin.micro(twin.at("ref-c1"))
    whole = volume.labels()
    parts = {z: volume.labels(z, min(z + 7, len(whole))) for z in reversed(range(0, len(whole), 7))}
    np.testing.assert_array_equal(np.concatenate([parts[z] for z in sorted(parts)]), whole)


def test_a_block_may_lie_beyond_the_volume():
    twin = Twin(3, "reference", TINY)
    volume = twin.micro(twin.at("ref-c1"))
    z, y, x = volume.shape
    beyond = volume.block(Window((-3, z + 2), (-5, y + 5), (-4, x + 4)))
    np.testing.assert_array_equal(beyond[3:-2, 5:-5, 4:-4], volume.labels())


def test_another_seed_is_another_electrode_and_the_same_seed_is_the_same():
    first, again, other = (Twin(seed, "reference", TINY) for seed in (3, 3, 4))
    a, b, c = (t.micro(t.at("ref-c1")).labels() for t in (first, again, other))
    np.testing.assert_array_equal(a, b)
    assert (a != c).mean() > 0.05


def test_what_is_not_there_is_an_error():
    with pytest.raises(BadInputError, match="no preset 'XL'; presets are S, M, L"):
        Twin(preset="XL")
    with pytest.raises(BadInputError, match="no formulation 'zn'; the twin has reference, with-zn"):
        Twin(formulation="zn")
    with pytest.raises(BadInputError, match="seed is a whole number"):
        Twin(seed=-1)
    twin = Twin(preset=TINY)
    with pytest.raises(NotFoundError, match="no cell 'zn-c1'; it has ref-operando, ref-c0"):
        twin.at("zn-c1")
    with pytest.raises(BadInputError, match="passes 0 to 2779 mAh/g_Si, not 3000"):
        twin.at("ref-operando", cycle=1, half="lithiation", capacity=3000)
    with pytest.raises(BadInputError, match=r"has no lithiation 7"):
        twin.at("ref-operando", cycle=7, half="lithiation")
    with pytest.raises(BadInputError, match="planes 5 to 5 are not in a volume"):
        twin.micro(twin.at("ref-c0")).labels(5, 5)
