"""A scan for neuroglancer: the catalog's OME-Zarr over HTTP on this machine, and the link that opens it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from siltomo.catalog.served import VolumeFiles
from siltomo.errors import NotFoundError, SiltomoError
from siltomo.report.serving import HOST, Answer, LocalServer, Request, start_server

if TYPE_CHECKING:
    from siltomo.model import Scan, Segmentation

__all__ = ["PAGE", "ZarrSite", "make_zarr_server", "neuroglancer_link"]

PAGE = "https://neuroglancer-demo.appspot.com"
"""Where neuroglancer's own page is; it runs in the browser, and reads the voxels from this machine."""
_OURS = re.compile(r"http://(127\.0\.0\.1|localhost)(:\d{1,5})?")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ZarrSite:
    """The files of volumes, each below its name; whole or in part, for neuroglancer's page and local ones.

    Parameters
    ----------
    volumes
        The files of each volume, by the name that its address begins with.
    """

    def __init__(self, volumes: Mapping[str, VolumeFiles]) -> None:
        self._volumes = dict(volumes)

    def answer(self, request: Request) -> Answer:
        """Answer with a file or a part of it; pages of others may not read it."""
        allowed = _allowed(request.headers.get("origin", ""))
        if request.method == "OPTIONS":
            return Answer(HTTPStatus.NO_CONTENT, headers=allowed)
        volume, _, name = unquote(urlsplit(request.target).path).lstrip("/").partition("/")
        try:
            files = self._volumes.get(volume)
            if files is None:
                return Answer(HTTPStatus.NOT_FOUND, headers=allowed)
            return self._file(files, name, request.headers.get("range", ""), allowed)
        except NotFoundError:
            return Answer(HTTPStatus.NOT_FOUND, headers=allowed)
        except SiltomoError as error:
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), headers=allowed)

    @staticmethod
    def _file(files: VolumeFiles, name: str, asked: str, allowed: Mapping[str, str]) -> Answer:
        size = files.size(name)
        headers = {**allowed, "Accept-Ranges": "bytes"}
        kind = "application/json" if name.endswith(".json") else "application/octet-stream"
        span = _span(asked, size)
        if span is None:
            return Answer(HTTPStatus.OK, files.read(name), kind, headers)
        start, stop = span
        if start >= stop:
            headers["Content-Range"] = f"bytes */{size}"
            return Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return Answer(HTTPStatus.PARTIAL_CONTENT, files.read(name, start, stop), kind, headers)


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one behind the last of a range; None where all is asked for, or several."""
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found[0] == "bytes=-":
        return None
    if not found[1]:  # so many from the end
        return max(0, size - int(found[2])), size
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size


def _allowed(origin: str) -> dict[str, str]:
    """Return what lets a page read the answer: neuroglancer's, or one of this machine."""
    if origin != PAGE and _OURS.fullmatch(origin) is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
        "Access-Control-Allow-Headers": "Range",
        "Access-Control-Allow-Private-Network": "true",
        "Access-Control-Expose-Headers": "Content-Range, Content-Length",
        "Vary": "Origin",
    }


def make_zarr_server(volumes: Mapping[str, VolumeFiles], *, scan: str, port: int = 0) -> LocalServer:
    """Return a server of the volumes of a scan, bound to 127.0.0.1; port 0 takes a free one.

    Raises
    ------
    BadInputError
        When the port is taken.
    """
    return start_server(ZarrSite(volumes), port=port, fix=f"siltomo view {scan} --in neuroglancer")


def neuroglancer_link(scan: Scan, labels: Segmentation | None, *, port: int) -> str:
    """Return the link that shows a scan, and its labels over it, from a server on this machine."""
    metres = dict(zip("zyx", (1e-6 * edge for edge in scan.voxel_size.um), strict=True))
    layers: list[dict[str, Any]] = [{"type": "image", "name": scan.id, "source": _source("image", port)}]
    if labels is not None:
        layers.append({"type": "segmentation", "name": labels.id, "source": _source("labels", port)})
    state = {
        "dimensions": {axis: [metres[axis], "m"] for axis in "xyz"},
        "layers": layers,
        "selectedLayer": {"layer": scan.id, "visible": True},
        "layout": "4panel",
    }
    return f"{PAGE}/#!{quote(json.dumps(state, separators=(',', ':')))}"


def _source(name: str, port: int) -> str:
    return f"zarr3://http://{HOST}:{port}/{name}/"
