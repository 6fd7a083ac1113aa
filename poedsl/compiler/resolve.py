"""Pass 1, names: every name gets a declaration, every expert call all its arguments.

The result is again a program, and prints as one: free names have become ``input`` statements, arguments
stand under their parameters' names, ambient arguments and the subject of a reward are written out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from poedsl.compiler.functions import FUNCTIONS
from poedsl.compiler.plan import Origin
from poedsl.experts.signatures import SIGNATURES, Parameter, Signature
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import NOWHERE, Span
from poedsl.grammar.types import Type, unify

#: Words with a meaning of their own in call position, beside functions, experts and rewards.
CONSTRUCTS = ("exp", "where", "mixture")
#: The argument by which a reward says what it judges.
SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Resolved:
    """The explicit program, and for each inferred input how it came about and where."""

    program: tree.Program
    origins: dict[str, tuple[Origin, Span]]


def resolve(
    program: tree.Program, *, strict: bool = False
) -> tuple[Resolved, tuple[Diagnostic, ...]]:
    resolver = _Resolver(strict)
    resolver.declare(program.statements)
    body = [s for s in map(resolver.statement, program.statements) if s is not None]
    inferred = [resolver.inferred[name] for name in resolver.inferred]
    explicit = replace(program, statements=(*inferred, *body))
    resolver.lint(program)
    return Resolved(explicit, resolver.origins), tuple(resolver.diagnostics)


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` is most likely a slip of."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return found[0] if found else None


def near_fix(name: str, span: Span, known: Iterable[str], what: str) -> tuple[Fix, ...]:
    found = near(name, known)
    if found is None:
        return ()
    return (Fix(f"there is {what} with a similar name: `{found}`", (Edit(span, found),)),)


@dataclass(slots=True)
class _Resolver:
    strict: bool
    diagnostics: list[Diagnostic] = field(default_factory=list)
    declared: dict[str, Span] = field(default_factory=dict)
    visible: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    inferred: dict[str, tree.Input] = field(default_factory=dict)
    origins: dict[str, tuple[Origin, Span]] = field(default_factory=dict)
    input_types: dict[str, tuple[str, Span]] = field(default_factory=dict)

    def error(self, code: str, message: str, span: Span, **more: object) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, **more))  # type: ignore[arg-type]

    # Declarations come first, so that a near miss can name what is declared below it.

    def declare(self, statements: Iterable[tree.Statement]) -> None:
        for statement in statements:
            match statement:
                case tree.Input(name=name) | tree.Let(name=name):
                    self._declare(name)
                    if isinstance(statement, tree.Input):
                        self.input_types[name.name] = (statement.type.name, name.span)
                case tree.Domain(name=name):
                    if name.name not in self.variables:
                        self._declare(name)
                    else:
                        self._twice(name)
                    self.variables.add(name.name)
                case tree.Factor(target=target):
                    name = target_name(target)
                    if name.name in self.declared and name.name not in self.variables:
                        self.error(
                            "P0203",
                            f"`{name.name}` is not a variable: it has a value already",
                            name.span,
                            labels=(Label(self.declared[name.name], "declared here"),),
                        )
                        continue
                    self.declared.setdefault(name.name, name.span)
                    self.variables.add(name.name)
                case _:
                    pass

    def _declare(self, name: tree.Name) -> None:
        if name.name in self.declared:
            self._twice(name)
        else:
            self.declared[name.name] = name.span

    def _twice(self, name: tree.Name) -> None:
        self.error(
            "P0203",
            f"`{name.name}` is declared twice",
            name.span,
            labels=(Label(self.declared[name.name], "first declared here"),),
        )

    # Statements.

    def statement(self, statement: tree.Statement) -> tree.Statement | None:
        match statement:
            case tree.Input(name=name, default=default):
                self.visible.add(name.name)
                return replace(statement, default=default and self.value(default))
            case tree.Let(name=name, value=value):
                resolved = self.value(value)
                self.visible.add(name.name)
                return replace(statement, value=resolved)
            case tree.Domain(name=name):
                self.visible.add(name.name)
                return statement
            case tree.Factor(target=target, given=None) if isinstance(target, tree.Name):
                self.visible.add(target.name)
                return replace(statement, product=self.product(statement.product, target))
            case tree.Sample():
                return self.sample(statement)
            case tree.Factor(given=given) if given is not None:
                return self.unsupported(statement, "`given`")
            case tree.Factor():
                return self.unsupported(statement, "a factor on a part of a variable")
            case tree.Use():
                return self.unsupported(statement, "`use`")
            case tree.ExpertDefinition():
                return self.unsupported(statement, "a definition of an `expert`")
            case tree.For():
                return self.unsupported(statement, "`for`")

    def unsupported(self, statement: tree.Statement, what: str) -> None:
        self.error(
            "P0505",
            f"{what} is read, but this release does not compile it",
            statement.span,
        )

    def sample(self, statement: tree.Sample) -> tree.Sample:
        for name in statement.names:
            if name.name not in self.variables:
                self.error(
                    "P0504",
                    f"`{name.name}` is not a variable of this program",
                    name.span,
                    fixes=near_fix(name.name, name.span, self.variables, "a variable"),
                )
        return statement

    # Products: experts, rewards under `exp`, conditions, powers.

    def product(self, expr: tree.Expr, target: tree.Name) -> tree.Expr:
        match expr:
            case tree.Binary(op="*" | "/", left=left, right=right):
                return replace(
                    expr, left=self.product(left, target), right=self.product(right, target)
                )
            case tree.Binary(op="^", left=left, right=right):
                return replace(
                    expr, left=self.product(left, target), right=self.value(right, target)
                )
            case tree.Call(function=tree.Name(name="mixture"), arguments=arguments):
                return replace(expr, arguments=tuple(self.component(a, target) for a in arguments))
            case tree.Comprehension(function=tree.Name(name="mixture"), target=loop):
                iterable = self.value(expr.iterable)
                hidden = loop.name in self.visible
                self.visible.add(loop.name)
                body = self.component(expr.body, target)
                if not hidden:
                    self.visible.discard(loop.name)
                return replace(expr, iterable=iterable, body=body)
            case tree.Call(function=tree.Name(name="exp" | "where"), arguments=arguments):
                return replace(
                    expr,
                    arguments=tuple(
                        replace(a, value=self.value(a.value, target)) for a in arguments
                    ),
                )
            case tree.Call(function=function) if function.name in SIGNATURES:
                return self.expert(expr, SIGNATURES[function.name], target)
            case _:
                return self.value(expr, target)

    def component(self, argument: tree.Argument, target: tree.Name) -> tree.Argument:
        return replace(
            argument,
            value=self.product(argument.value, target),
            weight=argument.weight and self.value(argument.weight),
        )

    # Values: numbers, conditions, regions, text.

    def value(self, expr: tree.Expr, target: tree.Name | None = None) -> tree.Expr:
        match expr:
            case tree.Name():
                self.reference(expr)
                return expr
            case tree.List(items=items):
                return replace(expr, items=tuple(self.value(i, target) for i in items))
            case tree.Unary(operand=operand):
                return replace(expr, operand=self.value(operand, target))
            case tree.Binary(left=left, right=right):
                return replace(expr, left=self.value(left, target), right=self.value(right, target))
            case tree.Index(value=inner, items=items):
                return replace(
                    expr,
                    value=self.value(inner, target),
                    items=tuple(self.item(i, target) for i in items),
                )
            case tree.Attribute(value=inner):
                return replace(expr, value=self.value(inner, target))
            case tree.Call(function=function) if function.name in SIGNATURES:
                return self.expert(expr, SIGNATURES[function.name], target)
            case tree.Call(function=function, arguments=arguments):
                self.function(function)
                return replace(
                    expr,
                    arguments=tuple(
                        replace(a, value=self.value(a.value, target)) for a in arguments
                    ),
                )
            case _:
                return expr

    def item(
        self, item: tree.Expr | tree.Slice, target: tree.Name | None
    ) -> tree.Expr | tree.Slice:
        if isinstance(item, tree.Slice):
            return replace(
                item,
                start=item.start and self.value(item.start, target),
                stop=item.stop and self.value(item.stop, target),
            )
        return self.value(item, target)

    def reference(self, name: tree.Name) -> None:
        self.used.add(name.name)
        if name.name in self.visible or name.name in self.variables or name.name in self.inferred:
            return
        if name.name in self.declared:
            self.error(
                "P0204",
                f"`{name.name}` is used before it is declared",
                name.span,
                labels=(Label(self.declared[name.name], "declared here"),),
            )
            return
        self.error(
            "P0201",
            f"there is nothing named `{name.name}`",
            name.span,
            fixes=near_fix(name.name, name.span, self.known(), "something"),
            notes=()
            if name.name not in (*SIGNATURES, *FUNCTIONS, *CONSTRUCTS)
            else (f"`{name.name}` is called with brackets: `{name.name}(...)`",),
        )

    def known(self) -> set[str]:
        return {*self.declared, *self.inferred, *self.visible}

    def function(self, function: tree.Name) -> None:
        if function.name in FUNCTIONS or function.name in CONSTRUCTS:
            return
        known = (*FUNCTIONS, *SIGNATURES, *CONSTRUCTS)
        self.error(
            "P0202",
            f"there is no expert, reward or function named `{function.name}`",
            function.span,
            fixes=near_fix(function.name, function.span, known, "one"),
            notes=("`poe experts` lists what there is",),
        )

    # Calls of experts and rewards: positions become names, what is left out is looked up.

    def expert(self, call: tree.Expr, signature: Signature, target: tree.Name | None) -> tree.Expr:
        if not isinstance(call, tree.Call):
            return call
        given = self.arguments(call, signature)
        if given is None:
            return replace(call, arguments=())
        arguments: list[tree.Argument] = []
        for parameter in signature.parameters:
            if parameter.name in given:
                argument = given[parameter.name]
                value = self.argument(argument.value, parameter, target)
                arguments.append(replace(argument, name=parameter.name, value=value))
            elif parameter.required and signature.family != "density":
                arguments.append(self.ambient(call, parameter))
        self.complete(call, signature, given)
        if signature.family == "reward":
            arguments.append(self.subject(given, target))
        return replace(call, arguments=tuple(arguments))

    def arguments(self, call: tree.Call, signature: Signature) -> dict[str, tree.Argument] | None:
        """The arguments by parameter name, or None where they do not fit the signature."""
        given: dict[str, tree.Argument] = {}
        names = [p.name for p in signature.parameters]
        extra = [SUBJECT] if signature.family == "reward" else []
        note = (f"{signature}",)
        fits = True
        for position, argument in enumerate(call.arguments):
            if argument.name is None and position >= len(names):
                self.error(
                    "P0301",
                    f"`{signature.name}` takes {count(len(names), 'argument')}",
                    argument.span,
                    notes=note,
                )
                fits = False
                continue
            name = argument.name or names[position]
            if name not in names + extra:
                self.error(
                    "P0301",
                    f"`{signature.name}` has no parameter `{name}`",
                    argument.name_span,
                    fixes=near_fix(name, argument.name_span, names, "a parameter"),
                    notes=note,
                )
                fits = False
            elif name in given:
                self.error(
                    "P0301",
                    f"`{signature.name}` is given `{name}` twice",
                    argument.span,
                    labels=(Label(given[name].span, "given here already"),),
                )
                fits = False
            else:
                given[name] = argument
        return given if fits else None

    def complete(
        self, call: tree.Call, signature: Signature, given: dict[str, tree.Argument]
    ) -> None:
        """Densities take nothing from the surroundings, and one of each group of alternatives."""
        note = (f"{signature}",)
        for parameter in signature.parameters:
            if parameter.required and signature.family == "density" and parameter.name not in given:
                self.error(
                    "P0301", f"`{signature.name}` needs `{parameter.name}`", call.span, notes=note
                )
        for group in {p.alternative for p in signature.parameters if p.alternative}:
            names = [p.name for p in signature.parameters if p.alternative == group]
            if sum(n in given for n in names) != 1:
                listed = ", ".join(f"`{n}`" for n in names)
                self.error(
                    "P0301", f"`{signature.name}` needs one of {listed}", call.span, notes=note
                )

    def argument(
        self, value: tree.Expr, parameter: Parameter, target: tree.Name | None
    ) -> tree.Expr:
        """A free name is an input with the parameter's type, unless it nearly is a declared one."""
        free = (
            isinstance(value, tree.Name)
            and value.name not in self.declared
            and value.name not in self.visible
        )
        if not free or parameter.type is None or not isinstance(value, tree.Name):
            return self.value(value, target)
        if value.name not in self.inferred and near(value.name, self.declared):
            self.reference(value)
            return value
        self.infer(value, parameter.type, "inferred")
        return value

    def ambient(self, call: tree.Call, parameter: Parameter) -> tree.Argument:
        name = tree.Name(name=parameter.name, span=call.function.span)
        self.used.add(name.name)
        if name.name not in self.declared:
            assert parameter.type is not None
            self.infer(name, parameter.type, "ambient")
        return tree.Argument(value=name, name=parameter.name, span=call.span, name_span=NOWHERE)

    def subject(self, given: dict[str, tree.Argument], target: tree.Name | None) -> tree.Argument:
        if SUBJECT in given:
            return replace(given[SUBJECT], value=self.value(given[SUBJECT].value, target))
        value: tree.Expr = target if target is not None else tree.Nothing()
        return tree.Argument(value=value, name=SUBJECT)

    def infer(self, name: tree.Name, type_: Type, origin: Origin) -> None:
        known = self.inferred.get(name.name)
        if known is not None:
            previous = Type(known.type.name, _sizes(known.type))
            if unify(previous, type_) is None:
                self.error(
                    "P0304",
                    f"`{name.name}` is taken as {type_} here and as {previous} elsewhere",
                    name.span,
                    labels=(Label(known.span, f"{previous} here"),),
                )
            return
        if self.strict:
            self.error(
                "P0205",
                f"`{name.name}` is not declared",
                name.span,
                notes=(f"it would be an input: `input {name.name} : {type_}`",),
            )
        self.origins[name.name] = (origin, name.span)
        self.inferred[name.name] = tree.Input(name=name, type=type_expr(type_), span=name.span)
        self.used.add(name.name)

    def lint(self, program: tree.Program) -> None:
        for statement in program.statements:
            if isinstance(statement, tree.Input) and statement.name.name not in self.used:
                self.diagnostics.append(
                    Diagnostic(
                        "P0801",
                        f"the input `{statement.name.name}` is not used",
                        statement.name.span,
                        "warning",
                    )
                )


def target_name(target: tree.Name | tree.Index) -> tree.Name:
    """The variable of a target such as ``x`` or ``x[box(...)]``."""
    inner: tree.Expr = target
    while isinstance(inner, tree.Index):
        inner = inner.value
    assert isinstance(inner, tree.Name)
    return inner


def type_expr(type_: Type) -> tree.TypeExpr:
    """A type as syntax; all open sizes are left out."""
    if all(s is None for s in type_.sizes):
        return tree.TypeExpr(name=type_.name)
    sizes: Iterator[tree.Expr] = (
        tree.Name(name="_") if s is None else tree.Number(value=s) for s in type_.sizes
    )
    return tree.TypeExpr(name=type_.name, sizes=tuple(sizes))


def _sizes(type_: tree.TypeExpr) -> tuple[int | None, ...]:
    from poedsl.grammar.types import open_type

    if type_.sizes is None:
        return open_type(type_.name).sizes
    return tuple(int(s.value) if isinstance(s, tree.Number) else None for s in type_.sizes)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
