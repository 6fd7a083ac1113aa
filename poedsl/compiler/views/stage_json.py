"""What every pass made of a program, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from poedsl.compiler.names.expand_definitions import Expanded
from poedsl.compiler.names.resolve import Resolved
from poedsl.compiler.plan import terms
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.typecheck.checked import Checked, CheckedFactor
from poedsl.grammar import tree
from poedsl.grammar.source import NOWHERE, Source, Span

Stage = tree.Program | Expanded | Resolved | Checked | Lowered


def stage_json(stage: Stage, name: str, source: Source) -> str:
    data = {"stage": name, "program": source.name, **_data(stage, source)}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _data(stage: Stage, source: Source) -> dict[str, Any]:
    match stage:
        case tree.Program():
            return {"tree": _node(stage, source)}
        case Expanded():
            return {"tree": _node(stage.program, source)}
        case Resolved():
            origins = {
                name: {"origin": origin, "span": _span(span, source)}
                for name, (origin, span) in stage.origins.items()
            }
            return {"origins": origins, "tree": _node(stage.program, source)}
        case Checked() | Lowered():
            return _typed_data(stage, source)


def parts_of(node: tree.Node) -> Iterator[tuple[str, Any]]:
    """What a node is made of, places left out."""
    for field in fields(node):
        if field.compare:
            yield field.name, getattr(node, field.name)


def _node(node: tree.Node, source: Source) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, tree.Node):
            return _node(value, source)
        if isinstance(value, tuple):
            return [plain(v) for v in value]
        return _finite(value)

    parts = {name: plain(value) for name, value in parts_of(node)}
    return {"node": type(node).__name__, "span": _span(node.span, source), **parts}


def _finite(value: Any) -> Any:
    """JSON has no number for what is infinite; such a literal is a text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _span(span: Span, source: Source) -> dict[str, Any] | None:
    """A span as diagnostics show it."""
    if span == NOWHERE:
        return None
    ends = {"start": span.start, "end": span.end}
    places = {name: (*source.location(offset), offset) for name, offset in ends.items()}
    return {n: dict(zip(("line", "column", "offset"), p, strict=True)) for n, p in places.items()}


def _typed_data(stage: Checked | Lowered, source: Source) -> dict[str, Any]:
    """As in a plan, as far as the two agree."""
    factors = stage.factors if isinstance(stage, Lowered) else ()
    plan = PlanSpec(source.name, stage.inputs, stage.variables, factors, (), lets=stage.lets)
    data = json.loads(plan.to_json())
    if isinstance(stage, Checked):
        data["factors"] = [_factor(f, source) for f in stage.factors]
    shared = {name: data[name] for name in ("inputs", "lets", "variables", "factors")}
    options = {name: terms.to_json(value) for name, (value, _) in stage.options.items()}
    return {**shared, "options": options, "incomplete": sorted(stage.incomplete)}


def _factor(factor: CheckedFactor, source: Source) -> dict[str, Any]:
    return {
        "variable": factor.variable,
        "product": terms.to_json(factor.product),
        "span": _span(factor.span, source),
        "part": None if factor.part is None else terms.to_json(factor.part),
        "given": factor.variable if factor.given else "",
        "loops": [{"name": name, "over": terms.to_json(over)} for name, over in factor.loops],
        **({} if factor.observed is None else {"observed": terms.to_json(factor.observed)}),
    }
