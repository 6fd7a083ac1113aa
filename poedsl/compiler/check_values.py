"""Types of values: numbers, conditions, parts, and the arguments of experts and rewards.

Constants fold. What is wrong is reported once: an expression that holds it is poisoned, and
nothing more is said of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from poedsl.compiler import linear
from poedsl.compiler.functions import BOOLEAN, FUNCTIONS, MOST, flatten, operate
from poedsl.compiler.names import count
from poedsl.compiler.resolve import CONSTRUCTS, SUBJECT
from poedsl.compiler.terms import Apply, Const, Ref, Term, names
from poedsl.compiler.typed import POISONED, Typed, describe, finite, fits
from poedsl.experts.signatures import SIGNATURES, Parameter, Required, Signature
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Source, Span
from poedsl.grammar.types import BOOL, INT, REAL, TEXT, Type, broadcast

_TOO_LARGE = "this number is too large: numbers go up to about 1.8e308"


@dataclass(slots=True)
class Values:
    """Types expressions by what is known of names.

    Attributes:
        environment: what each name stands for.
        places: where each name got its type.
        variables: the names that are sampled.
    """

    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    environment: dict[str, Typed] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    in_reward: bool = False

    def error(self, code: str, message: str, span: Span, **more: Any) -> Typed:
        self.diagnostics.append(Diagnostic(code, message, span, **more))
        return POISONED

    def text(self, span: Span) -> str:
        return self.source.text[span.start : span.end]

    def value(self, expr: tree.Expr) -> Typed:
        match expr:
            case tree.Number(value=number):
                if not finite(number):
                    return self.error("P0306", _TOO_LARGE, expr.span)
                return Typed(Const(number, expr.span), INT if isinstance(number, int) else REAL)
            case tree.String(value=text):
                return Typed(Const(text, expr.span), TEXT)
            case tree.Boolean(value=truth):
                return Typed(Const(truth, expr.span), BOOL)
            case tree.Nothing():
                return Typed(Const(None, expr.span), Type("None"))
            case tree.Name(name=name):
                return self.environment.get(name, POISONED)
            case tree.List():
                return self.vector(expr)
            case tree.Unary():
                return self.unary(expr)
            case tree.Binary():
                return self.binary(expr)
            case tree.Index():
                return self.index(expr)
            case tree.Call() | tree.Comprehension():
                return self.called(expr)
            case tree.Attribute():
                return self.error(
                    "P0505",
                    "an attribute is in the language, but this release does not compile it",
                    expr.span,
                )

    def called(self, expr: tree.Call | tree.Comprehension) -> Typed:
        name = expr.function.name
        if isinstance(expr, tree.Call) and name in SIGNATURES:
            return self.reward_call(expr, SIGNATURES[name])
        if isinstance(expr, tree.Call) and name in FUNCTIONS:
            return self.function(expr)
        if name in CONSTRUCTS or name in SIGNATURES:
            return self.error(
                "P0403", f"`{name}` is a factor of a product, not a number", expr.span
            )
        if name in FUNCTIONS:
            return self.error(
                "P0505",
                f"a comprehension in `{name}` is in the language, but this release does not "
                "compile it",
                expr.span,
            )
        return POISONED

    def vector(self, expr: tree.List) -> Typed:
        items = [self.value(i) for i in expr.items]
        if not all(i.ok for i in items):
            return POISONED
        if not items:
            return self.error("P0309", "a list has at least one element", expr.span)
        first = items[0].type
        for item, element in zip(items, expr.items, strict=True):
            if not item.type.is_numeric:
                return self.error(
                    "P0311",
                    f"a list holds numbers, and this is {describe(item.type)}",
                    element.span,
                )
            if item.type.sizes != first.sizes:
                return self.error(
                    "P0303",
                    "the elements of a list have one shape, and these differ",
                    expr.span,
                    labels=(
                        Label(expr.items[0].span, describe(first)),
                        Label(element.span, describe(item.type)),
                    ),
                )
        name = "Int" if all(i.type.name == "Int" for i in items) else "Real"
        type_ = Type(name, (len(items), *first.sizes))
        if not all(isinstance(i.term, Const) for i in items):
            return Typed(Apply("list", tuple(i.term for i in items), span=expr.span), type_)
        if too_many(type_):
            return self.error("P0306", f"this list has more than {MOST:,} numbers", expr.span)
        return Typed(Const(tuple(i.value for i in items), expr.span), type_)

    def unary(self, expr: tree.Unary) -> Typed:
        typed = self.value(expr.operand)
        if not typed.ok:
            return typed
        logical = expr.op == "not"
        if (typed.type.name == "Bool") != logical or not typed.type.is_numeric:
            kind = "a condition" if logical else "a number"
            return self.error(
                "P0311",
                f"`{expr.op}` takes {kind}, and this is {describe(typed.type)}",
                expr.operand.span,
            )
        if expr.op == "+":
            return typed
        return self.folded("neg" if expr.op == "-" else expr.op, (typed,), typed.type, expr.span)

    def binary(self, expr: tree.Binary) -> Typed:
        left, right = self.value(expr.left), self.value(expr.right)
        if not (left.ok and right.ok):
            return POISONED
        logical = expr.op in ("and", "or")
        for typed, side in ((left, expr.left), (right, expr.right)):
            if not typed.type.is_numeric or (typed.type.name == "Bool") != logical:
                kind = "conditions" if logical else "numbers"
                return self.error(
                    "P0311",
                    f"`{expr.op}` takes {kind}, and this is {describe(typed.type)}",
                    side.span,
                )
        sizes = broadcast(left.type.sizes, right.type.sizes)
        if sizes is None:
            return self.error(
                "P0303",
                f"the two sides of `{expr.op}` have shapes that do not fit",
                expr.op_span if expr.op_span.end else expr.span,
                labels=(
                    Label(expr.left.span, describe(left.type)),
                    Label(expr.right.span, describe(right.type)),
                ),
            )
        whole = left.type.name == right.type.name == "Int" and expr.op in "+-*"
        name = "Bool" if expr.op in BOOLEAN else "Int" if whole else "Real"
        return self.folded(expr.op, (left, right), Type(name, sizes), expr.span)

    def folded(self, op: str, operands: tuple[Typed, ...], type_: Type, span: Span) -> Typed:
        if not all(isinstance(o.term, Const) for o in operands):
            return Typed(Apply(op, tuple(o.term for o in operands), span=span), type_)
        if too_many(type_):
            return self.error("P0306", f"this has more than {MOST:,} numbers", span)
        try:
            value = operate(op, *(o.value for o in operands))
        except ValueError as error:
            return self.error("P0306", f"this has no value: {error}", span)
        if not finite(value):
            return self.error("P0306", "this has no value: the result is too large", span)
        return Typed(Const(value, span), type_)

    def function(self, expr: tree.Call) -> Typed:
        function = FUNCTIONS[expr.function.name]
        for argument in expr.arguments:
            if argument.name is not None or argument.weight is not None:
                return self.error(
                    "P0301",
                    f"`{function.name}` takes its arguments by position",
                    argument.span,
                    notes=(f"{function}",),
                )
        least, most = min(function.optional, len(function.parameters)), len(function.parameters)
        if not least <= len(expr.arguments) <= most:
            takes = count(most, "argument") if least == most else f"{least} to {most} arguments"
            return self.error(
                "P0301",
                f"`{function.name}` takes {takes}, and has {len(expr.arguments)}",
                expr.span,
                notes=(f"{function}",),
            )
        args = [self.value(a.value) for a in expr.arguments]
        if not all(a.ok for a in args):
            return POISONED
        for typed, argument in zip(args, expr.arguments, strict=True):
            if not typed.type.is_numeric or typed.type.name == "Bool":
                return self.error(
                    "P0311",
                    f"`{function.name}` takes numbers, and this is {describe(typed.type)}",
                    argument.value.span,
                )
        result = function.typing(tuple(a.type for a in args), tuple(a.value for a in args))
        if isinstance(result, str):
            return self.error("P0306", f"`{function.name}`: {result}", expr.span)
        if all(isinstance(a.term, Const) for a in args):
            return self.evaluated(expr, args, result)
        return Typed(Apply(function.name, tuple(a.term for a in args), span=expr.span), result)

    def evaluated(self, expr: tree.Call, args: list[Typed], type_: Type) -> Typed:
        function = FUNCTIONS[expr.function.name]
        if type_.name == "Region":
            return Typed(Apply("box", tuple(a.term for a in args), span=expr.span), type_)
        try:
            value = function.evaluate(*(a.value for a in args))
        except OverflowError:
            return self.error("P0306", "this has no value: the result is too large", expr.span)
        except ValueError:
            return self.error(
                "P0306", f"this has no value: `{function.name}` is not defined here", expr.span
            )
        if not finite(value):
            return self.error("P0306", "this has no value: the result is too large", expr.span)
        return Typed(Const(value, expr.span), type_)

    # Parts: indices, slices and boxes.

    def index(self, expr: tree.Index) -> Typed:
        inner = self.value(expr.value)
        if not inner.ok:
            return inner
        if not inner.type.is_numeric or not inner.type.sizes:
            return self.error("P0305", f"{describe(inner.type)} has no parts", expr.value.span)
        if len(expr.items) == 1 and not isinstance(expr.items[0], tree.Slice):
            region = self.value(expr.items[0])
            if not region.ok:
                return region
            if region.type.name == "Region":
                return self.crop(expr, inner, region)
        return self.select(expr, inner)

    def crop(self, expr: tree.Index, inner: Typed, region: Typed) -> Typed:
        sizes = inner.type.sizes
        if len(sizes) < 2 or inner.type.name in ("Real", "Int", "Bool"):
            return self.error(
                "P0305", f"a box cuts a picture, and this is {describe(inner.type)}", expr.span
            )
        assert isinstance(region.term, Apply)
        left, top, right, bottom = (
            float(s)
            for s in flatten(tuple(a.value for a in region.term.args if isinstance(a, Const)))
        )
        cut = tuple(
            None if size is None else round(last * size) - round(first * size)
            for size, first, last in ((sizes[-2], top, bottom), (sizes[-1], left, right))
        )
        if any(size == 0 for size in cut):
            return self.error(
                "P0305", f"this box holds no pixel of {describe(inner.type)}", expr.items[0].span
            )
        type_ = Type(inner.type.name, (*sizes[:-2], *cut))
        return Typed(Apply("index", (inner.term, region.term), span=expr.span), type_)

    def select(self, expr: tree.Index, inner: Typed) -> Typed:
        sizes = inner.type.sizes
        if len(expr.items) > len(sizes):
            takes = "one index" if len(sizes) == 1 else f"at most {len(sizes)} indices"
            return self.error("P0305", f"{describe(inner.type)} takes {takes}", expr.span)
        kept: list[int | None] = []
        items: list[Term] = []
        for item, size in zip(expr.items, sizes, strict=False):
            chosen = (
                self.stretch(item, size) if isinstance(item, tree.Slice) else self.at(item, size)
            )
            if chosen is None:
                return POISONED
            term, left = chosen
            items.append(term)
            kept += left
        type_ = Type("Real", (*kept, *sizes[len(expr.items) :]))
        return picked(inner, tuple(items), type_, expr.span)

    def at(self, item: tree.Expr, size: int | None) -> tuple[Term, list[int | None]] | None:
        value = self.whole(item)
        if value is None:
            return None
        if size is not None and not -size <= value < size:
            self.error("P0305", f"the index {value} is outside of 0 to {size - 1}", item.span)
            return None
        return Const(value), []

    def stretch(self, item: tree.Slice, size: int | None) -> tuple[Term, list[int | None]] | None:
        ends: list[int | None] = []
        for end in (item.start, item.stop):
            value = None if end is None else self.whole(end)
            if end is not None and value is None:
                return None
            ends.append(value)
        length = None if size is None else len(range(*slice(*ends).indices(size)))
        if length == 0:
            self.error("P0305", "this slice is empty", item.span)
            return None
        return Apply("slice", (Const(ends[0]), Const(ends[1]))), [length]

    def whole(self, expr: tree.Expr) -> int | None:
        typed = self.value(expr)
        if isinstance(typed.value, int) and not isinstance(typed.value, bool):
            return typed.value
        if typed.ok:
            self.error(
                "P0305", "an index is a whole number known when the program is compiled", expr.span
            )
        return None

    # Arguments of experts and rewards.

    def reward_call(self, call: tree.Call, signature: Signature) -> Typed:
        if signature.family != "reward":
            return self.error(
                "P0403", f"`{signature.name}` is a factor of a product, not a number", call.span
            )
        if not self.in_reward:
            return self.error(
                "P0403", f"the reward `{signature.name}` has a place under `exp` only", call.span
            )
        given = self.parameters(call, signature)
        return POISONED if given is None else Typed(applied(call, signature, given), REAL)

    def parameters(self, call: tree.Call, signature: Signature) -> dict[str, Typed] | None:
        """The arguments by name; None where one is wrong."""
        before = len(self.diagnostics)
        out: dict[str, Typed] = {}
        for argument in call.arguments:
            assert argument.name is not None
            parameter = signature.parameter(argument.name)
            typed = out[argument.name] = self.value(argument.value)
            if not typed.ok:
                continue
            if parameter is None:
                self.subject(typed, argument, call, signature)
            else:
                self.argument(typed, argument, parameter, call, signature)
        sound = len(self.diagnostics) == before and all(t.ok for t in out.values())
        return out if sound and not incomplete(signature, out) else None

    def subject(
        self, typed: Typed, argument: tree.Argument, call: tree.Call, signature: Signature
    ) -> None:
        if signature.domain is None or fits(typed.type, signature.domain):
            return
        name = argument.value.name if isinstance(argument.value, tree.Name) else ""
        what = f"`{name}`" if name else "this"
        self.error(
            "P0302",
            f"`{signature.name}` judges {signature.domain}, and {what} is {describe(typed.type)}",
            argument.span if argument.span.end else call.span,
            labels=(Label(self.places[name], f"`{name}` is {typed.type} here"),)
            if name in self.places
            else (),
            notes=(str(signature),),
        )

    def argument(
        self,
        typed: Typed,
        argument: tree.Argument,
        parameter: Parameter,
        call: tree.Call,
        signature: Signature,
    ) -> None:
        nothing = isinstance(typed.term, Const) and typed.term.value is None
        if nothing and parameter.default is None and not parameter.alternative:
            return
        unfit = (
            not typed.type.is_numeric or typed.type.name == "Bool"
            if parameter.type is None
            else not fits(typed.type, parameter.type)
        )
        if unfit:
            self.mismatch(typed, argument, parameter, call, signature)
        elif inner := sorted(names(typed.term) & self.variables):
            self.error(
                "P0505",
                f"`{parameter.name}` of `{signature.name}` depends on the variable `{inner[0]}`, "
                "which this release does not compile",
                argument.value.span,
                notes=("parameters are constants, inputs and expressions in them",),
            )
        else:
            self.in_range(typed, argument, parameter)

    def mismatch(
        self,
        typed: Typed,
        argument: tree.Argument,
        parameter: Parameter,
        call: tree.Call,
        signature: Signature,
    ) -> None:
        name = parameter.name
        wanted = "numbers" if parameter.type is None else str(parameter.type)
        ambient = argument.span == call.span
        labels: tuple[Label, ...] = ()
        if isinstance(typed.term, Ref) and typed.term.name in self.places:
            place = self.places[typed.term.name]
            labels = (Label(place, f"`{typed.term.name}` is {typed.type} here"),)
        others = {n: t for n, t in self.environment.items() if n not in self.variables}
        same = [n for n in in_scope(parameter.type, others) if n != name or not ambient]
        edit = Edit(argument.value.span, same[0] if same else "")
        if ambient:
            comma = ", " if self.text(call.span).rstrip(" )")[-1:] != "(" else ""
            end = call.span.end - 1
            edit = Edit(Span(end, end), f"{comma}{name} = {same[0] if same else ''}")
        self.error(
            "P0302",
            f"`{signature.name}` takes `{name}` from the program, where it is "
            f"{describe(typed.type)}, not {describe_wanted(parameter)}"
            if ambient
            else f"`{name}` of `{signature.name}` takes {describe_wanted(parameter)}, "
            f"and this is {describe(typed.type)}",
            argument.value.span,
            labels=labels,
            notes=(str(signature),),
            fixes=(Fix(f"there is a {wanted} in scope: `{same[0]}`", (edit,)),)
            if len(same) == 1
            else (),
        )

    def in_range(self, typed: Typed, argument: tree.Argument, parameter: Parameter) -> None:
        value = typed.value
        if value is None:
            return
        reason = parameter.no_label(value)
        if parameter.role == "positive" and any(x <= 0 for x in flatten(value)):
            reason = f"is above 0, and this is {min(flatten(value))}"
        if parameter.role == "matrix":
            reason = linear.why_not(value, parameter.name)
        if reason:
            self.error("P0307", f"`{parameter.name}` {reason}", argument.value.span)


def too_many(type_: Type) -> bool:
    """Whether a constant of a type is larger than the compiler computes with."""
    return (type_.count or 0) > MOST


def picked(inner: Typed, items: tuple[Term, ...], type_: Type, span: Span) -> Typed:
    """A part of a value, folded where the value and its only index are constants."""
    if isinstance(inner.term, Const) and len(items) == 1 and isinstance(items[0], Const):
        value, at = inner.term.value, items[0].value
        if isinstance(value, tuple) and isinstance(at, int):
            return Typed(Const(value[at], span), type_)
    return Typed(Apply("index", (inner.term, *items), span=span), type_)


def in_scope(type_: Type | None, environment: Mapping[str, Typed]) -> list[str]:
    """The names whose values can stand where a type is wanted."""
    if type_ is None:
        return []
    return sorted(n for n, t in environment.items() if t.ok and fits(t.type, type_))


def describe_wanted(parameter: Parameter) -> str:
    return "numbers" if parameter.type is None else describe(parameter.type)


def incomplete(signature: Signature, given: Mapping[str, Typed]) -> bool:
    """Whether an argument that is needed is missing, which name resolution has reported."""
    groups = {p.alternative for p in signature.parameters if p.alternative}
    chosen = [p.alternative for p in signature.parameters if p.alternative and p.name in given]
    missing = any(p.required and p.name not in given for p in signature.parameters)
    return missing or len(chosen) != len(groups)


def applied(call: tree.Call, signature: Signature, given: Mapping[str, Typed]) -> Term:
    """The call with every parameter written out, in the signature's order."""
    out: list[tuple[str, Term]] = []
    for parameter in signature.parameters:
        if parameter.name in given:
            out.append((parameter.name, given[parameter.name].term))
        elif not parameter.alternative and not isinstance(parameter.default, Required):
            out.append((parameter.name, Const(parameter.default)))
    if SUBJECT in given:
        out.append((SUBJECT, given[SUBJECT].term))
    return Apply(signature.name, (), tuple(out), span=call.span)
