"""Common slips in the shape of a statement or an expression.

A message says what is wrong; what would be right stands in the fixes and notes.
"""

from __future__ import annotations

import difflib
from itertools import pairwise

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.parsing.logical_lines import CLOSERS
from poedsl.grammar.recovery import foreign_syntax
from poedsl.grammar.recovery.foreign_syntax import Rule, clip, insert
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import CONSTANTS, KEYWORDS, STATEMENTS, Failure, Word
from poedsl.grammar.types import RANKS

# Signs in each other's place: `=`, `~`, `:`.

_GIVES = frozenset(("=", ":=", "<-", "=="))
#: Under these names other languages keep their functions.
MODULES = frozenset(("np", "numpy", "torch", "T", "tt", "pt", "math", "jnp", "jax", "tf", "dist"))
_FACTORS = frozenset(("exp", "where", "mixture"))


def assignment(f: Failure) -> Diagnostic | None:
    """``c = 3``, ``x = Normal(0, 1)``."""
    if f.index != 1 or f.first.kind != "name" or f.word.text not in _GIVES:
        return None
    name, sign, right = f.first, f.word, f.after
    tilde = Fix("a factor of a variable's target follows `~`", (Edit(sign.span, "~"),))
    mend = () if sign.text == "=" else (Edit(sign.span, "="),)
    let = Fix("a constant is defined by `let`", (insert(name.span.start, "let "), *mend))
    is_call = right.kind == "name" and f.at(2).text == "("
    is_factor = is_call and (right.text[0].isupper() or right.text in _FACTORS)
    return Diagnostic(
        "P0111",
        f"`{clip(name.text)} {sign.text} ...` is not a statement",
        name.span.to(sign.span),
        fixes=(tilde,) if is_factor else (let, tilde) if is_call else (let,),
    )


def let_sign(f: Failure) -> Diagnostic | None:
    """``let x ~ A``, ``let x : 3``, ``let x : Real = 3``."""
    if f.first.text != "let" or f.index != 2 or f.word.text not in ("~", ":"):
        return None
    word = f.word
    if word.text == "~":
        gap = Edit(Span(f.first.span.start, f.words[1].span.start), "")
        fix = Fix("a statement with `~` has no keyword", (gap,))
        message = "`let` defines a constant and has no `~`"
        return Diagnostic("P0111", message, word.span, fixes=(fix,))
    equal = next((w for w in f.words if w.text == "="), None)
    if equal is not None:
        gap = Edit(Span(word.span.start, equal.span.start), "")
        fix = Fix("the type follows from the value", (gap,))
    else:
        fix = Fix("the value follows `=`", (Edit(word.span, "="),))
    message = "unexpected `:` after the name of a constant"
    return Diagnostic("P0111", message, word.span, fixes=(fix,))


def value_of_variable(f: Failure) -> Diagnostic | None:
    """``x : Real = 3``."""
    declares = f.first.kind == "name" and f.words[1].text == ":"
    if not declares or f.word.text != "=" or "$END" not in f.accepts:
        return None
    start = f.first.span.start
    type_ = Edit(Span(f.first.span.end, f.word.span.start), " ")
    return Diagnostic(
        "P0111",
        "a variable has no value of its own",
        f.word.span,
        fixes=(
            Fix("an input has a default value", (insert(start, "input "),)),
            Fix("a constant has a value and no type", (insert(start, "let "), type_)),
        ),
    )


def only_sign(f: Failure) -> Diagnostic | None:
    """``expert f(a) : A``, ``x[0] = A``: one sign can stand here, and it is another one."""
    wanted = {frozenset(("EQUAL",)): "=", frozenset(("TILDE",)): "~"}.get(f.accepts)
    if f.word.text == "==" and f.wants_operand:  # the parser took the first half for `=`
        wanted = "="
    if wanted is None or f.word.text not in ("~", ":", *_GIVES):
        return None
    fix = Fix(f"the sign here is `{wanted}`", (Edit(f.word.span, wanted),))
    return Diagnostic(
        "P0111", f"`{f.word.text}` in the place of `{wanted}`", f.word.span, fixes=(fix,)
    )


