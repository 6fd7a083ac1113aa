"""Signs in each other's place: ``=``, ``~`` and ``:``."""

from __future__ import annotations

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.recovery.edits import clip, insert
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import Failure

ASSIGNMENT_SIGNS = frozenset(("=", ":=", "<-", "=="))


_FACTORS = frozenset(("exp", "where", "mixture"))


def assignment(f: Failure) -> Diagnostic | None:
    """``c = 3``, ``x = Normal(0, 1)``."""
    if f.index != 1 or f.first.kind != "name" or f.word.text not in ASSIGNMENT_SIGNS:
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
    start, name = f.first.span.start, f.first.text
    type_ = Edit(Span(f.first.span.end, f.word.span.start), " ")
    return Diagnostic(
        "P0111",
        "a variable has no value of its own",
        f.word.span,
        fixes=(
            Fix(
                f"data are an input, with a default value: `input {name} : ... = ...`",
                (insert(start, "input "),),
            ),
            Fix(
                f"or a constant, which has no type: `let {name} = ...`",
                (insert(start, "let "), type_),
            ),
        ),
    )


def wrong_sign(f: Failure) -> Diagnostic | None:
    """``expert f(a) : A``, ``x[0] = A``: one sign can stand here, and it is another one."""
    expected = {frozenset(("EQUAL",)): "=", frozenset(("TILDE",)): "~"}.get(f.accepts)
    if f.word.text == "==" and f.wants_operand:  # the parser took the first half for `=`
        expected = "="
    if expected is None or f.word.text not in ("~", ":", *ASSIGNMENT_SIGNS):
        return None
    fix = Fix(f"the sign here is `{expected}`", (Edit(f.word.span, expected),))
    return Diagnostic(
        "P0111", f"`{f.word.text}` in the place of `{expected}`", f.word.span, fixes=(fix,)
    )


def repeated_sign(f: Failure) -> Diagnostic | None:
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
