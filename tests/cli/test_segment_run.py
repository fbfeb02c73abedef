"""Recipes at the command line: run, preview, recipes; again, series, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from siltomo.twin import Preset, Twin

Cli = Callable[..., Any]
SHARES = (0.1, 0.2)


@pytest.fixture
def series(cli: Cli, tmp_path: Path) -> dict[str, np.ndarray]:
    """A catalog with two scans of known dark fractions."""
    cli("init", ".")
    cli("formulation", "add", "zn")
    cli("cell", "add", "zn1", "--formulation", "zn")
    truth = {}
    for n, share in enumerate(SHARES):
        rng = np.random.default_rng(n)
        field = ndimage.gaussian_filter(rng.normal(size=(40, 48, 56)), 4)
        dark = field < np.quantile(field, share)
        grey = np.where(dark, 80, 150) + rng.normal(0, 10, dark.shape)
        np.save(tmp_path / f"g{n}.npy", np.rint(grey).clip(0, 255).astype(np.uint8))
        where = ("--cell", "zn1", "--scale", "micro", "--mode", "operando", "--domain", "electrode")
        state = ("--cycle", 1, "--half", "delithiation", "--capacity", f"{100 * n} mAh/g_Si")
        added = cli("catalog", "add", f"g{n}.npy", *where, *state, "--voxel-size", "0.5 um", "--id", f"op{n}")
        assert added.code == 0, added.err
        truth[f"op{n}"] = dark
    return truth


RECIPE = """
recipe: mine
steps:
  - threshold: {scope: SCOPE}
  - label: {1: crack, 2: solid}
