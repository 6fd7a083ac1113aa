"""The occurrences of all names in a program, as it is written, each with what it refers to.

The passes of the compiler replace names, unfold definitions and unroll loops; an editor needs the
names that the text has. The scopes are those of the compiler: a block or a comprehension binds its
element, a block its constants, a definition its parameters, and everything else is the program's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from poedsl.compiler.plan.options import OPTIONS
from poedsl.editor.occurrences import Binding, BindingKind, Occurrence, Role, Scope
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import children, target_name

_DECLARATIONS: dict[type[tree.Node], BindingKind] = {
    tree.Input: "input",
    tree.Let: "constant",
    tree.Use: "use",
    tree.ExpertDefinition: "expert",
    tree.Domain: "variable",
}


def occurrences(program: tree.Program, inputs: Iterable[str]) -> tuple[Occurrence, ...]:
    """All occurrences in the order of the text.

    Args:
        inputs: the names of the program's inputs, also of those that are not declared.
    """
    walk = _Walk(Scope(program.span), frozenset(inputs))
    walk.declare(program.statements)
    walk.block(program.statements, walk.program)
    walk.visit()
    return walk.ordered()


@dataclass(slots=True)
class _Walk:
    """The state of a walk over a program, without recursion: chains nest deeply.

    Attributes:
        program: the names of the program. inputs: the names of its inputs.
        parameters: of each of its experts.
        occurrences: the occurrences so far. free: names that no scope binds.
        pending: nodes to visit, each with its scope.
    """

    program: Scope
    inputs: frozenset[str]
    parameters: dict[str, Scope] = field(default_factory=dict)
    occurrences: list[Occurrence] = field(default_factory=list)
    free: list[tuple[str, Span]] = field(default_factory=list)
    pending: list[tuple[tree.Node, Scope]] = field(default_factory=list)

    def declare(self, statements: tuple[tree.Statement, ...]) -> None:
        """Bind the names of the program: first what is declared, then targets of factors."""
        every = list(statements)
        for statement in statements:
            kind = _DECLARATIONS.get(type(statement))
            if kind is not None:
                name: tree.Name = statement.name  # type: ignore[union-attr]
                self.program.bind(name.name, kind, name.span)
            if isinstance(statement, tree.ExpertDefinition):
                self.parameters.setdefault(statement.name.name, Scope(statement.span, self.program))
        while every:
            statement = every.pop(0)
            if isinstance(statement, tree.Factor):
                name = target_name(statement.target)
                self.program.bind(name.name, "variable", name.span)
            elif isinstance(statement, tree.For):
                every = [*statement.body, *every]

    def block(self, statements: tuple[tree.Statement, ...], scope: Scope) -> None:
        """Visit statements; the block of a loop reaches up to the next statement beside it."""
        ends = [(a, b.span.start) for a, b in pairwise(statements)]
        ends += [(s, scope.span.end) for s in statements[-1:]]
        for statement, end in ends:
            if isinstance(statement, tree.For):
                self.loop(statement, scope, end)
            else:
                self.statement(statement, scope)

    def loop(self, statement: tree.For, scope: Scope, end: int) -> None:
        self.pending.append((statement.iterable, scope))
        inner = Scope(Span(statement.span.start, end), scope)
        self.bound(statement.target, inner, "element")
        for constant in statement.body:
            if isinstance(constant, tree.Let):
                inner.bind(constant.name.name, "constant", constant.name.span)
        self.block(statement.body, inner)

    def statement(self, statement: tree.Statement, scope: Scope) -> None:
        match statement:
            case tree.ExpertDefinition():
                self.definition(statement, scope)
            case tree.Factor(target=target, product=product, given=parent):
                self.refer(target_name(target), scope)
                if isinstance(target, tree.Index):
                    self.pending += [(item, scope) for item in target.items]
                self.pending.append((product, scope))
                if parent is not None:
                    self.refer(parent, scope)
            case tree.Sample():
                for name in statement.names:
                    self.refer(name, scope)
                self.options(statement.method, scope)
            case tree.Report(items=items):
                for item in items:
                    if item.name is not None:
                        reported = Binding(item.name, "report", item.name_span, statement.span)
                        self.add(item.name_span, item.name, "name", reported)
                    self.pending.append((item.value, scope))
            case tree.Use(name=name):
                self.refer(name, scope)
            case _:
                self.pending += [(part, scope) for part in children(statement)]

    def definition(self, statement: tree.ExpertDefinition, scope: Scope) -> None:
        self.refer(statement.name, scope)
        expert = statement.name.name
        inner = self.parameters.get(expert)
        if inner is None or inner.span != statement.span:  # inside of a block, or defined twice
            inner = Scope(statement.span, scope)
        for parameter in statement.parameters:
            self.bound(parameter.name, inner, "parameter", expert)
            for part in (parameter.type, parameter.default):
                if part is not None:
                    self.pending.append((part, inner))
        self.pending.append((statement.body, inner))

    def options(self, method: tree.Call, scope: Scope) -> None:
        """The method of a `sample` statement: options, their forms and the arguments of these."""
        self.add(method.function.span, method.called, "function")
        for argument in method.arguments:
            option = OPTIONS.get(argument.name or "")
            if argument.name is not None:
                self.add(argument.name_span, argument.name, "option")
            value = argument.value
            if option is not None and option.forms and isinstance(value, tree.Name | tree.Call):
                function = value if isinstance(value, tree.Name) else value.function
                self.add(function.span, function.name, "form", owner=option.name)
                for setting in value.arguments if isinstance(value, tree.Call) else ():
                    if setting.name is not None:
                        self.add(setting.name_span, setting.name, "setting", owner=function.name)
                    self.pending.append((setting.value, scope))
            else:
                self.pending.append((value, scope))

    def visit(self) -> None:
        while self.pending:
            node, scope = self.pending.pop()
            match node:
                case tree.Name():
                    self.refer(node, scope)
                case tree.Call():
                    self.call(node, scope)
                case tree.Comprehension():
                    if node.function is not None:
                        self.function(node.function)
                    inner = Scope(node.span, scope)
                    self.bound(node.target, inner, "element")
                    self.pending += [(node.iterable, scope), (node.body, inner)]
                case tree.Scan():
                    self.scan(node, scope)
                case tree.TypeExpr(name=name, span=span):
                    self.add(Span(span.start, span.start + len(name)), name, "type")
                    self.pending += [(size, scope) for size in node.sizes or ()]
                case _:
                    self.pending += [(part, scope) for part in children(node)]

    def call(self, node: tree.Call, scope: Scope) -> None:
        self.function(node.function)
        definition = self.parameters.get(node.called)
        for argument in node.arguments:
            if argument.name is not None:
                binding = definition.names.get(argument.name) if definition else None
                self.add(argument.name_span, argument.name, "argument", binding, node.called)
            if argument.weight is not None:
                self.pending.append((argument.weight, scope))
            self.pending.append((argument.value, scope))

    def scan(self, node: tree.Scan, scope: Scope) -> None:
        self.function(node.function)
        inner = Scope(node.span, scope)
        self.bound(node.target, inner, "element")
        for carry in node.carries:
            if carry.name is not None:
                self.bound(tree.Name(name=carry.name, span=carry.name_span), inner, "element")
            self.pending.append((carry.value, scope))
        self.pending.append((node.iterable, scope))
        self.pending += [(following, inner) for following in node.following]

    def function(self, name: tree.Name) -> None:
        binding = self.program.names.get(name.name)
        generative = binding is not None and binding.kind in ("use", "expert")
        self.add(name.span, name.name, "function", binding if generative else None)

    def bound(self, name: tree.Name, scope: Scope, kind: BindingKind, owner: str = "") -> None:
        """An occurrence that binds a name in a scope."""
        binding = scope.bind(name.name, kind, name.span, owner)
        self.add(name.span, name.name, "name", binding)

    def refer(self, name: tree.Name, scope: Scope) -> None:
        binding = scope.find(name.name)
        if binding is None:
            self.free.append((name.name, name.span))
        else:
            self.add(name.span, name.name, "name", binding)

    def add(
        self, span: Span, name: str, role: Role, binding: Binding | None = None, owner: str = ""
    ) -> None:
        self.occurrences.append(Occurrence(span, name, role, binding, owner))

    def ordered(self) -> tuple[Occurrence, ...]:
        """All occurrences; a free name is an input, or unknown, from its first place on."""
        for name, span in sorted(self.free, key=lambda f: f[1]):
            kind: BindingKind = "input" if name in self.inputs else "unknown"
            self.add(span, name, "name", self.program.bind(name, kind, span))
        return tuple(sorted(self.occurrences, key=lambda o: o.span))
