"""Types of products, the right side of ``~``; a product with an error in it is None."""

from __future__ import annotations

from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.terms import Apply, Term
from poedsl.compiler.typecheck.expert_factors import expert_factor
from poedsl.compiler.typecheck.exponents import exponent_term
from poedsl.compiler.typecheck.mixtures import mixture_factor
from poedsl.compiler.typecheck.rewards_and_constraints import reward_factor, where_factor
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import describe
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix
from poedsl.grammar.traversal import is_condition, operator_chain


def product_term(checker: TypeScope, expr: tree.Expr, target: TypedTarget) -> Term | None:
    match expr:
        case tree.Binary(op="*" | "/"):
            return product_chain(checker, expr, target)
        case tree.Binary(op="^", left=left, right=right):
            base = product_term(checker, left, target)
            exponent = exponent_term(checker, right, target)
            if base is None or exponent is None:
                return None
            return Apply("^", (base, exponent), span=expr.span)
        case tree.Call(function=tree.Name(name="exp")):
            return reward_factor(checker, expr)
        case tree.Call(function=tree.Name(name="where")) if is_condition(expr):
            return where_factor(checker, expr)
        case tree.Call() | tree.Comprehension() if expr.called == "mixture":
            return mixture_factor(checker, expr, target)
        case tree.Call(function=function) if function.name in checker.signatures:
            signature = checker.signatures[function.name]
            if signature.family not in ("reward", "source"):
                return expert_factor(checker, expr, signature, target)
    report_not_a_factor(checker, expr)
    return None


def product_chain(checker: TypeScope, expr: tree.Binary, target: TypedTarget) -> Term | None:
    """A product or a quotient, from its first factor on; numbers there are one number."""
    first, rest = operator_chain(expr)
    sides = [first, *(node.right for node in rest)]
    numbers = [is_number(checker, side) for side in sides]
    if all(numbers):
        for side in sides:
            product_term(checker, side, target)
        return None
    begin = numbers.index(False)
    out = product_term(checker, sides[begin], target)
    if begin:
        report_number_factor(checker, rest[begin - 1], rest[begin - 1].left, sides[begin])
    for node, numeric in zip(rest[begin:], numbers[begin + 1 :], strict=True):
        if numeric:
            report_number_factor(checker, node, node.right, node.left)
            continue
        right = product_term(checker, node.right, target)
        if out is not None:
            out = None if right is None else Apply(node.op, (out, right), span=node.span)
    return None if any(numbers) else out


def report_number_factor(
    checker: TypeScope, expr: tree.Binary, number: tree.Expr, density: tree.Expr
) -> None:
    """Report a number that multiplies or divides a density."""
    typed = checker.value(number)
    if typed.type.name == "Bool":
        report_not_a_factor(checker, number)
    if not typed.ok or typed.type.name == "Bool":
        return
    fixed = f"{grouped_text(checker, density)}^{grouped_text(checker, number)}"
    checker.error(
        "P0401",
        "a number times a density is not a density"
        if expr.op == "*"
        else "a number and a density do not divide each other",
        number.span,
        notes=("a product is of densities; nothing is renormalised silently",),
        fixes=(
            Fix(f"to weigh an expert, raise it to a power: `{fixed}`", (Edit(expr.span, fixed),)),
        )
        if expr.op == "*"
        else (),
    )


def grouped_text(checker: TypeScope, expr: tree.Expr) -> str:
    """The text of an expression as it stands beside ``^``."""
    text = checker.text(expr.span)
    return (
        text if isinstance(expr, tree.Call | tree.Number | tree.Name | tree.List) else f"({text})"
    )


def report_not_a_factor(checker: TypeScope, expr: tree.Expr) -> None:
    shown = checker.text(expr.span)
    signature = checker.signature_of(expr)
    if signature is not None and signature.family == "reward":
        checker.error(
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
        and not is_number(checker, expr.left)
        and not is_number(checker, expr.right)
    ):
        checker.error(
            "P0403",
            f"densities are multiplied, and `{expr.op}` is for numbers",
            expr.op_span if expr.op_span.end else expr.span,
            notes=("a sum of densities is a mixture: `mixture(0.5: A, 0.5: B)`",)
            if expr.op == "+"
            else (),
        )
        return
    typed = checker.value(expr)
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
    checker.error(
        "P0401",
        f"{describe(typed.type)} is not a factor of a product",
        expr.span,
        fixes=fixes,
        notes=("factors are experts, mixtures, `exp(reward)` and `where(condition)`",),
    )


def is_number(checker: TypeScope, expr: tree.Expr) -> bool:
    """Whether a side of ``*`` can only be a number: it names no factor."""
    return not any(
        isinstance(leaf, tree.Call | tree.Comprehension)
        and leaf.called
        and (
            leaf.called in checker.signatures
            or leaf.called not in FUNCTIONS
            or leaf.called == "exp"
            or (leaf.called == "where" and is_condition(leaf))
        )
        for leaf in factors_of(expr)
    )


def factors_of(expr: tree.Expr) -> list[tree.Expr]:
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
