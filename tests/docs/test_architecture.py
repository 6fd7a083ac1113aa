"""The picture of the architecture page has the imports of the code, and its paths exist."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "architecture.py"))


PICTURES = ["architecture.svg", "runtime.svg"]


@pytest.mark.parametrize("name", PICTURES)
def test_the_arrows_are_the_imports(script: dict[str, Any], name: str) -> None:
    picture = ElementTree.parse(DOCS / name)
    arrows = picture.iterfind(f".//{SVG}path[@class='import']")
    titles = [arrow.findtext(f"{SVG}title", "") for arrow in arrows]
    pairs = {tuple(title.split(" imports ")) for title in titles}
    assert len(pairs) == len(titles)
    assert pairs == script["imports"](script["PICTURES"][name][0])


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_what_the_script_draws(
    script: dict[str, Any], golden: Callable[[Path, str], None], name: str
) -> None:
    package, summaries = script["PICTURES"][name]
    golden(DOCS / name, script["drawn"](script["imports"](package), summaries))


def test_no_import_is_of_an_upper_layer(script: dict[str, Any]) -> None:
    for package, summaries in script["PICTURES"].values():
        order = list(summaries)
        for importer, imported in script["imports"](package):
            assert order.index(importer) < order.index(imported)


def test_imports_of_every_form_are_found(script: dict[str, Any], tmp_path: Path) -> None:
    package = tmp_path / "poedsl"
    for name in ("one", "two", "three", "four"):
        (package / name).mkdir(parents=True)
    (package / "__init__.py").write_text("from poedsl import four\n")
    (package / "api.py").write_text("import poedsl.two.deep\nimport poedsl, json\n")
    (package / "one" / "lazy.py").write_text("def f():\n    from poedsl import three, version\n")
    (package / "two" / "own.py").write_text(
        "from poedsl.two.deep import x\nfrom poedsl.api import y\n"
    )
    wanted = {("api", "two"), ("one", "three"), ("two", "api")}
    assert script["imports"](package) == wanted
    (package / "one" / "__init__.py").touch()
    for name in ("a", "b"):
        (package / "one" / f"{name}.py").write_text("from poedsl import two\n")
    (package / "one" / "c.py").write_text("import poedsl.one.a\nfrom poedsl.one import b\n")
    assert script["imports"](package / "one") == {("c", "a"), ("c", "b")}


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_paths_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:poedsl|tests|docs|benchmarks|programs|models)/[\w./]*)`", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_package_has_a_row() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(poedsl/(?:\w+/)+)` \|", text, re.M))
    inits = (ROOT / "poedsl").glob("*/**/__init__.py")
    folders = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in inits}
    assert rows == folders
