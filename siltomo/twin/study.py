"""Write the twin as a study: volumes, labels, and the study.yaml that registers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from siltomo.twin.cycling import CyclerRun, si_mass_mg, write_mpt
from siltomo.twin.grid import Grid
from siltomo.twin.micro import COLLECTOR, CRACK, ELECTROLYTE, FIBRE, GAS, MICRO_PHASES
from siltomo.twin.nano import NANO_PHASES, SEI
from siltomo.twin.truth import initial_thickness
from siltomo.twin.twin import Moment, Twin, TwinCell

__all__ = ["TwinScan", "scans_of", "write_study"]

STUDY_ID = "digital-twin"
_SLAB_BYTES = 64 << 20
Progress = Callable[[str, int, int], None]
"""Called with the name of a file, planes written and planes in all."""

_OUTSIDE = "outside"
_ALWAYS = {"micro": (CRACK,), "wide": (GAS,), "nano": (SEI,)}
"""Values of phases that are named even where there is none: their fraction is 0, not unknown."""
_ABOVE = (FIBRE, ELECTROLYTE, GAS)
_CRACKS = {v: _OUTSIDE if v in (COLLECTOR, *_ABOVE) else name for v, name in MICRO_PHASES.items()}
_SEPARATOR = {v: name if v in _ABOVE else _OUTSIDE for v, name in MICRO_PHASES.items()}


class _Plain(yaml.SafeDumper):
    """Writes a value that occurs twice twice: study files have no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


@dataclass(frozen=True)
class TwinScan:
    """A scan of the twin, as a study declares it."""

    id: str
    kind: str
    """``micro`` (the electrode), ``wide`` (the separator) or ``nano``."""
    moment: Moment
    mode: str
    domain: str
    volume: Grid
    segmentations: dict[str, tuple[str, dict[int, str]]]
    """Domain and phases of each segmentation, by the end of its id."""

    @property
    def scale(self) -> str:
        """Magnification."""
        return "nano" if self.kind == "nano" else "micro"


def scans_of(twin: Twin, kinds: Sequence[str] = ("micro", "wide", "nano")) -> Iterator[TwinScan]:
    """List the scans that hold voxels, operando first, in the order of time."""
    for moment in (*twin.operando, *twin.aged):
        aged = twin.cell(moment.cell).population == "aged"
        name = moment.cell if aged else f"{moment.cell}-{moment.name}"
        mode = "in_situ" if aged else "operando"
        if "micro" in kinds:
            parts = {"cracks": ("electrode", _CRACKS)}
            yield TwinScan(f"{name}-micro", "micro", moment, mode, "electrode", twin.micro(moment), parts)
        if "wide" in kinds and not aged:
            gas = {"gas": ("separator", _SEPARATOR)}
            yield TwinScan(f"{name}-wide", "wide", moment, mode, "separator", twin.wide(moment), gas)
        if "nano" in kinds and aged:
            inside = {"phases": ("islet", dict(NANO_PHASES))}
            yield TwinScan(f"{name}-nano", "nano", moment, "ex_situ", "islet", twin.nano(moment), inside)


