"""Types of attributes, indices, slices, boxes and frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from poedsl.compiler.functions.constants import constant_value, flatten
from poedsl.compiler.functions.function import ArgumentError, ArgumentType
from poedsl.compiler.functions.pictures import crop_type
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.functions.values_at import UnknownValue, value_at
from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.compiler.plan.terms import Apply, Const, Term, Value, is_slice, names
from poedsl.compiler.typecheck.function_results import function_result
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, counted, describe
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.types import INT, TEXT, Sizes, Type, broadcast

#: What a part of a layout has.
LAYOUT_PART_FIELDS = {"box": Type("Region"), "text": TEXT}


def type_of_attribute(checker: TypeScope, expr: tree.Attribute) -> Typed:
    """A field of what a source returned, or of a part of a layout."""
    inner = checker.value(expr.value)
    if not inner.ok:
        return inner
    if expr.name == "T" and inner.type.is_numeric:
        return function_result(checker, FUNCTIONS["transpose"], [counted(inner)], expr.span)
    fields = dict(LAYOUT_PART_FIELDS if inner.type.name == "Part" else inner.fields)
    if expr.name in fields:
        labels = dict(zip((name for name, _ in inner.fields), inner.labels, strict=False))
        label = Const(labels.get(expr.name, expr.name))
        term = Apply("attribute", (inner.term, label), span=expr.span)
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
    items: list[Term] = []
    selected: list[Sizes] = []
    for item, size in zip(expr.items, sizes, strict=False):
        chosen: tuple[Term, Sizes] | None = (
            slice_range(checker, item, size)
            if isinstance(item, tree.Slice)
            else index_item(checker, item, size)
        )
        if chosen is None:
            return POISONED
        items.append(chosen[0])
        selected.append(chosen[1])
    remaining = sizes_selected(checker, expr, items, selected)
    if remaining is None:
        return POISONED
    type_ = Type("Real", (*remaining, *sizes[len(expr.items) :]))
    whole = all(map(is_fixed, items))
    if len(type_.sizes) == len(sizes) and whole:
        type_ = Type(inner.type.name, type_.sizes)
    elif inner.type.name == "Video" and is_frame(items[0]) and len(type_.sizes) == 3:
        type_ = Type("Image", type_.sizes)
    elif inner.type.name == "Tokens":
        type_ = INT
    elif inner.type.name in ("Int", "Bool"):
        type_ = Type(inner.type.name, type_.sizes)
    return select_term(inner, tuple(items), type_, expr.span)


def is_fixed(item: Term) -> bool:
    """Whether an index or a slice is known when the program is compiled."""
    ends = item.args if isinstance(item, Apply) and is_slice(item) else (item,)
    return all(isinstance(end, Const) for end in ends)


def is_frame(item: Term) -> bool:
    """Whether an index is a single number."""
    return isinstance(item, Const) and isinstance(item.value, int)


def index_item(checker: TypeScope, item: tree.Expr, size: int | None) -> tuple[Term, Sizes] | None:
    """An index, which may be a vector of them, and the sizes that it selects."""
    typed = counted(checker.value(item))
    if not typed.ok:
        return None
    if typed.type.name != "Int":
        note = ("data that index are declared as whole numbers, such as `input group : Int[_]`",)
        checker.error(
            "P0305",
            f"an index is a region or whole numbers, and this is {describe(typed.type)}",
            item.span,
            notes=note if typed.type.name == "Real" else (),
        )
        return None
    for values, place in index_values(checker, typed):
        if size is not None and (outside := [v for v in values if not -size <= v < size]):
            message = f"the index {outside[0]} is outside of 0 to {size - 1}"
            checker.error("P0305", f"{message}{place(outside[0])}", item.span)
            return None
    return typed.term, typed.type.sizes


def index_values(
    checker: TypeScope, typed: Typed
) -> Iterator[tuple[list[int], Callable[[int], str]]]:
    """The values of an index, where constants say them, and where in a loop one of them occurs."""
    if isinstance(typed.term, Const):
        yield [int(v) for v in flatten(typed.term.value)], lambda value: ""
        return
    free = names(typed.term)
    if len(free) != 1 or not free <= checker.element_values.keys():
        return
    (name,) = free
    at: dict[int, Value] = {}
    try:
        for element in checker.element_values[name]:
            for value in flatten(value_at(typed.term, {name: element})):
                at.setdefault(int(value), element)
    except (UnknownValue, ArithmeticError, ValueError):
        return
    yield list(at), lambda value: f" where `{name}` is {at[value]}"


def sizes_selected(
    checker: TypeScope, expr: tree.Index, items: list[Term], selected: list[Sizes]
) -> Sizes | None:
    """The sizes that indices and slices select; vectors of indices go together, as in NumPy."""
    out: list[int | None] = []
    together: Sizes = ()
    places: list[int] = []
    for item, sizes in zip(items, selected, strict=True):
        if is_slice(item):
            out += sizes
        elif sizes:
            wider = broadcast(together, sizes)
            if wider is None:
                message = "vectors of indices of one value are of one length, and these differ"
                checker.error("P0303", message, expr.span)
                return None
            together = wider
            places.append(len(out))
    if len(set(places)) > 1:
        message = "vectors of indices stand beside each other"
        note = "write one index after the other: `x[i][:, :, j]`"
        checker.error("P0305", message, expr.span, notes=(note,))
        return None
    at = places[0] if places else 0
    return (*out[:at], *together, *out[at:])


def slice_range(
    checker: TypeScope, item: tree.Slice, size: int | None
) -> tuple[Term, Sizes] | None:
    ends: list[Term] = []
    for end in (item.start, item.stop):
        typed = Typed(Const(None), INT) if end is None else slice_end(checker, end)
        if not typed.ok:
            return None
        ends.append(typed.term)
        value = typed.value
        if size is not None and isinstance(value, int) and not -size <= value <= size:
            assert end is not None
            checker.error("P0305", f"the end {value} is outside of 0 to {size}", end.span)
            return None
    bounds = [e.value for e in ends if isinstance(e, Const)]
    if size is None or len(bounds) < len(ends):
        return Apply("slice", tuple(ends)), (None,)
    length = len(range(*slice(*bounds).indices(size)))
    if length == 0:
        checker.error("P0305", "this slice is empty", item.span)
        return None
    return Apply("slice", tuple(ends)), (length,)


def slice_end(checker: TypeScope, expr: tree.Expr) -> Typed:
    """The end of a slice: a whole number that is known before the run."""
    typed = counted(checker.value(expr))
    if not typed.ok:
        return typed
    if typed.type != INT and type(typed.value) is not int:
        message = f"the end of a slice is a whole number, and this is {describe(typed.type)}"
        return checker.error("P0305", message, expr.span)
    if inner := sorted(names(typed.term) & (checker.variables | checker.elements)):
        message = f"the end of a slice is known before the run, and this depends on `{inner[0]}`"
        return checker.error("P0305", message, expr.span)
    return typed


def _select_value(value: Value, items: tuple[Term, ...]) -> Value:
    """The rows, and of each the part, that indices and slices select."""
    if not items:
        return value
    assert isinstance(value, tuple)
    match items[0]:
        case Const(int(at)):
            return _select_value(value[at], items[1:])
        case Const(tuple(rows)):
            return tuple(_select_value(value, (Const(row), *items[1:])) for row in rows)
        case Apply("slice", (Const(int() | None as first), Const(int() | None as last))):
            return tuple(_select_value(v, items[1:]) for v in value[first:last])
    raise AssertionError(items[0])


def select_term(inner: Typed, items: tuple[Term, ...], type_: Type, span: Span) -> Typed:
    """A part of a value, folded where the value is a constant."""
    constant = all(map(is_fixed, items))
    vectors = sum(isinstance(i, Const) and isinstance(i.value, tuple) for i in items)
    if isinstance(inner.term, Const) and constant and vectors < 2:
        return Typed(Const(_select_value(inner.term.value, items), span), type_)
    return Typed(Apply("index", (inner.term, *items), span=span), type_)
