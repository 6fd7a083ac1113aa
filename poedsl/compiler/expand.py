"""Pass 1, definitions: a call of an ``expert`` that the program defines becomes its product.

What stays is a program without definitions. Ambient arguments inside a definition come from its
parameters only, and are written out here; every other name is left to the next pass.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from poedsl.compiler.names import count, spoken
from poedsl.experts.signatures import SIGNATURES, Signature
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Span

#: The most calls that definitions may unfold to.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Passed:
    """An argument of a definition.

    Attributes:
        ambient: whether the call left it out, so that the program's own name stands for it.
    """

    expert: str
    parameter: tree.Parameter
    value: tree.Expr
    ambient: bool


@dataclass(frozen=True, slots=True)
class Expanded:
    """A program without definitions.

    Attributes:
        passed: the arguments of every call, for the types of parameters.
        unused: definitions that no product calls.
        broken: definitions with a call that could not be expanded.
    """

    program: tree.Program
    passed: tuple[Passed, ...] = ()
    definitions: tuple[tree.ExpertDefinition, ...] = ()
    unused: tuple[tree.ExpertDefinition, ...] = ()
    broken: frozenset[str] = frozenset()


def expand(
    program: tree.Program, signatures: Mapping[str, Signature]
) -> tuple[Expanded, tuple[Diagnostic, ...]]:
    """Unfold the calls of the program's own experts."""
    expander = _Expander(signatures)
    written = [s for s in program.statements if isinstance(s, tree.ExpertDefinition)]
    definitions = [d for d in written if expander.define(d)]
    rest = [s for s in program.statements if not isinstance(s, tree.ExpertDefinition)]
    statements = tuple(expander.statement(s) for s in rest)
    used = {*expander.called, *SIGNATURES}
    expanded = Expanded(
        replace(program, statements=statements),
        tuple(expander.passed),
        tuple(definitions),
        tuple(d for d in definitions if d.name.name not in used),
        frozenset(expander.broken),
    )
    return expanded, tuple(expander.diagnostics)


