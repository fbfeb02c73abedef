"""How kernels are compiled: without the GIL, kept on disk, and seen by type checkers as what they are."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


Stamp = tuple[tuple[str, int, int], ...]


def stamp_of(folder: Path) -> Stamp:
    """Tell this version of all kernels of a folder: name, time and size of each file."""
    sources = [(path.name, path.stat()) for path in sorted(folder.glob("*.py"))]
    return tuple((name, status.st_mtime_ns, status.st_size) for name, status in sources)


STAMP = stamp_of(Path(__file__).parent)


def compiled(function: Kernel, *, forceinline: bool = False, stamp: Stamp = STAMP) -> Kernel:
    """Compile a function at its first call with each combination of types; kept on disk under a stamp."""
    dispatcher = njit(nogil=True, cache=True, forceinline=forceinline)(function)
    # Numba looks at the file of a function alone: it would load a kernel from disk in which a function of
    # another file has been compiled since changed. The attributes are numba's own; without them it does just
    # that.
    kept = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if kept is not None and all(hasattr(kept, name) for name in _USED):
        kept._source_stamp = (kept._source_stamp, stamp)
        kept.save = lambda key, data: _keep(kept, key, data)
    _take_no_literals(dispatcher)
    return cast("Kernel", dispatcher)


def _take_no_literals(dispatcher: Any) -> None:
    """Compile once for all values of a type, where a kernel calls this function with a constant.

    Numba would compile it for the number 0, find that the variable grows in a loop, and compile it again.
    """
    chosen = getattr(dispatcher, "get_call_template", None)
    if chosen is None:
        return

    def template(args: Any, kws: Any) -> Any:
        plain: Any = types.unliteral
        return chosen([plain(a) for a in args], {name: plain(a) for name, a in kws.items()})

    dispatcher.get_call_template = template


_USED = ("_source_stamp", "_load_index", "_save_index", "_save_data", "_index_name", "save")


def _keep(kept: Any, key: Any, data: Any) -> None:
    """Keep a compiled function on disk, where another process may be keeping one at the same time.

    Numba numbers the files by what its index lists, and writes the index first: of two processes that compile
    one function for different types, one would load the code of the other. Here the file is named after the types.
    Where two write the index at once an entry may be lost, and is compiled again.
    """
    name = f"{Path(kept._index_name).stem}.{sha256(repr(key).encode()).hexdigest()[:16]}.nbc"
    kept._save_data(name, data)
    overloads = kept._load_index()
    if overloads.get(key) != name:
        kept._save_index({**overloads, key: name})


def kernel(function: Kernel) -> Kernel:
    """Compile a function at its first call with each combination of types."""
    return compiled(function)


def inlined(function: Kernel) -> Kernel:
    """Compile a small function into each kernel that calls it: a call with arrays costs more than it does."""
    return compiled(function, forceinline=True)


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of the LLVM builder callable in kernels, without its typing context."""
    return cast("Callable[..., Any]", intrinsic(function))
