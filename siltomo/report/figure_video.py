"""Films of operando series: planes with phases and the state stamped on, as GIF or MP4."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siltomo.engine.figures.slices import PlaneImage
from siltomo.engine.figures.tables import Said, plain_rows
from siltomo.errors import Amend, MissingPartError, StorageError
from siltomo.report.figure_slices import bar_length, draw_plane, scale_bar
from siltomo.report.style import siltomo_style

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VIDEOS", "check_video", "ffmpeg_program", "frame", "save_video", "stamp"]

VIDEOS = (".gif", ".mp4")
_WIDTH_INCH, _DPI = 4.0, 160


def check_video(path: Path) -> None:
    """Refuse a film that cannot be written, before anything is read.

    Raises
    ------
    BadInputError
        When the suffix is not known.
    MissingPartError
        When MP4 is asked for and ffmpeg is not installed.
    """
    from siltomo.engine.export.results import check_output

    check_output(path, VIDEOS)
    if path.suffix.lower() == ".mp4" and ffmpeg_program() is None:
        raise MissingPartError(
            "MP4 needs the program ffmpeg: on the PATH, or pip install 'siltomo[video]'",
            fix=Amend({"-o": f"{path.stem}.gif"}, drop=("--output",)),
        )


def ffmpeg_program() -> str | None:
    """Return the ffmpeg that writes MP4: the one on the PATH, else the one that imageio-ffmpeg brings along."""
    found = shutil.which("ffmpeg")
    if found is None and find_spec("imageio_ffmpeg") is not None:
        from imageio_ffmpeg import get_ffmpeg_exe

        try:
            found = str(get_ffmpeg_exe())
        except RuntimeError:  # a package without a program for this machine
            return None
    return found


def stamp(row: Mapping[str, Any], first: datetime | None) -> str:
    """Return what is written on a frame: state, capacity, voltage and time, as far as they are known."""
    said = ["pristine" if row["cycle"] == 0 else f"cycle {row['cycle']}, {row['half']}"]
    if row["capacity"] is not None:
        said.append(f"{row['capacity']:.0f} mAh/g$_{{Si}}$")
    if row["voltage"] is not None:
        said.append(f"{row['voltage']:.3f} V")
    if row["start"] is not None and first is not None:
        hours = (datetime.fromisoformat(row["start"]) - first).total_seconds() / 3600
        said.append(f"{hours:.1f} h")
    return "   ".join(said)


def frame(row: Mapping[str, Any], image: PlaneImage, size_um: tuple[float, float], words: str) -> bytes:
    """Draw one frame as PNG: all frames of a film have one size and one scale."""
    from matplotlib.figure import Figure

    high, wide = size_um
    made = io.BytesIO()
    with siltomo_style():
        figure = Figure(figsize=(_WIDTH_INCH, _WIDTH_INCH * high / wide + 0.3), facecolor="black")
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1 - 0.3 / figure.get_figheight()))
        axes.set_axis_off()
        draw_plane(axes, image, window=(float(row["grey_low"]), float(row["grey_high"])))
        scale_bar(axes, image, bar_length(wide))
        axes.set_xlim(0, wide)
        axes.set_ylim(0, high)
        figure.text(0.02, 1 - 0.15 / figure.get_figheight(), words, color="white", va="center", fontsize=8)
        figure.savefig(made, format="png", dpi=_DPI, metadata={"Software": "siltomo"})
    return made.getvalue()


def save_video(
    table: pd.DataFrame,
    images: Sequence[PlaneImage],
    path: Path,
    *,
    seconds: float = 0.6,
    progress: Said | None = None,
) -> None:
    """Write a film.

    Parameters
    ----------
    table, images
        As :func:`siltomo.engine.figures.video.video_table` gives.
    seconds
        How long a frame stays.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    check_video(path)
    rows = plain_rows(table)
    size = max(i.size_um[0] for i in images), max(i.size_um[1] for i in images)
    starts = [datetime.fromisoformat(row["start"]) for row in rows if row["start"] is not None]
    first = starts[0] if len(starts) == len(rows) else None
    tell = progress or _silent
    frames = []
    for n, (row, image) in enumerate(zip(rows, images, strict=True)):
        tell("drawing frames", n, len(rows))
        frames.append(frame(row, image, size, stamp(row, first)))
    tell(f"encoding {path.name}", 0, 1)
    try:
        (_gif if path.suffix.lower() == ".gif" else _mp4)(frames, path, seconds)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _silent(words: str, done: int, total: int) -> None:
    """Say nothing."""


def _gif(frames: Sequence[bytes], path: Path, seconds: float) -> None:
    from PIL import Image

    pictures = [Image.open(io.BytesIO(one)).convert("RGB").quantize(128) for one in frames]
    shown = round(seconds * 1000)
    pictures[0].save(path, "gif", save_all=True, append_images=pictures[1:], duration=shown, loop=0)


def _mp4(frames: Sequence[bytes], path: Path, seconds: float) -> None:
    program = ffmpeg_program()
    assert program is not None  # check_video looked for it
    command = [
        program,
        "-loglevel",
        "error",
        "-y",
        "-f",
        "image2pipe",
        "-framerate",
        f"{1 / seconds:g}",
        "-i",
        "-",
    ]
    # what players and slides open everywhere: H.264 with 4:2:0 colours, even sides, the index in front
    command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    command += ["-r", "25", "-movflags", "+faststart", str(path)]
    done = subprocess.run(command, input=b"".join(frames), capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise StorageError(f"ffmpeg failed: {said[-1] if said else done.returncode}", where=str(path))
