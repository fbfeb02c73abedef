"""Work that goes on in a second process: numba compiles one function at a time, whatever its threads."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

from siltomo.errors import SiltomoError

__all__ = ["Aside", "Pending"]

Answer = TypeVar("Answer")
_PATIENCE_S = 10
"""How long the second process may take to clean up."""
Task = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass
class Pending(Generic[Answer]):
    """Something that was asked of the second process."""

    aside: Aside
    task: Task
    answer: tuple[bool, Any] | None = None
    """Whether it came about, and the answer or the error; None as long as it is not known."""

    def result(self) -> Answer:
        """Wait for the answer; an error is raised here as it was there."""
        self.aside.wait_for(self)
        assert self.answer is not None
        came_about, found = self.answer
        if not came_about:
            raise found
        answer: Answer = found
        return answer


class Aside:
    """A second process that does what it is asked, one after the other.

    Where there is but one core, or the process is ended by the system, the work is done in this one. Ended with
    the block at the latest, whatever it is doing.

    Parameters
    ----------
    cores
        Cores that may be used; a second process is started from two on.
    """

    def __init__(self, cores: int) -> None:
        self._asked: list[Pending[Any]] = []
        self._pipe: Connection | None = None
        self._process: Any = None
        if cores > 1:
            # a process of its own, not a copy: threads and kernels of this one are not for copying
            ways = multiprocessing.get_context("spawn")
            self._pipe, theirs = ways.Pipe()
            self._process = ways.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.terminate()
            self._process.join(_PATIENCE_S)
            self._process.kill()

    def ask(self, work: Callable[..., Answer], *arguments: Any) -> Pending[Answer]:
        """Have a function of a module called with arguments that can be sent."""
        asked: Pending[Answer] = Pending(self, (work, arguments))
        self._asked.append(asked)
        if self._pipe is not None:
            try:
                self._pipe.send(asked.task)
            except OSError:
                self._pipe = None
        return asked

    def wait_for(self, asked: Pending[Any]) -> None:
        """Take answers as they come, in the order in which they were asked for."""
        while asked.answer is None:
            first = next(one for one in self._asked if one.answer is None)
            if self._pipe is not None:
                try:
                    first.answer = self._pipe.recv()
                    continue
                except (EOFError, OSError):
                    self._pipe = None
            first.answer = _done(first.task)


def _serve(pipe: Connection) -> None:
    """Do what is asked until nothing more can be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted, and ends this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is half done is cleaned up
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_done(task))


def _done(task: Task) -> tuple[bool, Any]:
    work, arguments = task
    try:
        return True, work(*arguments)
    except SiltomoError as error:
        return False, error
    except Exception as error:
        # what is no error of siltomo may hold what cannot be sent; its words can
        return False, RuntimeError(f"{type(error).__name__}: {error}")
