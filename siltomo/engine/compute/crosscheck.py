"""Rows that cannot both be right: width and surface of one phase in one volume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

__all__ = ["doubt_inconsistent"]

LEAST_INDEX = 1.85
"""Mean width times surface per volume is 2 for plates, 4 for rods, 6 for balls, and more for a mixture of sizes;
13 directions read a plate along the grid 7.3 % low."""

_WIDTHS = ("_width_mean", "_thickness_mean")
_RATIO = "_surface_to_volume_ratio"


def doubt_inconsistent(rows: Iterable[dict[str, Any]]) -> None:
    """Flag rows of a mean width and a surface to volume ratio that no body can have.

    Parameters
    ----------
    rows
        Rows of a table; flags are added to those of the same phase and segmentation whose product is too small.
    """
    widths: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    ratios: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row.get("value") is None or row["segmentation"] is None:
            continue
        for ending in (*_WIDTHS, _RATIO):
            if row["metric"].endswith(ending):
                kind = ratios if ending == _RATIO else widths
                kind[row["segmentation"], row["metric"].removesuffix(ending)].append(row)
    for subject, of_width in widths.items():
        for width in of_width:
            for ratio in ratios[subject]:
                index = width["value"] * ratio["value"]
                if index < LEAST_INDEX:
                    said = (
                        f"thickness_surface: {width['metric']} times {ratio['metric']} is {index:.3g}; no body has "
                        f"less than 2: width and surface do not belong together"
                    )
                    width["flags"].append(said)
                    ratio["flags"].append(said)
