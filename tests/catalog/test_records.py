"""Records are read off their bytes without being parsed; that is the same as parsing them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.catalog.records import VolumeRef, decode_record, seal_record
from siltomo.catalog.sealed import unseal
from siltomo.errors import DamagedError

words = st.sampled_from(["change", "body", "sha256", "volume", ',"change":"', "\n", "é", '\\"', "0" * 64])
bodies = st.recursive(
    words | st.integers() | st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
volumes = st.none() | st.builds(
    VolumeRef, words, words, words, words, st.just((1, 2, 3)), words, st.integers(0, 9), st.integers(0, 9)
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(words, bodies, max_size=4), volumes, st.booleans(), st.booleans())
def test_a_record_is_read_as_it_was_written(body, volume, removed, later):
    _, first = seal_record("scan", "s-1", {}, after=None)
    after = first if later else None
    data, made = seal_record("scan", "s-1", body, after=after, volume=volume, removed=removed)
    found = decode_record(data, where="")
    whole, seal = unseal(data, where="")
    assert found == made
    assert found.body == made.body == whole["body"] == body
    assert found.volume == made.volume == volume
    told = (found.kind, found.id, found.revision, found.removed, found.created, found.seal, found.prev)
    names = ("kind", "id", "revision", "removed", "created")
    assert told == (*(whole[name] for name in names), seal, after.seal if after else None)


def test_no_byte_of_a_record_can_change_unseen():
    volume = VolumeRef("s.0", "image.ome.zarr", "ab" * 32, "sha256:x", (1, 2, 3), "uint8", 1, 9)
    body = {"source": {"sha256": "cd" * 32}, "title": ',"change":"'}
    data, _ = seal_record("scan", "s", body, after=None, volume=volume)
    for place in range(len(data)):
        for bit in (1, 32):
            spoilt = bytearray(data)
            spoilt[place] ^= bit
            with pytest.raises(DamagedError):
                decode_record(bytes(spoilt), where="s")
    for wrong in (data[:-1], data[1:], data + b"\n", b"", b"{}\n", data + data):
        with pytest.raises(DamagedError):
            decode_record(wrong, where="s")
