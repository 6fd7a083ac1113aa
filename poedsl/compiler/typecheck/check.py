"""Pass 3, types: every expression gets a type and a shape, constants fold, domains unify.

The result holds terms instead of syntax: products of named calls with closed arguments. Loops over
what is known are unrolled; loops over inputs stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from poedsl.compiler.functions.types import MOST_SIZES, known
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.names.resolve import Resolved
from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.compiler.plan.plan import InputSpec, LetSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, too_large
from poedsl.compiler.typecheck.products import Part, Products, leaves
from poedsl.compiler.typecheck.sample_options import OptionChecker
from poedsl.compiler.typecheck.typed import POISON, POISONED, Typed, describe, fits, typed_constant
from poedsl.compiler.wording import counted_noun
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Source, Span
from poedsl.grammar.traversal import children, names_in, target_name, variables_of
from poedsl.grammar.types import RANKS, Sizes, Type, broadcast, open_type, unify

#: Types bound from files; their defaults are paths.
FROM_FILES = frozenset({"Image", "Depth", "Mask", "Video", "Layout", "File"})
#: Types that a variable may have.
SAMPLED = frozenset({"Real", "Image", "Video", "Tokens", "Category"})
#: The most factors a program may unroll to, and the most nodes of one term.
MOST_FACTORS, MOST_NODES = 10_000, 100_000

Loops = tuple[tuple[str, Term], ...]


@dataclass(frozen=True, slots=True)
class CheckedFactor:
    """One ``~`` statement: a product over a variable, or a part of it.

    Attributes:
        part: ``x[...]`` as a term; None for the whole.
        given: whether it is conditioned on the variable's parents, and where that is said.
        loops: what it runs over that only inputs can say.
    """

    variable: str
    product: Term
    span: Span
    part: Term | None = None
    given: Span | None = None
    loops: Loops = ()


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
    lets: tuple[LetSpec, ...]
    variables: tuple[VariableSpec, ...]
    factors: tuple[CheckedFactor, ...]
    options: dict[str, tuple[Term, Span]]
    places: dict[str, Span]
    incomplete: frozenset[str]


def check(resolved: Resolved, source: Source) -> tuple[Checked, tuple[Diagnostic, ...]]:
    checker = _Checker(
        source,
        resolved=resolved,
        signatures=resolved.signatures,
        made_up=frozenset(resolved.renamed),
    )
    checked = checker.program(resolved.program.statements)
    return checked, tuple(checker.diagnostics)


def agreed(domain: Type, own: Type) -> Type | None:
    """What a variable is that an expert is over; a category is a sequence of one symbol."""
    return domain if (domain.name, own.name) == ("Category", "Tokens") else unify(domain, own)


@dataclass(slots=True)
class _Checker(Products):
    resolved: Resolved = field(kw_only=True)
    inputs: dict[str, InputSpec] = field(default_factory=dict)
    lets: dict[str, LetSpec] = field(default_factory=dict)
    modelled: set[str] = field(default_factory=set)
    spaces: dict[str, tuple[str, str, Span]] = field(default_factory=dict)
    factors: list[CheckedFactor] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)
    passed: dict[Span, list[PassedArgument]] = field(default_factory=dict)

    def program(self, statements: tuple[tree.Statement, ...]) -> Checked:
        self.environment.update(dict.fromkeys(self.resolved.unreadable, POISONED))
        for passed in self.resolved.passed:
            self.passed.setdefault(passed.place, []).append(passed)
        found = variables_of(statements)
        self.variables = frozenset(found)
        later = self.declarations(statements, set(found))
        self.domains(statements, found)
        self.close_sizes(statements)
        for let in later:
            self.let(let)
        self.incomplete |= self.resolved.incomplete
        for statement in statements:
            self.statement(statement, ())
        self.incomplete |= {v for v in found if not self.environment[v].ok}
        self.incomplete |= self.unsampled(self.incomplete)
        return Checked(
            inputs=tuple(self.inputs.values()),
            lets=tuple(self.lets.values()),
            variables=tuple(
                VariableSpec(v, self.environment[v].type, self.spaces.get(v, ("",))[0])
                for v in found
            ),
            factors=tuple(self.factors),
            options=self.options(statements),
            places={v: self.places[v] for v in found},
            incomplete=frozenset(self.incomplete),
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
                case tree.Let(name=name) if untyped and untyped & names_in(statement.value):
                    untyped.add(name.name)
                    later.append(statement)
                case tree.Let():
                    self.let(statement)
        return later

    def let(self, statement: tree.Let) -> None:
        """A constant: its value where that is known, else a name that the run evaluates once."""
        name, typed = statement.name.name, self.light(self.value(statement.value), statement)
        symbolic = isinstance(typed.term, Apply) and typed.type.name != "Region"
        if symbolic and not names(typed.term) & self.variables:
            self.lets[name] = LetSpec(name, typed.type, typed.term)
            typed = replace(typed, term=Ref(name))
        self.environment[name] = typed
        self.places[name] = statement.name.span

    def light(self, typed: Typed, statement: tree.Let) -> Typed:
        """The value, unless the constants it is written out from make it too large."""
        problem = too_large(typed.term, MOST_NODES) if typed.ok else ""
        if not problem:
            return typed
        return self.error("P0506", f"`{statement.name.name}` {problem}", statement.value.span)

    def input(self, statement: tree.Input) -> None:
        name = statement.name.name
        type_ = self.typed(statement.type)
        origin, _ = self.resolved.origins.get(name, ("declared", statement.span))
        default = None if statement.default is None else self.default(statement.default, type_)
        self.environment[name] = Typed(Ref(name), type_)
        self.places[name] = statement.span
        line, column = self.source.location(statement.span.start)
        place = f"{self.source.name}:{line}:{column}"
        self.inputs[name] = InputSpec(name, type_, default, origin, place)

    def default(self, expr: tree.Expr, type_: Type) -> Term | None:
        typed = self.value(expr)
        if names_in(expr) & self.variables:
            self.error("P0302", "a default is known when the program is compiled", expr.span)
            return None
        if not typed.ok or type_ == POISON:
            return None
        if type_.name in FROM_FILES and isinstance(typed.value, str):
            return typed.term
        if type_.name == typed.type.name == "Region" and isinstance(typed.term, Apply):
            return Const(known(typed.term), expr.span)
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
                fixes=similar_name_fix(expr.name, named, RANKS, "a type"),
                notes=("the types are " + ", ".join(RANKS),),
            ).type
        rank = RANKS[expr.name]
        if expr.sizes is None:
            return open_type(expr.name)
        if rank is not None and len(expr.sizes) != rank and not filmed(expr):
            written = f"{expr.name}[{', '.join('_' * rank)}]" if rank else expr.name
            takes = f"{expr.name} takes {counted_noun(rank, 'size') if rank else 'no sizes'}"
            return self.error(
                "P0309",
                f"{takes}, and has {len(expr.sizes)}",
                expr.span,
                notes=(f"it is written `{written}`",),
            ).type
        if len(expr.sizes) > MOST_SIZES:
            return self.error("P0309", f"a value has at most {MOST_SIZES} sizes", expr.span).type
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
        if typed.ok or names_in(expr) & self.variables:
            self.error(
                "P0309",
                "a size is a whole number of at least 1, known when the program is compiled",
                expr.span,
            )
        return 0

    # Domains: declared, or implied by the experts.

    def domains(self, statements: tuple[tree.Statement, ...], found: dict[str, Span]) -> None:
        parts: dict[str, list[tree.Expr]] = {name: [] for name in found}
        indexed: dict[str, list[tree.Index]] = {name: [] for name in found}
        for factor in factors_in(statements):
            name = target_name(factor.target).name
            if isinstance(factor.target, tree.Index):
                indexed[name].append(factor.target)
            else:
                parts[name] += leaves(factor.product)
            for leaf in leaves(factor.product):
                self.space(name, leaf)
        for name, own in parts.items():
            self.places.setdefault(name, found[name])
            if indexed[name] and not own and name not in self.environment:
                self.environment[name] = self.no_domain(name, found[name], indexed[name])
                continue
            self.environment[name] = Typed(Ref(name), self.domain(name, own, statements))

    def no_domain(self, name: str, span: Span, parts: list[tree.Index]) -> Typed:
        """Parts alone do not say what they are parts of; their indices say how large it is."""
        axes = zip_longest(*(p.items for p in parts))
        sizes = [largest([i for i in items if i is not None]) for items in axes]
        fixes: tuple[Fix, ...] = ()
        if 0 not in sizes:
            declared = f"{name} : Real[{', '.join(map(str, sizes))}]"
            first = next(s for s in self.resolved.program.statements if name in variables_of((s,)))
            at = first.span.start
            edits = (Edit(Span(at, at), f"{declared}\n{self.source.indent(at)}"),)
            fixes = (Fix(f"declare it above: `{declared}`", edits),)
        return self.error(
            "P0309",
            f"`{name}` has no domain: there are statements on parts of it only",
            span,
            notes=() if fixes else (f"a declaration says it, such as `{name} : Real[2]`",),
            fixes=fixes,
        )

    def space(self, name: str, leaf: tree.Expr) -> None:
        """Models are multiplied in one latent space, or in the variable's own."""
        signature = self.signature_of(leaf)
        if signature is None or signature.family != "flow":
            return
        own = (signature.space, signature.name, leaf.span)
        space, other, place = self.spaces.setdefault(name, own)
        if space == signature.space or name in self.incomplete:
            return
        self.incomplete.add(name)
        self.error(
            "P0313",
            f"`{signature.name}` lives in {latent(signature.space)} and `{other}` in "
            f"{latent(space)}: their scores cannot be added",
            leaf.span,
            labels=(Label(place, f"`{other}` is here"),),
            notes=("products of models are taken within one latent space",),
        )

    def domain(
        self, name: str, parts: list[tree.Expr], statements: tuple[tree.Statement, ...]
    ) -> Type:
        """What the declaration and the experts of a variable agree on."""
        known = self.environment.get(name)
        current = known.type if known is not None else None
        for part in parts:
            signature = self.signature_of(part)
            if signature is None or signature.domain is None or signature.family == "reward":
                continue
            self.modelled.add(name)
            if current is None:
                current = signature.domain
                self.places[name] = part.span
            elif current != POISON:
                both = agreed(current, signature.domain)
                if both is None and name in self.incomplete:
                    return POISON
                if both is None:
                    self.error(
                        "P0304",
                        f"`{signature.name}` is over {signature.domain}, but `{name}` is {current}",
                        part.span,
                        labels=(Label(self.places[name], f"`{name}` is {current} here"),),
                    )
                    return POISON
                current = both
        if current is not None and current.name == "Real" and not current.is_closed:
            implied = self.implied_by_shapes(name, statements)
            return unify(current, implied) or current
        return self.implied_by_shapes(name, statements) if current is None else current

    def implied_by_shapes(self, name: str, statements: tuple[tree.Statement, ...]) -> Type:
        """Without a declared domain the parameters of the densities broadcast to it."""
        sizes: Sizes = ()
        for density in replace(self, diagnostics=[]).shapes(name, statements):
            wider = broadcast(sizes, density)
            sizes = wider if wider is not None else sizes
        return Type("Real", sizes)

    def shapes(self, name: str, statements: tuple[tree.Statement, ...]) -> Iterator[Sizes]:
        """The shapes of a variable's densities, in a loop at an element of each type."""
        for statement in statements:
            match statement:
                case tree.Factor(target=tree.Name(name=own)) if own == name:
                    for leaf in leaves(statement.product):
                        yield from self.densities(leaf)
                case tree.For() if name in variables_of((statement,)):
                    elements = self.elements(statement)
                    each = elements if isinstance(elements, list) else [POISONED]
                    for element in {e.type: e for e in each}.values():
                        with self.within(statement, element):
                            yield from self.shapes(name, statement.body)

    @contextmanager
    def within(self, statement: tree.For, element: Typed) -> Iterator[None]:
        """The names of a block stand for what they do at one element."""
        with self.scope(*bound(statement)):
            self.environment[statement.target.name] = element
            for let in statement.body:
                if isinstance(let, tree.Let):
                    self.environment[let.name.name] = self.value(let.value)
            yield

    def close_sizes(self, statements: tuple[tree.Statement, ...]) -> None:
        """Sizes left open take those of what they are given to, aligned with or compared with."""
        hidden = bound_inside(statements)
        for name, wanted, place in self.demands(statements, hidden):
            both = unify(self.environment[name].type, wanted)
            if both not in (None, self.inputs[name].type):
                self.environment[name] = Typed(Ref(name), both)
                self.inputs[name] = replace(self.inputs[name], type=both)
                self.places[name] = place
        both_ways = (*self.alignments(statements), *self.comparisons(statements))
        pairs = [(variable, name) for variable, name in both_ways if name not in hidden]
        changed = True
        while changed:
            changed = False
            for variable, name in pairs:
                a, b = self.environment[variable].type, self.environment[name].type
                count = len(a.sizes) if a.name == b.name else 2
                shared = unify(Type("", a.sizes[-count:]), Type("", b.sizes[-count:]))
                if shared is None:
                    continue
                for own, type_ in ((variable, a), (name, b)):
                    closed = replace(type_, sizes=(*type_.sizes[:-count], *shared.sizes))
                    if closed != type_:
                        changed = True
                        self.environment[own] = Typed(Ref(own), closed)
                        if own in self.inputs:
                            self.inputs[own] = replace(self.inputs[own], type=closed)
        for let in [s for s in statements if isinstance(s, tree.Let)]:
            if isinstance(self.environment.get(let.name.name, POISONED).term, Ref):
                self.let(let)

    def demands(
        self, statements: tuple[tree.Statement, ...], hidden: set[str]
    ) -> Iterator[tuple[str, Type, Span]]:
        """Inputs that experts, rewards and sources take, each as what and where.

        Args:
            hidden: names that stand for something else somewhere.
        """
        found: list[tuple[tree.Name, Type]] = []
        pending: list[tree.Node] = [*reversed(statements)]
        while pending:
            node = pending.pop()
            pending += reversed(children(node))
            match node:
                case tree.Call(function=function) if function.name in self.signatures:
                    signature = self.signatures[function.name]
                    for argument in node.arguments:
                        parameter = signature.parameter(argument.name or "")
                        wanted = None if parameter is None else parameter.type
                        if isinstance(argument.value, tree.Name) and wanted is not None:
                            found.append((argument.value, wanted))
        for name, wanted in found:
            term = self.environment.get(name.name, POISONED).term
            if name.name not in hidden and isinstance(term, Ref) and term.name in self.inputs:
                yield term.name, wanted, name.span

    def alignments(self, statements: tuple[tree.Statement, ...]) -> Iterator[tuple[str, str]]:
        """Variables, and the inputs that an expert on the whole of them takes as conditions."""
        for factor in factors_in(statements):
            if not isinstance(factor.target, tree.Name):
                continue
            variable = factor.target.name
            for leaf in leaves(factor.product):
                signature = self.signature_of(leaf)
                if signature is None or not isinstance(leaf, tree.Call):
                    continue
                for argument in leaf.arguments:
                    parameter = signature.parameter(argument.name or "")
                    value = argument.value
                    if (
                        parameter is not None
                        and parameter.aligned
                        and isinstance(value, tree.Name)
                        and value.name in self.inputs
                        and self.environment[variable].ok
                        and fits(self.environment[value.name].type, parameter.type or POISON)
                    ):
                        yield variable, value.name

    def comparisons(self, statements: tuple[tree.Statement, ...]) -> Iterator[tuple[str, str]]:
        """Variables and inputs of one kind that a sum or a difference puts side by side."""
        pending: list[tree.Node] = [f.product for f in factors_in(statements)]
        while pending:
            node = pending.pop()
            match node:
                case tree.Binary(op="+" | "-", left=tree.Name(name=a), right=tree.Name(name=b)):
                    variable, name = (a, b) if a in self.variables else (b, a)
                    kinds = {self.environment.get(n, POISONED).type.name for n in (a, b)}
                    known = variable in self.variables and name in self.inputs
                    if known and len(kinds) == 1 and kinds <= {"Image", "Video"}:
                        yield variable, name
                case _:
                    pending += children(node)

    def unsampled(self, incomplete: set[str]) -> set[str]:
        """The variables whose type cannot be sampled."""
        out: set[str] = set()
        for name in sorted(self.variables - incomplete):
            type_ = self.environment[name].type
            if type_.name not in SAMPLED:
                out.add(name)
                self.error(
                    "P0308",
                    f"a variable of type {type_} cannot be sampled",
                    self.places[name],
                    notes=("variables are " + ", ".join(sorted(SAMPLED)),),
                )
            elif not type_.is_closed and name not in self.modelled:
                out.add(name)
                self.error(
                    "P0309",
                    f"the sizes of `{name}` are open, and no expert says what they are",
                    self.places[name],
                )
        return out

    # Factors, and loops over them.

    def statement(self, statement: tree.Statement, loops: Loops) -> None:
        match statement:
            case tree.Factor():
                self.factor(statement, loops)
            case tree.For():
                self.loop(statement, loops)

    def factor(self, statement: tree.Factor, loops: Loops) -> None:
        name = target_name(statement.target).name
        whole = isinstance(statement.target, tree.Name)
        typed = self.environment[name] if whole else self.value(statement.target)
        part = Part(name, typed, statement.target.span)
        self.speaking_of = name if whole else ""
        product = self.product(statement.product, part)
        sound = all([self.argument_passed(p) for p in self.passed.get(statement.span, ())])
        if product is None or not typed.ok or not sound:
            self.incomplete.add(name)
            return
        given = None if statement.given is None else statement.given.span
        term = None if whole else typed.term
        self.factors.append(CheckedFactor(name, product, statement.span, term, given, loops))

    def argument_passed(self, passed: PassedArgument) -> bool:
        """Whether an argument of a definition has the type that its parameter demands."""
        parameter = passed.parameter
        assert parameter.type is not None
        wanted = self.typed(parameter.type)
        for typed in self.values_passed(passed.value, passed.binders):
            if typed.ok and wanted != POISON and not fits(typed.type, wanted):
                self.error(
                    "P0302",
                    f"`{parameter.name.name}` of `{passed.expert}` is {wanted}, and this is "
                    f"{describe(typed.type)}",
                    passed.value.span,
                    labels=(Label(parameter.span, f"{wanted} here"),),
                )
                return False
        return True

    def values_passed(
        self, value: tree.Expr, binders: tuple[tuple[tree.Name, tree.Expr], ...]
    ) -> Iterator[Typed]:
        """The values of an argument at each element of the comprehensions around it."""
        if not binders:
            self.in_reward = True
            typed = self.value(value)
            self.in_reward = False
            yield typed
            return
        name, iterable = binders[0]
        elements = self.value(iterable).value
        with self.scope(name.name):
            for element in elements if isinstance(elements, tuple) else ():
                self.environment[name.name] = typed_constant(element, name.span)
                yield from self.values_passed(value, binders[1:])

    def loop(self, statement: tree.For, loops: Loops) -> None:
        name = statement.target.name
        known = self.elements(statement)
        if known is None:
            self.incomplete |= set(variables_of(statement.body))
            return
        before = len(self.diagnostics)
        if isinstance(known, Typed):
            part = Typed(Ref(name), Type("Part"))
            self.block(statement, part, (*loops, (name, known.term)))
            return
        for element in known:
            self.block(statement, element, loops)
            if len(self.diagnostics) > before:
                self.incomplete |= set(variables_of(statement.body))
                return

    def block(self, statement: tree.For, element: Typed, loops: Loops) -> None:
        """One time through a block: a constant stands for its value from its line to the end."""
        with self.scope(*bound(statement)):
            self.environment[statement.target.name] = element
            for inner in statement.body:
                if isinstance(inner, tree.Let):
                    typed = self.light(self.value(inner.value), inner)
                    self.environment[inner.name.name] = typed
                else:
                    self.statement(inner, loops)

    def elements(self, statement: tree.For) -> list[Typed] | Typed | None:
        """What a loop runs over, one by one; a layout as a whole; None where it cannot."""
        expr = statement.iterable
        if isinstance(expr, tree.List) and expr.items:
            items = [self.value(i) for i in expr.items]
            return items if all(i.ok for i in items) else None
        typed = self.value(expr)
        if not typed.ok:
            return None
        if typed.type.name == "Layout":
            return typed
        if isinstance(typed.value, tuple):
            return self.few([typed_constant(v, expr.span) for v in typed.value], expr.span)
        if typed.type.name in ("Real", "Int") and typed.type.sizes and typed.type.sizes[0]:
            rest = Type(typed.type.name, typed.type.sizes[1:])
            return self.few(
                [
                    Typed(Apply("index", (typed.term, Const(i)), span=expr.span), rest)
                    for i in range(typed.type.sizes[0])
                ],
                expr.span,
            )
        self.error(
            "P0302",
            f"`for` runs over a vector of known length, a list or a layout, and this is "
            f"{describe(typed.type)}",
            expr.span,
        )
        return None

    def few(self, elements: list[Typed], span: Span) -> list[Typed] | None:
        if len(elements) + len(self.factors) <= MOST_FACTORS:
            return elements
        self.error("P0506", f"this loop makes more than {MOST_FACTORS:,} factors", span)
        return None

    # Options of `sample`.

    def options(self, statements: tuple[tree.Statement, ...]) -> dict[str, tuple[Term, Span]]:
        out: dict[str, tuple[Term, Span]] = {}
        for statement in statements:
            if isinstance(statement, tree.Sample):
                out = OptionChecker(self).sample(statement)
        return out


