"""JSON whose every byte is accounted for: one canonical spelling, and a digest of itself inside."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from siltomo.errors import DamagedError, RecordError

__all__ = ["MAX_BYTES", "canonical", "checked_body", "seal", "unseal"]

MAX_BYTES = 64 << 20
"""More is no record."""
_SEAL = "sha256"
_SPELLED = re.compile(rb'"sha256":"([0-9a-f]{64})",')


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a JSON object: sorted keys, no spaces, ASCII, no NaN.

    Examples
    --------
    >>> canonical({"b": 1.0, "a": "um"})
    b'{"a":"um","b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def checked_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain JSON object that a record's body is stored as.

    Raises
    ------
    RecordError
        When it holds NaN, infinity, keys that are no text, or anything that JSON cannot say.
    """
    try:
        _check_keys(body)
        made: dict[str, Any] = json.loads(canonical(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"the record cannot be written as JSON: {error}") from error
    return made


def _check_keys(value: object) -> None:
    """Refuse keys that JSON would silently turn into text."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is no text")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)


def seal(value: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return an object's bytes with its digest inside, and the digest."""
    if _SEAL in value:
        raise ValueError(f"{_SEAL!r} is the name of the seal")
    digest = hashlib.sha256(canonical(value)).hexdigest()
    return canonical({**value, _SEAL: digest}) + b"\n", digest


def unseal(data: bytes, *, where: str) -> tuple[dict[str, Any], str]:
    """Read what :func:`seal` wrote, and its digest.

    Raises
    ------
    DamagedError
        When a single bit differs from what was written: not JSON, twice the same key, NaN, another spelling.
    """
    if len(data) > MAX_BYTES:
        raise DamagedError(f"{len(data)} bytes are too many for a record", where=where)
    digest = _intact(data)
    if digest is not None:
        return {k: v for k, v in json.loads(data).items() if k != _SEAL}, digest
    try:
        value = json.loads(data, object_pairs_hook=_no_twins, parse_constant=_no_constant)
        if not isinstance(value, dict):
            raise ValueError("it holds no object")
        digest = value.pop(_SEAL, None)
        sealed, expected = seal(value)
    except (ValueError, RecursionError, TypeError) as error:
        raise DamagedError(f"the record is damaged: {error}", where=where) from error
    if digest != expected or sealed != data:
        raise DamagedError("the record is damaged: its content does not match its sha256 seal", where=where)
    return value, expected


def _intact(data: bytes) -> str | None:
    """Return the seal when the bytes without it have that digest, as they had when they were written.

    Nothing is spelled anew: reading ten thousand records takes a second, not ten.
    """
    for found in _SPELLED.finditer(data):
        rest = data[: found.start()] + data[found.end() : -1]
        if data.endswith(b"}\n") and hashlib.sha256(rest).hexdigest().encode() == found[1]:
            return found[1].decode()
    return None


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("it holds a key twice")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")
