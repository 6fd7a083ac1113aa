"""Pass 1, definitions: a call of an ``expert`` that the program defines becomes its product.

What stays is a program without definitions. Ambient arguments inside a definition come from its
parameters only, and are written out here; every other name of its body is the program's. A block
or comprehension around a call that binds such a name binds a fresh one in its place (Kohlbecker
et al., "Hygienic macro expansion", 1986).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.syntax_names import count, spine, spoken, targets, weight
from poedsl.compiler.plan.terms import MOST_LEVELS
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import NOWHERE, Span

NOTHING: Mapping[str, str] = {}
#: The most calls that definitions may unfold to, and the most names, numbers and signs.
MOST, MOST_PARTS = 10_000, 100_000


@dataclass(frozen=True, slots=True)
class Passed:
    """An argument of a definition.

    Attributes:
        ambient: whether the call left it out, so that the program's own name stands for it.
        place: of the statement with the call.
        binders: the comprehensions around the call: their names, and what those run over.
    """

    expert: str
    parameter: tree.Parameter
    value: tree.Expr
    ambient: bool
    place: Span
    binders: tuple[tuple[tree.Name, tree.Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Expanded:
    """A program without definitions.

    Attributes:
        passed: the arguments of every call, for the types of parameters.
        unused: definitions that no product calls.
        broken: definitions with a call that could not be expanded.
        written: names that were made up, each with that which the text has.
    """

    program: tree.Program
    passed: tuple[Passed, ...] = ()
    definitions: tuple[tree.ExpertDefinition, ...] = ()
    unused: tuple[tree.ExpertDefinition, ...] = ()
    broken: frozenset[str] = frozenset()
    written: Mapping[str, str] = field(default_factory=dict)


def expand(
    program: tree.Program, signatures: Mapping[str, Signature]
) -> tuple[Expanded, tuple[Diagnostic, ...]]:
    """Unfold the calls of the program's own experts."""
    every = spoken(program)
    expander = _Expander(signatures, every, frozenset(targets(program.statements)))
    written = [s for s in program.statements if isinstance(s, tree.ExpertDefinition)]
    definitions = [d for d in written if expander.define(d)]
    rest = [s for s in program.statements if not isinstance(s, tree.ExpertDefinition)]
    statements = tuple(expander.statement(s) for s in rest)
    passed = tuple(expander.passed)
    used = {*expander.called, *SIGNATURES}
    unused = [d for d in definitions if d.name.name not in used]
    expanded = Expanded(
        replace(program, statements=statements),
        passed,
        tuple(definitions),
        tuple(replace(d, body=expander.body(d)) for d in unused),
        frozenset(expander.broken),
        expander.written,
    )
    return expanded, tuple(expander.diagnostics)


