"""Look at a scan: in the browser, or handed over to another program."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siltomo.cli.command import command, the_catalog
from siltomo.cli.reply import Reply

if TYPE_CHECKING:
    from siltomo.engine.catalog import Catalog

__all__ = ["register"]


class Program(StrEnum):
    """What shows the scan."""

    BROWSER = "browser"
    NAPARI = "napari"
    NEUROGLANCER = "neuroglancer"
    FIJI = "fiji"


ScanArgument = Annotated[str, typer.Argument(help="Id of the scan.", show_default=False)]
In = Annotated[Program, typer.Option("--in", help="What shows it.")]
Labels = Annotated[
    str | None,
    typer.Option("--segmentation", help="Whose phases lie over it; the scan's first.", show_default=False),
]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0 takes a free one.")
]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "view")(view)


def view(
    scan: ScanArgument,
    program: In = Program.BROWSER,
    segmentation: Labels = None,
    port: Port = 0,
    open_: Open = True,
) -> Reply:
    """Look at a scan of any size: planes, phases, grey window, streamed from the catalog's own pyramid.

    The browser is served on 127.0.0.1 only, until Ctrl-C. For other programs, the command or file that opens it.
    """
    catalog = the_catalog()
    if program is Program.BROWSER:
        return _serve(catalog, scan, segmentation, port, open_=open_)
    return _hand_over(catalog, scan, program)


def _serve(catalog: Catalog, scan: str, segmentation: str | None, port: int, *, open_: bool) -> Reply:
    import webbrowser

    from siltomo.engine.figures.tiles import Tiles
    from siltomo.report.viewer import HOST, make_server

    server = make_server(Tiles(catalog, scan, segmentation=segmentation), port=port)
    taken = server.server_address[1]
    address = f"http://{HOST}:{taken}/"
    # told at once, on stderr: the command ends only when it is stopped
    print(f"{scan} at {address}  (Ctrl-C stops)", file=sys.stderr)
    print(
        f"from another machine: ssh -L {taken}:{HOST}:{taken} THIS_HOST, then {address}",
        file=sys.stderr,
        flush=True,
    )
    if open_ and sys.stderr.isatty():
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return Reply({"scan": scan, "address": address}, f"stopped {address}")


def _hand_over(catalog: Catalog, scan: str, program: Program) -> Reply:
    from siltomo.model import Scan

    image = catalog.store.bag(catalog.stored(Scan, scan)) / "image.ome.zarr"
    data: dict[str, object] = {"scan": scan, "program": program.value, "volume": str(image)}
    if program is Program.NAPARI:
        words = f"napari --plugin napari-ome-zarr {shlex.quote(str(image))}"
    elif program is Program.FIJI:
        words = _macro(scan, image)
        data["file"] = words
        words = f"wrote {words}: open it in Fiji with Plugins > Macros > Run (needs n5-ij with OME-Zarr 0.5)"
    else:
        folder = shlex.quote(str(image.parent))
        words = (
            f"npx http-server {folder} -a 127.0.0.1 -p 9000 --cors\n"
            "then in https://neuroglancer-demo.appspot.com add the source  "
            "zarr3://http://127.0.0.1:9000/image.ome.zarr"
        )
    data["command"] = words
    return Reply(data, words)


def _macro(scan: str, image: Path) -> str:
    path = Path(f"open_{scan}.ijm")
    quoted = str(image).replace("\\", "/").replace('"', '\\"')
    path.write_text(f'// {scan}\nrun("HDF5/N5/Zarr/OME-NGFF ...", "url=[{quoted}]");\n', "utf-8")
    return str(path)
