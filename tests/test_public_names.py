"""The public API is what ``siltomo.__all__`` lists."""

from __future__ import annotations

import siltomo
import siltomo.kernels


def test_every_public_name_is_there() -> None:
    for module in (siltomo, siltomo.kernels):
        for name in module.__all__:
            assert getattr(module, name) is not None
        assert len(set(module.__all__)) == len(module.__all__)


def test_the_kernels_that_work_without_a_catalog() -> None:
    promised = {"local_thickness", "squared_distance", "component_sizes", "configuration_histogram"}
    assert promised | {"surface_area", "euler_number"} <= set(siltomo.kernels.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    assert not hasattr(siltomo, "nothing")
    assert "open_catalog" in dir(siltomo)
