"""Options of the sampler and of a run as statements of their own."""

from __future__ import annotations

import re

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.recovery.edits import clip
from poedsl.grammar.recovery.misplaced_signs import ASSIGNMENT_SIGNS, assignment
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import OPTION_NAMES, Failure

_TARGET = re.compile(r"^(\w+)[ \t]*(?:\[[^\n~]*\])?[ \t]*~", re.MULTILINE)
_DEFINED = re.compile(r"^(?:input|let)[ \t]+(\w+)", re.MULTILINE)
_SAMPLE = re.compile(r"^sample\b", re.MULTILINE)


def option_alone(f: Failure) -> Diagnostic | None:
    """``particles = 8000``, ``steps: 30``, ``seed = 3``."""
    name, sign = f.first, f.words[min(1, f.index)]
    value = f.words[2:-1]
    assigned = f.index == 1 and sign.text in ASSIGNMENT_SIGNS
    declared = f.index == 2 and sign.text == ":" and f.word.kind == "number"
    if not (assigned or declared) or not value or name.text not in (*OPTION_NAMES, "seed"):
        return None
    argument = f.source(value[0].span.start, value[-1].span.end)
    message = f"`{name.text} {sign.text} ...` is not a statement"
    span = name.span.to(sign.span)
    constant = assignment(f)
    fixes = () if constant is None else constant.fixes[:1]
    if name.text == "seed":
        note = "the seed is an argument of the run: `poe run --seed 3`, `plan.run(seed = 3)`"
        return Diagnostic("P0111", message, span, notes=(note,), fixes=fixes)
    defined = set(_DEFINED.findall(f.text))
    targets = [t for t in dict.fromkeys(_TARGET.findall(f.text)) if t not in defined]
    variables = ", ".join(targets) or "x"
    written = f"sample {variables} by anneal({name.text} = {argument})"
    shown = f"sample {clip(variables)} by anneal({name.text} = {clip(' '.join(argument.split()))})"
    text = f"an option of the sampler is written `{shown}`"
    if f.indent or not targets or _SAMPLE.search(f.text):
        note = f"{text}; a program has one such statement, with all options in its brackets"
        return Diagnostic("P0111", message, span, notes=(note,), fixes=fixes)
    fix = Fix(text, (Edit(Span(name.span.start, value[-1].span.end), written),))
    return Diagnostic("P0111", message, span, fixes=(fix, *fixes))
