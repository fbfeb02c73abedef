"""Ids of records: names that mean the same on every file system."""

from __future__ import annotations

import re
import unicodedata

from siltomo.errors import BadInputError

__all__ = ["check_id", "is_id", "slug"]

_ID = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
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


def is_id(name: str) -> bool:
    """Return whether a name can be an id."""
    return bool(_ID.fullmatch(name)) and name not in _RESERVED


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
    if isinstance(given, str) and is_id(given):
        return given
    raise BadInputError(
        f"{str(given)[:80]!r} cannot be an id: use lower-case letters, digits, '-' and '_' "
        f"(such as {slug(str(given))!r}); free text goes in the title",
        code="SIL114",
    )
