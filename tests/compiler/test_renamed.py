"""Names that options had in earlier versions: an error whose fix writes the present one."""

from __future__ import annotations

import pytest

import poedsl
from poedsl.compiler.plan.options import OPTIONS, RENAMED
from poedsl.grammar.recovery.apply_fixes import apply_fixes

PRODUCT = "x ~ Normal(0, 1) * Normal(2, 1)\nsample x by anneal({})\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("swarms = 4", "islands = 4"),
        ("normalize = false", "normalize_exponents = false"),
        ("kernel = walk(steps = 2)", "kernel = random_walk(steps = 2)"),
        ("kernel = uhmc()", "kernel = unadjusted_hmc()"),
        ("kernel = mala(size = 0.25)", "kernel = mala(step_size = 0.25^0.5)"),
        ("kernel = langevin(2, size = 0.09)", "kernel = langevin(2, step_size = 0.09^0.5)"),
    ],
)
def test_the_fix_of_an_old_name_is_safe_and_right(old: str, new: str) -> None:
    text = PRODUCT.format(old)
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code in ("P0501", "P0502")
    (fix,) = diagnostic.fixes
    assert fix.applicability == "safe"
    mended, _ = apply_fixes(text, caught.value.diagnostics)
    assert mended == PRODUCT.format(new)
    poedsl.compile(mended)


def test_old_names_given_in_python_say_the_present_one() -> None:
    plan = poedsl.compile("x ~ Normal(0, 1)")
    with pytest.raises(poedsl.PoeError) as caught:
        plan.run(swarms=4)
    assert "`islands`" in caught.value.diagnostics[0].fixes[0].text


def test_no_old_name_is_in_use() -> None:
    names = {*OPTIONS, *(f.name for o in OPTIONS.values() for f in o.forms)}
    names |= {a.name for o in OPTIONS.values() for f in o.forms for a in f.arguments}
    assert not names & RENAMED.keys()
    assert set(RENAMED.values()) <= names