def second(f: Failure) -> Diagnostic | None:
    """``x ~ A ~ B``, ``x ~ ~ A``, ``x ~ A given y given z``: a statement has one of each."""
    word = f.word
    first = next((w for w in f.words[: f.index] if w.text == word.text), None)
    if first is None or word.text not in ("~", "given"):
        return None
    doubled = Edit(Span(f.before.span.end, word.span.end), "")
    fixes: tuple[Fix, ...] = ()
    if f.before is first:
        fixes = (Fix(f"one `{word.text}` is enough", (doubled,), "safe"),)
    elif word.text == "~" and f.wants_operator:
        fixes = (Fix("factors are joined by `*`", (Edit(word.span, "*"),)),)
    return Diagnostic(
        "P0101",
        f"a second `{word.text}` in one statement",
        word.span,
        labels=(Label(first.span, "the first one"),),
        notes=() if fixes else (f"a statement has one `{word.text}`",),
        fixes=fixes,
    )


def equals_in_expression(f: Failure) -> Diagnostic | None:
    """``where(a + b = 3)``."""
    if f.word.text != "=" or not f.wants_operator or "COMPARE" not in f.accepts:
        return None
    return Diagnostic(
        "P0111",
        "`=` does not compare",
        f.word.span,
        notes=("inside brackets `=` gives an argument by its name: `f(name = value)`",),
        fixes=(Fix("equality is written `==`", (Edit(f.word.span, "=="),)),),
    )


# Operators.

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def chain(f: Failure) -> Diagnostic | None:
    """``a < b < c``."""
    if f.word.text not in _COMPARISONS or not f.wants_operator or "COMPARE" in f.accepts:
        return None
    earlier = _earlier_comparison(f)
    if earlier is None:
        return None
    middle = f.source(earlier.span.end, f.before.span.end).strip()
    edits: tuple[Edit, ...] = (insert(f.word.span.start, f"and {middle} "),)
    negation = _negation(f, earlier)
    if negation is not None:  # `not` binds tighter than `and`
        opening = insert(f.words[f.words.index(negation) + 1].span.start, "(")
        edits = (opening, *edits, insert(_last_of_chain(f).span.end, ")"))
    return Diagnostic(
        "P0112",
        "comparisons do not chain",
        f.word.span,
        labels=(Label(earlier.span, "the first comparison"),),
        fixes=(Fix("two comparisons are joined by `and`", edits, "safe"),),
    )


def _earlier_comparison(f: Failure) -> Word | None:
    """The comparison before the refused word, past any in brackets between them."""
    depth = 0
    for word in f.words[f.index - 1 :: -1]:
        depth += (word.text in CLOSERS.values()) - (word.text in CLOSERS)
        if depth == 0 and word.text in _COMPARISONS:
            return word
    return None


def _negation(f: Failure, comparison: Word) -> Word | None:
    """The ``not`` before the left side of a comparison."""
    depth = 0
    for word in f.words[f.words.index(comparison) - 1 :: -1]:
        depth += (word.text in CLOSERS.values()) - (word.text in CLOSERS)
        if depth < 0 or (depth == 0 and word.text in ("and", "or", ",", "=")):
            return None
        if depth == 0 and word.text == "not":
            return word
    return None


def _last_of_chain(f: Failure) -> Word:
    """The last word of a chain of comparisons."""
    depth = 0
    for before, word in pairwise(f.words[f.index :]):
        depth += (word.text in CLOSERS) - (word.text in CLOSERS.values())
        ends = word.kind == "end" or word.text in ("and", "or", ",", "for")
        if depth < 0 or (depth == 0 and ends):
            return before
    return f.words[-2]


def tight_not(f: Failure) -> Diagnostic | None:
    """``a + not b``."""
    if f.word.text != "not" or not f.wants_operand or "NOT" in f.accepts:
        return None
    return Diagnostic(
        "P0101",
        f"unexpected `not` after `{f.before.text}`",
        f.word.span,
        notes=(f"`not` binds looser than `{f.before.text}`",),
        fixes=(Fix("brackets make one operand of it: `(not ...)`"),),
    )


# The shapes of statements.


def loop_header(f: Failure) -> Diagnostic | None:
    """``for m in c`` and ``for m in c: x ~ A``."""
    if f.first.text != "for":
        return None
    end = f.words[-1].span.end
    if f.ended and "COLON" in f.accepts:
        fix = Fix("a `:` ends the header", (insert(end, ":"),), "safe")
        header = Span(f.first.span.start, end)
        return Diagnostic("P0114", "this `for` has no `:` at its end", header, fixes=(fix,))
    if f.accepts == {"$END"} and f.before.text == ":":
        edit = Edit(Span(f.before.span.end, f.word.span.start), f"\n{f.indent}    ")
        fix = Fix("the block is indented below its header", (edit,))
        span = Span(f.word.span.start, end)
        return Diagnostic("P0114", "a statement on the line of its `for`", span, fixes=(fix,))
    return None


