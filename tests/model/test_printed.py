"""What printed numbers say."""

from __future__ import annotations

import pytest

from siltomo.errors import RecordError, UnitError
from siltomo.model import Printed, Qualifier, ReportedValue, read_printed, validated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.90", Printed(0.9, None, 0.005, 0.005, 0.005)),
        ("0.9", Printed(0.9, None, 0.05, 0.05, 0.05)),
        ("171", Printed(171, None, 0.5, 0.5, 0.5)),
        ("2550", Printed(2550, None, 0.5, 5, 0.5)),
        ("100", Printed(100, None, 0.5, 10, 0.5)),
        ("−16", Printed(-16, None, 0.5, 0.5, 0.5)),
        ("+27.8", Printed(27.8, None, 0.05, 0.05, 0.05)),
        ("≈ 80", Printed(80, None, 0.5, 5, 0.5)),
        ("1.75–2.0", Printed(1.75, 2.0, 0.005, 0.005, 0.05)),
        ("3 to 4.5", Printed(3, 4.5, 0.5, 0.5, 0.05)),
    ],
)
def test_the_last_digit_says_how_well_a_number_is_known(text: str, expected: Printed) -> None:
    read = read_printed(text)
    for name in ("value", "upper", "half", "coarse", "upper_half"):
        assert getattr(read, name) == pytest.approx(getattr(expected, name)), name


def test_powers_of_ten() -> None:
    read = read_printed("2.6 × 10^11")
    assert (read.value, read.half) == (pytest.approx(2.6e11), pytest.approx(5e9))


@pytest.mark.parametrize("text", ["", "about", "1,5", "1 2", "4.5–3", "0x10", "nan", "1e999999"])
def test_what_is_no_printed_number(text: str) -> None:
    with pytest.raises((UnitError, ValueError)):
        read_printed(text)


FIELDS = {"id": "a", "study": "s", "quantity": "width", "unit": "um", "place": "Fig. 1"}


def test_the_value_is_read_from_what_was_printed() -> None:
    assert validated(ReportedValue, {**FIELDS, "printed": "0.90"}).value == 0.9
    ranged = validated(ReportedValue, {**FIELDS, "printed": "1–3", "qualifier": "about"})
    assert (ranged.value, ranged.upper, ranged.qualifier) == (1, 3, Qualifier.ABOUT)


def test_a_value_that_was_not_printed_is_refused() -> None:
    with pytest.raises(RecordError, match=r"'0\.90' was printed, but the value is 0\.8"):
        validated(ReportedValue, {**FIELDS, "printed": "0.90", "value": 0.8})


def test_words_need_a_value() -> None:
    with pytest.raises(RecordError, match="not a printed number"):
        validated(ReportedValue, {**FIELDS, "printed": "a fifth"})
    assert validated(ReportedValue, {**FIELDS, "printed": "a fifth", "value": 0.2}).value == 0.2
