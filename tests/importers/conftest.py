"""Builders of small files, and the check of refusals."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.errors import Amend, SiltomoError

DATA = Path(os.environ.get("SILTOMO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Find a real file made by others, or skip."""

    def find(name: str) -> Path:
        for root in (DATA, Path(__file__).parents[4] / "shared" / "data"):
            if (root / name).exists():
                return root / name
        pytest.skip(f"real data '{name}' is not here; set SILTOMO_TEST_DATA")

    return find


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Check a refusal: its type, code, words, and the fix it names."""

    @contextmanager
    def check(kind: type[SiltomoError], code: str, *says: str, fix: str) -> Iterator[None]:
        with pytest.raises(kind) as caught:
            yield
        error = caught.value
        assert type(error) is kind
        assert error.code == code
        for words in says:
            assert words in str(error)
        found = error.fix
        if isinstance(found, Amend):
            options = " ".join(f"{key} {value}".strip() for key, value in found.options.items())
            found = f"{options} {found.advice}"
        assert fix
        assert fix in found

    return check


@pytest.fixture
def volume() -> np.ndarray:
    """Seven planes of 12 by 10 voxels, no two alike."""
    return np.random.default_rng(7).integers(0, 255, (7, 12, 10), dtype=np.uint8)


Tags = dict[int, tuple[str, Sequence[int] | bytes]]


@pytest.fixture
def write_tiff() -> Callable[..., Path]:
    """Write TIFFs tag by tag, so that they can lie."""

    def write(
        path: Path,
        pages: Sequence[bytes],
        width: int,
        height: int,
        *,
        bits: int = 8,
        tags: Tags | None = None,
        order: str = "<",
        next_of_last: int = 0,
    ) -> Path:
        out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 0))
        link = 4
        for data in pages:
            if len(out) % 2:
                out += b"\0"
            entries: Tags = {
                256: ("I", [width]),
                257: ("I", [height]),
                258: ("H", [bits]),
                259: ("H", [1]),
                262: ("H", [1]),
                273: ("I", [0]),
                277: ("H", [1]),
                278: ("I", [height]),
                279: ("I", [len(data)]),
                **(tags or {}),
            }
            entries = dict(sorted(entries.items()))
            start = len(out)
            extra_at = start + 2 + 12 * len(entries) + 4
            extra = bytearray()
            body = bytearray()
            fields = []
            for code, (kind, values) in entries.items():
                number = {"B": 1, "s": 2, "H": 3, "I": 4, "R": 5, "?": 99}[kind]
                if kind == "s":
                    raw, count = bytes(values) + b"\0", len(values) + 1
                elif kind == "R":
                    raw, count = struct.pack(order + f"{len(values)}I", *values), len(values) // 2
                elif kind == "?":
                    raw, count = struct.pack(order + f"{len(values)}I", *values), len(values)
                else:
                    raw, count = struct.pack(order + f"{len(values)}{kind}", *values), len(values)
                fields.append((code, number, count, raw))
            for code, _number, _count, raw in fields:
                if code != 273 and len(raw) > 4:
                    extra += raw + b"\0" * (len(raw) % 2)
            data_at = extra_at + len(extra)
            cursor = extra_at
            for code, number, count, raw in fields:
                value = raw
                if code == 273 and struct.unpack(order + "I", raw[:4])[0] == 0:
                    value = struct.pack(order + "I", data_at)
                elif len(raw) > 4:
                    value = struct.pack(order + "I", cursor)
                    cursor += len(raw) + len(raw) % 2
                body += struct.pack(order + "HHI", code, number, count) + value.ljust(4, b"\0")
            struct.pack_into(order + "I", out, link, start)
            out += struct.pack(order + "H", len(entries)) + body + struct.pack(order + "I", next_of_last)
            link = len(out) - 4
            out += extra + data
        path.write_bytes(out)
        return path

    return write
