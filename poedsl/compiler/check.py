"""Pass 2, types: every expression gets a type and a shape, constants fold, domains unify.

The result holds terms instead of syntax: products of named calls with closed arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from poedsl.compiler import linear
from poedsl.compiler.functions import BOOLEAN, FUNCTIONS, flatten, operate, shape
from poedsl.compiler.options import OPTIONS, Argument, Form, Option, filled
from poedsl.compiler.plan import InputSpec, VariableSpec
from poedsl.compiler.resolve import CONSTRUCTS, SUBJECT, Resolved, count, near_fix, target_name
from poedsl.compiler.terms import Apply, Const, Ref, Term, Value
from poedsl.experts.signatures import SIGNATURES, Parameter, Required, Signature
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Source, Span
from poedsl.grammar.types import (
    BOOL,
    CONTINUOUS,
    INT,
    RANKS,
    REAL,
    TEXT,
    Type,
    broadcast,
    open_type,
    unify,
)

#: Types bound from files; their defaults are paths.
FROM_FILES = frozenset({"Image", "Depth", "Mask", "Video", "Layout", "File"})
_POISON = Type("?")


@dataclass(frozen=True, slots=True)
class CheckedFactor:
    """One ``~`` statement: a product over a variable."""

    variable: str
    product: Term
    span: Span


@dataclass(frozen=True, slots=True)
class Checked:
    """The typed program."""

    inputs: tuple[InputSpec, ...]
    variables: tuple[VariableSpec, ...]
    factors: tuple[CheckedFactor, ...]
    options: dict[str, Term]


@dataclass(frozen=True, slots=True)
class Typed:
    term: Term
    type: Type

    @property
    def ok(self) -> bool:
        return self.type != _POISON

    @property
    def value(self) -> Value | None:
        return self.term.value if isinstance(self.term, Const) else None


def check(resolved: Resolved, source: Source) -> tuple[Checked, tuple[Diagnostic, ...]]:
    checker = _Checker(resolved, source)
    checked = checker.program()
    return checked, tuple(checker.diagnostics)


def check_option(name: str, value: tree.Expr) -> tuple[Term | None, tuple[Diagnostic, ...]]:
    """An option of ``sample`` given on its own, as on the command line."""
    checker = _Checker(Resolved(tree.Program(statements=()), {}), Source(""))
    term = checker.option(name, value, value.span)
    return term, tuple(checker.diagnostics)


@dataclass(slots=True)
class _Checker:
    resolved: Resolved
    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    environment: dict[str, Typed] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    in_reward: bool = False

    def error(self, code: str, message: str, span: Span, **more: object) -> Typed:
        self.diagnostics.append(Diagnostic(code, message, span, **more))  # type: ignore[arg-type]
        return Typed(Const(None), _POISON)

    def place(self, span: Span) -> str:
        line, column = self.source.location(span.start)
        return f"{self.source.name}:{line}:{column}"

    # The program.

    def program(self) -> Checked:
        statements = self.resolved.program.statements
        inputs: list[InputSpec] = []
        for statement in statements:
            if isinstance(statement, tree.Domain):
                self.domain(statement)
        variables = self.variables(statements)
        factors: list[CheckedFactor] = []
        options: dict[str, Term] = {}
        for statement in statements:
            match statement:
                case tree.Input():
                    inputs.append(self.input(statement))
                case tree.Let(name=name, value=value):
                    self.environment[name.name] = self.value(value)
                    self.places[name.name] = name.span
                case tree.Factor(target=target):
                    self.factor(target_name(target), statement, factors)
                case tree.Sample():
                    options = self.sample(statement, options)
                case _:
                    pass
        specs = tuple(
            VariableSpec(v, self.environment[v].type)
            for v in variables
            if v in self.environment and self.environment[v].ok
        )
        self.unopened(specs)
        return Checked(tuple(inputs), specs, tuple(factors), options)

    def unopened(self, variables: tuple[VariableSpec, ...]) -> None:
        for variable in variables:
            if variable.type.name not in CONTINUOUS:
                self.error(
                    "P0308",
                    f"a variable of type {variable.type} cannot be sampled by this release",
                    self.places[variable.name],
                )

    def domain(self, statement: tree.Domain) -> None:
        name = statement.name.name
        if name not in self.environment:
            self.environment[name] = Typed(Ref(name), self.type(statement.type))
            self.places[name] = statement.span

    def input(self, statement: tree.Input) -> InputSpec:
        name = statement.name.name
        type_ = self.type(statement.type)
        origin, _ = self.resolved.origins.get(name, ("declared", statement.span))
        default = None if statement.default is None else self.default(statement.default, type_)
        self.environment[name] = Typed(Ref(name), type_)
        self.places[name] = statement.span
        return InputSpec(name, type_, default, origin, self.place(statement.span))

    def default(self, expr: tree.Expr, type_: Type) -> Term | None:
        typed = self.value(expr)
        if not typed.ok or type_ == _POISON:
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

    def type(self, expr: tree.TypeExpr) -> Type:
        if expr.name not in RANKS:
            return self.error(
                "P0308",
                f"there is no type named `{expr.name}`",
                expr.span,
                fixes=near_fix(
                    expr.name,
                    Span(expr.span.start, expr.span.start + len(expr.name)),
                    RANKS,
                    "a type",
                ),
                notes=("the types are " + ", ".join(RANKS),),
            ).type
        rank = RANKS[expr.name]
        if expr.sizes is None:
            return open_type(expr.name)
        if rank is not None and len(expr.sizes) != rank:
            written = f"{expr.name}[{', '.join('_' * rank)}]" if rank else expr.name
            return self.error(
                "P0309",
                f"{expr.name} takes {count(rank, 'size')}, and has {len(expr.sizes)}",
                expr.span,
                notes=(f"it is written `{written}`",),
            ).type
        sizes = [self.size(s) for s in expr.sizes]
        if any(s is not None and s < 1 for s in sizes):
            return _POISON
        return Type(expr.name, tuple(sizes))

    def size(self, expr: tree.Expr) -> int | None:
        if isinstance(expr, tree.Name) and expr.name == "_":
            return None
        typed = self.value(expr)
        value = typed.value
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if typed.ok:
            self.error("P0309", "a size is a whole number of at least 1", expr.span)
        return 0

    # Domains: declared, or implied by the experts.

    def variables(self, statements: tuple[tree.Statement, ...]) -> list[str]:
        found: dict[str, Span] = {}
        for statement in statements:
            if isinstance(statement, tree.Domain):
                found.setdefault(statement.name.name, statement.span)
            if isinstance(statement, tree.Factor):
                name = target_name(statement.target)
                found.setdefault(name.name, name.span)
        by_variable: dict[str, list[tree.Expr]] = {name: [] for name in found}
        for statement in statements:
            if isinstance(statement, tree.Factor):
                by_variable[target_name(statement.target).name] += leaves(statement.product)
        for name, parts in by_variable.items():
            self.imply(name, found[name], parts)
        return list(found)

    def imply(self, name: str, span: Span, parts: list[tree.Expr]) -> None:
        known = self.environment.get(name)
        self.places.setdefault(name, span)
        current = known.type if known is not None else None
        for part in parts:
            signature = signature_of(part)
            if signature is None or signature.domain is None or signature.family == "reward":
                continue
            if current is None:
                current = signature.domain
                self.places[name] = part.span
            elif current != _POISON and (both := unify(current, signature.domain)) is None:
                self.error(
                    "P0304",
                    f"`{signature.name}` is over {signature.domain}, but `{name}` is {current}",
                    part.span,
                    labels=(Label(self.places[name], f"`{name}` is {current} here"),),
                )
            elif current != _POISON:
                current = both
        if current is None:
            current = self.implied_by_shapes(parts)
        self.environment[name] = Typed(Ref(name), current)

    def implied_by_shapes(self, parts: list[tree.Expr]) -> Type:
        """Without a declared domain the parameters of the densities broadcast to it."""
        quiet = _Checker(self.resolved, self.source)
        for statement in self.resolved.program.statements:
            if isinstance(statement, tree.Input):
                quiet.input(statement)
            if isinstance(statement, tree.Let):
                quiet.environment[statement.name.name] = quiet.value(statement.value)
        sizes: tuple[int | None, ...] = ()
        for part in parts:
            for density in quiet.densities(part):
                wider = broadcast(sizes, density)
                sizes = wider if wider is not None else sizes
        return Type("Real", sizes)

    def densities(self, part: tree.Expr) -> Iterator[tuple[int | None, ...]]:
        """The shapes of the densities in a part of a product, mixtures opened."""
        if isinstance(part, tree.Call | tree.Comprehension) and part.function.name == "mixture":
            for _, component in self.components(part):
                yield from self.densities(component)
        signature = signature_of(part)
        if signature is not None and signature.family == "density" and isinstance(part, tree.Call):
            sizes: tuple[int | None, ...] = ()
            for argument in part.arguments:
                parameter = signature.parameter(argument.name or "")
                given = self.value(argument.value).type.sizes
                own = given[:-1] if parameter and parameter.role == "matrix" else given
                sizes = broadcast(sizes, own) or sizes
            yield sizes

    # Statements.

    def factor(self, name: tree.Name, statement: tree.Factor, factors: list[CheckedFactor]) -> None:
        product = self.product(statement.product, name.name)
        if product is not None:
            factors.append(CheckedFactor(name.name, product, statement.span))

    def product(self, expr: tree.Expr, variable: str) -> Term | None:
        match expr:
            case tree.Binary(op="*" | "/" as op, left=left, right=right):
                return self.both(op, expr, left, right, variable)
            case tree.Binary(op="^", left=left, right=right):
                base = self.product(left, variable)
                exponent = self.exponent(right)
                if base is None or exponent is None:
                    return None
                return Apply("^", (base, exponent), span=expr.span)
            case tree.Call(function=tree.Name(name="exp")):
                return self.reward(expr)
            case tree.Call(function=tree.Name(name="where")):
                return self.where(expr)
            case (
                tree.Call(function=tree.Name(name="mixture"))
                | tree.Comprehension(function=tree.Name(name="mixture"))
            ):
                return self.mixture(expr, variable)
            case tree.Call(function=function) if function.name in SIGNATURES:
                signature = SIGNATURES[function.name]
                if signature.family != "reward":
                    return self.expert(expr, signature, variable)
        return self.not_a_factor(expr)

    def both(
        self, op: str, expr: tree.Binary, left: tree.Expr, right: tree.Expr, variable: str
    ) -> Term | None:
        if is_number(left) != is_number(right):
            number, density = (left, right) if is_number(left) else (right, left)
            self.product(density, variable)
            text = self.source.text
            shown = text[density.span.start : density.span.end]
            power = text[number.span.start : number.span.end]
            fixed = f"{shown}^{power}" if isinstance(density, tree.Call) else f"({shown})^{power}"
            self.error(
                "P0401",
                "a number times a density is not a density",
                number.span,
                notes=("a product is of densities; nothing is renormalised silently",),
                fixes=(
                    Fix(
                        f"to weigh an expert, raise it to a power: `{fixed}`",
                        (Edit(expr.span, fixed),),
                    ),
                )
                if op == "*"
                else (),
            )
            return None
        a, b = self.product(left, variable), self.product(right, variable)
        return None if a is None or b is None else Apply(op, (a, b), span=expr.span)

    def not_a_factor(self, expr: tree.Expr) -> None:
        signature = signature_of(expr)
        if signature is not None and signature.family == "reward":
            shown = self.source.text[expr.span.start : expr.span.end]
            self.error(
                "P0402",
                f"the reward `{signature.name}` is not a density by itself",
                expr.span,
                fixes=(
                    Fix(
                        f"a reward is a factor under `exp`: `exp({shown})`",
                        (Edit(expr.span, f"exp({shown})"),),
                        "safe",
                    ),
                ),
            )
            return
        typed = self.value(expr)
        if not typed.ok:
            return
        fixes = ()
        if typed.type.name == "Bool":
            shown = self.source.text[expr.span.start : expr.span.end]
            fixes = (
                Fix(
                    f"a condition is a factor under `where`: `where({shown})`",
                    (Edit(expr.span, f"where({shown})"),),
                ),
            )
        self.error(
            "P0401",
            f"{describe(typed.type)} is not a factor of a product",
            expr.span,
            fixes=fixes,
            notes=("factors are experts, mixtures, `exp(reward)` and `where(condition)`",),
        )

    def exponent(self, expr: tree.Expr) -> Term | None:
        typed = self.value(expr)
        if not typed.ok:
            return None
        if typed.type.name in ("Mask", "Image") or (typed.type.is_numeric and typed.type.sizes):
            self.error(
                "P0505",
                "an exponent that varies over the variable is read, but this release does not compile it",
                expr.span,
            )
            return None
        if typed.type.name not in ("Real", "Int"):
            self.error(
                "P0409", f"an exponent is a number, and this is {describe(typed.type)}", expr.span
            )
            return None
        return typed.term

    def one_argument(self, expr: tree.Call) -> tree.Expr | None:
        if len(expr.arguments) == 1 and expr.arguments[0].name is None:
            return expr.arguments[0].value
        self.error("P0301", f"`{expr.function.name}` takes one argument", expr.span)
        return None

    def reward(self, expr: tree.Call) -> Term | None:
        inner = self.one_argument(expr)
        if inner is None:
            return None
        self.in_reward = True
        typed = self.value(inner)
        self.in_reward = False
        if not typed.ok:
            return None
        if typed.type.name not in ("Real", "Int"):
            self.error(
                "P0410", f"`exp` takes a number, and this is {describe(typed.type)}", inner.span
            )
            return None
        if typed.type.sizes:
            shown = self.source.text[inner.span.start : inner.span.end]
            self.error(
                "P0410",
                f"`exp` takes one number, and this is {describe(typed.type)}",
                inner.span,
                fixes=(
                    Fix(
                        f"add up the components: `sum({shown})`",
                        (Edit(inner.span, f"sum({shown})"),),
                    ),
                ),
            )
            return None
        return Apply("exp", (typed.term,), span=expr.span)

    def where(self, expr: tree.Call) -> Term | None:
        inner = self.one_argument(expr)
        if inner is None:
            return None
        typed = self.value(inner)
        if not typed.ok:
            return None
        if typed.type.name != "Bool":
            self.error(
                "P0310",
                f"`where` takes a condition, and this is {describe(typed.type)}",
                inner.span,
            )
            return None
        return Apply("where", (typed.term,), span=expr.span)

    # Mixtures.

    def components(
        self, expr: tree.Call | tree.Comprehension
    ) -> Iterator[tuple[tree.Expr | None, tree.Expr]]:
        """Weights and densities, comprehensions unrolled with their name bound."""
        if isinstance(expr, tree.Call):
            for argument in expr.arguments:
                yield argument.weight, argument.value
            return
        iterable = self.value(expr.iterable)
        if not iterable.ok:
            return
        if not isinstance(iterable.value, tuple):
            self.error(
                "P0302",
                "a comprehension runs over a vector known when the program is compiled",
                expr.iterable.span,
            )
            return
        name = expr.target.name
        hidden = self.environment.get(name)
        for element in iterable.value:
            self.environment[name] = typed_constant(element, expr.target.span)
            yield expr.body.weight, expr.body.value
        self.environment.pop(name, None)
        if hidden is not None:
            self.environment[name] = hidden

    def mixture(self, expr: tree.Call | tree.Comprehension, variable: str) -> Term | None:
        weights: list[float | None] = []
        parts: list[Term] = []
        before = len(self.diagnostics)
        for weight, component in self.components(expr):
            part = self.component(component, variable)
            if part is None:
                return None
            parts.append(part)
            weights.append(None if weight is None else self.weight(weight))
        if len(self.diagnostics) > before:
            return None
        if not parts:
            self.error("P0405", "a mixture has at least one component", expr.span)
            return None
        shares = self.shares(weights, expr.span)
        if shares is None:
            return None
        terms = tuple(t for w, p in zip(shares, parts, strict=True) for t in (Const(w), p))
        return Apply("mixture", terms, span=expr.span)

    def component(self, expr: tree.Expr, variable: str) -> Term | None:
        signature = signature_of(expr)
        if isinstance(expr, tree.Call) and signature is not None and signature.family != "reward":
            if "log_prob" not in signature.capabilities:
                self.error(
                    "P0406",
                    f"`{signature.name}` gives a score but no density, which a mixture needs of its parts",
                    expr.span,
                )
                return None
            return self.expert(expr, signature, variable)
        if isinstance(expr, tree.Call | tree.Comprehension) and expr.function.name == "mixture":
            return self.mixture(expr, variable)
        self.error("P0406", "a component of a mixture is one normalised density", expr.span)
        return None

    def weight(self, expr: tree.Expr) -> float:
        typed = self.value(expr)
        value = typed.value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return float(value)
        if typed.ok:
            self.error(
                "P0405",
                "a weight is a number above 0, known when the program is compiled",
                expr.span,
            )
        return 1.0

    def shares(self, weights: list[float | None], span: Span) -> list[float] | None:
        given = [w for w in weights if w is not None]
        if not given:
            return [1 / len(weights)] * len(weights)
        if len(given) < len(weights):
            self.error("P0405", "either all components of a mixture have a weight, or none", span)
            return None
        total = sum(given)
        if abs(total - 1) > 1e-6:
            self.error("P0405", f"the weights of this mixture sum to {total:.6g}, not to 1", span)
            return None
        return given

    # Experts.

    def expert(self, call: tree.Call, signature: Signature, variable: str) -> Term | None:
        domain = self.environment[variable].type
        if domain == _POISON:
            return None
        before = len(self.diagnostics)
        kwargs = self.parameters(call, signature)
        if signature.family == "density" and len(self.diagnostics) == before:
            self.into_domain(call, signature, kwargs, variable)
        return None if len(self.diagnostics) > before else self.applied(call, signature, kwargs)

    def applied(self, call: tree.Call, signature: Signature, kwargs: dict[str, Typed]) -> Term:
        """The call with every parameter written out, in the signature's order."""
        out: list[tuple[str, Term]] = []
        for parameter in signature.parameters:
            if parameter.name in kwargs:
                out.append((parameter.name, kwargs[parameter.name].term))
            elif not parameter.alternative and not isinstance(parameter.default, Required):
                out.append((parameter.name, Const(parameter.default)))
        if SUBJECT in kwargs:
            out.append((SUBJECT, kwargs[SUBJECT].term))
        return Apply(signature.name, (), tuple(out), span=call.span)

    def parameters(self, call: tree.Call, signature: Signature) -> dict[str, Typed]:
        out: dict[str, Typed] = {}
        for argument in call.arguments:
            assert argument.name is not None
            parameter = signature.parameter(argument.name)
            typed = self.value(argument.value)
            if typed.ok and parameter is not None:
                self.argument(typed, argument, parameter, signature)
            elif (
                typed.ok and signature.domain is not None and not fits(typed.type, signature.domain)
            ):
                self.error(
                    "P0302",
                    f"`{signature.name}` judges {signature.domain}, and this is {describe(typed.type)}",
                    argument.span if argument.span.end else call.span,
                    notes=(str(signature),),
                )
            out[argument.name] = typed
        return out

    def argument(
        self, typed: Typed, argument: tree.Argument, parameter: Parameter, signature: Signature
    ) -> None:
        wanted = parameter.type
        given = typed.type
        if isinstance(typed.term, Const) and typed.term.value is None and parameter.default is None:
            return
        if wanted is None:
            if not given.is_numeric:
                self.mismatch(typed, argument, parameter, signature)
            elif parameter.role in ("positive", "matrix"):
                self.in_range(typed, argument, parameter)
        elif not fits(given, wanted):
            self.mismatch(typed, argument, parameter, signature)

    def mismatch(
        self, typed: Typed, argument: tree.Argument, parameter: Parameter, signature: Signature
    ) -> None:
        wanted = "numbers" if parameter.type is None else str(parameter.type)
        labels = ()
        if isinstance(typed.term, Ref) and typed.term.name in self.places:
            span = self.places[typed.term.name]
            labels = (Label(span, f"`{typed.term.name}` is {typed.type} here"),)
        same = sorted(
            n
            for n, t in self.environment.items()
            if parameter.type and t.ok and fits(t.type, parameter.type)
        )
        fixes = (
            (
                Fix(
                    f"there is a {wanted} in scope: `{same[0]}`",
                    (Edit(argument.value.span, same[0]),),
                ),
            )
            if len(same) == 1
            else ()
        )
        self.error(
            "P0302",
            f"`{parameter.name}` of `{signature.name}` is {wanted}, and this is {describe(typed.type)}",
            argument.value.span,
            labels=labels,
            notes=(str(signature),),
            fixes=fixes,
        )

    def in_range(self, typed: Typed, argument: tree.Argument, parameter: Parameter) -> None:
        value = typed.value
        if value is None:
            return
        if parameter.role == "positive" and any(x <= 0 for x in flatten(value)):
            self.error("P0307", f"`{parameter.name}` is above 0", argument.value.span)
        elif parameter.role == "matrix" and (reason := linear.why_not(value, parameter.name)):
            self.error("P0307", f"`{parameter.name}` {reason}", argument.value.span)

    def into_domain(
        self, call: tree.Call, signature: Signature, kwargs: dict[str, Typed], variable: str
    ) -> None:
        """Parameters broadcast to the variable's domain, a matrix to its last size."""
        domain = self.environment[variable].type
        for name, typed in kwargs.items():
            parameter = signature.parameter(name)
            sizes = typed.type.sizes
            if parameter is not None and parameter.role == "matrix":
                sizes = sizes[:-1]
            if (
                signature.event_rank > len(domain.sizes)
                or broadcast(sizes, domain.sizes) != domain.sizes
            ):
                argument = next(a for a in call.arguments if a.name == name)
                self.error(
                    "P0303",
                    f"`{name}` is {describe(typed.type)}, which does not broadcast to {shown(domain)}",
                    argument.value.span,
                    labels=(Label(self.places[variable], f"`{variable}` is {shown(domain)}"),),
                )
                return

    # Values.

    def value(self, expr: tree.Expr) -> Typed:
        match expr:
            case tree.Number(value=number):
                return Typed(Const(number, expr.span), INT if isinstance(number, int) else REAL)
            case tree.String(value=text):
                return Typed(Const(text, expr.span), TEXT)
            case tree.Boolean(value=truth):
                return Typed(Const(truth, expr.span), BOOL)
            case tree.Nothing():
                return Typed(Const(None, expr.span), Type("None"))
            case tree.Name(name=name):
                return self.environment.get(name, Typed(Const(None), _POISON))
            case tree.List():
                return self.list(expr)
            case tree.Unary(op=op, operand=operand):
                return self.unary(expr, "neg" if op == "-" else op, operand)
            case tree.Binary():
                return self.binary(expr)
            case tree.Index():
                return self.index(expr)
            case tree.Call(function=function) if function.name in SIGNATURES:
                return self.reward_call(expr, SIGNATURES[function.name])
            case tree.Call(function=function) if function.name in FUNCTIONS:
                return self.call(expr)
            case tree.Call(function=function) | tree.Comprehension(function=function):
                if function.name in CONSTRUCTS:
                    return self.error(
                        "P0403",
                        f"`{function.name}` is a factor of a product, not a number",
                        expr.span,
                    )
                return Typed(Const(None), _POISON)
            case tree.Attribute():
                return self.error(
                    "P0505", "an attribute is read, but this release does not compile it", expr.span
                )

    def list(self, expr: tree.List) -> Typed:
        items = [self.value(i) for i in expr.items]
        if not all(i.ok for i in items):
            return Typed(Const(None), _POISON)
        if not items:
            return self.error("P0309", "a list has at least one element", expr.span)
        for item, element in zip(items, expr.items, strict=True):
            if not item.type.is_numeric:
                return self.error(
                    "P0311",
                    f"a list holds numbers, and this is {describe(item.type)}",
                    element.span,
                )
            if item.type.sizes != items[0].type.sizes:
                return self.error(
                    "P0303",
                    f"the elements of this list differ in shape: "
                    f"{describe(items[0].type)} and {describe(item.type)}",
                    expr.span,
                )
        name = "Int" if all(i.type.name == "Int" for i in items) else "Real"
        type_ = Type(name, (len(items), *items[0].type.sizes))
        if all(isinstance(i.term, Const) for i in items):
            values = tuple(i.term.value for i in items if isinstance(i.term, Const))
            return Typed(Const(values, expr.span), type_)
        return Typed(Apply("list", tuple(i.term for i in items), span=expr.span), type_)

    def unary(self, expr: tree.Expr, op: str, operand: tree.Expr) -> Typed:
        typed = self.value(operand)
        if not typed.ok or op == "+":
            return typed
        wanted = "Bool" if op == "not" else None
        if (typed.type.name == "Bool") != (wanted == "Bool") or not typed.type.is_numeric:
            kind = "a condition" if wanted else "a number"
            return self.error(
                "P0311",
                f"`{expr.op}` takes {kind}, and this is {describe(typed.type)}",
                operand.span,  # type: ignore[union-attr]
            )
        return self.folded(op, (typed,), typed.type, expr.span)

    def binary(self, expr: tree.Binary) -> Typed:
        left, right = self.value(expr.left), self.value(expr.right)
        if not (left.ok and right.ok):
            return Typed(Const(None), _POISON)
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
        if all(isinstance(o.term, Const) for o in operands):
            values = [o.term.value for o in operands if isinstance(o.term, Const)]
            try:
                return Typed(Const(operate(op, *values), span), type_)
            except ValueError as error:
                return self.error("P0306", f"this has no value: {error}", span)
        return Typed(Apply(op, tuple(o.term for o in operands), span=span), type_)

    def call(self, expr: tree.Call) -> Typed:
        function = FUNCTIONS[expr.function.name]
        for argument in expr.arguments:
            if argument.name is not None or argument.weight is not None:
                return self.error(
                    "P0301",
                    f"`{function.name}` takes its arguments by position",
                    argument.span,
                    notes=(f"{function}",),
                )
        needed = min(function.optional, len(function.parameters))
        if not needed <= len(expr.arguments) <= len(function.parameters):
            return self.error(
                "P0301",
                f"`{function.name}` takes {count(needed, 'argument')}, and has {len(expr.arguments)}",
                expr.span,
                notes=(f"{function}",),
            )
        args = [self.value(a.value) for a in expr.arguments]
        if not all(a.ok for a in args):
            return Typed(Const(None), _POISON)
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
        try:
            value = function.evaluate(*(a.value for a in args))
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            return self.error("P0306", f"this has no value: {error}", expr.span)
        if type_.name == "Region":
            return Typed(Apply("box", tuple(a.term for a in args), span=expr.span), type_)
        return Typed(Const(value, expr.span), type_)

    def reward_call(self, call: tree.Call, signature: Signature) -> Typed:
        if signature.family != "reward":
            return self.error(
                "P0403", f"`{signature.name}` is a factor of a product, not a number", call.span
            )
        if not self.in_reward:
            return self.error(
                "P0403", f"the reward `{signature.name}` has a place under `exp` only", call.span
            )
        before = len(self.diagnostics)
        kwargs = self.parameters(call, signature)
        if len(self.diagnostics) > before:
            return Typed(Const(None), _POISON)
        return Typed(self.applied(call, signature, kwargs), REAL)

    # Indices and regions.

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
        if len(sizes) < 2 or inner.type.name == "Real":
            return self.error(
                "P0305", f"a box cuts a picture, and this is {describe(inner.type)}", expr.span
            )
        height, width = sizes[-2:]
        sides = (
            [a.value for a in region.term.args if isinstance(a, Const)]
            if isinstance(region.term, Apply)
            else []
        )
        cut: tuple[int | None, int | None] = (None, None)
        if len(sides) == 4 and height is not None and width is not None:
            left, top, right, bottom = (float(s) for s in flatten(tuple(sides)))
            cut = (
                round(bottom * height) - round(top * height),
                round(right * width) - round(left * width),
            )
            if min(cut) < 1:
                return self.error(
                    "P0305",
                    f"this box holds no pixel of {describe(inner.type)}",
                    expr.items[0].span,
                )
        type_ = Type(inner.type.name, (*sizes[:-2], *cut))
        return Typed(Apply("index", (inner.term, region.term), span=expr.span), type_)

    def select(self, expr: tree.Index, inner: Typed) -> Typed:
        sizes = inner.type.sizes
        if len(expr.items) > len(sizes):
            return self.error(
                "P0305",
                f"{describe(inner.type)} takes at most {count(len(sizes), 'index')}",
                expr.span,
            )
        kept: list[int | None] = []
        items: list[Term] = []
        for item, size in zip(expr.items, sizes, strict=False):
            chosen = self.slice(item, size) if isinstance(item, tree.Slice) else self.at(item, size)
            if chosen is None:
                return Typed(Const(None), _POISON)
            term, left = chosen
            items.append(term)
            kept += left
        type_ = Type("Real", (*kept, *sizes[len(expr.items) :]))
        return self.picked(inner, tuple(items), type_, expr.span)

    def picked(self, inner: Typed, items: tuple[Term, ...], type_: Type, span: Span) -> Typed:
        if isinstance(inner.term, Const) and len(items) == 1 and isinstance(items[0], Const):
            value, at = inner.term.value, items[0].value
            if isinstance(value, tuple) and isinstance(at, int):
                return Typed(Const(value[at], span), type_)
        return Typed(Apply("index", (inner.term, *items), span=span), type_)

    def at(self, item: tree.Expr, size: int | None) -> tuple[Term, list[int | None]] | None:
        value = self.whole(item)
        if value is None:
            return None
        if size is not None and not -size <= value < size:
            self.error("P0305", f"the index {value} is outside of 0 to {size - 1}", item.span)
            return None
        return Const(value), []

    def slice(self, item: tree.Slice, size: int | None) -> tuple[Term, list[int | None]] | None:
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

    # Options of `sample`.

    def sample(self, statement: tree.Sample, options: dict[str, Term]) -> dict[str, Term]:
        method = statement.method
        if method.function.name != "anneal":
            self.error(
                "P0502",
                f"there is no method named `{method.function.name}`",
                method.function.span,
                notes=("the method is `anneal(...)`",),
            )
            return options
        given = dict(options)
        for argument in method.arguments:
            if argument.name is None:
                self.error("P0501", "an option of `anneal` is given by its name", argument.span)
            elif argument.name in given:
                self.error("P0501", f"the option `{argument.name}` is given twice", argument.span)
            else:
                term = self.option(argument.name, argument.value, argument.name_span)
                if term is not None:
                    given[argument.name] = term
        return given

    def option(self, name: str, value: tree.Expr, name_span: Span) -> Term | None:
        option = OPTIONS.get(name)
        if option is None:
            self.error(
                "P0501",
                f"there is no option named `{name}`",
                name_span,
                fixes=near_fix(name, name_span, OPTIONS, "an option"),
                notes=("the options are " + ", ".join(OPTIONS),),
            )
            return None
        if option.forms:
            return self.form(option, value)
        typed = self.value(value)
        if not typed.ok:
            return None
        if not isinstance(typed.term, Const) or not is_kind(typed.term.value, option.kind):
            self.error("P0502", f"`{name}` is {option.expected}", value.span)
            return None
        return Const(typed.term.value)

    def form(self, option: Option, value: tree.Expr) -> Term | None:
        match value:
            case tree.Nothing():
                name, arguments = "none", ()
            case tree.Name(name=name):
                arguments = ()
            case tree.Call(function=function, arguments=arguments):
                name = function.name
            case _:
                name, arguments = "", ()
        form = option.form(name)
        if form is None:
            self.error(
                "P0502",
                f"`{option.name}` is {option.expected}",
                value.span,
                fixes=near_fix(name, value.span, [f.name for f in option.forms], "a form"),
            )
            return None
        if not form.available:
            self.error(
                "P0505",
                f"`{option.name} = {name}` is read, but this release does not run it",
                value.span,
                notes=(f"`{option.name}` is {option.expected}",),
            )
            return None
        return self.form_arguments(option, form, arguments)

    def form_arguments(
        self, option: Option, form: Form, arguments: tuple[tree.Argument, ...]
    ) -> Term | None:
        given: dict[str, Term] = {}
        known = {a.name: a for a in form.arguments}
        for position, argument in enumerate(arguments):
            positional = [*known][position] if position < len(known) else ""
            name = argument.name if argument.name is not None else positional
            if name not in known or name in given:
                listed = ", ".join(known) or "none"
                self.error(
                    "P0501",
                    f"`{form.name}` has no argument `{name}`"
                    if name
                    else f"`{form.name}` has too many arguments",
                    argument.span,
                    notes=(f"its arguments: {listed}",),
                )
                return None
            term = self.form_argument(known[name], argument.value)
            if term is None:
                return None
            given[name] = term
        return filled(form, given)

    def form_argument(self, argument: Argument, value: tree.Expr) -> Term | None:
        if argument.kind == "rule":
            return self.rule(value)
        typed = self.value(value)
        if not typed.ok:
            return None
        if not isinstance(typed.term, Const) or not is_kind(typed.term.value, argument.kind):
            from poedsl.compiler.options import KINDS

            self.error("P0502", f"`{argument.name}` is {KINDS[argument.kind]}", value.span)
            return None
        return Const(typed.term.value)

    def rule(self, value: tree.Expr) -> Term | None:
        match value:
            case tree.Name(name="always"):
                return Ref("always")
            case tree.Binary(op="<", left=tree.Name(name="ess"), right=right):
                limit = self.value(right).value
                if isinstance(limit, (int, float)) and 0 < limit <= 1:
                    return Apply("<", (Ref("ess"), Const(float(limit))))
            case tree.Call(function=tree.Name(name="at"), arguments=arguments):
                stages = [self.value(a.value).value for a in arguments]
                whole = [s for s in stages if is_kind(s, "count")]
                if stages and len(whole) == len(stages):
                    return Apply("at", tuple(Const(s) for s in whole))
            case _:
                pass
        from poedsl.compiler.options import KINDS

        self.error("P0502", f"`when` is {KINDS['rule']}", value.span)
        return None


