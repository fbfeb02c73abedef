"""Find and read the files of a study: one YAML file and its parts, or a study that comes with siltomo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siltomo.engine.yaml import Document, read_yaml
from siltomo.errors import NotFoundError, RecordError

__all__ = ["bundled", "entries", "find_study", "read_declarations"]

_OF_THE_STUDY = ("formulations", "reported_values")


@dataclass(frozen=True)
class _Merged(Document):
    """Several files read as one: each entry is named by the file that holds it."""

    owners: Mapping[tuple[str | int, ...], Document] = field(default_factory=dict)

    def place(self, path: tuple[str | int, ...]) -> str:
        """Name a value in the file that holds it."""
        for length in (2, 1):
            if path[:length] in self.owners:
                return self.owners[path[:length]].place(path)
        return super().place(path)


def _home() -> Path:
    """Return the folder of the studies that come with siltomo: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / "catalogs"
    return inside if inside.is_dir() else package.parent / "catalogs"


def bundled() -> dict[str, Path]:
    """Return the studies that come with siltomo, by name."""
    home = _home()
    return {path.parent.name: path for path in sorted(home.glob("*/study.yaml"))}


def find_study(name: str) -> Path:
    """Return the file of a study: a path to it, to its folder, or the name of one that comes with siltomo.

    Raises
    ------
    NotFoundError
        When it is neither.
    """
    path = Path(name).expanduser()
    if path.is_dir() and (path / "study.yaml").is_file():
        return path / "study.yaml"
    if path.is_file():
        return path
    known = bundled()
    if name in known:
        return known[name]
    raise NotFoundError(
        f"there is no file and no study {name!r}; studies that come with siltomo: {', '.join(known) or 'none'}",
        fix="siltomo study list",
    )


def read_declarations(path: Path) -> Document:
    """Read a study file and the files that its ``parts`` name, as one document.

    Raises
    ------
    NotFoundError, FormatError
        When a file is missing or is no YAML.
    RecordError
        When a section has no entries, or an entry stands in two files.
    """
    first = read_yaml(path)
    if not isinstance(first.data, dict):
        raise RecordError("is no study: it has no sections", where=str(path), fix="siltomo schema show study")
    data: dict[str, Any] = dict(first.data)
    owners: dict[tuple[str | int, ...], Document] = {}
    for document in (first, *_parts(first)):
        for section, found in document.data.items():
            owners.setdefault((section,), document)
            if isinstance(found, dict) and section != "study":
                owners.update({(section, id_): document for id_ in found})
            if document is not first:
                data[section] = _joined(data.get(section), found, section, document)
    data.pop("parts", None)
    return _Merged(path, data, first.lines, owners)


def _parts(document: Document) -> Iterator[Document]:
    given = document.data.get("parts") or []
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise RecordError("parts is a list of files beside this one", where=document.place(("parts",)))
    for part in given:
        inside = Path(part)
        if inside.is_absolute() or ".." in inside.parts:
            raise RecordError(f"{part!r} is not beside this file", where=document.place(("parts",)))
        read = read_yaml(document.path.parent / inside)
        if not isinstance(read.data, dict):
            raise RecordError("has no sections", where=str(read.path))
        yield read


def _joined(known: Any, found: Any, section: str, document: Document) -> Any:
    if known is None:
        return found
    if not isinstance(known, dict) or not isinstance(found or {}, dict) or section == "study":
        raise RecordError(f"{section} stands in two files", where=document.place((section,)))
    for id_ in found or {}:
        if id_ in known:
            raise RecordError(f"{id_!r} stands in two files", where=document.place((section, id_)))
    return {**known, **(found or {})}


def entries(document: Document, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through a section's entries: id and fields.

    Raises
    ------
    RecordError
        When the section is no mapping from ids to fields.
    """
    found = document.data.get(section) or {}
    if not isinstance(found, dict):
        raise RecordError(
            f"{section} is a mapping from id to fields, not {type(found).__name__}",
            where=document.place((section,)),
        )
    study = document.data.get("study")
    owner = study.get("id") if isinstance(study, dict) else None
    for id_, fields in found.items():
        if not isinstance(fields, dict | None):
            raise RecordError("has no fields", where=document.place((section, id_)))
        own = dict(fields or {})
        if owner is not None and section in _OF_THE_STUDY:
            own.setdefault("study", owner)
        yield id_, own
