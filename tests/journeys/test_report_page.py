"""A co-author opens the report: in a browser, from a file, on a laptop and on a phone."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.cli.main import run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with api.sync_playwright() as play:
        made = play.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        yield made
        made.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    """The report of a catalog with one scan, in the catalog's folder."""
    home = tmp_path_factory.mktemp("study")
    labels = np.full((40, 24, 20), 2, np.uint8)
    labels[:, 8:12] = 1
    np.save(home / "grey.npy", labels * 60)
    np.save(home / "labels.npy", labels)
    state = [
        "--cycle",
        "1",
        "--half",
        "delithiation",
        "--capacity",
        "1200 mAh/g_Si",
        "--voxel-size",
        "0.5 um",
    ]
    scan = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--domain", "electrode", "--id", "op1"]
    for words in (
        ["init", str(home)],
        ["formulation", "add", "zn"],
        ["cell", "add", "zn1", "--formulation", "zn"],
        ["catalog", "add", str(home / "grey.npy"), *scan, *state],
        ["segment", "import", "op1", str(home / "labels.npy"), "--phases", "1=crack,2=solid"],
        ["compute", "metric", "crack_volume_fraction", "crack_width_mean", "crack_width_distribution"],
        ["report", "--all", "--study", "vanpeene2024", "-o", str(home / "report.html")],
    ):
        assert run(["--catalog", str(home), *words]) == 0
    return home / "report.html"


@pytest.fixture
def opened(browser, page_file):
    """Open the page; whatever it complains of or asks from a network fails the test."""
    made = []

    def open_(**given):
        page = browser.new_page(**{"reduced_motion": "reduce", **given})
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on(
            "request",
            lambda r: wrong.append(r.url) if r.url.split(":")[0] not in ("file", "data", "blob") else None,
        )
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        page.wait_for_selector("#slice-canvas[data-drawn]")
        made.append((page, wrong))
        return page

    yield open_
    for page, wrong in made:
        page.close()
        assert not wrong


def test_every_section_is_there(opened):
    page = opened()
    for name in ("study", "slices", "metrics", "results", "doubts", "records", "provenance", "check"):
        assert page.locator(f"section#{name}").bounding_box()["height"] > 30
        assert page.locator(f"nav a[href='#{name}']").count() == 1
    assert page.locator("#plot-cards svg.plot path[role=img]").count() >= 2
    assert page.locator("#table-check tbody tr").count() > 100


def test_the_slice_slider_and_the_phases_respond(opened):
    page = opened()
    canvas = page.locator("#slice-canvas")
    before, pixels = canvas.get_attribute("data-drawn"), canvas.screenshot()
    page.focus("#slice-range")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("b => document.getElementById('slice-canvas').dataset.drawn !== b", arg=before)
    page.get_by_label("solid").check()
    page.wait_for_function("document.getElementById('slice-canvas').dataset.drawn.includes('crack,solid')")
    assert canvas.screenshot() != pixels
    page.get_by_label("cross-section").check()
    page.wait_for_function("document.getElementById('slice-canvas').dataset.drawn.includes(' xz ')")


def test_the_surface_turns_by_keys_and_by_hand(opened):
    page = opened()
    canvas = page.locator("#mesh-canvas")
    pixels, view = canvas.screenshot(), canvas.get_attribute("data-view")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    turned = canvas.get_attribute("data-view")
    assert turned != view
    assert canvas.screenshot() != pixels
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 110)
    page.mouse.up()
    assert canvas.get_attribute("data-view") != turned


def test_the_surface_is_drawn_without_webgl(browser, page_file):
    page = browser.new_page(reduced_motion="reduce")
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        " return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"
    )
    page.goto(page_file.as_uri())
    page.wait_for_selector("#mesh-canvas[data-view]")
    colours = page.evaluate(
        "() => new Set(new Uint32Array(document.getElementById('mesh-canvas').getContext('2d')"
        ".getImageData(0, 0, 900, 640).data.buffer)).size"
    )
    page.close()
    assert colours > 10


def test_tables_sort_find_and_download(opened, cli, page_file, tmp_path):
    page = opened()
    home = page.locator("#table-results")
    home.get_by_role("button", name="metric", exact=True).press("Enter")
    first = home.locator("tbody tr td").first.inner_text()
    home.get_by_role("button", name="metric", exact=True).press("Enter")
    assert home.locator("tbody tr td").first.inner_text() > first
    assert home.locator("th").first.get_attribute("aria-sort") == "descending"
    home.get_by_label("find in results").fill("crack_width_mean")
    assert home.locator("tbody tr").count() == 1
    with page.expect_download() as given:
        home.get_by_role("button", name="CSV").click()
    given.value.save_as(tmp_path / "got.csv")
    with (tmp_path / "got.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    (kept,) = cli("--catalog", page_file.parent, "compute", "metric", "crack_width_mean", "--json").data
    assert float(rows["crack_width_mean"]["value"]) == kept["value"]


def test_points_tell_their_value_and_formulations_can_be_left_out(opened):
    page = opened()
    points = page.locator("#plot-cards path[role=img]")
    points.first.focus()
    assert "cycle 1" in page.locator("#tip").inner_text()
    count = points.count()
    page.locator("#plot-key input").first.uncheck()
    assert points.count() < count
    page.select_option("#plot-x", "lithiation")
    assert "no value on this axis" in page.locator("#plot-cards").inner_text()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(opened, width):
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark(opened):
    page = opened(color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