@dataclass(slots=True)
class _Expander:
    signatures: Mapping[str, Signature]
    definitions: dict[str, tree.ExpertDefinition] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    active: list[str] = field(default_factory=list)
    calls: int = 0

    def error(self, code: str, message: str, span: Span, **more: Any) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, **more))

    def define(self, definition: tree.ExpertDefinition) -> bool:
        """Whether this is the first definition of its name; a built-in name's is not unfolded."""
        name = definition.name
        if name.name in SIGNATURES:
            return True
        if name.name in self.definitions:
            first = self.definitions[name.name].name.span
            labels = (Label(first, "first defined here"),)
            self.error("P0203", f"`{name.name}` is defined twice", name.span, labels=labels)
            return False
        seen: dict[str, Span] = {}
        for parameter in definition.parameters:
            own = parameter.name
            if own.name in seen:
                self.error(
                    "P0203",
                    f"`{name.name}` has two parameters named `{own.name}`",
                    own.span,
                    labels=(Label(seen[own.name], "the first one"),),
                )
            seen.setdefault(own.name, own.span)
        body = self.explicit(definition.body, set(seen), definition)
        self.definitions[name.name] = replace(definition, body=body)
        return True

    # Ambient arguments of a definition's body.

    def explicit(
        self, expr: tree.Expr, own: set[str], definition: tree.ExpertDefinition
    ) -> tree.Expr:
        """The body with the arguments that its experts take from the parameters written out."""

        def filled(node: tree.Expr) -> tree.Expr:
            if not isinstance(node, tree.Call):
                return node
            signature = self.signatures.get(node.function.name)
            if signature is None or signature.family == "density":
                return node
            names = [p.name for p in signature.parameters]
            given = {a.name for a in node.arguments if a.name} | set(
                names[: sum(a.name is None for a in node.arguments)]
            )
            more: list[tree.Argument] = []
            for parameter in signature.parameters:
                if not parameter.required or parameter.name in given:
                    continue
                if parameter.name not in own:
                    self.lacking(node, parameter.name, definition)
                value = tree.Name(name=parameter.name, span=node.span)
                more.append(tree.Argument(value=value, name=parameter.name, span=node.span))
            return replace(node, arguments=(*node.arguments, *more))

        return rewrite(expr, filled)

    def lacking(self, call: tree.Call, name: str, definition: tree.ExpertDefinition) -> None:
        expert = definition.name.name
        end = definition.parameters[-1].span.end if definition.parameters else None
        fixes = (
            (Fix(f"make it a parameter of `{expert}`", (Edit(Span(end, end), f", {name}"),)),)
            if end
            else ()
        )
        self.error(
            "P0209",
            f"`{call.function.name}` takes `{name}`, and `{expert}` has no parameter of that name",
            call.span,
            labels=(Label(definition.name.span, f"`{expert}` is defined here"),),
            notes=("inside a definition, arguments left out come from its parameters only",),
            fixes=fixes,
        )

    # Statements and products.

    def statement(self, statement: tree.Statement) -> tree.Statement:
        match statement:
            case tree.Factor(product=product):
                return replace(statement, product=self.product(product))
            case tree.For(body=body):
                return replace(statement, body=tuple(map(self.statement, body)))
            case _:
                return statement

    def product(self, expr: tree.Expr) -> tree.Expr:
        match expr:
            case tree.Binary(op="*" | "/", left=left, right=right):
                return replace(expr, left=self.product(left), right=self.product(right))
            case tree.Binary(op="^", left=left):
                return replace(expr, left=self.product(left))
            case tree.Call(function=tree.Name(name="mixture"), arguments=arguments):
                return replace(expr, arguments=tuple(map(self.component, arguments)))
            case tree.Comprehension(function=tree.Name(name="mixture"), body=body):
                return replace(expr, body=self.component(body))
            case tree.Call(function=function) if function.name in self.definitions:
                return self.call(expr, self.definitions[function.name])
            case _:
                return expr

    def component(self, argument: tree.Argument) -> tree.Argument:
        return replace(argument, value=self.product(argument.value))

    def call(self, call: tree.Call, definition: tree.ExpertDefinition) -> tree.Expr:
        name = definition.name.name
        self.called.add(name)
        self.calls += 1
        if name in self.active:
            self.error(
                "P0210",
                f"`{name}` is defined by itself",
                call.span,
                notes=(" -> ".join((*self.active[self.active.index(name) :], name)),),
            )
            return self.unexpanded(call)
        if self.calls > MOST:
            if self.calls == MOST + 1:
                message = f"the program's experts unfold to more than {MOST:,} calls"
                self.error("P0506", message, call.span)
            return self.unexpanded(call)
        given = self.arguments(call, definition)
        if given is None:
            return self.unexpanded(call)
        self.active.append(name)
        body = self.product(substitute(definition.body, given))
        self.active.pop()
        return body

    def unexpanded(self, call: tree.Call) -> tree.Call:
        """A call with an error, of which nothing more is said."""
        self.broken.add(call.function.name)
        return replace(call, arguments=())

    def arguments(
        self, call: tree.Call, definition: tree.ExpertDefinition
    ) -> dict[str, tree.Expr] | None:
        """The value of every parameter, or None where the arguments do not fit."""
        parameters = {p.name.name: p for p in definition.parameters}
        given = self.matched(call, definition.name, parameters)
        if given is None:
            return None
        out: dict[str, tree.Expr] = {}
        for name, parameter in parameters.items():
            ambient = name not in given and parameter.default is None
            if name in given:
                out[name] = given[name]
            elif parameter.default is not None:
                out[name] = parameter.default
            else:
                out[name] = tree.Name(name=name, span=call.span)
            own = definition.name.name
            self.passed.append(Passed(own, parameter, out[name], ambient))
        return out

    def matched(
        self, call: tree.Call, expert: tree.Name, parameters: Mapping[str, tree.Parameter]
    ) -> dict[str, tree.Expr] | None:
        given: dict[str, tree.Expr] = {}
        names = list(parameters)
        label = (Label(expert.span, "defined here"),)
        before = len(self.diagnostics)
        for position, argument in enumerate(call.arguments):
            if argument.weight is not None:
                message = f"an argument of `{expert.name}` has no weight"
                self.error("P0301", message, argument.span, labels=label)
                continue
            if argument.name is None and position >= len(names):
                takes = f"`{expert.name}` takes {count(len(names), 'argument')}"
                self.error("P0301", takes, argument.span, labels=label)
                continue
            name = argument.name or names[position]
            if name not in parameters:
                close = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
                edits = [Edit(argument.name_span, c) for c in close]
                self.error(
                    "P0301",
                    f"`{expert.name}` has no parameter `{name}`",
                    argument.name_span,
                    labels=label,
                    fixes=tuple(
                        Fix(f"there is a parameter with a similar name: `{e.text}`", (e,))
                        for e in edits
                    ),
                )
            elif name in given:
                self.error("P0301", f"`{expert.name}` is given `{name}` twice", argument.span)
            else:
                given[name] = argument.value
        return given if len(self.diagnostics) == before else None