@dataclass(slots=True)
class _Expander:
    """What is unfolded, and where.

    Attributes:
        names: all that the program speaks of.
        variables: the names of its variables, which a block may not bind.
        place: the statement that is unfolded.
        scope: what names outside of definitions are called there.
        binders: the comprehensions around what is unfolded.
    """

    signatures: Mapping[str, Signature]
    names: set[str]
    variables: frozenset[str]
    definitions: dict[str, tree.ExpertDefinition] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    written: dict[str, str] = field(default_factory=dict)
    active: list[str] = field(default_factory=list)
    place: Span = NOWHERE
    scope: Mapping[str, str] = field(default_factory=dict)
    binders: tuple[tuple[tree.Name, tree.Expr], ...] = ()
    calls: int = 0
    weight: int = 0

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
                if not parameter.ambient or parameter.name in given:
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

    def statement(
        self, statement: tree.Statement, scope: Mapping[str, str] = NOTHING
    ) -> tree.Statement:
        """The statement without calls of definitions, and with names as its scope has them."""
        match statement:
            case tree.Factor():
                self.place, self.scope = statement.span, scope
                target = substitute(statement.target, scope)
                assert isinstance(target, tree.Name | tree.Index)
                product = self.product(substitute(statement.product, scope))
                return replace(statement, target=target, product=product)
            case tree.For():
                return self.loop(statement, scope)
            case _:
                return statement

    def loop(self, statement: tree.For, scope: Mapping[str, str]) -> tree.For:
        iterable = substitute(statement.iterable, scope)
        clashing = self.spoken_outside(statement) - self.variables
        constants = [s.name for s in statement.body if isinstance(s, tree.Let)]
        fresh = {
            name: self.fresh(name)
            for name in dict.fromkeys(n.name for n in (statement.target, *constants))
            if name in clashing
        }
        target, scope = bind(statement.target, fresh, scope)
        body: list[tree.Statement] = []
        for inner in statement.body:
            if isinstance(inner, tree.Let):
                value = substitute(inner.value, scope)
                name, scope = bind(inner.name, fresh, scope)
                body.append(replace(inner, name=name, value=value))
            else:
                body.append(self.statement(inner, scope))
        return replace(statement, target=target, iterable=iterable, body=tuple(body))

    def comprehension(self, expr: tree.Comprehension) -> tree.Comprehension:
        outside, around = self.scope, self.binders
        name = expr.target.name
        fresh = {name: self.fresh(name)} if name in self.spoken_outside(expr) else {}
        target, scope = bind(expr.target, fresh, outside)
        self.scope, self.binders = scope, (*around, (target, expr.iterable))
        body = self.component(_substituted(expr.body, fresh))
        self.scope, self.binders = outside, around
        return replace(expr, target=target, body=body)

    def fresh(self, name: str) -> str:
        """A name that the program does not speak of."""
        fresh = _fresh(name, self.names | self.written.keys())
        self.written[fresh] = name
        return fresh

    def spoken_outside(self, node: tree.Node) -> set[str]:
        """What definitions called in a part of the program speak of, besides their parameters."""
        out: set[str] = set()
        reached: set[str] = set()
        pending = spoken(node) & self.definitions.keys()
        while pending:
            name = pending.pop()
            reached.add(name)
            definition = self.definitions[name]
            own, body = definition.parameters, spoken(definition.body)
            out |= body - {p.name.name for p in own}
            for part in (part for p in own for part in (p.type, p.default) if part is not None):
                out |= spoken(part)
            called = body & self.definitions.keys()
            out |= {p.name.name for c in called for p in self.definitions[c].parameters}
            pending |= called - reached
        return out

    def product(self, expr: tree.Expr) -> tree.Expr:
        match expr:
            case tree.Binary(op="*" | "/"):
                first, rest = spine(expr)
                out = self.product(first)
                for node in rest:
                    out = replace(node, left=out, right=self.product(node.right))
                return out
            case tree.Binary(op="^", left=left):
                return replace(expr, left=self.product(left))
            case tree.Call(function=tree.Name(name="mixture"), arguments=arguments):
                return replace(expr, arguments=tuple(map(self.component, arguments)))
            case tree.Comprehension(function=tree.Name(name="mixture")):
                return self.comprehension(expr)
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
        if len(self.active) > MOST_LEVELS:
            message = f"the program's experts unfold to more than {MOST_LEVELS} levels"
            self.error("P0506", message, call.span)
            self.called |= self.definitions.keys()
            return self.unexpanded(call)
        if self.calls > MOST:
            if self.calls == MOST + 1:
                message = f"the program's experts unfold to more than {MOST:,} calls"
                self.error("P0506", message, call.span)
            return self.unexpanded(call)
        first = len(self.passed)
        given = self.arguments(call, definition)
        if given is None or self.too_large(call, *given.values()):
            return self.unexpanded(call)
        self.active.append(name)
        body = self.product(substitute(definition.body, given))
        self.active.pop()
        if not self.active and self.too_large(call, body):
            del self.passed[first:]
            return self.unexpanded(call)
        return body

    def too_large(self, call: tree.Call, *unfolded: tree.Expr) -> bool:
        """Whether arguments that stand in many places have made the program too large."""
        told = self.weight > MOST_PARTS
        self.weight += sum(map(weight, unfolded))
        if self.weight > MOST_PARTS and not told:
            message = f"the program's experts unfold to more than {MOST_PARTS:,} parts"
            self.error("P0506", message, call.span)
            self.called |= self.definitions.keys()
        return self.weight > MOST_PARTS

    def body(self, definition: tree.ExpertDefinition) -> tree.Expr:
        """The product that a definition stands for, its parameters left as they are."""
        self.active = [definition.name.name]
        return self.product(definition.body)

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
                called = name if self.active else self.scope.get(name, name)
                out[name] = tree.Name(name=called, span=call.span)
            own = definition.name.name
            passed = Passed(own, parameter, out[name], ambient, self.place, self.binders)
            self.passed.append(passed)
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


def bind(
    name: tree.Name, fresh: Mapping[str, str], scope: Mapping[str, str]
) -> tuple[tree.Name, dict[str, str]]:
    """The name under which one is bound, and the scope from there on."""
    bound = fresh.get(name.name, name.name)
    return replace(name, name=bound), {**scope, name.name: bound}


def substitute(expr: tree.Expr, values: Mapping[str, tree.Expr | str]) -> tree.Expr:
    """The expression with names replaced; names that a comprehension binds stay.

    Args:
        values: what stands for a name: an expression, or another name at the same place.
    """
    if not values:
        return expr
    match expr:
        case tree.Name(name=name):
            value = values.get(name, name)
            return replace(expr, name=value) if isinstance(value, str) else value
        case tree.Comprehension(target=target, body=body, iterable=iterable):
            inner = {k: v for k, v in values.items() if k != target.name}
            taken = {n for v in inner.values() for n in ({v} if isinstance(v, str) else spoken(v))}
            if target.name in taken:
                fresh = _fresh(target.name, taken | spoken(body))
                inner[target.name] = fresh
                target = replace(target, name=fresh)
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


def _substituted(argument: tree.Argument, values: Mapping[str, tree.Expr | str]) -> tree.Argument:
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
    """The expression with its direct parts changed, of a long sum or product all its sides."""
    match expr:
        case tree.List(items=items):
            return replace(expr, items=tuple(map(change, items)))
        case tree.Unary(operand=operand):
            return replace(expr, operand=change(operand))
        case tree.Binary():
            first, rest = spine(expr)
            out = change(first)
            for node in rest:
                out = replace(node, left=out, right=change(node.right))
            return out  # type: ignore[no-any-return]
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
