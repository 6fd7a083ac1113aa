"""What every pass made of a program, as text and as JSON.

The tree is an outline; the stages after it print as programs, each more explicit than the one
before, with what is known beside a statement in a comment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.compiler.compile import Compiled
from poedsl.compiler.names.expand_definitions import Expanded
from poedsl.compiler.names.resolve import Resolved
from poedsl.compiler.names.type_expressions import type_expression
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import ONE, FactorSpec
from poedsl.compiler.plan.term_syntax import to_tree
from poedsl.compiler.plan.terms import Apply, Ref, Term
from poedsl.compiler.plan.text import print_plan
from poedsl.compiler.typecheck.checked import Checked, CheckedFactor
from poedsl.compiler.views.graphviz import dot
from poedsl.compiler.views.picture import svg
from poedsl.compiler.views.stage_json import Stage, parts_of, stage_json
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.formatting.printer import print_statement
from poedsl.grammar.source import NOWHERE, Source, Span

#: The passes in order, by what they make.
STAGES = ("tree", "expanded", "resolved", "checked", "lowered", "plan")
_PLAN: dict[str, Callable[[PlanSpec, Profile], str]] = {
    "text": print_plan,
    "json": lambda plan, _: plan.to_json(),
    "dot": lambda plan, _: dot(plan),
    "svg": lambda plan, _: svg(plan),
}


@dataclass(frozen=True, slots=True)
class View:
    """A stage of the compiler and the form that it is shown in."""

    stage: str
    form: str = "text"


_VIEWS = {
    **{form: View("plan", form) for form in _PLAN},
    **{stage: View(stage) for stage in STAGES},
    **{f"{stage}.{form}": View(stage, form) for stage in STAGES for form in ("text", "json")},
    **{f"plan.{form}": View("plan", form) for form in _PLAN},
}


def read_view(text: str) -> View:
    """The view that a text names: a form of the plan, a stage, or both as in ``tree.json``.

    Raises:
        ValueError: there is none of that name; says which there are.
    """
    if text not in _VIEWS:
        *stages, last = STAGES
        raise ValueError(
            f"there is no view {text!r}: there are {', '.join(_PLAN)} of the plan, and "
            f"{', '.join(stages)} and {last}, as text or, as in tree.json, as JSON"
        )
    return _VIEWS[text]


def emit(compiled: Compiled, view: View) -> str | None:
    """A stage of a program; None where errors kept the compiler from reaching it.

    Raises:
        PoeError: the program is nested more deeply than the view can show.
    """
    output, source = getattr(compiled, view.stage), compiled.source
    if output is None:
        return None
    if isinstance(output, PlanSpec):
        return emit_plan(output, view.form)
    try:
        return (
            stage_json(output, view.stage, source) if view.form == "json" else _text(output, source)
        )
    except RecursionError as error:
        message = f"the program is nested too deeply to be shown as {view.stage}.{view.form}"
        deep = Diagnostic("P0506", message, Span(0, len(source.text)))
        raise PoeError((deep,), source) from error


def emit_plan(plan: PlanSpec, form: str, profile: Profile = DEFAULT) -> str:
    """The plan as ``text`` with costs by a profile's weights, ``json``, ``dot`` or ``svg``."""
    return _PLAN[form](plan, profile)


def _lines(stage: Stage, source: Source) -> Iterable[str]:
    match stage:
        case tree.Program():
            return _outline(stage, source)
        case Expanded():
            return map(print_statement, stage.program.statements)
        case Resolved():
            return _resolved(stage, source)
        case Checked() | Lowered():
            return _typed(stage, source)


def _text(stage: Stage, source: Source) -> str:
    return "".join(f"{line}\n" for line in _lines(stage, source))


# Syntax.


def _outline(program: tree.Program, source: Source) -> Iterator[str]:
    """A node a line: where it stands, what it is to the node above it, its type and text."""
    rows: list[tuple[str, str]] = []
    pending: list[tuple[int, str, tree.Node]] = [(0, "", program)]
    while pending:
        depth, role, node = pending.pop()
        words, inner = [f"{role}{type(node).__name__}"], []
        for name, value in parts_of(node):
            if isinstance(value, tree.Node):
                inner.append((depth + 1, f"{name}: ", value))
            elif isinstance(value, tuple):
                inner += [(depth + 1, "", v) for v in value]
            elif value is not None:
                words.append(json.dumps(value, ensure_ascii=False))
        rows.append((_range(node.span, source), "  " * depth + " ".join(words)))
        pending += reversed(inner)
    width = max(len(place) for place, _ in rows)
    for place, text in rows:
        yield f"{place:<{width}}  {text}"


