"""Random trees: everything that the parser can make."""

from __future__ import annotations

from hypothesis import strategies as st

from poedsl.grammar import tree
from poedsl.grammar.recovery.invalid_words import FOREIGN_CONSTANTS
from poedsl.grammar.tokens import KEYWORDS

identifiers = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True).filter(
    lambda n: n not in KEYWORDS and n not in FOREIGN_CONSTANTS
)
names = st.builds(tree.Name, name=identifiers)
strings = st.builds(tree.String, value=st.text(max_size=8))
values = st.integers(0, 10**20) | st.floats(0, allow_nan=False)
numbers = st.builds(tree.Number, value=values)
leaves = st.one_of(
    names,
    numbers,
    strings,
    st.builds(tree.Boolean, value=st.booleans()),
    st.builds(tree.Nothing),
)
OPERATORS = ("+", "-", "*", "/", "@", "^", "<", "<=", ">", ">=", "==", "!=", "and", "or")


def rows(items: st.SearchStrategy, least: int = 0) -> st.SearchStrategy:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def compound(inner: st.SearchStrategy) -> st.SearchStrategy:
    elements = st.builds(tree.Argument, value=inner, weight=st.none() | inner)
    named = st.builds(tree.Argument, value=inner, name=identifiers)
    alone = st.builds(tree.Argument, value=inner)
    slices = st.builds(tree.Slice, start=st.none() | inner, stop=st.none() | inner)
    return st.one_of(
        st.builds(tree.List, items=rows(inner)),
        st.builds(tree.Unary, op=st.sampled_from(("-", "+", "not")), operand=inner),
        st.builds(tree.Binary, op=st.sampled_from(OPERATORS), left=inner, right=inner),
        st.builds(tree.Call, function=names, arguments=rows(elements | named)),
        st.builds(tree.Comprehension, function=names, body=elements, target=names, iterable=inner),
        st.builds(tree.Comprehension, function=st.none(), body=alone, target=names, iterable=inner),
        st.builds(
            tree.Scan,
            function=names,
            carries=rows(named, 1),
            following=rows(inner, 1),
            target=names,
            iterable=inner,
        ),
        st.builds(tree.Index, value=inner, items=rows(inner | slices, 1)),
        st.builds(tree.Attribute, value=inner, name=identifiers),
    )


expressions = st.recursive(leaves, compound, max_leaves=20)
small = st.recursive(leaves, compound, max_leaves=5)
types = st.builds(tree.TypeExpr, name=identifiers, sizes=st.none() | rows(small, 1))
parameters = st.builds(
    tree.Parameter, name=names, type=st.none() | types, default=st.none() | small
)
targets = names | st.builds(tree.Index, value=names, items=rows(small, 1))
simple_statements = st.one_of(
    st.builds(tree.Use, name=names, place=strings),
    st.builds(tree.Input, name=names, type=types, default=st.none() | small),
    st.builds(tree.Let, name=names, value=small),
    st.builds(tree.ExpertDefinition, name=names, parameters=rows(parameters), body=small),
    st.builds(tree.Domain, name=names, type=types),
    st.builds(tree.Factor, target=targets, product=small, given=st.none() | names),
    st.builds(
        tree.Sample,
        names=rows(names, 1),
        method=st.builds(
            tree.Call,
            function=names,
            arguments=rows(st.builds(tree.Argument, value=small, name=identifiers)),
        ),
    ),
)
statements = st.recursive(
    simple_statements,
    lambda inner: st.builds(tree.For, target=names, iterable=small, body=rows(inner, 1)),
    max_leaves=5,
)
programs = st.builds(tree.Program, statements=rows(statements))