"""


def write(tmp_path: Path, text: str = RECIPE, scope: str = "series") -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("SCOPE", scope), "utf-8")
    return path


def test_labels_of_a_series(cli: Cli, series: dict[str, np.ndarray], tmp_path: Path) -> None:
    import siltomo

    answer = cli("segment", "run", "op0", "op1", "--recipe", write(tmp_path), "--json")
    one, two = answer.data
    assert [d["outcome"] for d in answer.data] == ["added", "added"]
    assert (one["trust"], two["trust"], answer.envelope["warnings"]) == ("good", "good", [])
    making = one["record"]["making"]
    assert making["recipe"] == "mine"
    assert making["content"]["steps"][0]["threshold"]["scope"] == "series"
    assert set(making["inputs"]) == {"scan op0", "scan op1", "first scan"}
    (parting,) = making["partings"]
    assert parting["scans"] == ["op0", "op1"]
    assert parting["cuts"] == two["record"]["making"]["partings"][0]["cuts"] == [pytest.approx(115, abs=1)]
    catalog = siltomo.open_catalog(tmp_path)
    for name, dark in series.items():
        labels = catalog.scan(name)[f"{name}-mine"].values
        assert ((labels == 1) == dark).mean() > 0.999
    assert cli("catalog", "verify", "--full").code == 0
    rows = cli("compute", "metric", "crack_volume_fraction", "--json").data
    assert [row["value"] for row in rows] == pytest.approx(SHARES, rel=0.02)


def test_the_same_again_does_nothing_and_another_recipe_is_another_thing(
    cli: Cli, series: dict[str, np.ndarray], tmp_path: Path
) -> None:
    recipe = write(tmp_path, scope="scan")
    words = ("segment", "run", "op0", "--recipe", recipe, "--json")
    assert cli(*words, "--dry-run").data[0]["outcome"] == "would be added"
    assert cli("segment", "list", "--json").data == []
    first = cli(*words).data[0]
    assert cli(*words).data[0] | {"values": first["values"]} == first | {
        "outcome": "unchanged",
        "added": False,
    }
    key = cli("compute", "metric", "crack_volume_fraction", "--json").data[0]["key"]
    recipe.write_text(recipe.read_text("utf-8").replace("scope: scan", "method: otsu"), "utf-8")
    refused = cli(*words)
    assert (refused.code, refused.error["code"]) == (3, "SIL111")
    assert "with other steps" in refused.error["message"]
    assert "--id '{scan}-mine-2'" in refused.error["fix"]
    second = cli(*words, "--id", "{scan}-otsu").data[0]
    assert second["id"] == "op0-otsu"
    assert second["record"]["making"]["digest"] != first["record"]["making"]["digest"]
    # the same labels by another recipe are another result: the recipe is part of the key
    assert second["record"]["volume"]["content"] == first["record"]["volume"]["content"]
    rows = cli("compute", "metric", "crack_volume_fraction", "--where", "scan == 'op0'", "--json").data
    assert {row["segmentation"] for row in rows} == {"op0-mine", "op0-otsu"}
    assert [row["key"] for row in rows if row["segmentation"] == "op0-mine"] == [key]
    assert len({row["key"] for row in rows}) == 2


def test_in_python(series: dict[str, np.ndarray], tmp_path: Path) -> None:
    import siltomo
    from siltomo.segmentation import Label, Recipe, Threshold

    catalog = siltomo.open_catalog(tmp_path)
    recipe = Recipe(name="mine", steps=(Threshold(), Label(phases={1: "crack", 2: "solid"})))
    (one,) = catalog.segment(["op0"], recipe)
    (same,) = catalog.segment(["op0"], write(tmp_path, scope="scan"))
    assert (one.outcome, same.outcome) == ("added", "unchanged")
    assert one.record == same.record
    assert one.voxels[1] == pytest.approx(series["op0"].sum(), rel=0.01)


def test_what_is_not_to_be_believed_says_so_everywhere(cli: Cli, series: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = (100 + 60 * (rng.random((30, 30, 30)) < 0.1) + rng.normal(0, 60, (30, 30, 30))).clip(0, 65535)
    np.save(tmp_path / "bad.npy", (100 * noise).clip(0, 65535).astype(np.uint16))
    where = [
        "--cell",
        "zn1",
        "--scale",
        "micro",
        "--mode",
        "operando",
        "--cycle",
        "2",
        "--half",
        "delithiation",
    ]
    cli("catalog", "add", "bad.npy", *where, "--voxel-size", "0.5 um", "--id", "bad")
    answer = cli("segment", "run", "bad", "--recipe", write(tmp_path), "--json")
    assert answer.data[0]["trust"] == "bad"
    assert any("noise" in warning for warning in answer.envelope["warnings"])
    (row,) = cli("compute", "metric", "crack_volume_fraction", "--where", "scan == 'bad'", "--json").data
    assert any("labels are bad" in flag for flag in row["flags"])


def test_a_preview_is_a_picture_and_keeps_nothing(cli: Cli, series: Any, tmp_path: Path) -> None:
    from matplotlib.image import imread

    words = ("segment", "preview", "op0", "op1", "--recipe", "micro-cracks", "-o", "p.png", "--json")
    data = cli(*words).data
    picture = imread(tmp_path / "p.png")
    assert min(picture.shape[:2]) > 600
    assert picture[..., :3].std() > 0.1
    assert data["planes"] == [10, 20, 30]
    assert data["partings"][0]["scans"] == ["op0", "op1"]
    assert sum(data["shares_of_these_planes"].values()) == pytest.approx(1)
    assert cli("segment", "list", "--json").data == []
    assert list((tmp_path / "staging").iterdir()) == []


def test_the_recipes_that_come_with_siltomo(cli: Cli, series: Any) -> None:
    rows = cli("segment", "recipes", "--json").data
    names = [row["recipe"] for row in rows]
    assert {"micro-cracks", "micro-cracks-published", "separator-gas", "nano-sei"} <= set(names)
    assert all(row["title"] and row["notes"] and row["steps"] for row in rows)
    for name in ("micro-cracks", "micro-cracks-published"):
        done = cli("segment", "run", "op0", "op1", "--recipe", name, "--json").data
        for share, one in zip(SHARES, done, strict=True):
            assert one["values"][0]["share_of_domain"] == pytest.approx(share, rel=0.1)


def test_pieces_and_masks_from_the_catalog(cli: Cli, series: dict[str, np.ndarray], tmp_path: Path) -> None:
    domain = np.full((40, 48, 56), 1, np.uint8)
    domain[:10] = 2
    np.save(tmp_path / "domain.npy", domain)
    phases = ("--phases", "1=electrode,2=separator", "--id", "op0-domain")
    assert cli("segment", "import", "op0", "domain.npy", *phases).code == 0
    text = """
recipe: masked
steps:
  - mask: {segmentation: "{scan}-domain", phase: [electrode]}
  - threshold: otsu
  - select: 1
  - remove_small: 8 voxel
  - label: {1: crack, 2: solid}
