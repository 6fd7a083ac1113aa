"""The syntax tree: immutable, and equal where the text means the same (spans do not count)."""

from __future__ import annotations

from dataclasses import dataclass, field

from poedsl.grammar.source import NOWHERE, Span

#: The types of fields that hold no nodes.
PLAIN = ("str", "str | None", "bool", "float | int", "Span")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span = field(default=NOWHERE, compare=False, repr=False)


# Expressions. Densities, rewards, numbers and conditions share one grammar; the checker tells
# them apart.


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Node):
    """A literal; ``text`` keeps the way it was written."""

    value: float | int
    text: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Node):
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(Node):
    """``none``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class List(Node):
    """``[a, b, c]``: a vector, or a matrix when its items are lists."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Node):
    """``op`` is ``-``, ``+`` or ``not``."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Node):
    """``op`` is one of ``+ - * / @ ^ < <= > >= == != and or``; ``op_span`` is its place."""

    op: str
    left: Expr
    right: Expr
    op_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument(Node):
    """An argument of a call: ``value``, ``name = value`` or, in a mixture, ``weight: value``."""

    value: Expr
    name: str | None = None
    weight: Expr | None = None
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comprehension(Node):
    """``f(body for target in iterable)``: the arguments of the call are the elements.

    ``function`` is None in ``[body for target in iterable]``, the list of the elements.
    """

    function: Name | None
    body: Argument
    target: Name
    iterable: Expr

    @property
    def called(self) -> str:
        """The name of the function; empty for a list."""
        return "" if self.function is None else self.function.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan(Node):
    """``scan(a = start, b = start: next a, next b for target in iterable)``."""

    function: Name
    carries: tuple[Argument, ...]
    following: tuple[Expr, ...]
    target: Name
    iterable: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    function: Name
    arguments: tuple[Argument, ...]

    @property
    def called(self) -> str:
        """The name of the function."""
        return self.function.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Node):
    """``a:b`` inside an index; either end may be open."""

    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Node):
    value: Expr
    items: tuple[Expr | Slice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute(Node):
    value: Expr
    name: str
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


Expr = (
    Number
    | String
    | Boolean
    | Nothing
    | Name
    | List
    | Unary
    | Binary
    | Call
    | Comprehension
    | Scan
    | Index
    | Attribute
)


# Statements.


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeExpr(Node):
    """``Real``, ``Image[3, 64, 64]``: ``sizes`` is None where they are left open."""

    name: str
    sizes: tuple[Expr, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Node):
    name: Name
    place: String


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Node):
    name: Name
    type: TypeExpr
    default: Expr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Let(Node):
    name: Name
    value: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Node):
    """A parameter of an ``expert`` definition: ``name``, ``name: Type``, and any default."""

    name: Name
    type: TypeExpr | None = None
    default: Expr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertDefinition(Node):
    name: Name
    parameters: tuple[Parameter, ...]
    body: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain(Node):
    """``x : Real[2]``."""

    name: Name
    type: TypeExpr


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor(Node):
    """``target ~ product [given parent]``; the target is a name or a name with an index.

    Attributes:
        observed: whether the target is data rather than a variable, which name resolution sets.
    """

    target: Name | Index
    product: Expr
    given: Name | None = None
    observed: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class For(Node):
    """``for NAME in expr:`` and its indented block."""

    target: Name
    iterable: Expr
    body: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Node):
    """``sample x, y by anneal(...)``."""

    names: tuple[Name, ...]
    method: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Node):
    """``report a, b * 2, c = d / 2``: values computed of every particle."""

    items: tuple[Argument, ...]


Statement = Use | Input | Let | ExpertDefinition | Domain | Factor | For | Sample | Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Node):
    statements: tuple[Statement, ...]
