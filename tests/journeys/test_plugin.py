"""The example plug-in in an environment of its own, and a broken one beside it."""

from __future__ import annotations

import json
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BROKEN = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"
[project]
name = "broken-metrics"
version = "1.0"
[project.entry-points."siltomo.metrics"]
broken = "broken_metrics"
[tool.hatch.build.targets.wheel]
only-include = ["broken_metrics.py"]
""",
    "broken_metrics.py": "import a_module_that_nobody_has\n",
}


@pytest.fixture(scope="module")
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that sees siltomo as it is here, with the example plug-in and a broken one installed."""
    folder = tmp_path_factory.mktemp("plugin")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    (packages,) = (folder / "env").rglob("site-packages")
    (packages / "siltomo-and-what-it-needs.pth").write_text(
        "\n".join([str(ROOT), *site.getsitepackages()]), "utf-8"
    )
    shutil.copytree(ROOT / "docs" / "plugin-example", folder / "mylab")
    (folder / "broken").mkdir()
    for name, text in BROKEN.items():
        (folder / "broken" / name).write_text(text, "utf-8")
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", folder / "mylab", folder / "broken"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the plug-ins cannot be built here: {done.stderr[-300:]}")
    return python


def siltomo(python: Path, *words: str) -> Any:
    done = subprocess.run(
        [python, "-m", "siltomo.cli.main", *words, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 4, 5), done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_plug_in_is_listed_shown_and_checked(own_environment: Path) -> None:
    listed = siltomo(own_environment, "metrics", "list")
    packages = {row["name"]: row["package"] for row in listed["data"]}
    for name in ("solid_contact_fraction", "crack_isolated_fraction", "crack_change"):
        assert packages[name] == "mylab_metrics"
    shown = siltomo(own_environment, "metrics", "show", "crack_change")["data"]
    assert [i["takes"] for i in shown["inputs"]] == [
        "crack_volume_fraction (micro)",
        "crack_volume_fraction (micro, cycle 0)",
    ]
    checks = siltomo(own_environment, "metrics", "check")["data"]
    own = [c for c in checks if c["metric"] in ("solid_contact_fraction", "{phase}_isolated_fraction")]
    assert len(own) == 2
    assert all(c["ok"] for c in own)


@pytest.mark.slow
def test_a_broken_plug_in_is_one_line_and_an_error_when_asked_for(own_environment: Path) -> None:
    listed = siltomo(own_environment, "metrics", "list")
    (line,) = listed["warnings"]
    assert "plug-in broken could not be loaded: ModuleNotFoundError" in line
    answer = siltomo(own_environment, "metrics", "show", "tortuosity_of_broken")
    assert not answer["ok"]
    assert "plug-in broken is broken (ModuleNotFoundError" in answer["error"]["message"]
