"""Channels in the pages of TIFF files: OME-TIFF as ilastik writes it, ImageJ hyperstacks, plain pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError, MismatchError
from siltomo.importers import tiff
from siltomo.importers.border import DAMAGED, border, plain_text
from siltomo.importers.calibration import ome_pixels
from siltomo.importers.channels_base import WHOLE, Channels, Shape, Window, agreed_axes, numbered
from siltomo.importers.tiff_pages import Header, Page, read_header, read_pages

__all__ = ["files_of_planes", "tiff_channels"]


def tiff_channels(path: Path, shape: Shape, axes: str | None) -> Channels:
    """Describe the channels of one TIFF, by its OME, ImageJ or tifffile header, or as declared."""
    header = read_header(path)
    order, channels, depth = _stacking(header, path, shape, axes)
    pages = tiff.volume_pages(header, channels * depth, path)
    if len(pages) != channels * depth:
        raise FormatError(
            f"its header declares {channels} channels of {depth} planes, the file holds {len(pages)} pages",
            where=str(path),
            fix=DAMAGED,
        )
    by_plane = order == "zcyx"
    names = _labels(header, pages[:channels] if by_plane else pages[::depth])

    def read(start: int, stop: int, window: Window = WHOLE) -> NDArray[Any]:
        return _read_pages(path, pages, channels, start, stop, by_plane=by_plane)[:, :, *window]

    return Channels("TIFF with channels", (depth, *pages[0].shape), names, pages[0].dtype, read, (path,))


def _stacking(header: Header, path: Path, shape: Shape, axes: str | None) -> tuple[str, int, int]:
    """Return the order of the pages, and how many channels and planes there are."""
    said, sizes = _declared(header, path)
    if said is None:
        said = "".join(agreed_axes(None, axes, str(path)))
        count = max(len(header.pages), int((header.imagej or {}).get("images", 0)))
        channels, rest = divmod(count, shape[0])
        if rest or said not in ("czyx", "zcyx"):
            raise FormatError(
                f"has {count} pages, which with the axes {said} are no channels of {shape[0]} planes",
                where=str(path),
                fix=Amend(advice="the pages of a TIFF are ordered as zcyx or czyx"),
            )
        return said, channels, shape[0]
    agreed_axes(said, axes and axes.replace("t", ""), str(path))
    if sizes["t"] > 1:
        raise FormatError(f"holds {sizes['t']} time points", where=str(path))
    return said, sizes["c"], sizes["z"]


def _declared(header: Header, path: Path) -> tuple[str | None, dict[str, int]]:
    """Return the order of the pages that the header declares, and its sizes; None where it is silent."""
    with border(path, "its TIFF description"):
        pixels = ome_pixels(header.description)
        if pixels is not None:  # the first letters vary fastest: XYCZT
            sizes = {key: int(pixels.get(f"Size{key.upper()}", "1")) for key in "czt"}
            fast = str(pixels.get("DimensionOrder", "XYCZT"))
            return ("zcyx" if fast.index("C") < fast.index("Z") else "czyx"), sizes
        if header.imagej is not None:
            names = {"c": "channels", "z": "slices", "t": "frames"}
            sizes = {key: int(header.imagej.get(name, 1)) for key, name in names.items()}
            # a stack without channels says nothing of what its pages are
            return ("zcyx" if sizes["c"] > 1 else None), sizes
        for entry in header.shaped[:1]:
            keys, lengths = str(entry.get("axes", "")).lower(), [int(n) for n in entry["shape"]]
            if sorted(keys.replace("t", "")) == sorted("czyx") and keys.endswith("yx"):
                sizes = {"t": 1, **dict(zip(keys, lengths, strict=True))}
                return keys.replace("t", ""), sizes
    return None, {}


def _labels(header: Header, pages: Sequence[Page]) -> tuple[str, ...]:
    """Return the names of channels from ImageJ's slice labels, where they tell them apart."""
    given = (header.imagej or {}).get("Labels") or ()
    names = [plain_text(str(given[p.number]).partition("\n")[0], 60) for p in pages if p.number < len(given)]
    return tuple(names) if len(set(names)) == len(pages) and all(names) else numbered(len(pages))


def _read_pages(
    path: Path,
    pages: Sequence[Page],
    channels: int,
    start: int,
    stop: int,
    *,
    by_plane: bool,
) -> NDArray[Any]:
    depth = len(pages) // channels
    wanted = (
        pages[start * channels : stop * channels]
        if by_plane
        else [pages[c * depth + z] for c in range(channels) for z in range(start, stop)]
    )
    out = np.empty((len(wanted), *pages[0].shape), pages[0].dtype)
    read_pages(path, wanted, out)
    size = out.shape[1:]
    if by_plane:
        turned = np.moveaxis(out.reshape(stop - start, channels, *size), 1, 0)
    else:
        turned = out.reshape(channels, stop - start, *size)
    return turned


def files_of_planes(files: Sequence[Path]) -> Channels:
    """Describe one multi-page TIFF for each plane, as Fiji's Trainable Weka Segmentation saves feature stacks."""
    headers = [read_header(file) for file in files]
    every = [tiff.volume_pages(header, None, file) for header, file in zip(headers, files, strict=True)]
    first = every[0]
    names = _labels(headers[0], first)
    for file, header, pages in zip(files, headers, every, strict=True):
        alike = (len(pages), pages[0].shape, pages[0].dtype) == (len(first), first[0].shape, first[0].dtype)
        if not alike or _labels(header, pages) != names:
            raise MismatchError(
                f"its {len(pages)} channels are not those of {files[0].name}, {len(first)} of {first[0].shape}",
                where=str(file),
            )

    def read(start: int, stop: int, window: Window = WHOLE) -> NDArray[Any]:
        planes = [
            _read_pages(file, pages, len(pages), 0, 1, by_plane=True)[:, :, *window]
            for file, pages in zip(files[start:stop], every[start:stop], strict=True)
        ]
        return np.concatenate(planes, axis=1)

    shape = (len(files), *first[0].shape)
    return Channels("a TIFF for each plane", shape, names, first[0].dtype, read, tuple(files))
