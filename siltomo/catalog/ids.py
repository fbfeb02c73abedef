"""Names on disk besides ids: kinds, content keys, and transaction names that sort by time."""

from __future__ import annotations

import difflib
import re
import secrets
import time
from collections.abc import Iterable

__all__ = [
    "check_key",
    "check_kind",
    "is_kind",
    "is_transaction",
    "nearest",
    "new_transaction",
]

_KIND = re.compile(r"[a-z][a-z_]{0,30}[a-z]")
_KEY = re.compile(r"[0-9a-f]{64}")
_TRANSACTION = re.compile(r"[0-9a-f]{22}")


def is_kind(name: str) -> bool:
    """Return whether a name can be a kind of record."""
    return bool(_KIND.fullmatch(name)) and name != "result"


def is_transaction(name: str) -> bool:
    """Return whether a name is one of :func:`new_transaction`."""
    return bool(_TRANSACTION.fullmatch(name))


def check_kind(kind: str) -> str:
    """Return the kind of a record; a wrong one is a mistake in the program."""
    if not is_kind(kind):
        raise ValueError(f"{kind!r} is no kind of record (results have put_result and find_result)")
    return kind


def check_key(key: str) -> str:
    """Return the content key of a result: 64 hexadecimal digits."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no content key: 64 hexadecimal digits are needed")
    return key


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """Return up to three known ids that look like the given one."""
    return difflib.get_close_matches(given, list(known), n=3, cutoff=0.6)


def new_transaction() -> str:
    """Return a name that no other process makes, and that sorts by the time of its making."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(5)}"
