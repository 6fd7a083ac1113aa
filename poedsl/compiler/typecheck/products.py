"""Types of products: experts, mixtures, rewards under ``exp``, conditions, and powers of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poedsl.catalog.signatures import Signature
from poedsl.compiler.functions.table import FUNCTIONS, flatten
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names
from poedsl.compiler.typecheck.calls import applied
from poedsl.compiler.typecheck.typed import Typed, describe, sampled, sized, typed_constant
from poedsl.compiler.typecheck.values import Values
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import operator_chain
from poedsl.grammar.types import Sizes, Type, broadcast, unify


@dataclass(frozen=True, slots=True)
class Part:
    """What the left side of ``~`` names: a variable, or a part of it, with its type."""

    variable: str
    typed: Typed
    span: Span

    @property
    def whole(self) -> bool:
        return isinstance(self.typed.term, Ref)


@dataclass(slots=True)
class Products(Values):
    """Types the right side of ``~``; a product of which a part is wrong is None."""

    def product(self, expr: tree.Expr, part: Part) -> Term | None:
        match expr:
            case tree.Binary(op="*" | "/"):
                return self.both(expr, part)
            case tree.Binary(op="^", left=left, right=right):
                base = self.product(left, part)
                exponent = self.exponent(right, part)
                if base is None or exponent is None:
                    return None
                return Apply("^", (base, exponent), span=expr.span)
            case tree.Call(function=tree.Name(name="exp")):
                return self.reward(expr)
            case tree.Call(function=tree.Name(name="where")):
                return self.where(expr)
            case tree.Call() | tree.Comprehension() if expr.function.name == "mixture":
                return self.mixture(expr, part)
            case tree.Call(function=function) if function.name in self.signatures:
                signature = self.signatures[function.name]
                if signature.family not in ("reward", "source"):
                    return self.expert(expr, signature, part)
        self.not_a_factor(expr)
        return None

    def both(self, expr: tree.Binary, part: Part) -> Term | None:
        """A product or a quotient, from its first factor on; numbers there are one number."""
        first, rest = operator_chain(expr)
        sides = [first, *(node.right for node in rest)]
        numbers = [self.is_number(side) for side in sides]
        if all(numbers):
            for side in sides:
                self.product(side, part)
            return None
        begin = numbers.index(False)
        out = self.product(sides[begin], part)
        if begin:
            self.scaled(rest[begin - 1], rest[begin - 1].left, sides[begin])
        for node, is_number in zip(rest[begin:], numbers[begin + 1 :], strict=True):
            if is_number:
                self.scaled(node, node.right, node.left)
                continue
            right = self.product(node.right, part)
            if out is not None:
                out = None if right is None else Apply(node.op, (out, right), span=node.span)
        return None if any(numbers) else out

    def scaled(self, expr: tree.Binary, number: tree.Expr, density: tree.Expr) -> None:
        """A number beside a density, which is no product of densities."""
        typed = self.value(number)
        if typed.type.name == "Bool":
            self.not_a_factor(number)
        if not typed.ok or typed.type.name == "Bool":
            return
        fixed = f"{self.grouped(density)}^{self.grouped(number)}"
        self.error(
            "P0401",
            "a number times a density is not a density"
            if expr.op == "*"
            else "a number and a density do not divide each other",
            number.span,
            notes=("a product is of densities; nothing is renormalised silently",),
            fixes=(
                Fix(
                    f"to weigh an expert, raise it to a power: `{fixed}`", (Edit(expr.span, fixed),)
                ),
            )
            if expr.op == "*"
            else (),
        )

    def grouped(self, expr: tree.Expr) -> str:
        """The text of an expression as it stands beside ``^``."""
        text = self.text(expr.span)
        return (
            text
            if isinstance(expr, tree.Call | tree.Number | tree.Name | tree.List)
            else f"({text})"
        )

    def not_a_factor(self, expr: tree.Expr) -> None:
        shown = self.text(expr.span)
        signature = self.signature_of(expr)
        if signature is not None and signature.family == "reward":
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
        if (
            isinstance(expr, tree.Binary)
            and not self.is_number(expr.left)
            and not self.is_number(expr.right)
        ):
            self.error(
                "P0403",
                f"densities are multiplied, and `{expr.op}` is for numbers",
                expr.op_span if expr.op_span.end else expr.span,
                notes=("a sum of densities is a mixture: `mixture(0.5: A, 0.5: B)`",)
                if expr.op == "+"
                else (),
            )
            return
        typed = self.value(expr)
        if not typed.ok:
            return
        fixes: tuple[Fix, ...] = ()
        if typed.type.name == "Bool":
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

    def exponent(self, expr: tree.Expr, part: Part) -> Term | None:
        """A number, or a mask over the components (Zhang et al., F.1), wrapped as one."""
        typed = self.value(expr)
        if not typed.ok:
            return None
        if inner := sorted(names(typed.term) & self.variables):
            self.error(
                "P0409",
                f"an exponent is a number, and this depends on the variable `{inner[0]}`",
                expr.span,
            )
            return None
        if not typed.type.is_numeric or typed.type.name == "Bool":
            self.error(
                "P0409",
                f"an exponent is a number or a mask, and this is {describe(typed.type)}",
                expr.span,
            )
            return None
        if not typed.type.sizes:
            return typed.term
        return self.mask(expr, typed, part)

    def mask(self, expr: tree.Expr, typed: Typed, part: Part) -> Term | None:
        domain = part.typed.type
        if not part.typed.ok:
            return None
        sizes = typed.type.sizes
        if domain.name == "Video" and len(sizes) == 3:
            sizes = (sizes[0], 1, *sizes[1:])
        wide, whole = broadcast(sizes, domain.sizes), Type("", domain.sizes)
        if domain.name == "Tokens" or wide is None or unify(Type("", wide), whole) is None:
            self.error(
                "P0303",
                f"this exponent is {describe(typed.type)}, which does not broadcast to "
                f"{sized(domain)}",
                expr.span,
                labels=(Label(self.places[part.variable], f"`{part.variable}` is {domain}"),),
            )
            return None
        if isinstance(typed.value, tuple):
            values = set(flatten(typed.value))
            if len(values) == 1:
                return Const(values.pop(), expr.span)
        return Apply("mask", (typed.term,), span=expr.span)

    # Rewards and conditions.

    def one_argument(self, expr: tree.Call) -> tree.Expr | None:
        if len(expr.arguments) == 1:
            argument = expr.arguments[0]
            if argument.name is None and argument.weight is None:
                return argument.value
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
        if typed.type.name not in ("Real", "Int") and not (
            typed.type.is_numeric and typed.type.name != "Bool"
        ):
            self.error(
                "P0410", f"`exp` takes a number, and this is {describe(typed.type)}", inner.span
            )
            return None
        if typed.type.sizes:
            fixed = f"sum({self.text(inner.span)})"
            self.error(
                "P0410",
                f"`exp` takes one number, and this is {describe(typed.type)}",
                inner.span,
                fixes=(Fix(f"add up the components: `{fixed}`", (Edit(inner.span, fixed),)),),
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
        if typed.type.sizes:
            self.error(
                "P0310",
                f"`where` takes one condition, and this is one for each of {count_of(typed)} "
                "components",
                inner.span,
                notes=("write one for each and join them: `x[0] > 0 and x[1] > 0`",),
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
                if argument.name is not None:
                    self.error(
                        "P0301",
                        "a component of a mixture has a weight, not a name",
                        argument.span,
                        notes=("it is written `mixture(0.3: A, 0.7: B)`",),
                    )
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
        with self.scope(expr.target.name):
            for element in iterable.value:
                self.environment[expr.target.name] = typed_constant(element, expr.target.span)
                yield expr.body.weight, expr.body.value

    def mixture(self, expr: tree.Call | tree.Comprehension, part: Part) -> Term | None:
        weights: list[float | None] = []
        parts: list[Term | None] = []
        before = len(self.diagnostics)
        for weight, component in self.components(expr):
            parts.append(self.component(component, part))
            weights.append(None if weight is None else self.weight(weight))
            if isinstance(expr, tree.Comprehension) and len(self.diagnostics) > before:
                return None
        if len(self.diagnostics) > before or any(p is None for p in parts):
            return None
        if not parts:
            if isinstance(expr, tree.Call):
                self.error("P0405", "a mixture has at least one component", expr.span)
            return None
        shares = self.shares(weights, expr.span)
        if shares is None:
            return None
        pairs = zip(shares, parts, strict=True)
        terms = tuple(t for w, p in pairs if p is not None for t in (Const(w), p))
        return Apply("mixture", terms, span=expr.span)

    def component(self, expr: tree.Expr, part: Part) -> Term | None:
        signature = self.signature_of(expr)
        if isinstance(expr, tree.Call) and signature is not None and signature.family != "reward":
            if "log_prob" not in signature.capabilities:
                self.error(
                    "P0406",
                    f"`{signature.name}` gives a score but no density, which a mixture needs "
                    "of its parts",
                    expr.span,
                )
                return None
            return self.expert(expr, signature, part)
        if isinstance(expr, tree.Call | tree.Comprehension):
            if expr.function.name == "mixture":
                return self.mixture(expr, part)
            if signature is None and expr.function.name not in (*FUNCTIONS, "exp", "where"):
                return None
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

    def expert(self, call: tree.Call, signature: Signature, part: Part) -> Term | None:
        given = self.parameters(call, signature)
        if given is None or not part.typed.ok:
            return None
        if signature.family == "density":
            fits = self.into_domain(call, signature, given, part)
        else:
            fits = self.over_part(call, signature, part) and self.aligned(
                call, signature, given, part
            )
        return applied(call, signature, given) if fits else None

    def over_part(self, call: tree.Call, signature: Signature, part: Part) -> bool:
        """Whether a model is over what the part is; for whole variables the domain has said so."""
        domain, own = part.typed.type, signature.domain
        if part.whole or own is None or unify(domain, own) is not None:
            return True
        self.error(
            "P0304",
            f"`{signature.name}` is over {own}, and this part of `{part.variable}` is {domain}",
            call.span,
            labels=(Label(part.span, f"{domain} here"),),
        )
        return False

    def aligned(
        self, call: tree.Call, signature: Signature, given: dict[str, Typed], part: Part
    ) -> bool:
        """Whether conditions have the height and width of what the model is over."""
        wanted = part.typed.type.sizes[-2:]
        for argument in call.arguments:
            parameter = signature.parameter(argument.name or "")
            if parameter is None or not parameter.aligned:
                continue
            typed = given[parameter.name]
            pairs = zip(typed.type.sizes[-2:], wanted, strict=False)
            if not any(None not in pair and pair[0] != pair[1] for pair in pairs):
                continue
            what = f"`{part.variable}`" if part.whole else f"this part of `{part.variable}`"
            labels = [Label(part.span, f"{what} is {sampled(part.typed.type)}")]
            if isinstance(typed.term, Ref) and typed.term.name in self.places:
                name = typed.term.name
                labels.append(Label(self.places[name], f"`{name}` is {typed.type} here"))
            if part.whole and self.places[part.variable] != part.span:
                place = self.places[part.variable]
                labels[0] = Label(place, f"{what} is {part.typed.type} here")
            self.error(
                "P0303",
                f"`{parameter.name}` of `{signature.name}` has the height and width of what it is "
                f"for: {sampled(part.typed.type)}, and this has {sampled(typed.type)}",
                argument.value.span,
                labels=tuple(labels),
                notes=("`crop(x, box)` takes a part, `resize(x, height, width)` changes sizes",),
            )
            return False
        return True

    def into_domain(
        self, call: tree.Call, signature: Signature, given: dict[str, Typed], part: Part
    ) -> bool:
        """Whether parameters broadcast to the variable's domain, a matrix to its last size."""
        variable, domain = part.variable, part.typed.type
        what = f"`{variable}`" if part.whole else f"this part of `{variable}`"
        place = self.places[variable] if part.whole else part.span
        label = Label(place, f"{what} is {sized(domain)}")
        if not domain.is_numeric:
            self.error(
                "P0304",
                f"`{signature.name}` is over numbers, and {what} is {domain}",
                call.span,
                labels=(label,),
            )
            return False
        if signature.event_rank > len(domain.sizes):
            self.error(
                "P0303",
                f"`{signature.name}` is over vectors, and {what} is {sized(domain)}",
                call.span,
                labels=(label,),
            )
            return False
        for argument in call.arguments:
            assert argument.name is not None
            parameter, typed = signature.parameter(argument.name), given[argument.name]
            sizes = typed.type.sizes
            if parameter is not None and parameter.role == "matrix":
                square = Type("", (domain.sizes[-1],) * 2)
                fit = unify(Type("", sizes), square) is not None
                problem = f"and the vectors of {what} have {domain.sizes[-1]} components"
            else:
                fit = signature.is_code or broadcast(sizes, domain.sizes) == domain.sizes
                problem = f"which does not broadcast to {sized(domain)}"
            if not fit:
                self.error(
                    "P0303",
                    f"`{argument.name}` is {describe(typed.type)}, {problem}",
                    argument.value.span,
                    labels=(label,),
                )
                return False
        return True

    def signature_of(self, expr: tree.Expr) -> Signature | None:
        return self.signatures.get(expr.function.name) if isinstance(expr, tree.Call) else None

    def is_number(self, expr: tree.Expr) -> bool:
        """Whether a side of ``*`` can only be a number: it names no factor."""
        return not any(
            isinstance(leaf, tree.Call | tree.Comprehension)
            and (
                leaf.function.name in self.signatures
                or leaf.function.name not in FUNCTIONS
                or leaf.function.name == "exp"
            )
            for leaf in leaves(expr)
        )

    # What densities say of a domain that is not declared.

    def densities(self, part: tree.Expr) -> Iterator[Sizes]:
        """The shapes of the densities in a part of a product, mixtures opened."""
        if isinstance(part, tree.Call | tree.Comprehension) and part.function.name == "mixture":
            for _, component in self.components(part):
                yield from self.densities(component)
        signature = self.signature_of(part)
        known = signature is not None and signature.family == "density"
        if signature is not None and known and isinstance(part, tree.Call):
            sizes: Sizes = ()
            for argument in () if signature.is_code else part.arguments:
                parameter = signature.parameter(argument.name or "")
                given = self.value(argument.value).type.sizes
                own = given[:-1] if parameter and parameter.role == "matrix" else given
                sizes = broadcast(sizes, own) or sizes
            yield sizes


def count_of(typed: Typed) -> str:
    return "its" if typed.type.count is None else str(typed.type.count)


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
