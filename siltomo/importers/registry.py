"""Which importer reads what: by content, not by the ending of a name."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from siltomo.errors import Amend, FormatError, NotFoundError
from siltomo.importers import (
    avizo,
    dmp,
    edf,
    hdf5,
    metaimage,
    npy,
    nrrd,
    ome_zarr,
    pyhst,
    tiff,
    tiff_stack,
    tomcat,
)
from siltomo.importers.base import ImportedVolume, Source, VolumeImporter
from siltomo.importers.border import border, plain_text
from siltomo.importers.slices import natural_key

__all__ = ["FORMATS", "Format", "open_volume"]


@dataclass(frozen=True)
class Format:
    """One row of the table: a format, how to recognise it, what reads it."""

    name: str
    recognises: Callable[[Path], bool]
    importer: VolumeImporter


FORMATS = (
    Format("OME-Zarr 0.4 and 0.5", ome_zarr.recognises, ome_zarr.import_ome_zarr),
    Format("a TOMCAT folder (TIFF or .DMP slices with their log)", tomcat.recognises, tomcat.import_tomcat),
    Format("a folder of TIFF slices", tiff_stack.recognises, tiff_stack.import_tiff_stack),
    Format("TIFF (multi-page, ImageJ, BigTIFF, OME-TIFF)", tiff.recognises, tiff.import_tiff),
    Format("HDF5", hdf5.recognises, hdf5.import_hdf5),
    Format("NumPy .npy", npy.recognises, npy.import_npy),
    Format("MetaImage (.mhd, .mha)", metaimage.recognises, metaimage.import_metaimage),
    Format("NRRD", nrrd.recognises, nrrd.import_nrrd),
    Format("Avizo or Amira lattice (.am)", avizo.recognises, avizo.import_avizo),
    Format("PyHST2 .vol with .vol.info or .xml", pyhst.recognises, pyhst.import_pyhst),
    Format(".DMP slices", dmp.recognises, dmp.import_dmp),
    Format("EDF slices or frames", edf.recognises, edf.import_edf),
)

ADVICE_TIFF = "in Fiji: File > Save As > Tiff"
NOT_YET = {
    ".txm": ("Zeiss reconstruction", "in the Zeiss software: export as TIFF; or convert it with txrm2tiff"),
    ".txrm": ("Zeiss projections", "reconstruct it first, then export as TIFF"),
    ".vol": ("PyHST volume without its description", "copy its .vol.info or .xml beside it"),
    ".raw": ("raw file, of which nothing says shape and type", "write a .mhd header beside it and give that"),
    ".nii": ("NIfTI", ADVICE_TIFF),
    ".dcm": ("DICOM", ADVICE_TIFF),
    ".czi": ("Zeiss CZI", ADVICE_TIFF),
    ".mat": ("MATLAB file before version 7.3", "in MATLAB: save(..., '-v7.3'), which is HDF5"),
    ".npz": ("NumPy archive", "save the array alone, with numpy.save"),
    ".zip": ("zip archive", "unpack it and give what is inside"),
    ".gz": ("gzip file", "unpack it and give what is inside"),
    ".tar": ("tar archive", "unpack it and give what is inside"),
    ".png": ("PNG image", "save the slices as TIFF"),
    ".jpg": ("JPEG image", "export the slices again as TIFF: JPEG has changed the greys"),
    ".jpeg": ("JPEG image", "export the slices again as TIFF: JPEG has changed the greys"),
    ".bmp": ("BMP image", "save the slices as TIFF"),
    ".dm3": ("Gatan file", ADVICE_TIFF),
    ".ilp": ("ilastik project", "export the result from ilastik as HDF5 and give that"),
}

HEADERS = (".mhd", ".nhdr")


def open_volume(source: Source, /) -> ImportedVolume:
    """Describe a volume with the importer that recognises its file or folder.

    Parameters
    ----------
    source
        The file or folder, and the part of it that is meant.

    Returns
    -------
    ImportedVolume
        No voxel of it has been read.

    Raises
    ------
    NotFoundError
        When there is no such file or folder; the nearest names are given.
    FormatError
        When no importer recognises it, or the one that does cannot read it.
    MissingPartError
        When reading needs an optional package that is not installed.
    """
    path = source.path
    with border(path, "the file"):
        if not path.exists():
            raise _not_found(path)
        if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise _unknown(path, "is no plain file", "give a file or a folder")
        if not path.is_dir() and path.stat().st_size == 0:
            raise _unknown(path, "is empty (0 bytes)", "copy the file again")
        for entry in FORMATS:
            if entry.recognises(path):
                return entry.importer(source)
    raise _unreadable_folder(path) if path.is_dir() else _unreadable_file(path)


def _unknown(path: Path, message: str, advice: str) -> FormatError:
    return FormatError(message, where=str(path), fix=Amend(advice=advice))


def _known() -> str:
    return "; ".join(entry.name for entry in FORMATS)


def _not_found(path: Path) -> NotFoundError:
    """Name what is there instead: near names in the folder, or the last part of the path that exists."""
    parent = path.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    wanted = path.relative_to(parent).parts[0]
    names = sorted((p.name for p in parent.iterdir()), key=natural_key) if parent.is_dir() else []
    near = get_close_matches(wanted, names, 3, 0.6)
    if near:
        shown = ", ".join(f"'{plain_text(name, 80)}'" for name in near)
        found = f"did you mean {shown} in '{parent}'?"
        advice = f"give {parent / near[0]}"
    elif names:
        shown = ", ".join(f"'{plain_text(name, 80)}'" for name in names[:5])
        found = f"'{parent}' holds {shown}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        advice = f"list what is there: ls '{parent}'"
    else:
        found, advice = f"'{parent}' is there but empty", "check the path; is the disk or share mounted?"
    return NotFoundError(f"no such file or folder; {found}", where=str(path), fix=Amend(advice=advice))


def _unreadable_file(path: Path) -> FormatError:
    """Say what a file seems to be, what is known, and how to get there."""
    with path.open("rb") as file:
        begins = file.read(8)
    headers = [p for suffix in HEADERS if (p := path.with_suffix(suffix)).is_file()]
    if path.suffix.lower() in (".raw", ".zraw", ".gz", ".bin") and headers:
        return _unknown(path, "is a raw file, described by the header beside it", f"give {headers[0]}")
    if path.suffix.lower() in NOT_YET:
        name, advice = NOT_YET[path.suffix.lower()]
        return _unknown(path, f"is a {name}, which is not read yet; read are: {_known()}", advice)
    shown = plain_text(begins.decode("latin-1"))
    return _unknown(
        path,
        f"is in no known format (it begins with '{shown}'); read are: {_known()}",
        f"save it as TIFF; {ADVICE_TIFF}",
    )


def _unreadable_folder(path: Path) -> FormatError:
    """Say where in a folder the volumes are, if they are further down."""
    inside = sorted(path.iterdir(), key=lambda p: natural_key(p.name))
    if not inside:
        return _unknown(path, "is an empty folder", "check the path; did the copy finish?")
    below = [p for p in inside if p.is_dir() and any(entry.recognises(p) for entry in FORMATS)]
    if below:
        shown = ", ".join(f"'{plain_text(p.name, 80)}/'" for p in below[:5])
        return _unknown(path, f"holds no slices itself; {shown} in it do", f"give {below[0]}")
    volumes = [p for p in inside if p.is_file() and any(entry.recognises(p) for entry in FORMATS)]
    if volumes:
        shown = ", ".join(f"'{plain_text(p.name, 80)}'" for p in volumes[:5])
        return _unknown(path, f"is a folder without TIFF slices; it holds {shown}", f"give {volumes[0]}")
    endings = sorted({p.suffix.lower() for p in inside if p.is_file()} & NOT_YET.keys())
    if endings:
        name, advice = NOT_YET[endings[0]]
        message = f"holds {endings[0]} files ({name}), which are not read yet; read are: {_known()}"
        return _unknown(path, message, advice)
    return _unknown(path, f"holds no TIFF slices; read are: {_known()}", "give the folder with the slices")
