"""What the source distribution holds."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Files that the build adds by itself.
ADDED = {".gitignore", "LICENSE", "README.md", "pyproject.toml"}


def test_the_source_distribution_has_every_file_of_the_repository_and_no_other() -> None:
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode or not listed.stdout:
        pytest.skip("not a checkout of the repository")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    names = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    assert names - {".ci"} == {*included, *ADDED}
