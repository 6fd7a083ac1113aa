"""Pass 2, types: every expression gets a type and a shape, constants fold, domains unify.

The result holds terms instead of syntax: products of named calls with closed arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from poedsl.compiler.check_options import OptionChecker
from poedsl.compiler.check_products import Products, leaves, signature_of
from poedsl.compiler.names import count, spoken, target_name
from poedsl.compiler.plan import InputSpec, VariableSpec
from poedsl.compiler.resolve import Resolved, near_fix
from poedsl.compiler.terms import Const, Ref, Term
from poedsl.compiler.typed import POISON, POISONED, Typed, describe, fits
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import Source, Span
from poedsl.grammar.types import CONTINUOUS, RANKS, Sizes, Type, broadcast, open_type, unify

#: Types bound from files; their defaults are paths.
FROM_FILES = frozenset({"Image", "Depth", "Mask", "Video", "Layout", "File"})


@dataclass(frozen=True, slots=True)
class CheckedFactor:
    """One ``~`` statement: a product over a variable."""

    variable: str
    product: Term
    span: Span


@dataclass(frozen=True, slots=True)
class Checked:
    """The typed program.

    Attributes:
        options: those given, each with its place.
        places: where each variable got its type.
        incomplete: variables of which a statement or the type has an error: what is known of them
            is not all there is.
    """

    inputs: tuple[InputSpec, ...]
    variables: tuple[VariableSpec, ...]
    factors: tuple[CheckedFactor, ...]
    options: dict[str, tuple[Term, Span]]
    places: dict[str, Span]
    incomplete: frozenset[str]


def check(resolved: Resolved, source: Source) -> tuple[Checked, tuple[Diagnostic, ...]]:
    checker = _Checker(source, resolved=resolved)
    checked = checker.program(resolved.program.statements)
    return checked, tuple(checker.diagnostics)


@dataclass(slots=True)
class _Checker(Products):
    resolved: Resolved = field(kw_only=True)
    inputs: list[InputSpec] = field(default_factory=list)
    modelled: set[str] = field(default_factory=set)

    def program(self, statements: tuple[tree.Statement, ...]) -> Checked:
        self.environment.update(dict.fromkeys(self.resolved.unread, POISONED))
        found = targets(statements)
        self.variables = frozenset(found)
        later = self.declarations(statements, set(found))
        self.domains(statements, found)
        for let in later:
            self.let(let)
        factors: list[CheckedFactor] = []
        incomplete = set(self.resolved.incomplete)
        for statement in statements:
            if isinstance(statement, tree.Factor):
                name = target_name(statement.target).name
                product = self.product(statement.product, name)
                if product is None:
                    incomplete.add(name)
                else:
                    factors.append(CheckedFactor(name, product, statement.span))
        incomplete |= {v for v in found if not self.environment[v].ok}
        return Checked(
            inputs=tuple(self.inputs),
            variables=tuple(VariableSpec(v, self.environment[v].type) for v in found),
            factors=tuple(factors),
            options=self.options(statements),
            places={v: self.places[v] for v in found},
            incomplete=frozenset(incomplete | self.unsampled(incomplete)),
        )

    # Inputs, constants and declared domains, in the order of the text.

    def declarations(
        self, statements: tuple[tree.Statement, ...], untyped: set[str]
    ) -> list[tree.Let]:
        """Types what is declared; returns the constants that speak of variables not yet typed."""
        later: list[tree.Let] = []
        for statement in statements:
            match statement:
                case tree.Input():
                    self.input(statement)
                case tree.Domain(name=name):
                    self.environment[name.name] = Typed(Ref(name.name), self.typed(statement.type))
                    self.places[name.name] = statement.span
                    untyped.discard(name.name)
                case tree.Let(name=name) if untyped and untyped & spoken(statement.value):
                    untyped.add(name.name)
                    later.append(statement)
                case tree.Let():
                    self.let(statement)
        return later

    def let(self, statement: tree.Let) -> None:
        self.environment[statement.name.name] = self.value(statement.value)
        self.places[statement.name.name] = statement.name.span

    def input(self, statement: tree.Input) -> None:
        name = statement.name.name
        type_ = self.typed(statement.type)
        origin, _ = self.resolved.origins.get(name, ("declared", statement.span))
        default = None if statement.default is None else self.default(statement.default, type_)
        self.environment[name] = Typed(Ref(name), type_)
        self.places[name] = statement.span
        line, column = self.source.location(statement.span.start)
        place = f"{self.source.name}:{line}:{column}"
        self.inputs.append(InputSpec(name, type_, default, origin, place))

    def default(self, expr: tree.Expr, type_: Type) -> Term | None:
        typed = self.value(expr)
        if spoken(expr) & self.variables:
            self.error("P0302", "a default is known when the program is compiled", expr.span)
            return None
        if not typed.ok or type_ == POISON:
            return None
        if type_.name in FROM_FILES and isinstance(typed.value, str):
            return typed.term
        if not isinstance(typed.term, Const):
            self.error("P0302", "a default is known when the program is compiled", expr.span)
        elif not fits(typed.type, type_):
            self.error(
                "P0302", f"the default is {describe(typed.type)}, the input is {type_}", expr.span
            )
        return typed.term

    def typed(self, expr: tree.TypeExpr) -> Type:
        """The type that is written."""
        if expr.name not in RANKS:
            named = Span(expr.span.start, expr.span.start + len(expr.name))
            return self.error(
                "P0308",
                f"there is no type named `{expr.name}`",
                named,
                fixes=near_fix(expr.name, named, RANKS, "a type"),
                notes=("the types are " + ", ".join(RANKS),),
            ).type
        rank = RANKS[expr.name]
        if expr.sizes is None:
            return open_type(expr.name)
        if rank is not None and len(expr.sizes) != rank:
            written = f"{expr.name}[{', '.join('_' * rank)}]" if rank else expr.name
            takes = f"{expr.name} takes {count(rank, 'size') if rank else 'no sizes'}"
            return self.error(
                "P0309",
                f"{takes}, and has {len(expr.sizes)}",
                expr.span,
                notes=(f"it is written `{written}`",),
            ).type
        sizes = [self.size(s) for s in expr.sizes]
        return POISON if 0 in sizes else Type(expr.name, tuple(sizes))

    def size(self, expr: tree.Expr) -> int | None:
        """A size, None where it is left open, 0 where it is wrong."""
        if isinstance(expr, tree.Name) and expr.name == "_":
            return None
        typed = self.value(expr)
        value = typed.value
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if typed.ok or spoken(expr) & self.variables:
            self.error(
                "P0309",
                "a size is a whole number of at least 1, known when the program is compiled",
                expr.span,
            )
        return 0

    # Domains: declared, or implied by the experts.

    def domains(self, statements: tuple[tree.Statement, ...], found: dict[str, Span]) -> None:
        parts: dict[str, list[tree.Expr]] = {name: [] for name in found}
        for statement in statements:
            if isinstance(statement, tree.Factor):
                parts[target_name(statement.target).name] += leaves(statement.product)
        for name, own in parts.items():
            self.places.setdefault(name, found[name])
            self.environment[name] = Typed(Ref(name), self.domain(name, own))

    def domain(self, name: str, parts: list[tree.Expr]) -> Type:
        """What the declaration and the experts of a variable agree on."""
        known = self.environment.get(name)
        current = known.type if known is not None else None
        for part in parts:
            signature = signature_of(part)
            if signature is None or signature.domain is None or signature.family == "reward":
                continue
            self.modelled.add(name)
            if current is None:
                current = signature.domain
                self.places[name] = part.span
            elif current != POISON:
                both = unify(current, signature.domain)
                if both is None:
                    self.error(
                        "P0304",
                        f"`{signature.name}` is over {signature.domain}, but `{name}` is {current}",
                        part.span,
                        labels=(Label(self.places[name], f"`{name}` is {current} here"),),
                    )
                    return POISON
                current = both
        return self.implied_by_shapes(parts) if current is None else current

    def implied_by_shapes(self, parts: list[tree.Expr]) -> Type:
        """Without a declared domain the parameters of the densities broadcast to it."""
        quiet: Products = replace(self, diagnostics=[])
        sizes: Sizes = ()
        for part in parts:
            for density in quiet.densities(part):
                wider = broadcast(sizes, density)
                sizes = wider if wider is not None else sizes
        return Type("Real", sizes)

    def unsampled(self, incomplete: set[str]) -> set[str]:
        """The variables whose type cannot be sampled."""
        out: set[str] = set()
        for name in sorted(self.variables - incomplete):
            type_ = self.environment[name].type
            if type_.name not in CONTINUOUS:
                out.add(name)
                self.error(
                    "P0308",
                    f"a variable of type {type_} cannot be sampled by this release",
                    self.places[name],
                )
            elif not type_.is_closed and name not in self.modelled:
                out.add(name)
                self.error(
                    "P0309",
                    f"the sizes of `{name}` are open, and no expert says what they are",
                    self.places[name],
                )
        return out

    # Options of `sample`.

    def options(self, statements: tuple[tree.Statement, ...]) -> dict[str, tuple[Term, Span]]:
        out: dict[str, tuple[Term, Span]] = {}
        for statement in statements:
            if isinstance(statement, tree.Sample):
                out = OptionChecker(self).sample(statement)
        return out


def targets(statements: tuple[tree.Statement, ...]) -> dict[str, Span]:
    """The variables, in order, each with its first place."""
    found: dict[str, Span] = {}
    for statement in statements:
        match statement:
            case tree.Domain(name=name):
                found.setdefault(name.name, statement.span)
            case tree.Factor(target=target):
                name = target_name(target)
                found.setdefault(name.name, name.span)
    return found
