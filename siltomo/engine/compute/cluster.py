"""A cluster of dask.distributed, where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from siltomo.errors import MissingPartError, NotFoundError

__all__ = ["cluster"]

_PATIENCE_S = 10


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Make a scheduler's client the active one for a while; without an address, leave all as it is.

    Raises
    ------
    MissingPartError
        When dask.distributed is not installed.
    NotFoundError
        When no scheduler answers there.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingPartError(
            "--scheduler needs dask.distributed", fix="pip install 'siltomo[distributed]'"
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise NotFoundError(
            f"no dask scheduler answers at {address!r} ({error})",
            code="SIL168",
            fix="dask scheduler",
        ) from error
    with client:
        yield
