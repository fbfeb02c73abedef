"""Work in a second process: its answers, its errors, and its end."""

from __future__ import annotations

import os
import signal

import pytest

from siltomo.engine.demo.aside import Aside
from siltomo.errors import BadInputError


def refused(where: str) -> None:
    raise BadInputError("no", where=where, fix="siltomo demo elsewhere")


def ended(told: int) -> int:
    """End the process that runs it, unless it is the one that asked."""
    if os.getpid() != told:
        os.kill(os.getpid(), signal.SIGKILL)
    return told


@pytest.fixture(scope="module")
def aside():
    with Aside(2) as one:
        yield one


def test_answers_come_from_another_process(aside):
    first, second = aside.ask(os.getpid), aside.ask(divmod, 7, 2)
    assert second.result() == (3, 1)
    assert first.result() == first.result() != os.getpid()


def test_an_error_is_raised_where_the_answer_is_awaited(aside):
    asked, after = aside.ask(refused, "there"), aside.ask(abs, -1)
    with pytest.raises(BadInputError) as caught:
        asked.result()
    assert (caught.value.where, caught.value.fix) == ("there", "siltomo demo elsewhere")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: integer division"):
        aside.ask(divmod, 1, 0).result()
    assert after.result() == 1


def test_what_a_process_that_was_ended_did_not_do_is_done_here():
    with Aside(2) as one:
        asked, after = one.ask(ended, os.getpid()), one.ask(os.getpid)
        assert asked.result() == os.getpid()
        assert after.result() == os.getpid()
        assert one.ask(os.getpid).result() == os.getpid()


def test_one_core_has_no_second_process():
    with Aside(1) as one:
        assert one.ask(os.getpid).result() == os.getpid()
