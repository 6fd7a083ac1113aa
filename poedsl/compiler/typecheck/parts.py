"""Types of attributes, indices, slices, boxes and frames."""

from __future__ import annotations

from poedsl.compiler.functions.constants import constant_value
from poedsl.compiler.functions.function import ArgumentError, ArgumentType
from poedsl.compiler.functions.pictures import crop_type
from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.compiler.plan.terms import Apply, Const, Term, Value
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, describe
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.types import INT, TEXT, Type

#: What a part of a layout has.
LAYOUT_PART_FIELDS = {"box": Type("Region"), "text": TEXT}


def type_of_attribute(checker: TypeScope, expr: tree.Attribute) -> Typed:
    """A field of what a source returned, or of a part of a layout."""
    inner = checker.value(expr.value)
    if not inner.ok:
        return inner
    fields = dict(LAYOUT_PART_FIELDS if inner.type.name == "Part" else inner.fields)
    if expr.name in fields:
        term = Apply("attribute", (inner.term, Const(expr.name)), span=expr.span)
        return Typed(term, fields[expr.name])
    span = expr.name_span if expr.name_span.end else expr.span
    has = ", ".join(f"`.{name}`" for name in fields)
    return checker.error(
        "P0305",
        f"{describe(inner.type)} has no attribute `{expr.name}`",
        span,
        fixes=similar_name_fix(expr.name, span, fields, "one"),
        notes=(f"it has {has}",) if has else (),
    )


def type_of_index(checker: TypeScope, expr: tree.Index) -> Typed:
    inner = checker.value(expr.value)
    if not inner.ok:
        return inner
    if (not inner.type.is_numeric and inner.type.name != "Tokens") or not inner.type.sizes:
        return checker.error("P0305", f"{describe(inner.type)} has no parts", expr.value.span)
    if len(expr.items) == 1 and not isinstance(expr.items[0], tree.Slice):
        before = len(checker.diagnostics)
        region = checker.value(expr.items[0])
        if len(checker.diagnostics) > before or not region.ok:
            return POISONED
        if region.type.name == "Region":
            return cut_region(checker, expr, inner, region)
    return select(checker, expr, inner)


def cut_region(checker: TypeScope, expr: tree.Index, inner: Typed, region: Typed) -> Typed:
    """A box of a picture, or frames of a video."""
    if len(inner.type.sizes) < 2 or inner.type.name in ("Real", "Int", "Bool"):
        message = f"a box cuts a picture, and this is {describe(inner.type)}"
        return checker.error("P0305", message, expr.span)
    try:
        cut = crop_type(
            ArgumentType(inner.type, None), ArgumentType(region.type, constant_value(region.term))
        )
    except ArgumentError as error:
        return checker.error(error.code, str(error), expr.items[0].span)
    return Typed(Apply("index", (inner.term, region.term), span=expr.span), cut)


def select(checker: TypeScope, expr: tree.Index, inner: Typed) -> Typed:
    sizes = inner.type.sizes
    if len(expr.items) > len(sizes):
        takes = "one index" if len(sizes) == 1 else f"at most {len(sizes)} indices"
        return checker.error("P0305", f"{describe(inner.type)} takes {takes}", expr.span)
    remaining: list[int | None] = []
    items: list[Term] = []
    for item, size in zip(expr.items, sizes, strict=False):
        chosen = (
            slice_range(checker, item, size)
            if isinstance(item, tree.Slice)
            else single_index(checker, item, size)
        )
        if chosen is None:
            return POISONED
        term, item_sizes = chosen
        items.append(term)
        remaining += item_sizes
    type_ = Type("Real", (*remaining, *sizes[len(expr.items) :]))
    if len(type_.sizes) == len(sizes):
        type_ = Type(inner.type.name, type_.sizes)
    elif inner.type.name == "Video" and len(type_.sizes) == 3 and isinstance(items[0], Const):
        type_ = Type("Image", type_.sizes)
    elif inner.type.name == "Tokens":
        type_ = INT
    elif inner.type.name in ("Int", "Bool"):
        type_ = Type(inner.type.name, type_.sizes)
    return select_term(inner, tuple(items), type_, expr.span)


def single_index(
    checker: TypeScope, item: tree.Expr, size: int | None
) -> tuple[Term, list[int | None]] | None:
    value = constant_index(checker, item)
    if value is None:
        return None
    if size is not None and not -size <= value < size:
        checker.error("P0305", f"the index {value} is outside of 0 to {size - 1}", item.span)
        return None
    return Const(value), []


def slice_range(
    checker: TypeScope, item: tree.Slice, size: int | None
) -> tuple[Term, list[int | None]] | None:
    ends: list[int | None] = []
    for end in (item.start, item.stop):
        value = None if end is None else constant_index(checker, end)
        if end is not None and value is None:
            return None
        ends.append(value)
        if size is not None and value is not None and not -size <= value <= size:
            assert end is not None
            checker.error("P0305", f"the end {value} is outside of 0 to {size}", end.span)
            return None
    length = None if size is None else len(range(*slice(*ends).indices(size)))
    if length == 0:
        checker.error("P0305", "this slice is empty", item.span)
        return None
    return Apply("slice", (Const(ends[0]), Const(ends[1]))), [length]


def constant_index(checker: TypeScope, expr: tree.Expr) -> int | None:
    typed = checker.value(expr)
    if isinstance(typed.value, int) and not isinstance(typed.value, bool):
        return typed.value
    if typed.ok:
        checker.error(
            "P0305",
            "an index is a region, or a whole number known when the program is compiled",
            expr.span,
        )
    return None


def _select_value(value: Value, items: tuple[Term, ...]) -> Value:
    """The rows, and of each the part, that indices and slices select."""
    if not items:
        return value
    assert isinstance(value, tuple)
    match items[0]:
        case Const(int(at)):
            return _select_value(value[at], items[1:])
        case Apply("slice", (Const(int() | None as first), Const(int() | None as last))):
            return tuple(_select_value(v, items[1:]) for v in value[first:last])
    raise AssertionError(items[0])


def select_term(inner: Typed, items: tuple[Term, ...], type_: Type, span: Span) -> Typed:
    """A part of a value, folded where the value is a constant."""
    if isinstance(inner.term, Const):
        return Typed(Const(_select_value(inner.term.value, items), span), type_)
    return Typed(Apply("index", (inner.term, *items), span=span), type_)