def largest(items: list[tree.Expr | tree.Slice]) -> int:
    """The least size of a side that has all these indices; 0 where they do not say."""
    ends = []
    for item in items:
        last = item.stop if isinstance(item, tree.Slice) else item
        if not (isinstance(last, tree.Number) and isinstance(last.value, int)):
            return 0
        ends.append(last.value + (not isinstance(item, tree.Slice)))
    return max(ends)


def filmed(expr: tree.TypeExpr) -> bool:
    """Whether these are the depths or masks of a video, one a frame."""
    return expr.name in ("Depth", "Mask") and len(expr.sizes or ()) == 3


def latent(space: str) -> str:
    return f"the latent space of {space}" if space else "pixels"


def bound(statement: tree.For) -> list[str]:
    """The names that a block gives values."""
    constants = (s.name.name for s in statement.body if isinstance(s, tree.Let))
    return [statement.target.name, *constants]


def bound_inside(statements: tuple[tree.Statement, ...]) -> set[str]:
    """The names that some block or comprehension gives values, and may hide others with."""
    out: set[str] = set()
    pending: list[tree.Node] = [*statements]
    while pending:
        node = pending.pop()
        pending += children(node)
        match node:
            case tree.For():
                out.update(bound(node))
            case tree.Comprehension(target=target):
                out.add(target.name)
    return out


def factors_in(statements: tuple[tree.Statement, ...]) -> Iterator[tree.Factor]:
    """The ``~`` statements, those in blocks too."""
    for statement in statements:
        if isinstance(statement, tree.Factor):
            yield statement
        elif isinstance(statement, tree.For):
            yield from factors_in(statement.body)
