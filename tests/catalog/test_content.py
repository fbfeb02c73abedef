from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.catalog import ContentHasher, content_of
from siltomo.errors import BadInputError


def by_definition(voxels):
    little = voxels.astype(voxels.dtype.newbyteorder("<"))
    whole = hashlib.sha256(f"{little.dtype.str}|{','.join(map(str, voxels.shape))}".encode())
    for z in range(0, len(voxels), 64):
        whole.update(hashlib.sha256(little[z : z + 64].tobytes()).digest())
    return f"sha256:{whole.hexdigest()}"


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 200), st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from(["u1", "<u2", ">u2", ">f4", "<f8"]),
    st.lists(st.integers(1, 90), max_size=6),
)
def test_the_id_is_as_defined_however_the_planes_come(shape, dtype, steps):
    voxels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    hasher, z = ContentHasher(shape, dtype), 0
    for step in [*steps, shape[0]]:
        hasher.update(voxels[z : z + step])
        z = min(z + step, shape[0])
    assert hasher.content() == hasher.content() == by_definition(voxels)
    assert content_of(lambda a, b: voxels[a:b], shape, dtype) == by_definition(voxels)


def test_shape_and_type_are_part_of_the_id():
    data = np.arange(64, dtype=np.uint8)
    ids = {
        by_definition(data.reshape(4, 4, 4)),
        content_of(lambda a, b: data.reshape(4, 4, 4)[a:b], (4, 4, 4), "u1"),
        content_of(lambda a, b: data.reshape(2, 8, 4)[a:b], (2, 8, 4), "u1"),
        content_of(lambda a, b: data.view("i1").reshape(4, 4, 4)[a:b], (4, 4, 4), "i1"),
    }
    assert len(ids) == 3


def test_too_few_or_too_many_planes_are_refused():
    hasher = ContentHasher((3, 2, 2), "u1")
    hasher.update(np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="only 2 of 3"):
        hasher.content()
    with pytest.raises(ValueError, match="do not continue"):
        hasher.update(np.zeros((2, 2, 2), np.uint8))


def test_a_source_that_breaks_its_promise_is_refused():
    with pytest.raises(BadInputError, match="came as int64"):
        content_of(lambda a, b: np.zeros((b - a, 2, 2), np.int64), (3, 2, 2), "u1")

    def broken(start, stop):
        raise OSError(5, "Input/output error")

    with pytest.raises(BadInputError, match="planes 0 to 2 of the source cannot be read"):
        content_of(broken, (3, 2, 2), "u1")
