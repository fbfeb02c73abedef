"""The page of a checked study: complete, self-contained, and not steered by what a file says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from siltomo.engine.study.check import StudyCheck, check
from siltomo.report.study_page import study_page

INVENTED = Path(__file__).parents[1] / "engine" / "study" / "invented_study.yaml"
VOID = {"meta", "input", "br", "rect", "line", "circle"}
OPTIONAL = {"td", "th", "tr", "p", "html", "head", "body"}


class Reader(HTMLParser):
    """Collect words and what would be fetched; count what is opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "data", "srcset", "action")]
        self.fetched += [tag] if tag in ("link", "iframe", "object", "embed", "img") else []
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def invented() -> StudyCheck:
    return check(str(INVENTED))


def test_every_row_is_on_the_page(invented: StudyCheck) -> None:
    words = " ".join(read(study_page(invented)).words)
    for one in invented.checked:
        assert one.row.claim.split("; by ")[0] in words, one.row.id
    assert "would fit: molar volume at 0 °C" in words


def test_nothing_is_fetched(invented: StudyCheck) -> None:
    page = study_page(invented)
    assert read(page).fetched == []
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp", page)
    assert "default-src 'none'" in page


def test_what_a_file_says_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    (tmp_path / "study.yaml").write_text(
        f"""
study: {{id: evil, title: "{evil}", doi: '"><script>x'}}
reported_values:
  a: {{quantity: "{evil}", printed: "2", unit: um, place: "{evil}"}}
  b: {{quantity: b, printed: "9", unit: um, place: p}}
relations:
  r: {{claim: "{evil}", compute: 2 * a, reported: b, notes: "{evil}"}}
""",
        "utf-8",
    )
    page = study_page(check(str(tmp_path)))
    assert page.count("<script>") == 1  # our own
    assert read(page).fetched == []


def test_intervals_are_drawn_only_where_they_share_an_axis(invented: StudyCheck) -> None:
    page = study_page(invented)
    assert "printed 86.75 to 86.85, recomputed 86.744 to 86.804" in page
    assert "not on one axis" in page