def _range(span: Span, source: Source) -> str:
    """``2:7-11``, or ``2:7-4:1`` where it ends in another line; what no source holds has none."""
    if span == NOWHERE:
        return "-"
    line, column = source.location(span.start)
    last, end = source.location(span.end)
    return f"{line}:{column}-{end}" if last == line else f"{line}:{column}-{last}:{end}"


def _resolved(stage: Resolved, source: Source) -> Iterator[str]:
    for statement in stage.program.statements:
        text = print_statement(statement)
        if isinstance(statement, tree.Input) and statement.name.name in stage.origins:
            origin, span = stage.origins[statement.name.name]
            text += f"  # {origin} at {_range(span, source)}"
        yield text


# Typed stages.


def _typed(stage: Checked | Lowered, source: Source) -> Iterator[str]:
    for declared, about in _declarations(stage, source):
        yield print_statement(declared) + (f"  # {about}" if about else "")
    for factor, about in _factors(stage, source):
        yield f"\n# {about}"
        yield print_statement(factor)
    if stage.options:
        names = tuple(tree.Name(name=v.name) for v in stage.variables)
        options = tuple((name, value) for name, (value, _) in stage.options.items())
        method = to_tree(Apply("anneal", (), options))
        assert isinstance(method, tree.Call)
        yield "\n" + print_statement(tree.Sample(names=names, method=method))
    for report in stage.reports:
        item = tree.Argument(value=to_tree(report.term))
        yield f"\n# {report.name} : {report.type}"
        yield print_statement(tree.Report(items=(item,)))
    for name in sorted(stage.incomplete):
        yield f"\n# not all of {name} is known: a statement on it has an error"


def _declarations(stage: Checked | Lowered, source: Source) -> Iterator[tuple[tree.Statement, str]]:
    """The declarations, each with what is known beside."""
    for i in stage.inputs:
        name = tree.Name(name=i.name)
        default = None if i.default is None else to_tree(i.default)
        place = i.place.removeprefix(f"{source.name}:")
        whence = "" if i.origin == "declared" else f"{i.origin} at {place}"
        yield tree.Input(name=name, type=type_expression(i.type), default=default), whence
    for let in stage.lets:
        yield (
            tree.Let(name=tree.Name(name=let.name), value=to_tree(let.term)),
            str(let.type),
        )
    for v in stage.variables:
        space = f"sampled in the space of {v.space}" if v.space else ""
        yield tree.Domain(name=tree.Name(name=v.name), type=type_expression(v.type)), space


def _factors(stage: Checked | Lowered, source: Source) -> Iterator[tuple[tree.Statement, str]]:
    """A statement for each factor, and what is known of it."""
    if isinstance(stage, Checked):
        for checked in stage.factors:
            about = f"at {_range(checked.span, source)}"
            yield _statement(checked, checked.variable, checked.product), about
        return
    for factor in stage.factors:
        wrapped = {"reward": "exp", "where": "where"}.get(factor.kind)
        term = Apply(wrapped, (factor.term,)) if wrapped else factor.term
        product = term if factor.exponent == ONE else Apply("^", (term, factor.exponent))
        about = f"{factor.name}: {factor.kind} at {_range(stage.spans[factor.name], source)}"
        mask = ", the exponent a mask" if factor.mask else ""
        yield _statement(factor, factor.variables[0], product), about + mask


def _statement(factor: CheckedFactor | FactorSpec, variable: str, product: Term) -> tree.Statement:
    """The factor as a statement, inside the loops that it runs over."""
    target = to_tree(factor.observed or factor.part or Ref(variable))
    assert isinstance(target, tree.Name | tree.Index)
    parent = tree.Name(name=variable) if factor.given else None
    out: tree.Statement = tree.Factor(target=target, product=to_tree(product), given=parent)
    for name, over in reversed(factor.loops):
        out = tree.For(target=tree.Name(name=name), iterable=to_tree(over), body=(out,))
    return out
