"""Declaring metrics, finding them by name, and refusing what is declared wrongly."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest

from siltomo.errors import BadInputError, CheckFailedError, NotFoundError, RegistrationError
from siltomo.metrics import Answer, Field, From, Metric, Registry, Sample, Scalar, prove_scaling
from siltomo.metrics import registry as shipped
from siltomo.metrics.declaration import declared as read_declaration
from siltomo.metrics.measures import VoxelCount, Voxels
from siltomo.model.fields import In

Counted = Annotated[VoxelCount, Voxels]
SAMPLE = Sample("crack", (1,), (), (4, 4, 4), (0.5, 0.5, 0.5))


def share(voxels: Counted, sample: Sample, *, power: Literal[1, 2] = 1) -> Answer:
    """Share of the phase."""
    return Scalar((voxels.phase / voxels.whole) ** power)


def declaration(function: object, name: str, unit: str, **fixed: object) -> Metric:
    return read_declaration(
        function,  # type: ignore[arg-type]
        name,
        unit=unit,
        version=1,
        fixed=fixed,  # type: ignore[arg-type]
        phases=("crack",),
        assume="",
    )


def declared(
    function: object = share, name: str = "{phase}_share", unit: str = "1", **fixed: object
) -> Registry:
    made = Registry()
    made._loaded = True  # without the plug-ins of this environment
    made.add(declaration(function, name, unit, **fixed))
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
    with pytest.raises(RegistrationError, match=r"mixes measures \(voxels\) with results \(catalog\)"):
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
    units = {name: metric.unit for metric in shipped if metric.kind == "base" for name in metric.names()}
    founding = {
        "crack_euler_number": "1",
        "crack_interconnectivity": "1",
        "crack_surface_density": "1/um",
        "crack_surface_to_volume_ratio": "1/um",
        "gas_volume": "mm^3",
        "crack_volume_fraction": "1",
        "crack_width_depth_profile": "um",
        "crack_width_distribution": "1",
        "crack_width_mean": "um",
        "crack_width_median_depth_profile": "um",
        "crack_width_median": "um",
        "electrode_thickness": "um",
        "electrode_thickness_distribution": "1",
        "electrode_thickness_spread": "um",
        "electrode_tilt": "deg",
        "islet_size": "um",
        "islet_size_distribution": "1",
        "pore_interconnectivity": "1",
        "pore_surface_to_volume_ratio": "1/um",
        "pore_volume_fraction": "1",
        "sei_surface_to_volume_ratio": "1/um",
        "sei_thickness_depth_profile": "um",
        "sei_thickness_distribution": "1",
        "sei_thickness_mean": "um",
        "sei_thickness_median": "um",
        "sei_volume_fraction": "1",
    }
    assert units.items() >= founding.items()
    for metric in shipped:
        assert metric.version >= 1
        assert metric.summary.endswith(".")


# ---- derived metrics ---------------------------------------------------------------------------------------


def derived(function: object, unit: str, name: str = "made") -> Metric:
    made = Registry()
    made._loaded = True
    for metric in shipped:
        if metric.kind == "base":
            made.add(metric)
    made.add(declaration(function, name, unit))
    return made.find(name)[0]


Fraction = Annotated[float, From("crack_volume_fraction", scale="micro")]
Width = Annotated[float, From("crack_width_mean")]
Mass = Annotated[float, Field("cell.si_mass", "mg_Si")]


def test_units_of_a_formula_are_proved_before_any_data() -> None:
    def right(fraction: Fraction, width: Width) -> float:
        return fraction * width

    assert derived(right, "um").kind == "derived"
    with pytest.raises(RegistrationError, match=r"declared 'V' .* but the formula gives .*\[length\]"):
        derived(right, "V")
    with pytest.raises(RegistrationError, match=r"declared 'um\^2'"):
        derived(right, "um^2")


def test_sums_of_unlike_quantities_are_refused() -> None:
    def wrong(fraction: Fraction, width: Width) -> float:
        return fraction + width

    with pytest.raises(RegistrationError, match="the units do not work out"):
        derived(wrong, "um")


def test_grams_and_grams_of_silicon_do_not_mix() -> None:
    def per_gram(width: Width, mass: Mass) -> float:
        return width**3 / mass

    assert derived(per_gram, "cm^3/g_Si").unit == "cm^3/g_Si"
    with pytest.raises(RegistrationError, match="mass_Si"):
        derived(per_gram, "cm^3/g")


def test_a_bare_number_that_stands_for_a_quantity_is_found() -> None:
    def hidden(width: Width) -> float:
        # 0.65 um, written as a number: right on magnitudes, wrong in any other unit
        return (
            getattr(width, "magnitude", width) * width / getattr(width, "magnitude", width)
            + 0 * width
            + (width * 0.65 / getattr(width, "magnitude", width))
        )

    with pytest.raises(RegistrationError, match="a bare number in the formula stands for a quantity"):
        derived(hidden, "um")


def test_an_input_that_names_no_metric_gives_the_nearest() -> None:
    def wrong(fraction: Annotated[float, From("crack_volume_fractoin")]) -> float:
        return fraction

    # any word may be a phase, so what is near is told from the rest of the name
    with pytest.raises(
        RegistrationError, match="asks for 'crack_volume_fractoin', which names no metric; nearest"
    ):
        derived(wrong, "1")


def test_an_input_that_measures_something_else_is_refused() -> None:
    def wrong(thickness: Annotated[float, From("electrode_thickness", unit="V")]) -> float:
        return thickness

    with pytest.raises(
        RegistrationError,
        match=r"'thickness' asks for V \(.*\[current\].*\), but electrode_thickness is in um \(\[length\]\)",
    ):
        derived(wrong, "V")


def test_a_volume_of_solid_is_not_a_volume_of_gas() -> None:
    """Eq. 5 with a litre too many: volume over molar volume times molar mass is a mass, not a volume."""

    def without_density(
        gas: Annotated[float, Field("cell.initial_thickness", "um")],
        mass: Mass,
        *,
        molar_volume: Annotated[float, In("L/mol", gt=0)] = 22.4,
        molar_mass: Annotated[float, In("g/mol", gt=0, of="product")] = 73.89,
    ) -> float:
        return gas**3 / mass / molar_volume * molar_mass

    with pytest.raises(RegistrationError, match=r"declared 'mm\^3/g_Si' \(\[length\] \*\* 3 / \[mass_Si\]\)"):
        derived(without_density, "mm^3/g_Si")


def test_an_argument_without_a_mark_is_the_metric_of_its_name() -> None:
    def doubled(crack_volume_fraction: float) -> float:
        return 2 * crack_volume_fraction

    assert derived(doubled, "1").queries == {"crack_volume_fraction": From("crack_volume_fraction")}


@pytest.mark.parametrize(
    "word", [{"scale": "macro"}, {"half": "charge"}, {"mode": "x"}, {"min_feature": "0.65"}]
)
def test_misspelt_selectors_are_refused_at_declaration(word: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        From("crack_volume_fraction", **word)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for m in shipped if m.kind == "base" for n in m.names()])
def test_base_metrics_scale_with_the_voxel(name: str) -> None:
    prove_scaling(shipped.request(name, {}))


def test_a_metric_that_forgets_the_voxel_is_found() -> None:
    def forgetful(voxels: Counted, sample: Sample) -> Answer:
        return Scalar(voxels.phase ** (1 / 3))

    with pytest.raises(
        CheckFailedError, match="declared 'um' scales with the voxel to the power 1, measured is 0"
    ):
        prove_scaling(declared(forgetful, unit="um").request("crack_share", {}))