def substitute(expr: tree.Expr, values: Mapping[str, tree.Expr]) -> tree.Expr:
    """The expression with names replaced by values; names that a comprehension binds stay."""
    match expr:
        case tree.Name(name=name):
            return values.get(name, expr)
        case tree.Comprehension(target=target, body=body, iterable=iterable):
            inner = {k: v for k, v in values.items() if k != target.name}
            taken = {n for v in inner.values() for n in spoken(v)}
            if target.name in taken:
                fresh = tree.Name(name=_fresh(target.name, taken | spoken(body)), span=target.span)
                inner[target.name] = fresh
                target = fresh
            return replace(
                expr,
                target=target,
                body=_substituted(body, inner),
                iterable=substitute(iterable, values),
            )
        case tree.Call(arguments=arguments):
            return replace(expr, arguments=tuple(_substituted(a, values) for a in arguments))
        case _:
            return _children(expr, lambda e: substitute(e, values))


def _substituted(argument: tree.Argument, values: Mapping[str, tree.Expr]) -> tree.Argument:
    weight = argument.weight and substitute(argument.weight, values)
    return replace(argument, value=substitute(argument.value, values), weight=weight)


def _fresh(name: str, taken: Iterable[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def rewrite(expr: tree.Expr, change: Any) -> tree.Expr:
    """The expression with ``change`` applied to every part, innermost first."""
    return change(_children(expr, lambda e: rewrite(e, change)))  # type: ignore[no-any-return]


def _children(expr: tree.Expr, change: Any) -> tree.Expr:
    """The expression with its direct parts changed."""
    match expr:
        case tree.List(items=items):
            return replace(expr, items=tuple(map(change, items)))
        case tree.Unary(operand=operand):
            return replace(expr, operand=change(operand))
        case tree.Binary(left=left, right=right):
            return replace(expr, left=change(left), right=change(right))
        case tree.Index(value=value, items=items):
            return replace(expr, value=change(value), items=tuple(_item(i, change) for i in items))
        case tree.Attribute(value=value):
            return replace(expr, value=change(value))
        case tree.Call(arguments=arguments):
            return replace(expr, arguments=tuple(_argument(a, change) for a in arguments))
        case tree.Comprehension(body=body, iterable=iterable):
            return replace(expr, body=_argument(body, change), iterable=change(iterable))
        case _:
            return expr


def _argument(argument: tree.Argument, change: Any) -> tree.Argument:
    weight = argument.weight and change(argument.weight)
    return replace(argument, value=change(argument.value), weight=weight)


def _item(item: tree.Expr | tree.Slice, change: Any) -> tree.Expr | tree.Slice:
    if isinstance(item, tree.Slice):
        start, stop = item.start and change(item.start), item.stop and change(item.stop)
        return replace(item, start=start, stop=stop)
    return change(item)  # type: ignore[no-any-return]
