"""What the demo measures is compiled by its warming: nothing is left for the scans themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest

# in a process of its own: which kernels it has loaded or compiled is what is looked at
SCRIPT = """
import sys
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from siltomo.engine.demo.demo import METRICS
from siltomo.engine.demo.parts import computed, register
from siltomo.engine.demo.warming import compile_kernels
from siltomo.twin import Preset, Twin, write_study

def ready():
    modules = [module for name, module in sys.modules.items() if name.startswith("siltomo.kernels.")]
    kernels = {one for m in modules for one in vars(m).values() if isinstance(one, Dispatcher)}
    return {(kernel.py_func.__qualname__, types) for kernel in kernels for types in kernel.overloads}

preset = Preset("tiny", 0.5, 40.0, None, 2.0, 60.0, 200.0, 0.05, 3.5, 2.0, 1)
folder = Path(sys.argv[1])
study = write_study(Twin(1, "with-zn", preset), folder)
assert compile_kernels(METRICS) > 10
warm = ready()
computed(register(folder, study), METRICS)
print(len(warm) > 10, sorted({name for name, _ in ready() - warm}))
"""


@pytest.mark.slow
def test_no_kernel_is_left_to_compile(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "demo")], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "True []\n"
