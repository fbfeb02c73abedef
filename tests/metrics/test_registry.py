"""Declaring metrics, finding them by name, and refusing what is declared wrongly."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest

from siltomo.errors import BadInputError, NotFoundError, RegistrationError
from siltomo.metrics import Answer, Registry, Sample, Scalar
from siltomo.metrics import registry as shipped
from siltomo.metrics.measures import VoxelCount, Voxels
from siltomo.metrics.registry import _declared
from siltomo.model.fields import In

Counted = Annotated[VoxelCount, Voxels]
SAMPLE = Sample("crack", (1,), (), (4, 4, 4), (0.5, 0.5, 0.5))


def share(voxels: Counted, sample: Sample, *, power: Literal[1, 2] = 1) -> Answer:
    """Share of the phase."""
    return Scalar((voxels.phase / voxels.whole) ** power)


def declared(
    function: object = share, name: str = "{phase}_share", unit: str = "1", **fixed: object
) -> Registry:
    made = Registry()
    made._loaded = True  # without the plug-ins of this environment
    made.add(_declared(function, name, unit=unit, version=1, fixed=fixed, phases=("crack",)))  # type: ignore[arg-type]
    return made


def test_a_metric_is_found_by_name_for_any_phase() -> None:
    request = declared().request("sei_rich_share", {"power": "2"})
    assert (request.phase, request.parameters) == ("sei_rich", {"power": 2})
    (measure,) = request.measures(SAMPLE).values()
    assert measure == Voxels(SAMPLE)
    assert request.finish({"voxels": VoxelCount(8, 16)}, SAMPLE) == Scalar(0.25)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="did you mean crack_share") as caught:
        declared().find("crack_sahre")
    assert caught.value.code == "SIL160"
    assert caught.value.fix == "siltomo metrics show crack_share"


def test_a_name_declared_twice_raises_naming_both() -> None:
    made = declared()
    with pytest.raises(RegistrationError, match=r"declared twice: in .*test_registry and in .*test_registry"):
        made.add(next(iter(made)))


def test_wrong_settings_are_refused_with_the_allowed_ones() -> None:
    with pytest.raises(BadInputError, match="power cannot be '3'; it is one of 1, 2"):
        declared().request("crack_share", {"power": "3"})
    with pytest.raises(BadInputError, match="no parameter 'powr' in crack_share; did you mean 'power'"):
        declared().requests(["crack_share"], {"powr": "1"})


def test_what_a_declaration_fixes_cannot_be_set() -> None:
    made = declared(power=2)
    with pytest.raises(BadInputError, match="no parameter 'power'"):
        made.requests(["crack_share"], {"power": "1"})
    assert made.request("crack_share", {}).finish({"voxels": VoxelCount(8, 16)}, SAMPLE) == Scalar(0.25)


def test_units_and_arguments_are_checked_at_declaration() -> None:
    def needs_what(voxels: Counted, sample: Sample, catalog: object) -> Answer:
        return Scalar(0.0)

    def bare(voxels: Counted, sample: Sample, *, width: float = 1.0) -> Answer:
        return Scalar(width)

    def without(voxels: Counted, sample: Sample, *, power: Literal[1, 2]) -> Answer:
        return Scalar(power)

    with pytest.raises(RegistrationError, match="unknown unit 'furlongz'"):
        declared(unit="furlongz")
    with pytest.raises(RegistrationError, match="nothing can fill the argument 'catalog'"):
        declared(needs_what)
    with pytest.raises(RegistrationError, match="'width' must be a Literal or an Annotated quantity"):
        declared(bare)
    with pytest.raises(RegistrationError, match="'power' has no default"):
        declared(without)


def test_quantities_as_parameters_are_read_with_their_unit() -> None:
    def wide(voxels: Counted, sample: Sample, *, width: Annotated[float, In("um", gt=0)] = 1.0) -> Answer:
        return Scalar(width)

    made = declared(wide)
    assert made.request("crack_share", {"width": "200 nm"}).parameters == {"width": 0.2}
    with pytest.raises(BadInputError, match=r"did you mean '0.2 um'"):
        made.request("crack_share", {"width": "0.2"})


def test_the_founding_names_are_declared_with_units_versions_and_words() -> None:
    units = {name: metric.unit for metric in shipped for name in metric.names()}
    assert units == {
        "crack_euler_number": "1",
        "crack_interconnectivity": "1",
        "crack_surface_density": "1/um",
        "crack_surface_to_volume_ratio": "1/um",
        "crack_volume_fraction": "1",
        "crack_width_distribution": "1",
        "crack_width_mean": "um",
        "crack_width_median": "um",
        "pore_interconnectivity": "1",
        "pore_surface_to_volume_ratio": "1/um",
        "pore_volume_fraction": "1",
        "sei_surface_to_volume_ratio": "1/um",
        "sei_thickness_distribution": "1",
        "sei_thickness_mean": "um",
        "sei_thickness_median": "um",
        "sei_volume_fraction": "1",
    }
    for metric in shipped:
        assert metric.version >= 1
        assert metric.summary.endswith(".")
