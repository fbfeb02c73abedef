"""All benchmarks, one after the other, as one page of Markdown.

``python benchmarks/run.py`` (an hour on two cores; ``--quick`` for 256^3 only). Peers that are not installed are
left out: ``pip install --group peers``.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = {
    "Configurations, surfaces, Euler numbers": ["bench_counts.py"],
    "Exact squared distance": ["bench_distance.py"],
    "Local thickness": ["bench_thickness.py"],
    "Connected components": ["bench_components.py"],
    "Grey histograms": ["bench_greys.py"],
}


def main() -> None:
    quick = "--quick" in sys.argv
    sizes = ["256"] if quick else ["256", "512"]
    print(f"{_processor()}, Python {platform.python_version()}, {platform.system()}\n")
    for title, (script,) in SCRIPTS.items():
        print(f"## {title}\n", flush=True)
        _run(script, "--sizes", *sizes, "--rounds", "3")
    print("## The catalog's pass, by size\n", flush=True)
    _run("bench_catalog.py", *(["--sides", "128", "256"] if quick else ["--large"]))


def _run(script: str, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *options], capture_output=True, text=True, check=False
    )
    print(done.stdout if done.returncode == 0 else f"failed:\n\n```\n{done.stderr[-2000:]}\n```", flush=True)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


if __name__ == "__main__":
    main()
