"""Films: as many frames as states, each as long as asked for, in forms that play everywhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from siltomo.engine.figures.slices import PlaneImage
from siltomo.errors import MissingPartError
from siltomo.report import figure_video
from siltomo.report.figure_video import check_video, ffmpeg_program, save_video, stamp


@pytest.fixture
def states() -> tuple[pd.DataFrame, list[PlaneImage]]:
    """Three states whose planes grow brighter."""
    rows = [
        {
            "cycle": 1,
            "half": "delithiation",
            "capacity": 500.0 * n,
            "voltage": 0.1 * n,
            "start": f"2024-05-01T1{n}:30:00+02:00",
            "grey_low": 0.0,
            "grey_high": 255.0,
        }
        for n in range(3)
    ]
    made = [
        PlaneImage(np.full((25, 41), 60 * (n + 1), np.uint8), {}, (1.0, 1.0), 0.0, 0, "") for n in range(3)
    ]
    return pd.DataFrame(rows), made


def test_a_gif_has_a_frame_for_each_state(states, tmp_path):
    told: list[tuple[str, int, int]] = []
    save_video(*states, tmp_path / "film.gif", seconds=0.2, progress=lambda *said: told.append(said))
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 3
        assert film.info["duration"] == 200
        greys = []
        for n in range(3):
            film.seek(n)
            middle = np.asarray(film.convert("L"))
            greys.append(int(np.median(middle[middle.shape[0] // 2])))
    assert greys == pytest.approx([60, 120, 180], abs=8)
    assert [words for words, _, _ in told] == ["drawing frames"] * 3 + ["encoding film.gif"]


def test_the_stamp_says_what_is_known(states):
    row = states[0].to_dict("records")[2]
    first = figure_video.datetime.fromisoformat(states[0]["start"][0])
    assert stamp(row, first) == "cycle 1, delithiation   1000 mAh/g$_{Si}$   0.200 V   2.0 h"
    assert stamp({**row, "voltage": None, "capacity": None}, None) == "cycle 1, delithiation"


def test_an_mp4_plays_everywhere_and_lasts_as_long_as_its_frames(states, tmp_path):
    program = ffmpeg_program()
    if program is None:
        pytest.skip("no ffmpeg on the PATH, and imageio-ffmpeg is not installed")
    path = tmp_path / "film.mp4"
    save_video(*states, path, seconds=0.6)
    done = subprocess.run([program, "-i", str(path), "-f", "null", "-"], capture_output=True, check=True)
    said = done.stderr.decode()
    found = re.search(r"Video: h264 .*?yuv420p.*? (\d+)x(\d+)", said)
    assert found, said
    assert [int(side) % 2 for side in found.groups()] == [0, 0]
    assert "Duration: 00:00:01.8" in said
    assert int(re.findall(r"frame=\s*(\d+)", said)[-1]) == round(3 * 0.6 * 25)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # the index in front: it plays while it loads


def test_without_ffmpeg_mp4_is_refused_with_what_works(monkeypatch, tmp_path):
    monkeypatch.setattr(figure_video, "ffmpeg_program", lambda: None)
    with pytest.raises(MissingPartError, match=r"siltomo\[video\]"):
        check_video(tmp_path / "film.mp4")
    check_video(Path(tmp_path / "film.gif"))
