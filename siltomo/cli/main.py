"""The ``siltomo`` command: run one command, print its reply or its error, exit with its code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from siltomo.cli.reply import Reply, print_error, print_reply
from siltomo.errors import SiltomoError, UsageError

__all__ = ["main", "run"]

_DEBUG = "SILTOMO_DEBUG"
_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 done, 1 bug, 2 usage, 3 bad input, 4 not found, 5 a check failed, 6 an optional part is missing,
    7 some items failed, 130 interrupted.
    """
    form = "json" if "--json" in arguments else "csv" if "--csv" in arguments else "text"
    command = _named(arguments)
    try:
        return _answer(arguments, command, form)
    except SiltomoError as error:
        print_error(error, command, arguments, form=form)
        return error.exit_code
    except KeyboardInterrupt:
        interrupted = SiltomoError("interrupted; what was finished stays", code="SIL199")
        print_error(interrupted, command, arguments, form=form)
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get(_DEBUG):
            raise
        print_error(_bug(error), command, arguments, form=form)
        return 1


def _answer(arguments: Sequence[str], command: str, form: str) -> int:
    from typer.main import get_command

    from siltomo.cli.app import app

    try:
        reply = get_command(app).main(args=list(arguments), prog_name="siltomo", standalone_mode=False)
    except Exception as error:
        # typer brings its own click or uses the installed one: its errors are told by what they can do
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            return 0
        raise _usage(error, arguments) from error
    if isinstance(reply, Reply):
        print_reply(reply, command, form=form)
        return reply.exit_code
    if reply == _INTERRUPTED:  # typer has caught the signal itself
        raise KeyboardInterrupt
    return int(reply or 0)


def _usage(error: Exception, arguments: Sequence[str]) -> UsageError:
    words = [word for word in arguments if not word.startswith("-")]
    path = getattr(getattr(error, "ctx", None), "command_path", "") or " ".join(["siltomo", *words[:1]])
    return UsageError(error.format_message(), code="SIL001", fix=f"{path} --help")  # type: ignore[attr-defined]


def _bug(error: Exception) -> SiltomoError:
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    return SiltomoError(
        f"this is a bug in siltomo, please report it: {type(error).__name__}: {error} "
        f"({os.path.basename(last.filename)}:{last.lineno}); {_DEBUG}=1 shows all of it",  # noqa: PTH119
        code="SIL000",
        fix="siltomo doctor",
    )


def _named(arguments: Sequence[str]) -> str:
    """Return the words of the command, such as "catalog add"."""
    from siltomo.cli import app as _tree  # noqa: F401 -- importing it names the groups
    from siltomo.cli.command import GROUPS

    words: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--catalog":
            skip = True
        elif not argument.startswith("-"):
            words.append(argument)
        if words and (words[0] not in GROUPS or len(words) == 2):
            break
    return " ".join(words)


if __name__ == "__main__":
    main()
