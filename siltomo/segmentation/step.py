"""What all steps of recipes have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from siltomo.model import Model

__all__ = ["CLASSES", "GREY", "Step"]

GREY, CLASSES = "grey values", "classes"


class Step(Model):
    """One step of a recipe.

    Every step takes ``of`` (what it works on; the step before it by default, ``grey`` for the scan itself) and
    ``named`` (``as`` in YAML: the name later steps know its result by).
    """

    word: ClassVar[str]
    """How recipes spell it."""
    main: ClassVar[str] = ""
    """The field that ``word: value`` sets."""
    takes: ClassVar[tuple[str, ...]] = (GREY,)
    gives: ClassVar[str] = GREY

    of: str | None = None
    """Name of the step whose result is taken; the step before without it."""
    named: str | None = None
    """Name of its own result."""

    @property
    def also_takes(self) -> tuple[str, ...]:
        """Names of further results that it takes; all of them classes."""
        return ()

    def content(self) -> dict[str, Any]:
        """Return the step as plain values, with nothing left out."""
        return {self.word: self.model_dump(mode="json")}
