"""The figures of the founding study, declared for the demo's catalog: what ``siltomo figure run`` draws of it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["AT_ONCE", "FIGURES", "write_figures"]

FIGURES = Path("figures", "figures.yaml")
"""Where the declarations lie in the demo's folder; the pictures come beside them."""

AT_ONCE = ("fig2", "fig6")
"""Those that the demo itself draws: they read kept results only."""

_DECLARED = """\
# The figures of the founding study (doi:10.1002/aenm.202403741), drawn from this catalog by
#   siltomo figure run figures/figures.yaml
# Options are those of 'siltomo plot KIND --help'. Only what has changed is drawn again.
figures:
  fig2:
    output: fig2.png
    panels:
      - {kind: cycling}
      - {kind: voltage, cycle: [1, 5, 25]}
  fig3: {kind: slices, output: fig3.png, plane: [xz, xy+crack, "nano:xy"]}
  fig4: {kind: expansion, output: fig4.png, cycle: [1, 3]}
  fig5ac: {kind: render3d, output: fig5ac.png, cycle: [1, 5, 25]}
  fig5bd: {kind: render3d, output: fig5bd.png, phase: pore, scale: nano, cycle: [1, 5, 25]}
  fig6: {kind: operando, output: fig6.png, where: "cycle in (1, 3)"}
  fig7: {kind: cycles, output: fig7.png}
  fig8: {kind: depth, output: fig8.png, where: "cycle > 0 and (mode != 'operando' or cycle == 1)"}
  fig9ab: {kind: render3d, output: fig9ab.png, phase: sei, scale: nano, largest: false}
  fig9cd: {kind: sei, output: fig9cd.png}
  fig10ab:
    kind: render3d
    output: fig10ab.png
    phase: gas
    where: "mode == 'operando' and cycle in (1, 3) and half == 'lithiation'"
    largest: false
  fig10c: {kind: gas, output: fig10c.png, cycle: [1, 3]}
  histogram: {kind: histogram, output: histogram.png, width: single, scan: zn-c1-micro}
  videoS1: {kind: video, output: videoS1.gif, cell: ref-operando, cycle: 1}
"""


def write_figures(folder: Path) -> Path:
    """Write the declarations into a demo's folder; those that a user has changed stay as they are."""
    path = folder / FIGURES
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(_DECLARED, "utf-8")
    return path
