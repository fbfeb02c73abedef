"""Find recipes: those that come with siltomo by name, one's own by file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.resources import as_file, files
from pathlib import Path

from siltomo.engine.yaml import read_yaml
from siltomo.errors import Amend, BadInputError, NotFoundError
from siltomo.segmentation import Recipe, parse_recipe
from siltomo.segmentation.training import Training

__all__ = ["LoadedRecipe", "bundled_recipes", "load_recipe"]


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and where it was found."""

    recipe: Recipe
    place: Path
    """Its file; paths inside the recipe start at its folder."""
    kept: Mapping[int, Training] = field(default_factory=dict)
    """Training labels by the number of their step, where they are known and no file is read."""

    def within(self, text: str) -> LoadedRecipe:
        """Return the recipe inside of phases of another segmentation, given as ``ID:PHASE,PHASE``, or ``none``.

        Raises
        ------
        BadInputError
            When the text is not of this form.
        """
        if text == "none":
            return replace(self, recipe=self.recipe.model_copy(update={"inside_of": ""}))
        id_, colon, phases = text.partition(":")
        names = tuple(name.strip() for name in phases.split(",") if name.strip())
        if not (id_ and colon and names):
            raise BadInputError(
                f"{text!r} names no phases of a segmentation; write ID:PHASE",
                fix=Amend({"--within": f"{id_ or '{scan}-electrode-layers'}:electrode"}),
            )
        return replace(self, recipe=self.recipe.within(id_, names))


def bundled_recipes() -> Iterator[LoadedRecipe]:
    """Return the recipes that come with siltomo, in the order of their names."""
    for entry in sorted((files("siltomo.segmentation") / "bundled").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            with as_file(entry) as path:
                yield _read(path)


def load_recipe(name: str) -> LoadedRecipe:
    """Load a recipe by its file, or by the name of one that comes with siltomo.

    Raises
    ------
    NotFoundError
        When there is neither; names those that come with siltomo.
    RecordError
        When the file is no recipe; names the line.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        return _read(path)
    known = {loaded.recipe.name: loaded for loaded in bundled_recipes()}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise NotFoundError(
        f"there is no recipe {name!r}, neither a file nor one that comes with siltomo; {hint}"
        f"known: {', '.join(known)}",
        code="SIL142",
        fix="siltomo segment recipes",
    )


def _read(path: Path) -> LoadedRecipe:
    document = read_yaml(path)
    return LoadedRecipe(parse_recipe(document.data, place=document.place), path)
