"""Which terms are linear in variables, up to a constant."""

from __future__ import annotations

from collections.abc import Set

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term

#: Functions that are linear in all their arguments together.
_SUMS = frozenset({"+", "-", "neg", "list", "concat"})
#: Functions that are linear in their first argument, whatever the others are.
_OF_THE_FIRST = frozenset({"sum", "mean", "cumsum", "diff", "transpose", "diag", "/"})
#: Functions that are linear in each argument alone.
_PRODUCTS = frozenset({"*", "@", "dot", "outer"})


def is_linear(term: Term, variables: Set[str]) -> bool:
    """Whether a term is a linear function of some variables plus a constant.

    What is not known to be counts as not linear. Shared subterms are looked at once.
    """
    degrees: dict[int, int | None] = {}

    def degree(term: Term) -> int | None:
        """0 where no variable occurs, 1 where the term is linear, None where it may be neither."""
        if id(term) not in degrees:
            degrees[id(term)] = computed(term)
        return degrees[id(term)]

    def computed(term: Term) -> int | None:
        match term:
            case Const():
                return 0
            case Ref(name):
                return int(name in variables)
            case Apply(function, args, kwargs):
                degrees = [degree(a) for a in (*args, *(value for _, value in kwargs))]
                if all(d == 0 for d in degrees):
                    return 0
                if None in degrees or any(degree(value) for _, value in kwargs):
                    return None
                rest = sum(d or 0 for d in degrees[1:])
                if function in _SUMS:
                    return 1
                if function in _PRODUCTS and sum(d or 0 for d in degrees) == 1:
                    return 1
                return 1 if function in (*_OF_THE_FIRST, "index") and rest == 0 else None

    return degree(term) is not None
