"""The errors that siltomo raises, one tree.

::

    SiltomoError
    ├── BadInputError        (ValueError)       exit 3   a value, a file or a declaration cannot be used
    │   ├── UnitError                                    a quantity without a unit, or with a wrong one
    │   ├── RecordError                                  a record breaks its schema or contradicts itself
    │   ├── FormatError                                  a file is not what it should be
    │   ├── MismatchError                                two sources disagree (file, user, labels)
    │   ├── TakenError                                   an id is taken by something else
    │   ├── ExpressionError                              a --where expression cannot be read
    │   ├── RegistrationError                            a metric was declared wrongly
    │   ├── TooLargeError                                a plan needs more memory than is allowed
    │   ├── NoBackgroundError    (kernels)               a phase fills its volume: no distance, no thickness
    │   └── HaloTooLargeError    (kernels)               a thickness needs more planes than may be read
    ├── StorageError         (OSError)          exit 3   the disk is full, failing, or may not be written
    ├── NotFoundError        (LookupError)      exit 4   no such catalog, cell, scan, metric, file
    ├── CheckFailedError     (ValueError)       exit 5   a check did not hold
    │   └── DamagedError                                 stored bytes are not what was written
    ├── MissingPartError     (ImportError)      exit 6   an optional reader or renderer is not installed
    └── UsageError           (ValueError)       exit 2   the command itself is wrong

Exit 7 is no error: some items failed, and the table that says which is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

__all__ = [
    "Amend",
    "BadInputError",
    "CheckFailedError",
    "DamagedError",
    "ExpressionError",
    "FormatError",
    "MismatchError",
    "MissingPartError",
    "NotFoundError",
    "RecordError",
    "RegistrationError",
    "SiltomoError",
    "StorageError",
    "TakenError",
    "TooLargeError",
    "UnitError",
    "UsageError",
]


@dataclass(frozen=True)
class Amend:
    """A fix that repeats the user's own command with some options changed.

    The command line knows what was typed and prints the whole command; from Python the options alone are
    shown.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    """Options to set, such as ``{"--prefix": "ref1_op01"}``."""
    advice: str = ""
    """What to do first, in words, where a command alone does not mend it."""
    drop: tuple[str, ...] = ()
    """Options to leave out, each with its value."""
    drop_flags: tuple[str, ...] = ()
    """Options without a value to leave out."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables to set."""


class SiltomoError(Exception):
    """Root of every error that siltomo raises on purpose.

    Parameters
    ----------
    message
        What is wrong, and why: the offending value and the allowed ones.
    code
        The stable code of the error, such as ``"SIL104"``.
    fix
        The one command that mends it, or the change to the user's own command.
    where
        The place: a file, a field, or both, such as ``"zn.yaml: cells.zn1.si_mass"``.
    """

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "SIL000"

    def __init__(self, message: str, *, code: str = "", fix: str | Amend = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.message}"


class BadInputError(SiltomoError, ValueError):
    """A value, a file or a declaration cannot be used as it is."""

    exit_code = 3
    default_code = "SIL100"


class UnitError(BadInputError):
    """A quantity has no unit, a wrong one, or is no quantity."""

    default_code = "SIL104"
    instead: str = ""
    """What was probably meant, such as ``"0.65 um"``."""


class RecordError(BadInputError):
    """A record breaks its schema or contradicts itself."""

    default_code = "SIL190"
    instead: Mapping[str, str] = {}
    """What was probably meant, by field."""


class FormatError(BadInputError):
    """A file is damaged, unsupported, or not what it claims to be."""

    default_code = "SIL103"


class MismatchError(BadInputError):
    """Two sources that should agree do not."""

    default_code = "SIL105"


class TakenError(BadInputError):
    """An id is already used by something with other content."""

    default_code = "SIL111"


class ExpressionError(BadInputError):
    """A selection expression cannot be read."""

    default_code = "SIL161"


class RegistrationError(BadInputError):
    """A metric is declared wrongly, or twice."""

    default_code = "SIL162"


class TooLargeError(BadInputError):
    """A plan needs more memory than it may use."""

    default_code = "SIL163"


class NotFoundError(SiltomoError, LookupError):
    """Something that was named does not exist."""

    exit_code = 4
    default_code = "SIL120"


class CheckFailedError(SiltomoError, ValueError):
    """A verification found damage, or a check did not hold."""

    exit_code = 5
    default_code = "SIL150"


class DamagedError(CheckFailedError):
    """Stored bytes are not what was written."""

    default_code = "SIL151"


class StorageError(SiltomoError, OSError):
    """The disk below the catalog is full, failing, or may not be written."""

    exit_code = 3
    default_code = "SIL182"


class MissingPartError(SiltomoError, ImportError):
    """An optional part of siltomo, or an outside program, is not installed."""

    exit_code = 6
    default_code = "SIL130"


class UsageError(SiltomoError, ValueError):
    """The command itself is wrong."""

    exit_code = 2
    default_code = "SIL001"
