"""Types and sizes as they are written."""

from __future__ import annotations

from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.compiler.plan.terms import Const, names
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISON
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import names_in
from poedsl.grammar.types import INT, MOST_SIZES, RANKS, Type, open_type
from poedsl.grammar.wording import counted_noun


def written_type(checker: TypeScope, expr: tree.TypeExpr) -> Type:
    """The type that is written."""
    if expr.name not in RANKS:
        named = Span(expr.span.start, expr.span.start + len(expr.name))
        return checker.error(
            "P0308",
            f"there is no type named `{expr.name}`",
            named,
            fixes=similar_name_fix(expr.name, named, RANKS, "a type"),
            notes=("the types are " + ", ".join(RANKS),),
        ).type
    rank = RANKS[expr.name]
    if expr.sizes is None:
        return open_type(expr.name)
    if rank is not None and len(expr.sizes) != rank and not is_per_frame(expr):
        written = f"{expr.name}[{', '.join('_' * rank)}]" if rank else expr.name
        takes = f"{expr.name} takes {counted_noun(rank, 'size') if rank else 'no sizes'}"
        return checker.error(
            "P0309",
            f"{takes}, and has {len(expr.sizes)}",
            expr.span,
            notes=(f"it is written `{written}`",),
        ).type
    if len(expr.sizes) > MOST_SIZES:
        return checker.error("P0309", f"a value has at most {MOST_SIZES} sizes", expr.span).type
    sizes = [written_size(checker, s) for s in expr.sizes]
    return POISON if 0 in sizes else Type(expr.name, tuple(sizes))


def is_open(size: tree.Expr) -> bool:
    """Whether a size is left open, by a `_`."""
    return isinstance(size, tree.Name) and size.name == "_"


def written_size(checker: TypeScope, expr: tree.Expr) -> int | None:
    """A size, None where it is left open or depends on inputs, 0 where it is wrong."""
    if is_open(expr):
        return None
    typed = checker.value(expr)
    value = typed.value
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    constant = isinstance(typed.term, Const)
    if typed.type == INT and not constant and not names(typed.term) & checker.variables:
        return None
    if typed.ok or names_in(expr) & checker.variables:
        checker.error(
            "P0309",
            "a size is a whole number of at least 1: a constant, or a value of inputs",
            expr.span,
        )
    return 0


def is_per_frame(expr: tree.TypeExpr) -> bool:
    """Whether these are the depths or masks of a video, one a frame."""
    return expr.name in ("Depth", "Mask") and len(expr.sizes or ()) == 3
