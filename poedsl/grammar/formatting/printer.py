"""Trees as canonical text: spaces around signs but `^`, no bracket that the grammar does not need.

Reading the text gives the tree again. Work goes over an explicit stack, so depth does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from poedsl.grammar import tree
from poedsl.grammar.tokens import INDENT

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGNED, _POWER, _POSTFIX = range(9)
_LEVELS = {
    **{"or": _OR, "and": _AND},
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), _COMPARE),
    **{"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "@": _PRODUCT},
    "^": _POWER,
}
#: How tightly the operands of a binary operator bind at least: left, right.
_SIDES = {
    _OR: (_OR, _AND),
    _AND: (_AND, _NOT),
    _COMPARE: (_SUM, _SUM),
    _SUM: (_SUM, _PRODUCT),
    _PRODUCT: (_PRODUCT, _SIGNED),
    _POWER: (_POSTFIX, _SIGNED),
}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})

#: Text, or a node with the tightness its place asks for.
_Piece = str | tuple[tree.Expr, int]


def print_program(program: tree.Program) -> str:
    """The program, a statement a line; an empty one is empty."""
    return "".join(f"{line}\n" for line in _lines(program.statements, ""))


def print_statement(statement: tree.Statement) -> str:
    """A statement, and the block of a ``for``, without a line break at the end."""
    return "\n".join(_lines((statement,), ""))


def print_expr(expr: tree.Expr) -> str:
    return _text([(expr, _OR)])


def print_type(type_: tree.TypeExpr) -> str:
    return _text(_type(type_))


def _lines(statements: Iterable[tree.Statement], indent: str) -> Iterator[str]:
    for statement in statements:
        yield indent + _text(_statement(statement))
        if isinstance(statement, tree.For):
            yield from _lines(statement.body, indent + INDENT)


def _text(pieces: list[_Piece]) -> str:
    out: list[str] = []
    stack = pieces[::-1]
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            out.append(piece)
        else:
            expr, tightness = piece
            level = _level(expr)
            if level < tightness:
                stack += (")", (expr, _OR))
                out.append("(")
            else:
                stack += reversed(_expr(expr, level))
    return "".join(out)


def _level(expr: tree.Expr) -> int:
    match expr:
        case tree.Binary(op=op):
            return _LEVELS[op]
        case tree.Unary(op=op):
            return _NOT if op == "not" else _SIGNED
        case tree.Number(value=value) if value < 0:
            return _SIGNED
        case _:
            return _POSTFIX


def _expr(expr: tree.Expr, level: int) -> list[_Piece]:
    match expr:
        case tree.Name(name=name):
            return [name]
        case tree.Number():
            return [_number(expr)]
        case tree.Binary(op=op, left=left, right=right):
            tight_left, tight_right = _SIDES[level]
            sign = op if op == "^" else f" {op} "
            return [(left, tight_left), sign, (right, tight_right)]
        case tree.Unary(op=op, operand=operand):
            return ["not " if op == "not" else op, (operand, level)]
        case tree.Call(function=function, arguments=arguments):
            return [function.name, "(", *_row(map(_argument, arguments)), ")"]
        case _:
            return _other(expr)


def _other(expr: tree.Expr) -> list[_Piece]:
    match expr:
        case tree.String(value=value):
            return [f'"{value.translate(_ESCAPES)}"']
        case tree.Boolean(value=value):
            return ["true" if value else "false"]
        case tree.Nothing():
            return ["none"]
        case tree.List(items=items):
            return ["[", *_exprs(items), "]"]
        case tree.Index(value=value, items=items):
            return [(value, _POSTFIX), "[", *_row(map(_item, items)), "]"]
        case tree.Attribute(value=tree.Number() as number, name=name) if _number(number).isdigit():
            # `1.x` would be read as the number `1.` and a name.
            return ["(", (number, _OR), ")", f".{name}"]
        case tree.Attribute(value=value, name=name):
            return [(value, _POSTFIX), f".{name}"]
        case tree.Comprehension(function=function, body=body, target=target, iterable=iterable):
            opener, closer = ("[", "]") if function is None else (f"{function.name}(", ")")
            head: list[_Piece] = [opener, *_argument(body)]
            return [*head, f" for {target.name} in ", (iterable, _OR), closer]
        case tree.Scan(carries=carries, following=following, target=target, iterable=iterable):
            head = [expr.function.name, "(", *_row(map(_argument, carries)), ": "]
            return [*head, *_exprs(following), f" for {target.name} in ", (iterable, _OR), ")"]
        case _:
            raise TypeError(f"not an expression: {type(expr).__name__}")


def _number(number: tree.Number) -> str:
    if number.text:
        return number.text
    if math.isnan(number.value):
        raise ValueError("there is no literal for a value that is not a number")
    if math.isinf(number.value):
        return "1e999" if number.value > 0 else "-1e999"
    return repr(number.value)


def _row(parts: Iterable[list[_Piece]]) -> list[_Piece]:
    """The parts with commas between them."""
    out: list[_Piece] = []
    for part in parts:
        if out:
            out.append(", ")
        out += part
    return out


def _exprs(items: Iterable[tree.Expr]) -> list[_Piece]:
    return _row([(item, _OR)] for item in items)


def _argument(argument: tree.Argument) -> list[_Piece]:
    if argument.name is not None:
        return [f"{argument.name} = ", (argument.value, _OR)]
    if argument.weight is not None:
        return [(argument.weight, _OR), ": ", (argument.value, _OR)]
    return [(argument.value, _OR)]


def _item(item: tree.Expr | tree.Slice) -> list[_Piece]:
    if not isinstance(item, tree.Slice):
        return [(item, _OR)]
    start: list[_Piece] = [] if item.start is None else [(item.start, _OR)]
    stop: list[_Piece] = [] if item.stop is None else [(item.stop, _OR)]
    return [*start, ":", *stop]


def _type(type_: tree.TypeExpr) -> list[_Piece]:
    sizes: list[_Piece] = [] if type_.sizes is None else ["[", *_exprs(type_.sizes), "]"]
    return [type_.name, *sizes]


def _default(default: tree.Expr | None) -> list[_Piece]:
    return [] if default is None else [" = ", (default, _OR)]


def _statement(statement: tree.Statement) -> list[_Piece]:
    match statement:
        case tree.Factor(target=target, product=product, given=parent):
            tail = [] if parent is None else [f" given {parent.name}"]
            return [(target, _POSTFIX), " ~ ", (product, _OR), *tail]
        case tree.Domain(name=name, type=type_):
            return [f"{name.name} : ", *_type(type_)]
        case tree.Input(name=name, type=type_, default=default):
            return [f"input {name.name} : ", *_type(type_), *_default(default)]
        case tree.Let(name=name, value=value):
            return [f"let {name.name} = ", (value, _OR)]
        case tree.Use(name=name, place=place):
            return [f"use {name.name} from ", (place, _OR)]
        case tree.ExpertDefinition(name=name, parameters=parameters, body=body):
            head: list[_Piece] = [f"expert {name.name}(", *_row(map(_parameter, parameters))]
            return [*head, ") = ", (body, _OR)]
        case tree.For(target=target, iterable=iterable):
            return [f"for {target.name} in ", (iterable, _OR), ":"]
        case tree.Report(items=items):
            return ["report ", *_row(map(_argument, items))]
        case tree.Sample(names=names, method=method):
            return [f"sample {', '.join(n.name for n in names)} by ", (method, _POSTFIX)]


def _parameter(parameter: tree.Parameter) -> list[_Piece]:
    type_: list[_Piece] = [] if parameter.type is None else [" : ", *_type(parameter.type)]
    return [parameter.name.name, *type_, *_default(parameter.default)]
