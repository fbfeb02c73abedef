from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import siltomo.kernels


def test_a_changed_function_of_another_file_is_compiled_again(tmp_path):
    # A kernel in one file calls a function in another; only the other one changes.
    package = tmp_path / "pack"
    package.mkdir()
    shutil.copy(Path(siltomo.kernels.__file__).parent / "_jit.py", package / "_jit.py")
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text(
        "from pack._jit import kernel\nfrom pack.inner import inner\n\n"
        "@kernel\ndef outer(x):\n    return inner(x)\n"
    )
    answers = []
    for code in ("return x + 1", "return x + 2", "return x + 2"):
        (package / "inner.py").write_text(
            f"from pack._jit import inlined\n\n@inlined\ndef inner(x):\n    {code}\n"
        )
        os.utime(
            package / "inner.py", (1e9 + 10 * len(answers),) * 2 if len(answers) < 2 else (1e9 + 10,) * 2
        )
        script = "from pack.outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        answers.append(done.stdout.split())
    assert answers == [["2", "0"], ["3", "0"], ["3", "1"]]
