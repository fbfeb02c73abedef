"""What follows from the weighed ingredients of a formulation: fractions, densities, volumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from siltomo.model import Role
from siltomo.studies.declarations import Ingredient
from siltomo.studies.evaluate import evaluate
from siltomo.studies.expressions import Literal, Node, Operation, inlined, parse
from siltomo.studies.values import Value
from siltomo.units import Quantity

__all__ = ["components", "recipe_definitions"]

_BINDING = (Role.BINDER, Role.ADDITIVE)


def recipe_definitions(formulation: str, ingredients: Sequence[Ingredient]) -> dict[str, Node]:
    """Return the quantities of a formulation that its ingredients give, as expressions.

    ``F.dry_mass`` of the ingredients together; ``F.si_fraction`` silicon per dry mass; ``F.true_density``
    of the solids; ``F.solid_volume`` and ``F.binder_volume`` (binder and additive) per mass of silicon;
    ``F.active_fraction``, ``F.conductive_fraction``, ``F.binder_fraction`` of the dry mass.
    """
    mass = {n: parse(part.mass) for n, part in enumerate(ingredients)}
    volume = {n: Operation("/", mass[n], parse(part.density)) for n, part in enumerate(ingredients)}
    silicon = [
        Operation("*", mass[n], Literal(part.si_content))
        for n, part in enumerate(ingredients)
        if part.si_content
    ]
    binding = [n for n, part in enumerate(ingredients) if part.role in _BINDING]
    dry = _sum(mass.values())
    made = {"dry_mass": dry, "true_density": Operation("/", dry, _sum(volume.values()))}
    for word, roles in (("active", (Role.ACTIVE,)), ("conductive", (Role.CONDUCTIVE,)), ("binder", _BINDING)):
        some = [mass[n] for n, part in enumerate(ingredients) if part.role in roles]
        if some:
            made[f"{word}_fraction"] = Operation("/", _sum(some), dry)
    if silicon:
        si_mass = _sum(silicon)
        made["si_mass"] = si_mass
        made["si_fraction"] = Operation("/", si_mass, dry)
        made["solid_volume"] = Operation("/", _sum(volume.values()), si_mass)
        if binding:
            made["binder_volume"] = Operation("/", _sum(volume[n] for n in binding), si_mass)
    return {f"{formulation}.{word}": node for word, node in made.items()}


def components(
    ingredients: Sequence[Ingredient], values: Mapping[str, Value], definitions: Mapping[str, Node]
) -> list[dict[str, str]]:
    """Return the components of the formulation's record: mass fractions computed from the masses.

    Raises
    ------
    UnitError, ExpressionError
        When a mass is no mass.
    """
    masses = [
        evaluate(inlined(parse(part.mass), definitions), values).in_unit("mg")[0] for part in ingredients
    ]
    total = sum(masses)
    made = []
    for part, mass in zip(ingredients, masses, strict=True):
        entry = {"material": part.material, "role": str(part.role)}
        entry["mass_fraction"] = str(Quantity(float(f"{mass / total:.6g}"), "1"))
        if part.si_content is not None:
            entry["si_content"] = str(part.si_content)
        made.append(entry)
    return made


def _sum(nodes: Iterable[Node]) -> Node:
    return reduce(lambda one, other: Operation("+", one, other), nodes)
