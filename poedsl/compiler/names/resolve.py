"""Pass 2, names: every name gets a declaration, every expert call all its arguments.

The result is again a program, and prints as one: free names have become ``input`` statements,
arguments stand under their parameters' names, ambient arguments and the subject of a reward are
written out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.expand_definitions import Expanded, Passed
from poedsl.compiler.names.resolve_calls import Calls, Target
from poedsl.compiler.names.syntax_names import sizes_of, spine, spoken, target_name
from poedsl.compiler.plan.plan import Origin
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import RANKS, Type


@dataclass(frozen=True, slots=True)
class Resolved:
    """The explicit program.

    Attributes:
        origins: for each inferred input how it came about, and where.
        signatures: what the program may call, its own experts among them.
        passed: the arguments of the program's own experts, where their types are known.
        incomplete: variables of which a statement is left out, or has an error.
        unread: names in the lines that could not be read: they may be declared there.
        written: names that were made up, each with that which the text has.
    """

    program: tree.Program
    origins: dict[str, tuple[Origin, Span]]
    signatures: Mapping[str, Signature] = field(default_factory=lambda: SIGNATURES)
    passed: tuple[Passed, ...] = ()
    incomplete: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    written: Mapping[str, str] = field(default_factory=dict)


def resolve(
    expanded: Expanded,
    signatures: Mapping[str, Signature] = SIGNATURES,
    *,
    strict: bool = False,
    unread: frozenset[str] = frozenset(),
    indent: str = "",
) -> tuple[Resolved, tuple[Diagnostic, ...]]:
    """Resolve names.

    Args:
        signatures: the experts, rewards and sources that calls may name.
        strict: refuse inputs that are not declared.
        unread: names in lines with a syntax error, of which nothing is said.
        indent: what the program's lines begin with.
    """
    program = expanded.program
    unread |= expanded.broken
    first = program.statements[0].span.start if program.statements else 0
    defined = frozenset(d.name.name for d in expanded.definitions)
    resolver = _Resolver(strict, unread, first, indent, signatures, set(unread), defined)
    resolver.written = expanded.written
    resolver.declare((*expanded.definitions, *program.statements))
    for passed in expanded.passed:
        resolver.ambient_argument(passed)
        resolver.passed.setdefault(passed.place, []).append(passed)
    body = [s for s in map(resolver.statement, program.statements) if s is not None]
    for definition in expanded.unused:
        if definition.name.name not in resolver.used:
            resolver.unused(definition)
    inferred = [resolver.inferred[name] for name in resolver.inferred]
    explicit = replace(program, statements=(*inferred, *body))
    resolver.samples([s for s in program.statements if isinstance(s, tree.Sample)])
    resolver.lint(program)
    resolved = Resolved(
        explicit,
        resolver.origins,
        signatures,
        tuple(resolver.typed),
        frozenset(resolver.incomplete | (unread & resolver.variables)),
        unread,
        expanded.written,
    )
    return resolved, tuple(resolver.diagnostics)


@dataclass(slots=True)
class _Resolver(Calls):
    """What is resolved beside names in expressions.

    Attributes:
        passed: the arguments of the program's own experts, by statement.
        typed: those that have a type, resolved.
    """

    domains: set[str] = field(default_factory=set)
    passed: dict[Span, list[Passed]] = field(default_factory=dict)
    typed: list[Passed] = field(default_factory=list)

    # Declarations come first, so that a near miss can name what is declared below it.

    def declare(self, statements: Iterable[tree.Statement]) -> None:
        for statement in statements:
            match statement:
                case tree.Input(name=name) | tree.Let(name=name):
                    self._declare(name)
                case tree.Use(name=name) | tree.ExpertDefinition(name=name):
                    self._callable(name)
                case tree.Domain(name=name):
                    if name.name in self.domains or name.name not in self.variables:
                        self._declare(name)
                    self.domains.add(name.name)
                    self.variables.add(name.name)
                case tree.Factor(target=target):
                    self._target(target_name(target))
                case tree.For(body=body):
                    self.declare(s for s in body if isinstance(s, tree.Factor | tree.For))
                case tree.Sample():
                    pass

    def _callable(self, name: tree.Name) -> None:
        """An expert of the program's own may not hide one of the language."""
        if name.name in SIGNATURES:
            self.error(
                "P0203",
                f"`{name.name}` is the name of an expert, reward or source already",
                name.span,
                notes=(str(SIGNATURES[name.name]),),
            )
        else:
            self._declare(name)

    def _target(self, name: tree.Name) -> None:
        if name.name in self.declared and name.name not in self.variables:
            self.error(
                "P0203",
                f"`{name.name}` is not a variable: it has a value already",
                name.span,
                labels=(Label(self.declared[name.name], "declared here"),),
            )
            return
        self.declared.setdefault(name.name, name.span)
        self.variables.add(name.name)

    def _declare(self, name: tree.Name) -> None:
        if name.name in self.declared:
            self._twice(name, self.declared[name.name])
        else:
            self.declared[name.name] = name.span

    def _twice(self, name: tree.Name, first: Span) -> None:
        self.error(
            "P0203",
            f"`{self.written.get(name.name, name.name)}` is declared twice",
            name.span,
            labels=(Label(first, "first declared here"),),
        )

    def ambient_argument(self, passed: Passed) -> None:
        """A parameter that a call leaves out: an input of its type, unless declared."""
        value, type_ = passed.value, passed.parameter.type
        if not passed.ambient or not isinstance(value, tree.Name):
            return
        self.left_out[value.name, value.span] = passed.expert
        free = value.name not in self.declared and value.name not in self.unread
        if free and type_ is not None and type_.name in RANKS:
            self.infer(value, Type(type_.name, sizes_of(type_)), "ambient")

    # Statements.

    def statement(self, statement: tree.Statement) -> tree.Statement | None:
        """The statement with its names resolved, or None where it is left out."""
        match statement:
            case tree.Input(name=name, default=default):
                type_ = self.type(statement.type)
                resolved = replace(statement, type=type_, default=default and self.value(default))
                return resolved if self.first_of(name) else None
            case tree.Let(name=name, value=value):
                let = replace(statement, value=self.value(value))
                return let if self.first_of(name) else None
            case tree.Domain(name=name):
                domain = replace(statement, type=self.type(statement.type))
                first = name.name in self.domains
                self.domains.discard(name.name)
                self.visible.add(name.name)
                return domain if first else None
            case tree.Factor():
                return self.factor(statement)
            case tree.For():
                return self.loop(statement)
            case tree.Sample():
                self.used |= spoken(statement.method)
                return statement
            case tree.Use():
                return statement
            case _:
                return None

    def factor(self, statement: tree.Factor) -> tree.Factor | None:
        name = target_name(statement.target)
        target: Target = statement.target
        if isinstance(target, tree.Index):
            items = tuple(self.item(i, None) for i in target.items)
            target = replace(target, items=items)
        before = len(self.diagnostics)
        product = self.product(statement.product, target)
        if len(self.diagnostics) == before:
            self.typed += [
                self.argument_passed(p, target)
                for p in self.passed.get(statement.span, ())
                if p.parameter.type is not None
            ]
        if statement.given is not None:
            self.parent(statement.given, name)
        self.visible.add(name.name)
        known = name.name in self.variables
        return replace(statement, target=target, product=product) if known else None

    def argument_passed(self, passed: Passed, target: Target) -> Passed:
        """The argument with its names resolved, inside of the comprehensions around it."""
        binders: list[tuple[tree.Name, tree.Expr]] = []
        with ExitStack() as inside:
            for name, iterable in passed.binders:
                binders.append((name, self.value(iterable)))
                inside.enter_context(self.binding(name.name))
            value = self.value(passed.value, target)
        return replace(passed, value=value, binders=tuple(binders))

    def parent(self, given: tree.Name, target: tree.Name) -> None:
        """What follows ``given`` is the variable itself."""
        self.used.add(given.name)
        if given.name in (target.name, *self.unread):
            return
        self.incomplete.add(target.name)
        self.error(
            "P0412",
            f"`{target.name}` is conditioned on its own parents, not on `{given.name}`",
            given.span,
            fixes=(Fix(f"write `given {target.name}`", (Edit(given.span, target.name),)),),
        )

    def loop(self, statement: tree.For) -> tree.For:
        iterable = self.value(statement.iterable)
        constants = [s.name for s in statement.body if isinstance(s, tree.Let)]
        for name, told in (
            (statement.target, "run over values"),
            *((c, "be a constant") for c in constants),
        ):
            if name.name in self.variables:
                self.incomplete.add(name.name)
                self.error(
                    "P0203",
                    f"`{name.name}` is a variable, and cannot {told}",
                    name.span,
                    labels=(Label(self.declared[name.name], "the variable"),),
                )
        body: list[tree.Statement] = []
        with self.binding(statement.target.name), self.block(constants) as places:
            for inner in statement.body:
                resolved = self.inside(inner, places)
                if resolved is not None:
                    body.append(resolved)
        return replace(statement, iterable=iterable, body=tuple(body))

    @contextmanager
    def block(self, constants: list[tree.Name]) -> Iterator[dict[str, Span]]:
        """The first place of each constant of a block, which is visible from there to its end."""
        places: dict[str, Span] = {}
        for name in constants:
            places.setdefault(name.name, name.span)
        outside, visible = dict(self.declared), places.keys() & self.visible
        self.declared = {**places, **outside}
        yield places
        self.declared = outside
        self.visible -= places.keys() - visible

    def inside(
        self, statement: tree.Statement, places: Mapping[str, Span]
    ) -> tree.Statement | None:
        """A statement of a block: a factor, a constant or another loop."""
        match statement:
            case tree.Let(name=name, value=value):
                resolved = replace(statement, value=self.value(value))
                if name.name in self.variables:
                    return None
                if name.span != places[name.name]:
                    self._twice(name, places[name.name])
                    return None
                self.visible.add(name.name)
                return resolved
            case tree.Factor() | tree.For():
                return self.statement(statement)
            case _:
                self.used |= spoken(statement)
                self.error(
                    "P0413",
                    "a block of `for` holds factors, constants and loops",
                    statement.span,
                    notes=("what is declared once stands outside of the block",),
                )
                return None

    def unused(self, definition: tree.ExpertDefinition) -> None:
        """A definition that nothing calls is warned of; its names are resolved all the same."""
        name = definition.name
        self.diagnostics.append(
            Diagnostic("P0801", f"the expert `{name.name}` is not used", name.span, "warning")
        )
        inferred, origins, taken = dict(self.inferred), dict(self.origins), dict(self.taken)
        incomplete = set(self.incomplete)
        with self.binding(name.name, *(p.name.name for p in definition.parameters)):
            self.product(definition.body, name)
        self.inferred, self.origins, self.taken = inferred, origins, taken
        self.incomplete = incomplete

    def first_of(self, name: tree.Name) -> bool:
        """Makes a name visible; whether this is its declaration, and not a second one."""
        self.visible.add(name.name)
        return self.declared[name.name] == name.span

    def type(self, type_: tree.TypeExpr) -> tree.TypeExpr:
        for size in type_.sizes or ():
            if size != tree.Name(name="_"):
                self.value(size)
        return type_

    def samples(self, statements: list[tree.Sample]) -> None:
        """One statement, for all variables."""
        for statement in statements:
            for name in statement.names:
                if name.name not in self.variables and name.name not in self.unread:
                    self.error(
                        "P0504",
                        f"`{name.name}` is not a variable of this program",
                        name.span,
                        fixes=self.similar(name.name, name.span, self.variables, "a variable"),
                    )
        for later in statements[1:]:
            self.error(
                "P0504",
                "a program has one `sample` statement for all its variables",
                later.span,
                labels=(Label(statements[0].span, "the first one"),),
            )
        if len(statements) == 1:
            self.sampled(statements[0])

    def sampled(self, statement: tree.Sample) -> None:
        named = [n.name for n in statement.names]
        missing = [v for v in self.declared if v in self.variables and v not in named]
        if missing and set(named) <= self.variables:
            last = statement.names[-1].span
            listed = ", ".join(missing)
            self.error(
                "P0504",
                "the variables of a program are sampled together, and not "
                + " and ".join(f"`{n}`" for n in named)
                + " alone",
                statement.names[0].span.to(last),
                fixes=(
                    Fix(
                        f"name the others too: `{', '.join((*named, *missing))}`",
                        (Edit(Span(last.end, last.end), f", {listed}"),),
                    ),
                ),
            )

    # Products: experts, rewards under `exp`, conditions, powers.

    def product(self, expr: tree.Expr, target: Target) -> tree.Expr:
        match expr:
            case tree.Binary(op="*" | "/"):
                first, rest = spine(expr)
                out = self.product(first, target)
                for node in rest:
                    out = replace(node, left=out, right=self.product(node.right, target))
                return out
            case tree.Binary(op="^", left=left, right=right):
                return replace(
                    expr, left=self.product(left, target), right=self.value(right, target)
                )
            case tree.Call(function=tree.Name(name="mixture"), arguments=arguments):
                return replace(expr, arguments=tuple(self.component(a, target) for a in arguments))
            case tree.Comprehension(function=tree.Name(name="mixture"), target=loop):
                iterable = self.value(expr.iterable)
                with self.binding(loop.name):
                    body = self.component(expr.body, target)
                return replace(expr, iterable=iterable, body=body)
            case tree.Call(function=tree.Name(name="exp" | "where"), arguments=arguments):
                return replace(
                    expr,
                    arguments=tuple(
                        replace(a, value=self.value(a.value, target)) for a in arguments
                    ),
                )
            case tree.Call(function=function) if function.name in self.signatures:
                return self.expert(expr, self.signatures[function.name], target)
            case _:
                return self.value(expr, target)

    def component(self, argument: tree.Argument, target: Target) -> tree.Argument:
        return replace(
            argument,
            value=self.product(argument.value, target),
            weight=argument.weight and self.value(argument.weight),
        )

    def lint(self, program: tree.Program) -> None:
        what = {tree.Input: "input", tree.Use: "expert"}
        for statement in program.statements:
            if not isinstance(statement, tree.Input | tree.Use):
                continue
            name = statement.name
            if name.name not in self.used:
                message = f"the {what[type(statement)]} `{name.name}` is not used"
                self.diagnostics.append(Diagnostic("P0801", message, name.span, "warning"))