def leaves(expr: tree.Expr) -> list[tree.Expr]:
    """The factors of a product, without their exponents."""
    out: list[tree.Expr] = []
    pending = [expr]
    while pending:
        match pending.pop():
            case tree.Binary(op="*" | "/", left=left, right=right):
                pending += [right, left]
            case tree.Binary(op="^", left=left):
                pending.append(left)
            case leaf:
                out.append(leaf)
    return out


def signature_of(expr: tree.Expr) -> Signature | None:
    return SIGNATURES.get(expr.function.name) if isinstance(expr, tree.Call) else None


def is_number(expr: tree.Expr) -> bool:
    """Whether a side of ``*`` can only be a number: it names no factor."""
    return not any(
        isinstance(leaf, tree.Call | tree.Comprehension)
        and (
            leaf.function.name in SIGNATURES
            or leaf.function.name not in FUNCTIONS
            or leaf.function.name == "exp"
        )
        for leaf in leaves(expr)
    )


def typed_constant(value: Value, span: Span) -> Typed:
    name = "Int" if isinstance(value, int) and not isinstance(value, bool) else "Real"
    return Typed(Const(value, span), Type(name, shape(value)))


def fits(given: Type, wanted: Type) -> bool:
    """Whether a value of one type can stand where the other is wanted: whole numbers are reals."""
    if given.name == "Int" and wanted.name == "Real":
        given = Type("Real", given.sizes)
    if given.name == "Real" and wanted.name in ("Image", "Depth", "Mask", "Video"):
        given = Type(wanted.name, given.sizes)
    return unify(given, wanted) is not None


