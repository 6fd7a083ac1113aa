"""From the parser's reductions to the tree: one function for each alias in ``poe.lark``.

Each takes the children of its rule, signs and keywords included. What lies in round brackets comes
as a `Group`, so that the brackets belong to the span of whatever holds the expression and not to
its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from poedsl.grammar import tree
from poedsl.grammar.parsing.lalr import Token
from poedsl.grammar.recovery import invalid_words
from poedsl.grammar.source import Span

Children = list[Any]


@dataclass(frozen=True, slots=True)
class Group:
    """An expression in round brackets; the span is that of the brackets."""

    inner: tree.Expr
    span: Span


Child = tree.Node | Group | Token


def _bare(part: Any) -> Any:
    return part.inner if type(part) is Group else part


def _span(first: Child, last: Child) -> Span:
    return Span(first.span.start, last.span.end)


_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
#: Longer numbers are foreign of the keyboard; every shorter whole number is also a float.
MOST_DIGITS = 300


class Builder:
    """The callbacks; terminals in capitals, rules in small letters."""

    # Terminals.

    @staticmethod
    def NAME(token: Token) -> tree.Name:
        span = token.span
        if token.value in invalid_words.FOREIGN_CONSTANTS:
            raise invalid_words.InvalidWord(invalid_words.foreign_constant(token.value, span))
        return tree.Name(name=token.value, span=span)

    @staticmethod
    def NUMBER(token: Token) -> tree.Number:
        text, span = token.value, token.span
        if len(text) > MOST_DIGITS:
            raise invalid_words.InvalidWord(invalid_words.long_number(span))
        value = int(text) if text.isdigit() else float(text)
        return tree.Number(value=value, text=text, span=span)

    @staticmethod
    def STRING(token: Token) -> tree.String:
        span = token.span
        inner = token.value[1:-1]

        def character(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                at = span.start + 1 + match.start()
                raise invalid_words.InvalidWord(
                    invalid_words.unknown_escape(match[0], Span(at, at + 2))
                )
            return _ESCAPES[match[1]]

        value = _ESCAPE.sub(character, inner) if "\\" in inner else inner
        return tree.String(value=value, span=span)

    @staticmethod
    def TRUE(token: Token) -> tree.Boolean:
        return tree.Boolean(value=True, span=token.span)

    @staticmethod
    def FALSE(token: Token) -> tree.Boolean:
        return tree.Boolean(value=False, span=token.span)

    @staticmethod
    def NONE(token: Token) -> tree.Nothing:
        return tree.Nothing(span=token.span)

    # Expressions.

    @staticmethod
    def group(c: Children) -> Group:
        return Group(_bare(c[1]), _span(c[0], c[2]))

    @staticmethod
    def binary(c: Children) -> tree.Binary:
        left, sign, right = c
        return tree.Binary(
            op=sign.value,
            left=_bare(left),
            right=_bare(right),
            op_span=sign.span,
            span=Span(left.span.start, right.span.end),
        )

    @staticmethod
    def unary(c: Children) -> tree.Unary:
        return tree.Unary(op=c[0].value, operand=_bare(c[1]), span=_span(c[0], c[1]))

    @staticmethod
    def vector(c: Children) -> tree.List:
        items = tuple(c[1]) if len(c) > 2 else ()
        return tree.List(items=items, span=_span(c[0], c[-1]))

    @staticmethod
    def index(c: Children) -> tree.Index:
        return tree.Index(value=_bare(c[0]), items=tuple(c[2]), span=_span(c[0], c[-1]))

    @staticmethod
    def part(c: Children) -> tree.Slice:
        colon = next(i for i, x in enumerate(c) if isinstance(x, Token))
        start = _bare(c[0]) if colon > 0 else None
        stop = _bare(c[-1]) if colon < len(c) - 1 else None
        return tree.Slice(start=start, stop=stop, span=_span(c[0], c[-1]))

    @staticmethod
    def attribute(c: Children) -> tree.Attribute:
        value, _, name = c
        return tree.Attribute(
            value=_bare(value), name=name.name, name_span=name.span, span=_span(value, name)
        )

    @staticmethod
    def call(c: Children) -> tree.Call:
        arguments = tuple(c[2]) if len(c) > 3 else ()
        return tree.Call(function=c[0], arguments=arguments, span=_span(c[0], c[-1]))

    @staticmethod
    def none_call(c: Children) -> tree.Call:
        name = tree.Name(name="none", span=c[0].span)
        return tree.Call(function=name, arguments=(), span=_span(c[0], c[-1]))

    @staticmethod
    def comprehension(c: Children) -> tree.Comprehension:
        function, _, body, _, target, _, iterable, closer = c
        return tree.Comprehension(
            function=function,
            body=body,
            target=target,
            iterable=_bare(iterable),
            span=_span(function, closer),
        )

    @staticmethod
    def list_comprehension(c: Children) -> tree.Comprehension:
        opener, body, _, target, _, iterable, closer = c
        element = tree.Argument(value=_bare(body), span=body.span)
        return tree.Comprehension(
            function=None,
            body=element,
            target=target,
            iterable=_bare(iterable),
            span=_span(opener, closer),
        )

    @staticmethod
    def scan(c: Children) -> tree.Scan:
        function, _, carries, _, following, _, target, _, iterable, closer = c
        return tree.Scan(
            function=function,
            carries=tuple(carries),
            following=tuple(following),
            target=target,
            iterable=_bare(iterable),
            span=_span(function, closer),
        )

    @staticmethod
    def element(c: Children) -> tree.Argument:
        weight = _bare(c[0]) if len(c) > 1 else None
        return tree.Argument(value=_bare(c[-1]), weight=weight, span=_span(c[0], c[-1]))

    @staticmethod
    def named(c: Children) -> tree.Argument:
        name, _, value = c
        return tree.Argument(
            value=_bare(value), name=name.name, name_span=name.span, span=_span(name, value)
        )

    # Lists of things with commas between them.

    @staticmethod
    def exprs(c: Children) -> Children:
        if len(c) == 1:
            return [_bare(c[0])]
        c[0].append(_bare(c[2]))
        return c[0]  # type: ignore[no-any-return]

    items = arguments = bindings = names = parameters = reports = exprs

    # Statements.

    @staticmethod
    def type_expr(c: Children) -> tree.TypeExpr:
        sizes = tuple(c[2]) if len(c) > 1 else None
        return tree.TypeExpr(name=c[0].name, sizes=sizes, span=_span(c[0], c[-1]))

    @staticmethod
    def parameter(c: Children) -> tree.Parameter:
        by_sign = {sign.type: part for sign, part in zip(c[1::2], c[2::2], strict=True)}
        return tree.Parameter(
            name=c[0],
            type=by_sign.get("COLON"),
            default=_bare(by_sign.get("EQUAL")),
            span=_span(c[0], c[-1]),
        )

    @staticmethod
    def use(c: Children) -> tree.Use:
        return tree.Use(name=c[1], place=c[3], span=_span(c[0], c[3]))

    @staticmethod
    def input_(c: Children) -> tree.Input:
        default = _bare(c[5]) if len(c) > 4 else None
        return tree.Input(name=c[1], type=c[3], default=default, span=_span(c[0], c[-1]))

    @staticmethod
    def let(c: Children) -> tree.Let:
        return tree.Let(name=c[1], value=_bare(c[3]), span=_span(c[0], c[3]))

    @staticmethod
    def expert(c: Children) -> tree.ExpertDefinition:
        parameters = tuple(c[3]) if isinstance(c[3], list) else ()
        return tree.ExpertDefinition(
            name=c[1], parameters=parameters, body=_bare(c[-1]), span=_span(c[0], c[-1])
        )

    @staticmethod
    def domain(c: Children) -> tree.Domain:
        return tree.Domain(name=c[0], type=c[2], span=_span(c[0], c[2]))

    @staticmethod
    def factor(c: Children) -> tree.Factor:
        parent = c[4] if len(c) > 3 else None
        return tree.Factor(target=c[0], product=_bare(c[2]), given=parent, span=_span(c[0], c[-1]))

    @staticmethod
    def loop(c: Children) -> tree.For:
        return tree.For(target=c[1], iterable=_bare(c[3]), span=_span(c[0], c[4]))

    @staticmethod
    def sample(c: Children) -> tree.Sample:
        return tree.Sample(names=tuple(c[1]), method=c[3], span=_span(c[0], c[3]))

    @staticmethod
    def report(c: Children) -> tree.Report:
        items = [
            x if isinstance(x, tree.Argument) else tree.Argument(value=x, span=x.span)
            for x in map(_bare, c[1])
        ]
        return tree.Report(items=tuple(items), span=Span(c[0].span.start, items[-1].span.end))
