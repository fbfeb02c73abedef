"""A viewer in the browser: tiles streamed from the catalog to 127.0.0.1, and nowhere else."""

from __future__ import annotations

import io
import json
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from siltomo.engine.figures.tiles import TILE, Tiles
from siltomo.errors import BadInputError, NotFoundError
from siltomo.report.style import phase_colour

__all__ = ["HOST", "make_server", "viewer_info"]

HOST = "127.0.0.1"
"""Only this machine: volumes may be embargoed."""
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


def make_server(tiles: Tiles, *, port: int = 0) -> ThreadingHTTPServer:
    """Return a server for a scan, bound to 127.0.0.1; port 0 takes a free one.

    Raises
    ------
    BadInputError
        When the port is taken.
    """
    page = files("siltomo.report").joinpath("viewer.html").read_text("utf-8").encode()
    info = json.dumps(viewer_info(tiles)).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not _is_ours(self.headers.get("Host", "")):
                # a page of someone else that resolves its name to this machine
                self._send(HTTPStatus.FORBIDDEN, b"", "text/plain")
                return
            url = urlsplit(self.path)
            if url.path == "/":
                self._send(HTTPStatus.OK, page, "text/html; charset=utf-8")
            elif url.path == "/info.json":
                self._send(HTTPStatus.OK, info, "application/json")
            elif found := _TILE_PATH.match(url.path):
                self._tile(found, parse_qs(url.query))
            else:
                self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")

        def _tile(self, found: re.Match[str], query: dict[str, list[str]]) -> None:
            place = (
                int(found["level"]),
                found["axes"],
                int(found["index"]),
                int(found["row"]),
                int(found["column"]),
            )
            try:
                if found["what"] == "marks":
                    made = _png(_painted(tiles, tiles.marks(*place)))
                else:
                    low, high = float(query["low"][0]), float(query["high"][0])
                    made = _png(_windowed(tiles.grey(*place), low, high))
            except (NotFoundError, KeyError, ValueError):
                self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
                return
            self._send(HTTPStatus.OK, made, "image/png", cache="max-age=3600")

        def _send(self, status: HTTPStatus, body: bytes, kind: str, *, cache: str = "no-store") -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Cache-Control", cache),
                ("Content-Security-Policy", _POLICY),
                ("X-Content-Type-Options", "nosniff"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as http.server spells it
            """Say nothing: a line for each tile would bury the address."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise BadInputError(
            f"port {port} cannot be used: {error.strerror or error}", fix=f"siltomo view {tiles.scan.id}"
        ) from error


def _is_ours(host: str) -> bool:
    return host.rsplit(":", 1)[0] in (HOST, "localhost")


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
