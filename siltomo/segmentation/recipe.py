"""Recipes: the declared steps that turn greys into phases, checked before a voxel is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Self

from pydantic import SerializeAsAny, model_validator

from siltomo.errors import RecordError
from siltomo.model import In, Model, validated
from siltomo.model.fields import Id
from siltomo.model.validation import Place
from siltomo.model.words import OUTSIDE, Domain
from siltomo.segmentation.layers import Layers
from siltomo.segmentation.steps import (
    CLASSES,
    GREY,
    REST,
    STEPS,
    Classify,
    Combine,
    Label,
    Mask,
    Select,
    Step,
    Threshold,
)
from siltomo.units import Quantity

__all__ = ["SOURCE", "Node", "Recipe", "parse_recipe"]

SOURCE = "grey"
"""Name of the scan's own greys."""


@dataclass(frozen=True)
class Node:
    """A step with what it takes: indices of earlier nodes, -1 for the scan's greys."""

    index: int
    step: Step
    inputs: tuple[int, ...]
    gives: str
    """Grey values or classes."""
    classes: int = 0
    """How many classes it gives; 0 for greys."""

    @property
    def words(self) -> str:
        """The step as errors and reports name it."""
        named = f" as {self.step.named}" if self.step.named else ""
        return f"step {self.index + 1} ({self.step.word}{named})"


