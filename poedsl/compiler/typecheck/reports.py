"""Values that `report` computes of every particle: their names, types and terms."""

from __future__ import annotations

from poedsl.compiler.plan.plan_parts import ReportSpec
from poedsl.compiler.plan.terms import Apply, too_large, walk
from poedsl.compiler.typecheck.checked import MOST_NODES
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.typed import counted, describe
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.source import Span

#: What the file of the particles has beside variables and reports.
RESERVED = frozenset({"log_weights", "eve_indices", "parents"})


def reported_values(
    checker: ProgramChecker, statements: tuple[tree.Statement, ...]
) -> tuple[ReportSpec, ...]:
    """The values of all `report` statements; a variable alone is in every result already."""
    items = [i for s in statements if isinstance(s, tree.Report) for i in s.items]
    places: dict[str, Span] = {}
    out: list[ReportSpec] = []
    for item in items:
        value = item.value
        if item.name is None and isinstance(value, tree.Name) and value.name in checker.variables:
            continue
        name = item.name or " ".join(checker.text(value.span).split())
        spec = reported_value(checker, name, value)
        if spec is None:
            continue
        if name in RESERVED:
            checker.error("P0203", f"the output of a run has `{name}` already", item.span)
        elif name in places or name in checker.variables:
            place = places.get(name) or checker.places[name]
            checker.error(
                "P0203",
                f"`{name}` is in the result already",
                item.span,
                labels=(Label(place, "here"),),
            )
        places.setdefault(name, item.span)
        out.append(spec)
    return tuple(out)


def reported_value(checker: ProgramChecker, name: str, expr: tree.Expr) -> ReportSpec | None:
    """One value; None after reporting an error in it."""
    typed = counted(checker.value(expr))
    if not typed.ok:
        return None
    if not typed.type.is_numeric:
        checker.error(
            "P0311",
            f"`report` takes numbers and conditions, and this is {describe(typed.type)}",
            expr.span,
        )
        return None
    called = [t.function for t in walk(typed.term) if isinstance(t, Apply)]
    signatures = {f: checker.signatures[f] for f in called if f in checker.signatures}
    source = next((f for f, s in signatures.items() if not s.describes_data), None)
    if source is not None:
        checker.error(
            "P0403",
            f"`{source}` is called here, and a report takes expressions",
            expr.span,
            notes=(f"a source has a name by `let`: `let s = {source}(...)`, `report mean(s)`",),
        )
        return None
    if problem := too_large(typed.term, MOST_NODES):
        checker.error("P0506", f"this {problem}", expr.span)
        return None
    return ReportSpec(name, typed.type, typed.term)
