"""Values of terms where names stand for constants."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.functions.operators import operate
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.terms import BINARY, CHAINS, UNARY, Apply, Const, Ref, Term, Value


class UnknownValue(Exception):
    """The value is not known before the run."""


def value_at(term: Term, at: Mapping[str, Value]) -> Value:
    """The value of a term; of what is shared, computed once.

    Raises:
        UnknownValue: a name has no value, or a construct or a function has none here.
        ArithmeticError, ValueError: the term has no value.
    """
    values: dict[int, Value] = {}

    def value(term: Term) -> Value:
        if id(term) not in values:
            values[id(term)] = computed(term)
        return values[id(term)]

    def computed(term: Term) -> Value:
        match term:
            case Const(constant):
                return constant
            case Ref(name) if name in at:
                return at[name]
            case Apply("list", args):
                return tuple(value(a) for a in args)
            case Apply("index", (inner, Const(int(i)))):
                row = value(inner)
                if isinstance(row, tuple):
                    return row[i]
            case Apply(op, (first, *rest)) if op in CHAINS:
                out = value(first)
                for side in rest:
                    out = operate(op, out, value(side))
                return out
            case Apply(op, args) if op in BINARY or op in UNARY:
                return operate(op, *(value(a) for a in args))
            case Apply(name, args, kwargs) if name in FUNCTIONS and (f := FUNCTIONS[name].fold):
                return f(*(value(a) for a in args), **{k: value(a) for k, a in kwargs})
        raise UnknownValue

    return value(term)
