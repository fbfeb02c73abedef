"""The closed lists of words that records use."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["OUTSIDE", "Domain", "HalfCycle", "Mode", "Qualifier", "Role", "Scale", "Status", "Trust"]

OUTSIDE = "outside"
"""Name for label values that lie outside the domain: their voxels are counted nowhere."""


class Scale(StrEnum):
    """Magnification of a scan."""

    MICRO = "micro"
    NANO = "nano"


class Mode(StrEnum):
    """How the cell was when it was scanned."""

    OPERANDO = "operando"
    IN_SITU = "in_situ"
    EX_SITU = "ex_situ"


class HalfCycle(StrEnum):
    """Where in its cycle a cell is; lithiation and delithiation, never charge and discharge."""

    PRISTINE = "pristine"
    LITHIATION = "lithiation"
    DELITHIATION = "delithiation"
    REST = "rest"


class Domain(StrEnum):
    """The whole that fractions on a scan are fractions of."""

    CELL = "cell"
    ELECTRODE = "electrode"
    ISLET = "islet"
    SEPARATOR = "separator"


class Role(StrEnum):
    """What a component does in the electrode."""

    ACTIVE = "active"
    CONDUCTIVE = "conductive"
    BINDER = "binder"
    ADDITIVE = "additive"


class Qualifier(StrEnum):
    """How firmly a printed number is said."""

    EXACT = "exact"
    """As printed: known to half a unit of its last digit."""
    ABOUT = "about"
    """Around, approximately, ca."""
    NEARLY = "nearly"
    """A little less."""
    ABOVE = "above"
    """A lower bound."""
    BELOW = "below"
    """An upper bound."""
    UP_TO = "up_to"
    """At most, the number included."""
    SET = "set"
    """Chosen, counted or nominal: it has no rounding."""


class Status(StrEnum):
    """Whether a result has a value, and if not, of which kind the reason is."""

    OK = "ok"
    MISSING = "missing"
    """An input is not in the catalog."""
    UNDEFINED = "undefined"
    """The input is there, the quantity does not exist for it (no voxel of the phase, no background)."""
    REFUSED = "refused"
    """The input is there and cannot be trusted for this (missing slices)."""
    FAILED = "failed"
    """Something broke; the other rows stand."""


class Trust(StrEnum):
    """How far labels may be believed."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    """Look at the reasons and at the picture before using a number."""
    BAD = "bad"
    """The numbers would be wrong, or nobody could tell."""
    UNJUDGED = "unjudged"
    """Nothing was there to judge by, as with cuts that were given."""
