"""Names on disk: ids that mean the same on every file system, and transaction names that sort by time."""

from __future__ import annotations

import difflib
import re
import secrets
import time
import unicodedata
from collections.abc import Iterable

from siltomo.errors import BadInputError

__all__ = [
    "check_id",
    "check_key",
    "check_kind",
    "is_id",
    "is_kind",
    "is_transaction",
    "nearest",
    "new_transaction",
    "slug",
]

_ID = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_KIND = re.compile(r"[a-z][a-z_]{0,30}[a-z]")
_KEY = re.compile(r"[0-9a-f]{64}")
_TRANSACTION = re.compile(r"[0-9a-f]{22}")
# Windows refuses these as file names, with any ending
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def slug(text: str) -> str:
    """Return the id nearest to a free text.

    Examples
    --------
    >>> slug("Réf 1 / OP 07"), slug("con")
    ('ref-1-op-07', 'con-1')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[:64].strip("-_")
    return f"{short}-1" if short in _RESERVED else short or "unnamed"


def check_id(given: str) -> str:
    """Return an id that is fit to be a folder's name on every system.

    Lower-case letters, digits, ``-`` and ``_``, at most 64, with a letter or digit at both ends. Upper case
    is refused because macOS and Windows take ``Ref1`` and ``ref1`` for one name.

    Raises
    ------
    BadInputError
        When it is not; the message suggests one.

    Examples
    --------
    >>> check_id("ref1-op07")
    'ref1-op07'
    """
    if not isinstance(given, str) or not is_id(given):
        raise BadInputError(
            f"{given!r} cannot be an id: use 1 to 64 lower-case letters, digits, '-' and '_', with a letter "
            f"or digit at both ends, and no name that Windows reserves",
            code="SIL114",
            fix=f"use the id {slug(str(given))!r}",
        )
    return given


def is_id(name: str) -> bool:
    """Return whether a name can be an id."""
    return bool(_ID.fullmatch(name)) and name not in _RESERVED


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
