"""What the package promises about itself: one door to the disk, and a quick import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import siltomo.catalog
from siltomo.catalog import CatalogStore, FileSystem, VolumeSpec
from siltomo.errors import StorageError

PACKAGE = Path(siltomo.catalog.__file__).parent
WRITERS = {
    "chmod", "copyfile", "copytree", "hardlink_to", "link", "link_to", "mkdir", "makedirs", "move",
    "remove", "removedirs", "rename", "renames", "replace", "rmdir", "rmtree", "symlink", "symlink_to",
    "touch", "truncate", "unlink", "write_bytes", "write_text", "fsync",
}  # fmt: skip


def durable_effects(source: str):
    """Yield the calls of a source text that change a disk other than through a FileSystem named ``fs``."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        owner, _, name = call.rpartition(".")
        if owner.split(".")[-1] in ("fs", "_fs"):
            continue
        if call == "open" or name == "open":
            modes = [
                a.value
                for a in [*node.args, *(k.value for k in node.keywords)]
                if isinstance(a, ast.Constant)
            ]
            if any(isinstance(m, str) and set(m) & set("wax+") and len(m) < 4 for m in modes):
                yield call
        elif (owner == "shutil" and name != "disk_usage") or (name in WRITERS and not _of_text(owner, name)):
            yield call


def _of_text(owner, name):
    return name == "replace" and owner not in ("os", "path")


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_only_the_file_system_changes_the_disk(path):
    effects = list(durable_effects(path.read_text()))
    assert bool(effects) == (path.name == "filesystem.py"), effects


def test_the_check_sees_what_it_should():
    text = (
        "open(p, 'w'); p.open(mode='ab'); os.rename(a, b); shutil.rmtree(p); p.write_bytes(b); fs.rename(a)"
    )
    assert list(durable_effects(text)) == ["open", "p.open", "os.rename", "shutil.rmtree", "p.write_bytes"]


def test_importing_the_package_does_not_import_zarr():
    heavy = {"zarr", "pint", "pandas", "dask", "pydantic"}
    code = f"import sys, siltomo.catalog; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_volume_that_does_not_fit_is_refused_before_a_voxel_is_read(tmp_path):
    class Small(FileSystem):
        def free_bytes(self, path):
            return 300_000_000

    store = CatalogStore.create(tmp_path / "c", fs=Small())
    spec = VolumeSpec((1000, 1000, 1000), "uint8", (1, 1, 1), "s")
    with pytest.raises(StorageError, match=r"needs up to 1\.4 GB and the disk has 0\.3 GB") as caught:
        store.add_volume("scan", "s", spec, lambda a, b: pytest.fail("read"), lambda facts: {})
    assert caught.value.code == "SIL181"


@pytest.mark.skipif(
    not hasattr(__import__("os"), "geteuid") or __import__("os").geteuid() == 0, reason="root may all"
)
def test_a_folder_that_may_not_be_written_says_so(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StorageError, match="may not be written") as caught:
            CatalogStore.create(tmp_path / "c")
    finally:
        tmp_path.chmod(0o755)
    assert caught.value.code == "SIL183"
