"""A viewer in the browser: tiles streamed from the catalog to 127.0.0.1, and nowhere else."""

from __future__ import annotations

import io
import json
import re
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from siltomo.engine.figures.tiles import TILE, Tiles
from siltomo.errors import NotFoundError, SiltomoError
from siltomo.report.serving import Answer, LocalServer, Request, start_server
from siltomo.report.style import phase_colour

__all__ = ["TileSite", "make_server", "viewer_info"]

_TILE_PATH = re.compile(
    r"^/(?P<what>grey|marks)/(?P<level>\d{1,2})/(?P<axes>xy|xz|yz)/(?P<index>\d{1,7})"
    r"/(?P<row>\d{1,5})/(?P<column>\d{1,5})\.png$"
)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' data:",
        "style-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
        "connect-src 'self'",
    )
)


def viewer_info(tiles: Tiles) -> dict[str, Any]:
    """Return what the page needs to know of a scan."""
    counts, edges = tiles.histogram()
    total = np.cumsum(counts) / max(int(counts.sum()), 1)
    low = edges[int(np.searchsorted(total, 0.005))]
    high = edges[min(int(np.searchsorted(total, 0.995)) + 1, len(edges) - 1)]
    return {
        "scan": tiles.scan.id,
        "cell": tiles.scan.cell,
        "tile": TILE,
        "levels": [{"shape": list(one.shape), "edges": list(one.edges_um)} for one in tiles.levels],
        "phases": [{"name": name, "colour": phase_colour(name)} for name in tiles.phases],
        "segmentation": tiles.labels.id if tiles.labels else "",
        "counts": [int(n) for n in counts],
        "edges": [float(edge) for edge in edges],
        "window": [float(low), float(high if high > low else low + 1)],
        "turned": (tiles.scan.depth_axis or "").startswith("-"),
    }


def make_server(tiles: Tiles, *, port: int = 0) -> LocalServer:
    """Return a server for a scan, bound to 127.0.0.1; port 0 takes a free one.

    Raises
    ------
    BadInputError
        When the port is taken.
    """
    return start_server(TileSite(tiles), port=port, fix=f"siltomo view {tiles.scan.id}")


class TileSite:
    """The viewer's page, what it must know of the scan, and the tiles that it asks for."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self._page = files("siltomo.report").joinpath("viewer.html").read_text("utf-8").encode()
        self._info = json.dumps(viewer_info(tiles)).encode()

    def answer(self, request: Request) -> Answer:
        """Answer with the page, the facts, or a tile; all else is not found."""
        url = urlsplit(request.target)
        if url.path == "/":
            return _answer(self._page, "text/html; charset=utf-8")
        if url.path == "/info.json":
            return _answer(self._info, "application/json")
        if found := _TILE_PATH.match(url.path):
            return self._tile(found, parse_qs(url.query))
        return Answer(HTTPStatus.NOT_FOUND)

    def _tile(self, found: re.Match[str], query: dict[str, list[str]]) -> Answer:
        level, index, row, column = (int(found[name]) for name in ("level", "index", "row", "column"))
        place = (level, found["axes"], index, row, column)
        try:
            if found["what"] == "marks":
                made = _png(_painted(self._tiles, self._tiles.marks(*place)))
            else:
                low, high = float(query["low"][0]), float(query["high"][0])
                made = _png(_windowed(self._tiles.grey(*place), low, high))
        except NotFoundError:
            return Answer(HTTPStatus.NOT_FOUND)
        except (
            SiltomoError
        ) as error:  # a damaged file, a bucket that does not answer: no tile that looks empty
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode())
        except (KeyError, ValueError):  # no grey window, or none that is two numbers
            return Answer(HTTPStatus.NOT_FOUND)
        return _answer(made, "image/png", cache="max-age=3600")


def _answer(body: bytes, kind: str, *, cache: str = "no-store") -> Answer:
    return Answer(HTTPStatus.OK, body, kind, {"Cache-Control": cache, "Content-Security-Policy": _POLICY})


def _windowed(grey: Any, low: float, high: float) -> Any:
    span = max(high - low, 1e-12)
    return np.nan_to_num(np.clip((grey.astype(np.float32) - low) * (255 / span), 0, 255)).astype(np.uint8)


def _painted(tiles: Tiles, marks: Any) -> Any:
    """Colour phases; their number stands in the alpha, 255 minus n, so that the page can leave some out."""
    from matplotlib.colors import to_rgb

    table = np.zeros((len(tiles.phases) + 1, 4), np.uint8)
    for n, name in enumerate(tiles.phases, 1):
        table[n] = [*(round(255 * part) for part in to_rgb(phase_colour(name))), 255 - n]
    return table[marks]


def _png(pixels: Any) -> bytes:
    from PIL import Image

    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "png", compress_level=1)
    return made.getvalue()