"""
    data = cli("segment", "run", "op0", "--recipe", write(tmp_path, text), "--json").data[0]
    counts = {row["phase"]: row["voxels"] for row in data["values"]}
    assert counts["outside"] == 10 * 48 * 56
    assert counts["crack"] == pytest.approx(series["op0"][10:].sum(), rel=0.02)
    assert "segmentation op0-domain" in data["record"]["making"]["inputs"]
    missing = cli("segment", "run", "op1", "--recipe", tmp_path / "mine.yaml", "--json")
    assert (missing.code, missing.error["code"]) == (4, "SIL120")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("op0", "--recipe", "nothing"), "SIL142", "micro-cracks"),
        (("op0", "--recipe", "missing.yaml"), "SIL120", "no such file"),
        (("op9", "--recipe", "micro-cracks"), "SIL120", "did you mean op"),
        (("op0", "op1", "--recipe", "micro-cracks", "--id", "one"), "SIL100", "cannot name"),
        (("op0", "op0", "--recipe", "micro-cracks"), "SIL100", "twice"),
        (("op0", "--recipe", "micro-cracks", "--min-feature", "3"), "SIL190", "3 um"),
    ],
)
def test_errors_say_what_mends_them(words: Any, code: str, why: str, cli: Cli, series: Any) -> None:
    error = cli("segment", "run", *words, "--json").error
    assert error["code"] == code
    assert why in error["message"] + error["fix"]


def test_a_wrong_recipe_names_its_line(cli: Cli, series: Any, tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE.replace("SCOPE", "scan").replace("- label", "- lable"))
    error = cli("segment", "run", "op0", "--recipe", path, "--json").error
    assert error["where"].startswith(f"{path}:5")
    assert "did you mean 'label'" in error["message"]


def test_little_memory_is_said_or_enough(
    cli: Cli, series: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SILTOMO_MEMORY", "20 KiB")
    error = cli("segment", "run", "op0", "--recipe", "micro-cracks", "--json").error
    assert error["code"] == "SIL163"
    assert error["fix"].startswith("SILTOMO_MEMORY='")
    monkeypatch.setenv("SILTOMO_MEMORY", error["fix"].split("'")[1])
    assert cli("segment", "run", "op0", "--recipe", "micro-cracks").code == 0


def test_one_bad_scan_leaves_the_others(cli: Cli, series: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.full((12, 12, 12), 7, np.uint8))
    where = [
        "--cell",
        "zn1",
        "--scale",
        "micro",
        "--mode",
        "operando",
        "--cycle",
        "2",
        "--half",
        "delithiation",
    ]
    cli("catalog", "add", "flat.npy", *where, "--voxel-size", "0.5 um", "--id", "flat")
    answer = cli("segment", "run", "flat", "op0", "--recipe", write(tmp_path, scope="scan"), "--json")
    assert answer.code == 7
    data = answer.envelope["data"]
    assert [one["outcome"] for one in data] == ["failed", "added"]
    assert "one grey value" in data[0]["reason"]


def test_a_folder_of_a_broken_run_is_no_damage(cli: Cli, series: Any, tmp_path: Path) -> None:
    (tmp_path / "staging" / "segment-0123456789abcdef" / "op0").mkdir(parents=True)
    assert cli("catalog", "verify").code == 0
    assert cli("segment", "run", "op0", "--recipe", "micro-cracks").code == 0


@pytest.mark.slow
def test_cracks_are_fractions_of_the_electrode_and_gas_of_the_separator(
    cli: Cli, series: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    z, _, x = np.ogrid[:72, :48, :48]
    depth = np.cos(0.07) * (z - 14.3) + np.sin(0.07) * (x - 23.5) + np.zeros((72, 48, 48))
    field = ndimage.gaussian_filter(rng.normal(size=depth.shape), (5, 1.5, 1.5))
    inside = (depth > 0) & (depth < 36)
    crack = inside & (field < np.quantile(field, 0.1))
    grey = np.select([depth < 0, crack, inside], [210.0, 55.0, 130.0], 55.0) + rng.normal(0, 7, depth.shape)
    np.save(tmp_path / "cell.npy", np.rint(grey).clip(0, 255).astype(np.uint8))
    where = ("--cell", "zn1", "--scale", "micro", "--mode", "operando", "--domain", "cell")
    state = ("--cycle", 3, "--half", "delithiation", "--voxel-size", "0.5 um", "--id", "whole")
    assert cli("catalog", "add", "cell.npy", *where, *state).code == 0
    layers = cli("segment", "run", "whole", "--recipe", "electrode-layers", "--json").data[0]
    assert (layers["id"], layers["trust"]) == ("whole-electrode-layers", "good")
    assert layers["record"]["making"]["inputs"]["depth axis of scan whole"] == "not declared"
    (row,) = cli("compute", "metric", "electrode_thickness", "--where", "scan == 'whole'", "--json").data
    assert row["value"] == pytest.approx(18, abs=0.2)
    within = ("--within", "{scan}-electrode-layers:electrode")
    one = cli("segment", "run", "whole", "--recipe", "micro-cracks", *within, "--json").data[0]
    assert one["record"]["domain"] == "electrode"
    assert "segmentation whole-electrode-layers" in one["record"]["making"]["inputs"]
    (found,) = cli("compute", "metric", "crack_volume_fraction", "--where", "scan == 'whole'", "--json").data
    assert found["value"] == pytest.approx(crack.sum() / inside.sum(), rel=0.08)
    by_itself = cli("segment", "run", "whole", "--recipe", "micro-cracks", "--id", "again", "--json").data[0]
    assert by_itself["within"] == "whole-electrode-layers:electrode"
    assert by_itself["record"]["making"]["digest"] == one["record"]["making"]["digest"]
    bare = ("--within", "none", "--id", "bare", "--json")
    alone = cli("segment", "run", "whole", "--recipe", "micro-cracks", *bare)
    assert alone.data[0]["within"] is None
    assert alone.data[0]["record"]["making"]["digest"] != one["record"]["making"]["digest"]
    picture = ("-o", "p.png", "--json")
    assert (
        cli("segment", "preview", "whole", "--recipe", "electrode-layers", *picture).data["trust"] == "good"
    )
    wrong = cli("segment", "run", "whole", "--recipe", "micro-cracks", "--within", "electrode", "--json")
    assert "electrode:electrode" in wrong.error["fix"]
    np.save(tmp_path / "inner.npy", np.load(tmp_path / "cell.npy")[24:44])
    state = ("--cycle", 4, "--half", "delithiation", "--voxel-size", "0.5 um", "--id", "inner")
    assert cli("catalog", "add", "inner.npy", *where, *state).code == 0
    both = cli("segment", "run", "whole", "inner", "--recipe", "micro-cracks", "--id", "{scan}-x", "--json")
    assert (both.error["code"], both.error["fix"]) == (
        "SIL172",
        "siltomo segment run inner --recipe electrode-layers",
    )
    refused = cli("segment", "run", "inner", "--recipe", "electrode-layers", "--json")
    assert refused.code != 0
    assert "the layers of scan inner cannot be told" in refused.error["message"]


@pytest.mark.slow
def test_cracks_of_a_cell_with_all_in_view_name_the_command_that_finds_the_electrode(
    cli: Cli, series: Any, tmp_path: Path
) -> None:
    """The digital twin: alone the recipe is bad or refuses, and names what to run; with the mask it uses it."""
    size = Preset("crop", 0.5, 32.0, None, 2.0, 100.0, 200.0, 0.05, 5.0, 2.0, 1)
    twin = Twin(31, "reference", size)
    command = "siltomo segment run {} --recipe electrode-layers"
    for number, (half, domain) in enumerate((("lithiation", "electrode"), ("delithiation", "cell"))):
        moment = twin.at("ref-operando", cycle=1, half=half)
        np.save(tmp_path / "t.npy", twin.greys(moment).planes(0, twin.micro(moment).shape[0]))
        where = (
            "--cell",
            "zn1",
            "--scale",
            "micro",
            "--mode",
            "operando",
            "--domain",
            domain,
            "--depth-axis",
            "+z",
        )
        state = ("--cycle", 5 + number, "--half", half, "--voxel-size", "0.5 um", "--id", half)
        assert cli("catalog", "add", "t.npy", *where, *state).code == 0
        alone = cli("segment", "run", half, "--recipe", "micro-cracks", "--id", f"{half}-alone", "--json")
        if alone.code:
            assert command.format(half) in alone.error["message"]
            assert domain == "electrode" or alone.error["fix"] == command.format(half)
        else:
            assert alone.data[0]["trust"] == "bad"
            assert any(w.endswith(command.format(half)) for w in alone.envelope["warnings"])
        assert cli(*command.format(half).split()[1:]).code == 0
        masked = cli("segment", "run", half, "--recipe", "micro-cracks", "--json")
        if masked.code == 0:
            assert masked.data[0]["within"] == f"{half}-electrode-layers:electrode"
            assert masked.data[0]["trust"] != "good"
        else:
            assert "has no cut" in masked.error["message"]


def test_where_no_cut_exists_the_picture_shows_why(
    cli: Cli, series: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """Greys of one class only: the run is refused, and the command it names draws histogram and fit."""
    noise = np.random.default_rng(3).normal(120, 10, (32, 32, 32))
    np.save(tmp_path / "plain.npy", np.rint(noise).astype(np.uint8))
    where = ("--cell", "zn1", "--scale", "micro", "--mode", "operando", "--domain", "electrode")
    state = ("--cycle", 2, "--half", "delithiation", "--voxel-size", "0.5 um", "--id", "plain")
    assert cli("catalog", "add", "plain.npy", *where, *state).code == 0
    recipe = write(
        tmp_path, "recipe: mine\nsteps:\n  - threshold: {cut: valley}\n  - label: {1: crack, 2: solid}\n"
    )
    refused = cli("segment", "run", "plain", "--recipe", recipe, "--json")
    assert (refused.code, refused.error["code"]) == (3, "SIL171")
    assert refused.error["fix"] == f"siltomo segment preview plain --recipe {recipe} -o preview.png"
    shown = cli("segment", "preview", "plain", "--recipe", recipe, "-o", "preview.png", "--json")
    assert (shown.data["trust"], shown.data["shares_of_these_planes"]) == ("bad", {})
    assert "has no cut 'valley'" in shown.envelope["warnings"][0]
    assert (tmp_path / "preview.png").stat().st_size > 10_000
