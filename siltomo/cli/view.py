"""Look at a scan: in the browser, or handed over to another program."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siltomo.cli.command import command, stages, the_catalog
from siltomo.cli.reply import Reply

if TYPE_CHECKING:
    from siltomo.engine.catalog import Catalog
    from siltomo.report.serving import LocalServer

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

    Browser and neuroglancer are served on 127.0.0.1 only, until Ctrl-C. For napari and Fiji, the command or file
    that opens the scan.
    """
    catalog = the_catalog()
    if program is Program.BROWSER:
        return _browser(catalog, scan, segmentation, port, open_=open_)
    if program is Program.NEUROGLANCER:
        return _neuroglancer(catalog, scan, segmentation, port, open_=open_)
    return _hand_over(catalog, scan, program)


def _browser(catalog: Catalog, scan: str, segmentation: str | None, port: int, *, open_: bool) -> Reply:
    from siltomo.engine.figures.tiles import Tiles
    from siltomo.report.viewer import make_server

    with stages() as (_, tell):
        if tell is not None:
            tell(f"reading the greys of {scan}", 0, 1)
        server = make_server(Tiles(catalog, scan, segmentation=segmentation), port=port)
    address = f"http://{server.server_address[0]!s}:{server.server_port}/"
    return _serve(server, scan, address, open_=open_)


def _neuroglancer(catalog: Catalog, scan: str, segmentation: str | None, port: int, *, open_: bool) -> Reply:
    from siltomo.engine.figures.tiles import seen_volumes
    from siltomo.report.neuroglancer import make_zarr_server, neuroglancer_link

    found, labels, volumes = seen_volumes(catalog, scan, segmentation=segmentation)
    server = make_zarr_server(volumes, scan=scan, port=port)
    return _serve(server, scan, neuroglancer_link(found, labels, port=server.server_port), open_=open_)


def _serve(server: LocalServer, scan: str, address: str, *, open_: bool) -> Reply:
    """Serve until Ctrl-C; where to look is told at once, since the command ends only when it is stopped."""
    import webbrowser

    host, port = server.server_address[0], server.server_port
    print(f"{scan} at {address}  (Ctrl-C stops)", file=sys.stderr)
    from_afar = f"ssh -L {port}:{host!s}:{port} THIS_HOST"
    print(f"from another machine: {from_afar}, then the same address", file=sys.stderr, flush=True)
    if open_ and sys.stderr.isatty():
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return Reply({"scan": scan, "address": address}, f"stopped serving {scan}")


def _hand_over(catalog: Catalog, scan: str, program: Program) -> Reply:
    from siltomo.engine.figures.tiles import volume_on_disk

    image = volume_on_disk(catalog, scan, program.value)
    data: dict[str, object] = {"scan": scan, "program": program.value, "volume": str(image)}
    if program is Program.NAPARI:
        words = f"napari --plugin napari-ome-zarr {shlex.quote(str(image))}"
    else:
        path = Path(f"open_{scan}.ijm")
        path.write_text(fiji_macro(scan, image), "utf-8")
        data["file"] = str(path)
        words = (
            f"wrote {path}: open it in Fiji with Plugins > Macros > Run (needs n5-ij that reads OME-Zarr 0.5)"
        )
    data["command"] = words
    return Reply(data, words)


def fiji_macro(scan: str, image: Path) -> str:
    """Return a macro that opens the full resolution of a scan in Fiji, as a virtual stack.

    The blank at the end of the command's name is part of it: without it, it is n5-ij's command that saves. A volume
    that was registered by reference may be Zarr 2, and name its resolutions in its own way.
    """
    from siltomo.engine.figures.tiles import first_array, zarr_scheme

    url = f"{zarr_scheme(image)}://{image.resolve().as_uri()}?{first_array(image)}"
    return f'// {scan}\nrun("HDF5/N5/Zarr/OME-NGFF ... ", "url=[{url}] virtual");\n'