def input_type(f: Failure) -> Diagnostic | None:
    """``input x``, ``input x = 3``, ``input x Real``."""
    if f.first.text != "input" or f.accepts != {"COLON"}:
        return None
    name = f.words[1]
    if f.word.kind == "name" and (f.after.kind == "end" or f.after.text in ("[", "=")):
        if name.text in RANKS and f.word.text not in RANKS:
            swap = Edit(name.span.to(f.word.span), f"{f.word.text} : {name.text}")
            fix = Fix("the name comes first, then `:` and the type", (swap,), "safe")
            message = "the type stands before the name"
            return Diagnostic("P0117", message, name.span, fixes=(fix,))
        fix = Fix("a `:` separates the name and its type", (insert(name.span.end, " :"),), "safe")
        message = f"a `:` is missing before `{clip(f.word.text)}`"
        return Diagnostic("P0117", message, f.word.span, fixes=(fix,))
    if not f.ended and f.word.text not in _GIVES:
        return None
    edit = insert(name.span.end, " : Real")
    fix = Fix("the type follows the name, such as `: Real`", (edit,), "has-placeholders")
    message = f"the input `{clip(name.text)}` has no type"
    return Diagnostic("P0117", message, name.span, fixes=(fix,))


def place_without_quotes(f: Failure) -> Diagnostic | None:
    """``use digits from digits.py:digits``."""
    if f.first.text != "use" or f.accepts != {"STRING"} or f.ended:
        return None
    span = Span(f.word.span.start, f.words[-1].span.end)
    place = f.source(span.start, span.end)
    edits = () if '"' in place or "\\" in place else (Edit(span, f'"{place}"'),)
    fix = Fix("the place is a text in double quotes", edits, "safe" if edits else "maybe-incorrect")
    return Diagnostic("P0106", "the place after `from` is not in quotes", span, fixes=(fix,))


def missing_brackets(f: Failure) -> Diagnostic | None:
    """``sample x by anneal``, ``expert e = A``."""
    if f.accepts != {"LPAR"} or f.before.kind != "name":
        return None
    if not f.ended and f.word.text != "=":
        return None
    name = f.before
    fix = Fix(f"empty brackets stay: `{clip(name.text)}()`", (insert(name.span.end, "()"),), "safe")
    return Diagnostic(
        "P0101", f"`{clip(name.text)}` has no brackets after it", name.span, fixes=(fix,)
    )


def statement(f: Failure) -> Diagnostic | None:
    """A line that does not begin like a statement."""
    word = f.word
    if f.index == 0 and "USE" in f.accepts:
        if word.kind == "keyword" and word.text not in (*CONSTANTS, "not"):
            return _unknown_statement(f)
        alone = word.kind in ("number", "text", "keyword") or word.text in ("(", "[", "-", "+")
        return _expression_alone(f) if alone else None
    if f.index != 1 or f.first.kind != "name" or word.text == "," or f.wants_operator:
        return None
    if word.kind in ("sign", "end") or word.text in ("and", "or"):
        return _expression_alone(f)
    return _unknown_statement(f)


_STATEMENTS_NOTE = (
    "a statement is `name ~ ...` or `name : Type`, or begins with "
    + ", ".join(f"`{w}`" for w in STATEMENTS[:-1])
    + f" or `{STATEMENTS[-1]}`"
)


def _unknown_statement(f: Failure) -> Diagnostic:
    word = f.first
    near = difflib.get_close_matches(word.text.lower(), STATEMENTS, n=1, cutoff=0.75)
    fixes: tuple[Fix, ...] = ()
    if near and word.text not in KEYWORDS:
        text = f"there is a keyword with a similar name: `{near[0]}`"
        fixes = (Fix(text, (Edit(word.span, near[0]),)),)
    message = f"`{clip(word.text)}` does not begin a statement"
    return Diagnostic("P0116", message, word.span, notes=(_STATEMENTS_NOTE,), fixes=fixes)


