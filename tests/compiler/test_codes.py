"""Every code that is given has a page, and every page a code that is given."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest

from poedsl.compiler.codes import CODES
from poedsl.grammar.codes import SYNTAX
from tests.compiler.programs import ROOT, codes, compiled

_CODE = re.compile(r'"(P\d{4})"')


def test_codes_and_pages_agree() -> None:
    given: set[str] = set()
    for path in (ROOT / "poedsl").rglob("*.py"):
        if path.name != "codes.py" and path.parent.name != "code_pages":
            given |= set(_CODE.findall(path.read_text(encoding="utf-8")))
    assert given == set(CODES)


@pytest.mark.parametrize("code", sorted(set(CODES) - set(SYNTAX)))
def test_pages_are_short_and_fit_a_terminal(code: str) -> None:
    page = CODES[code]
    assert page.title
    assert not page.title.endswith(".")
    assert all(len(line) <= 100 for line in page.page.splitlines())


#: Pages with examples that are no whole programs, that are Python, or that need files.
NOT_COMPILED = {
    *("P0204", "P0206", "P0207", "P0208", "P0211"),
    *("P0707", "P0708", "P0711", "P0712"),
}
EXAMPLES = [
    code
    for code, page in CODES.items()
    if code not in SYNTAX.keys() | NOT_COMPILED
    and ("# wrong" in page.page or "# refused" in page.page)
]


def examples(code: str, mark: str) -> list[str]:
    """The indented blocks of a page with a line of that mark, declared sizes kept."""
    blocks = [textwrap.dedent(b) for b in CODES[code].page.split("\n\n") if b.startswith("    ")]
    lines: list[str] = []
    for block in blocks:
        shared = [
            line for line in block.splitlines() if "# wrong" not in line and "# right" not in line
        ]
        shared = [line for line in shared if "# refused" not in line and "# accepted" not in line]
        chosen = [line for line in block.splitlines() if mark in line]
        lines += ["\n".join((*shared, *chosen))] if chosen else []
    return lines


@pytest.mark.parametrize("code", EXAMPLES)
def test_wrong_examples_have_the_error(code: str) -> None:
    mark = "# refused" if code == "P0205" else "# wrong"
    found = [codes(text, strict=code == "P0205") for text in examples(code, mark)]
    assert found
    assert all(code in each for each in found), found


@pytest.mark.parametrize("code", [c for c in EXAMPLES if "# right" in CODES[c].page])
def test_right_examples_do_not(code: str) -> None:
    found = [codes(text) for text in examples(code, "# right")]
    assert found
    assert not any(code in each for each in found), found


@pytest.mark.parametrize(
    "code",
    [
        "import poedsl, poedsl.grammar, poedsl.compiler",
        "import poedsl.compiler.compile, poedsl.compiler.plan.text, poedsl.cli.main",
        "import sys; sys.argv = ['poe', 'check', 'programs/digits.poe']\n"
        "from poedsl.cli.main import app\n"
        "app(standalone_mode=False)",
    ],
)
def test_the_language_loads_nothing_heavy(code: str) -> None:
    heavy = "{'torch', 'numpy', 'rich', 'diffusers', 'transformers', 'pyro', 'PIL'}"
    script = (
        f"{code}\nimport sys; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_severities() -> None:
    for text in ("x ~ Normal(0, 1)", "x ~ Normal(0, 1) * Normal(1, 1)", "x ~ Normal(0, 0)"):
        for diagnostic in compiled(text).diagnostics:
            assert (diagnostic.severity == "error") is diagnostic.is_error
