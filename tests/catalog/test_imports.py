"""The catalog, the grammar and the compiler need none of the numerical libraries."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import pkgutil, sys
import poedsl.catalog, poedsl.compiler, poedsl.grammar

for package in (poedsl.catalog, poedsl.compiler, poedsl.grammar):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        __import__(module.name)
libraries = {"torch", "numpy", "transformers", "diffusers"}
packages = {"poedsl.experts", "poedsl.runtime", "poedsl.interface"}
print(sorted((libraries | packages) & sys.modules.keys()))
"""


def test_they_import_no_library_and_no_runtime() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