def write_study(
    twins: Twin | Iterable[Twin],
    folder: Path | str,
    *,
    labels: bool = True,
    greys: bool = True,
    cycling: bool = True,
    kinds: Sequence[str] = ("micro", "wide", "nano"),
    progress: Progress | None = None,
) -> Path:
    """Write volumes, labels and a study.yaml that ``siltomo catalog add`` registers.

    Parameters
    ----------
    twins
        One twin, or one for each formulation.
    folder
        Where to write; made when it does not exist. Files of the same names are replaced.
    labels
        Whether to write the true labels, and register them as segmentations.
    greys
        Whether to write greys; without them the labels themselves are the volumes of the scans.
    cycling
        Whether to write the files of the cycler.
    kinds
        Which scans: ``micro`` of the electrode, ``wide`` of the separator, ``nano`` inside islets.

    Returns
    -------
    Path
        The study.yaml.
    """
    folder = Path(folder)
    every = (twins,) if isinstance(twins, Twin) else tuple(twins)
    for part in ("greys", "labels", "cycling"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    study: dict[str, Any] = {"study": _study(every)}
    study["formulations"] = {twin.ink.id: _formulation(twin) for twin in every}
    study["cells"] = {cell.id: _cell(twin, cell) for twin in every for cell in twin.cells}
    study["scans"], study["segmentations"] = {}, {}
    for twin in every:
        for scan in scans_of(twin, kinds):
            true, raw = f"labels/{scan.id}.npy", f"greys/{scan.id}.npy"
            study["scans"][scan.id] = {"file": raw if greys else true, **_scan(twin, scan)}
            if greys:
                planes = twin.greys(scan.moment, scan.kind).planes
                write_planes(folder / raw, scan.volume.shape, planes, progress)
            if labels or not greys:
                seen = _Seen(scan.volume.labels)
                write_planes(folder / true, scan.volume.shape, seen, progress)
                if labels:
                    study["segmentations"] |= _segmentations(twin, scan, true, seen.values)
    if cycling:
        cells = [(twin, cell) for twin in every for cell in twin.cells if cell.cycle != 0]
        study["cycling_runs"] = {
            f"{cell.id}-run": _run(CyclerRun(twin, cell), folder) for twin, cell in cells
        }
    path = folder / "study.yaml"
    path.write_text(yaml.dump(study, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100), "utf-8")
    return path


def write_planes(
    path: Path,
    shape: tuple[int, int, int],
    planes: Callable[[int, int], NDArray[np.uint8]],
    progress: Progress | None = None,
) -> None:
    """Write a volume as .npy, slab by slab, one slab in memory at a time."""
    out = open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    step = max(1, _SLAB_BYTES // (shape[1] * shape[2]))
    for start in range(0, shape[0], step):
        stop = min(shape[0], start + step)
        out[start:stop] = planes(start, stop)
        if progress is not None:
            progress(path.name, stop, shape[0])
    out.flush()


@dataclass
class _Seen:
    """Gives planes of labels, and keeps which values they held."""

    planes: Callable[[int, int], NDArray[np.uint8]]
    values: set[int] = field(default_factory=set)

    def __call__(self, start: int, stop: int) -> NDArray[np.uint8]:
        slab = self.planes(start, stop)
        self.values |= {int(v) for v in np.flatnonzero(np.bincount(slab.ravel(), minlength=256))}
        return slab


def _segmentations(twin: Twin, scan: TwinScan, file: str, found: set[int]) -> dict[str, dict[str, Any]]:
    """Return how the true labels of a scan are registered, by id."""
    return {
        f"{scan.id}-{end}": {
            "scan": scan.id,
            "file": file,
            "phases": {v: name for v, name in phases.items() if v in found or v in _ALWAYS[scan.kind]},
            "domain": domain,
            "min_feature": f"{twin.size.resolution * scan.volume.voxel_um:g} um",
            "method": "true labels of the digital twin",
        }
        for end, (domain, phases) in scan.segmentations.items()
    }


def _run(run: CyclerRun, folder: Path) -> dict[str, Any]:
    """Write the file of a run; cells with zinc were cycled on a machine that writes decimal commas."""
    zinc = run.twin.formulation == "with-zn"
    name = f"cycling/{run.cell.id}.mpt"
    write_mpt(run, folder / name, comma=zinc, line_end="\r\n" if zinc else "\n")
    return {"cell": run.cell.id, "file": name, "positive_current": "delithiation"}


def _study(twins: tuple[Twin, ...]) -> dict[str, Any]:
    return {
        "id": STUDY_ID,
        "title": "Digital twin of silicon anodes with and without a coordinated binder",
        "notes": "Synthetic: no electrode was scanned. "
        + "; ".join(f"{t.formulation}: seed {t.seed}, preset {t.size.name}" for t in twins),
        "licence": "CC0-1.0",
        "facility": "siltomo.twin",
    }


def _formulation(twin: Twin) -> dict[str, Any]:
    ink = twin.ink
    shares = ink.fractions
    made: dict[str, Any] = {
        "study": STUDY_ID,
        "title": ink.title,
        "binder": "NaCMC in citric acid / KOH",
        "components": [
            {"material": m.name, "role": m.role, "mass_fraction": shares[m.name]} for m in ink.materials
        ],
        "true_density": f"{ink.true_density} g/cm^3",
    }
    return made | ({"additive": ink.additive} if ink.additive else {})


def _cell(twin: Twin, cell: TwinCell) -> dict[str, Any]:
    law = twin.law
    return {
        "formulation": twin.ink.id,
        "diameter": "3 mm",
        "loading": f"{law.loading} mg_Si/cm^2",
        "si_mass": f"{si_mass_mg(twin):.6f} mg_Si",
        "initial_thickness": f"{initial_thickness(twin, cell):.3f} um",
        "collector": "copper 240 um",
        "separator": "glass fibre GF/D, two layers",
        "electrolyte": "1 M LiPF6 in EC:DMC 1:1 + 10 % FEC",
        "counter": "lithium",
    }


def _scan(twin: Twin, scan: TwinScan) -> dict[str, Any]:
    moment = scan.moment
    made: dict[str, Any] = {
        "cell": moment.cell,
        "scale": scan.scale,
        "mode": scan.mode,
        "domain": scan.domain,
        "cycle": moment.cycle,
        "half": moment.half,
        "voxel_size": f"{scan.volume.voxel_um} um",
    }
    if scan.kind != "nano":
        made["depth_axis"] = "+z"
    if moment.cycle:
        made["capacity"] = f"{moment.capacity:.6g} mAh/g_Si"
    if scan.mode == "operando":
        begin, end = CyclerRun(twin, twin.cell(moment.cell)).scan_time(moment, scan.kind)
        made |= {"start": begin.isoformat(), "end": end.isoformat()}
    return made