class Recipe(Model):
    """Declared steps from greys to phases.

    Examples
    --------
    >>> from siltomo.segmentation import Label, Median, Recipe, Threshold
    >>> cracks = Recipe(name="cracks", steps=(
    ...     Median(size="3 voxel"), Threshold(scope="series"), Label(phases={1: "crack", 2: "solid"})))
    >>> cracks.phases
    ((1, 'crack'), (2, 'solid'))
    """

    name: Id
    """Short name; segmentations made by it are called after it."""
    title: str = ""
    """Name for people."""
    notes: str = ""
    """What it is for, and when not to believe it."""
    domain: Domain | None = None
    """The whole that fractions are fractions of; that of the scan without it."""
    min_feature: Annotated[Quantity, In("um", gt=0)] | None = None
    """Smallest feature to trust."""
    inside_of: str = ""
    """Phases of other labels, as ``ID:PHASE``, that the recipe is meant for: a mask where a catalog has them."""
    steps: tuple[SerializeAsAny[Step], ...]
    """The steps, in order; the last one is ``label`` or ``combine``."""

    @model_validator(mode="after")
    def _steps_fit_together(self) -> Self:
        nodes = self.nodes()
        if not nodes or not isinstance(nodes[-1].step, (Label, Combine)):
            raise ValueError("the last step must be label or combine: it says which phase each class is")
        if all(name == OUTSIDE for _, name in self.phases):
            raise ValueError("every phase is 'outside': name at least one phase")
        return self

    def nodes(self) -> tuple[Node, ...]:
        """Return the steps with what each takes; raises ``ValueError`` where they do not fit together."""
        made: list[Node] = []
        named: dict[str, int] = {SOURCE: -1}
        for index, step in enumerate(self.steps):
            inputs = [index - 1 if step.of is None else _find(named, step.of, index, step)]
            inputs += [_find(named, name, index, step) for name in step.also_takes]
            if isinstance(step, Combine):
                inputs = inputs[1:]
            node = Node(index, step, tuple(inputs), _gives(step, inputs, made), _classes(step, inputs, made))
            _check_kinds(node, made)
            made.append(node)
            if step.named is not None:
                if step.named in named or step.named == REST:
                    raise ValueError(f"{node.words}: the name {step.named!r} is taken")
                named[step.named] = index
        return tuple(made)

    @property
    def phases(self) -> tuple[tuple[int, str], ...]:
        """The label values and their phases; 0 is outside of the domain."""
        last = self.steps[-1]
        if isinstance(last, Label):
            return last.phases
        assert isinstance(last, Combine)
        names = [phase for phase, _ in last.phases] + ([last.rest] if last.rest else [])
        return tuple(enumerate(names, 1))

    @property
    def shares_thresholds(self) -> bool:
        """Whether some step looks at all scans of the command together."""
        return any(
            (isinstance(s, Threshold) and s.scope == "series" and s.method != "values") or s.word == "match"
            for s in self.steps
        )

    @property
    def deciding(self) -> frozenset[int]:
        """Indices of the steps that decide on the phase of single voxels.

        What only serves to find surfaces (step ``layers``) does not: the surfaces are judged by themselves.
        """
        nodes = self.nodes()
        found, ahead = set(), [len(nodes) - 1]
        while ahead:
            index = ahead.pop()
            if index >= 0 and index not in found:
                found.add(index)
                ahead += [] if isinstance(nodes[index].step, Layers) else nodes[index].inputs
        return frozenset(found)

    def within(self, segmentation: str, phases: tuple[str, ...]) -> Recipe:
        """Return the recipe inside of some phases of another segmentation: what is beyond them is outside.

        Parameters
        ----------
        segmentation
            Its id; ``{scan}`` stands for the id of the scan.
        phases
            The phases that stay. One that is named like a domain, such as "electrode", becomes the domain, where the
            recipe declares none.

        Examples
        --------
        >>> from siltomo.segmentation import Label, Recipe, Threshold
        >>> cracks = Recipe(name="cracks", steps=(Threshold(), Label(phases={1: "crack", 2: "solid"})))
        >>> inside = cracks.within("{scan}-electrode-layers", ("electrode",))
        >>> [step.word for step in inside.steps], str(inside.domain)
        (['mask', 'threshold', 'label'], 'electrode')
        """
        taken = {step.named for step in self.steps}
        named = next(name for name in ("within", *(f"within-{n}" for n in range(99))) if name not in taken)
        mask = Mask(segmentation=segmentation, phase=phases, named=named)
        # the scan's own greys are left out too where a later step asks for them
        steps = tuple(
            step.model_copy(update={"of": named}) if step.of == SOURCE else step for step in self.steps
        )
        domain = next((Domain(name) for name in phases if name in set(Domain)), None)
        changed = {"steps": (mask, *steps), "domain": self.domain or domain, "inside_of": ""}
        return Recipe(**{**dict(self), **changed})

    def content(self) -> dict[str, Any]:
        """Return everything that decides on the labels, as plain values."""
        return {"steps": [step.content() for step in self.steps]}

    @property
    def digest(self) -> str:
        """Digest of the content: equal for recipes that do the same steps, whatever their names."""
        text = json.dumps(self.content(), sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _find(named: Mapping[str, int], name: str, index: int, step: Step) -> int:
    if name in named:
        return named[name]
    near = get_close_matches(name, list(named), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(named)}"
    raise ValueError(f"step {index + 1} ({step.word}): no earlier step is called {name!r}{hint}")


def _gives(step: Step, inputs: list[int], made: list[Node]) -> str:
    """Return what a step gives; a mask gives what it takes."""
    if isinstance(step, Mask):
        return made[inputs[0]].gives if inputs[0] >= 0 else GREY
    return step.gives


def _classes(step: Step, inputs: list[int], made: list[Node]) -> int:
    match step:
        case Threshold() | Layers():
            return step.class_count
        case Classify():
            return step.classes
        case Label():
            return max(value for value, _ in step.phases)
        case Combine():
            return len(step.phases) + bool(step.rest)
        case Mask():
            return made[inputs[0]].classes if inputs[0] >= 0 else 0
    return 2 if step.gives == CLASSES else 0


def _check_kinds(node: Node, made: list[Node]) -> None:
    """Refuse a step that takes what it cannot use."""
    step = node.step
    for place, source in enumerate(node.inputs):
        kind = made[source].gives if source >= 0 else GREY
        selection = place > 0 or isinstance(step, Combine)
        if kind not in ((CLASSES,) if selection else step.takes):
            wanted = " or ".join((CLASSES,) if selection else step.takes)
            raise ValueError(
                f"{node.words} takes {wanted}, and {made[source].words if source >= 0 else SOURCE} gives {kind}"
            )
        if (selection or step.main == "radius" or step.word in {"remove_small", "fill"}) and made[
            source
        ].classes != 2:
            raise ValueError(f"{node.words} takes a selection of two classes: put 'select' before it")
    if isinstance(step, Classify) and step.features is not None:
        _check_greys_untouched(node, made)
    have = made[node.inputs[0]].classes if node.inputs[0] >= 0 else 0
    named: tuple[int, ...] = ()
    if isinstance(step, Select):
        named = step.classes
    elif isinstance(step, Label):
        named = tuple(value for value, _ in step.phases)
        if sorted(named) != list(range(1, have + 1)):
            raise ValueError(f"{node.words} names the classes {list(named)}; there are 1 to {have}")
    elif isinstance(step, Layers):
        named = step.named_classes
        if step.by_greys and have:
            raise ValueError(f"{node.words} takes classes here: name them by numbers, not by greys")
        if not step.by_greys and not have:
            raise ValueError(f"{node.words} takes grey values here: give ranges such as '160..', not classes")
    if any(not 1 <= value <= have for value in named):
        raise ValueError(f"{node.words} names the classes {list(named)}; there are 1 to {have}")


def _check_greys_untouched(node: Node, made: list[Node]) -> None:
    """Refuse steps that change greys before a classifier that looks at none; masks still say where it looks."""
    source = node.inputs[0]
    while source >= 0:
        if not isinstance(made[source].step, Mask):
            raise ValueError(
                f"{node.words} takes its features from a file: {made[source].words} before it would do "
                "nothing; take it out, or write 'of: grey'"
            )
        source = made[source].inputs[0]


def parse_recipe(data: Any, *, place: Place) -> Recipe:
    """Build a recipe from plain data, as YAML gives it.

    Parameters
    ----------
    data
        A mapping with ``recipe`` (its name), ``steps`` and the other fields. A step is one word with its
        value (``median: 3 voxel``) or its fields (``threshold: {method: otsu}``), and ``of`` and ``as``.
    place
        Names the place of a value, for errors.

    Raises
    ------
    RecordError
        When anything is wrong; with the place, the value, and what would be right.
    """
    if not isinstance(data, dict) or not isinstance(data.get("steps"), list):
        raise RecordError("is no recipe: it needs 'recipe: NAME' and a list of 'steps'", where=place(()))
    fields = {("name" if key == "recipe" else key): value for key, value in data.items()}
    steps = [_parse_step(one, n, place) for n, one in enumerate(data["steps"])]
    return validated(Recipe, {**fields, "steps": tuple(steps)}, place=place)


def _parse_step(given: Any, number: int, place: Place) -> Step:
    at: tuple[str | int, ...] = ("steps", number)
    if isinstance(given, str):  # a word alone, such as "fill"
        given = {given: None}
    if not isinstance(given, dict):
        raise RecordError(f"{given!r} is no step; write one as 'median: 3 voxel'", where=place(at))
    words = [key for key in given if key not in {"of", "as"}]
    if len(words) != 1:
        said = f"has {len(words)} words ({', '.join(words)})" if words else "has no word"
        raise RecordError(f"a step {said}; it has one, besides 'of' and 'as'", where=place(at))
    word = words[0]
    if word not in STEPS:
        near = get_close_matches(word, STEPS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RecordError(
            f"there is no step {word!r}; {hint}steps are {', '.join(STEPS)}", where=place((*at, word))
        )
    model = STEPS[word]
    fields = _fields(model, given[word])
    common = {field: given[key] for key, field in (("of", "of"), ("as", "named")) if key in given}

    def inner(path: tuple[str | int, ...]) -> str:
        return place((*at, *path)) if path and path[0] in {"of", "as"} else place((*at, word, *path))

    return validated(model, {**fields, **common}, place=inner)


def _fields(model: type[Step], value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, dict) and not (model.main == "phases" and "phases" not in value):
        # a quantity may be written as a mapping too
        return {model.main: value} if set(value) <= {"value", "unit", "uncertainty"} else dict(value)
    return {model.main: tuple(value) if isinstance(value, list) else value}