def _expression_alone(f: Failure) -> Diagnostic:
    start = f.first.span.start
    tilde = next((i for i, w in enumerate(f.words) if w.text == "~"), 0)
    if tilde:
        target = Span(start, f.words[tilde - 1].span.end)
        note = "the target is a variable or a part of one: `x ~ ...`, `x[region] ~ ...`"
        return Diagnostic("P0116", "this cannot be the target of `~`", target, notes=(note,))
    span = Span(start, f.words[-1].span.end)
    message = "an expression alone is not a statement"
    return Diagnostic("P0116", message, span, notes=(_STATEMENTS_NOTE,))


# Expressions side by side, commas and `for` where they join nothing.


def _called(f: Failure) -> Diagnostic:
    """``np.sqrt(2)``, ``x.mean()``."""
    message, owner, dot = "only a name can be called", f.at(-3), f.at(-2)
    if owner.text in MODULES:
        fix = Fix(
            "functions stand without the module that they have elsewhere",
            (Edit(Span(owner.span.start, dot.span.end), ""),),
        )
        return Diagnostic("P0101", message, f.before.span, fixes=(fix,))
    note = "what follows `.` is a part of a value and takes no arguments"
    return Diagnostic("P0101", message, f.before.span, notes=(note,))


def side_by_side(f: Failure) -> Diagnostic | None:
    """``f(a b)``, ``A B``, ``2(x + 1)``, ``f(2 a)``."""
    word = f.word
    starts = word.kind in ("name", "number", "text") or word.text in ("(", *CONSTANTS)
    if not f.wants_operator or not starts:
        return None
    if word.text == "(" and f.at(-2).text == ".":
        return _called(f)
    at = f.before.span.end
    named = word.kind == "name" and f.after.text == "="
    comma = Fix(
        "arguments and items are separated by `,`",
        (insert(at, ","),),
        "safe" if named else "maybe-incorrect",
    )
    gap = Edit(Span(at, word.span.start), " * ")
    product = Fix("products are written with `*`", (gap,))
    fixes: tuple[Fix, ...] = (product,)
    if "COMMA" not in f.accepts or word.text == "(":
        what = "an operator"
    elif f.before.kind == "number" and word.kind == "name" and not named:
        what, fixes = "an operator or a `,`", (product, comma)
    else:
        what, fixes = "a `,`", (comma,)
    return Diagnostic("P0103", f"{what} is missing before {word}", word.span, fixes=fixes)


def loose_comma(f: Failure) -> Diagnostic | None:
    """``let a = 1, 2``, ``(a, b)``, ``f(a,, b)``, ``x, y ~ A``."""
    if f.word.text != ",":
        return None
    span = f.word.span
    if f.wants_operand and f.before.text in (",", "(", "["):
        fix = Fix("one comma is enough", (Edit(span, ""),))
        return Diagnostic("P0101", "nothing stands before this `,`", span, fixes=(fix,))
    if f.wants_operator:
        note = "lists are written in square brackets: `[a, b]`"
    elif f.index == 1 and f.first.kind == "name":
        note = "each variable has a statement of its own"
    else:
        return None
    here = "nothing here is separated by commas"
    return Diagnostic("P0101", "unexpected `,`", span, here=here, notes=(note,))


def comprehension(f: Failure) -> Diagnostic | None:
    """``[m for m in c]``, ``f(a for m in c, b)``, ``f(a for m in c if d)``."""
    if not f.wants_operator:
        return None
    if f.word.text == "for":
        note = "`for` makes all the arguments of a call: `mixture(Normal(m, 1) for m in c)`"
        return Diagnostic("P0101", "unexpected keyword `for`", f.word.span, notes=(note,))
    if f.word.text in (",", "if") and any(w.text == "for" for w in f.words[1 : f.index]):
        note = "nothing follows the list of a `for` in brackets: `f(... for m in c)`"
        return Diagnostic("P0101", f"unexpected {f.word}", f.word.span, notes=(note,))
    return None


#: In order: the first that answers speaks.
RULES: tuple[Rule, ...] = (
    assignment,
    let_sign,
    value_of_variable,
    only_sign,
    second,
    *foreign_syntax.RULES,
    loop_header,
    input_type,
    place_without_quotes,
    missing_brackets,
    tight_not,
    chain,
    equals_in_expression,
    statement,
    comprehension,
    side_by_side,
    loose_comma,
)
