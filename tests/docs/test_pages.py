"""The links of all pages lead somewhere, and the changelog has the renamed options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poedsl.compiler.plan.options import RENAMED

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_the_changelog_has_the_renamed_options() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    table = text[text.index("### Changed") : text.index("Names in results")]
    rows = re.findall(r"^\| (?:option|kernel|argument) `(\w+)`.*?\| `(\w+)`", table, re.M)
    assert dict(rows) == RENAMED
