"""The one list of the words of the language, for editors and highlighters.

The grammar, the tables of functions and options and the catalog have the words; a test compares.
"""

from __future__ import annotations

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.names.references import CONSTRUCTS, SCAN
from poedsl.compiler.plan.options import OPTIONS
from poedsl.grammar.tokens import CONNECTIVES, CONSTANTS, CONTEXTUAL, STATEMENTS
from poedsl.grammar.types import RANKS

#: What every keyword is for, in a line and as it is written.
KEYWORDS: dict[str, tuple[str, str]] = {
    "use": (
        "names an expert, reward or source of a Python file or a folder",
        'use f from "a.py:f"',
    ),
    "from": ("stands between a name and its place", 'use f from "a.py:f"'),
    "input": ("declares a value that the caller gives", "input label : Int = 3"),
    "let": ("names a value", "let half = box(0, 0, 0.5, 1)"),
    "expert": ("defines an expert as a product", "expert wide(s) = Normal(0, s) * Normal(1, s)"),
    "for": ("repeats a block, or makes an element of each value", "for m in [0, 2]:"),
    "in": ("stands between an element and what it runs over", "for m in [0, 2]:"),
    "sample": ("sets the options of the sampler", "sample x by anneal(particles = 64)"),
    "by": ("stands between the variables and the method", "sample x by anneal(steps = 30)"),
    "report": ("names values that are computed of every particle", "report mean(x), c = x^2"),
    "given": ("conditions an expert on the parents of its variable", "x ~ flow() given x"),
    "and": ("is true where both conditions are", "where(x > 0 and x < 2)"),
    "or": ("is true where one of two conditions is", "where(x < 0 or x > 2)"),
    "not": ("is true where a condition is not", "where(not x > 2)"),
    "true": ("is the condition that always holds", "mala(adapt = true)"),
    "false": ("is the condition that never holds", "mala(adapt = false)"),
    "none": ("stands for no value", "sample x by anneal(resample = none)"),
}

#: Words that begin a statement.
STATEMENT_WORDS = (*STATEMENTS, *CONTEXTUAL)
#: Those that are names where they do not begin one.
CONTEXTUAL_WORDS = CONTEXTUAL
#: Words that join the parts of a statement or an expression.
CONNECTIVE_WORDS = CONNECTIVES
CONSTANT_WORDS = CONSTANTS
TYPE_WORDS = tuple(RANKS)
#: Names with brackets that are part of the language.
CONSTRUCT_WORDS = (*CONSTRUCTS, SCAN)
FUNCTION_WORDS = tuple(sorted(FUNCTIONS.keys() - set(CONSTRUCT_WORDS)))
EXPERT_WORDS = tuple(sorted(SIGNATURES))
OPTION_WORDS = tuple(OPTIONS)
#: Values of options that have a name, but for ``none``.
FORM_WORDS = tuple(
    sorted({f.name for o in OPTIONS.values() for f in o.forms if f.available} - set(CONSTANTS))
)
#: The method of a `sample` statement.
METHOD = "anneal"