def shown(type_: Type) -> str:
    return f"{type_}" if type_.sizes else f"a single {type_}"


def describe(type_: Type) -> str:
    """A type in words, for messages."""
    words = {"Text": "a text", "Bool": "a condition", "None": "none", "Region": "a region"}
    if type_.name in words:
        return words[type_.name]
    if type_.name in ("Real", "Int"):
        if not type_.sizes:
            return "a number" if type_.name == "Real" else "a whole number"
        kind = {1: "a vector", 2: "a matrix"}.get(len(type_.sizes), "a tensor")
        sizes = ", ".join("_" if s is None else str(s) for s in type_.sizes)
        return f"{kind} [{sizes}]"
    return f"{'an' if type_.name[0] in 'AEIO' else 'a'} {type_}"


def is_kind(value: Value, kind: str) -> bool:
    """Whether a constant is of a kind named in `poedsl.compiler.options.KINDS`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    whole = isinstance(value, int) and not isinstance(value, bool)
    match kind:
        case "count":
            return whole and value >= 1  # type: ignore[operator]
        case "whole":
            return whole and value >= 0  # type: ignore[operator]
        case "positive":
            return number and value > 0  # type: ignore[operator]
        case "nonnegative":
            return number and value >= 0  # type: ignore[operator]
        case "limit":
            return value is None or (number and value > 0)  # type: ignore[operator]
        case _:
            return isinstance(value, bool)
