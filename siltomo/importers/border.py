"""The border to other libraries: their errors and log lines become siltomo's own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siltomo.errors import Amend, FormatError, NotFoundError, SiltomoError

__all__ = ["DAMAGED", "border", "log_lines", "plain_text", "refused"]

MAX_TEXT = 500
DAMAGED = Amend(advice="copy the file again from where it was made, or save it again with the same program")


def plain_text(text: object, limit: int = MAX_TEXT) -> str:
    r"""Return text from a file without control characters, cut to ``limit`` characters.

    Examples
    --------
    >>> plain_text("ImageJ=1.54f\nunit=\x1b[31mum")
    'ImageJ=1.54f unit= [31mum'
    """
    kept = "".join(c if c.isprintable() else " " for c in str(text)[: limit + 1]).strip()
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def refused(path: Path, why: str, advice: str = "") -> FormatError:
    """Return the error of a file that cannot be taken, and what to do about it; without advice it is damaged."""
    return FormatError(why, where=str(path), fix=Amend(advice=advice) if advice else DAMAGED)


@contextmanager
def border(path: Path, doing: str) -> Iterator[None]:
    """Turn whatever a library raises inside into one siltomo error that names the file.

    Parameters
    ----------
    path
        The file that is being read.
    doing
        What is being read, as it follows "cannot read": ``"the header"``, ``"plane 12"``.

    Raises
    ------
    FormatError
        For any foreign exception; the original is its cause.
    NotFoundError
        When the file is gone.
    """
    try:
        yield
    except SiltomoError:
        raise
    except FileNotFoundError as error:
        raise NotFoundError(
            f"cannot read {doing}: the file is not there",
            where=str(path),
            fix=Amend(advice="check the path; was the disk or share unmounted?"),
        ) from error
    except PermissionError as error:
        raise FormatError(
            f"cannot read {doing}: permission denied",
            where=str(path),
            fix=Amend(advice=f"ask the owner to allow reading, for example: chmod u+r '{path}'"),
        ) from error
    except Exception as error:  # readers raise anything on damaged files: struct.error, ZeroDivisionError...
        kind = type(error).__name__
        raise FormatError(
            f"cannot read {doing}: {plain_text(error, 200) or 'no reason given'} ({kind})",
            where=str(path),
            fix=DAMAGED,
        ) from error


class _Collector(logging.Handler):
    """Keeps the log lines of one thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.lines.append(plain_text(record.getMessage(), 200))


@contextmanager
def log_lines(logger_name: str) -> Iterator[list[str]]:
    """Collect what a library logs at level WARNING and above, in this thread."""
    collector = _Collector()
    logger = logging.getLogger(logger_name)
    logger.addHandler(collector)
    try:
        yield collector.lines
    finally:
        logger.removeHandler(collector)
