"""The codes of syntax errors, and the page that explains each.

A page shows a program that has the error, below a line ``# wrong``, and one that does not, below
``# right``; both are complete.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CodePage:
    title: str
    page: str


SYNTAX: dict[str, CodePage] = {
    "P0101": CodePage(
        "an unexpected word or sign",
        """\
A word or a sign is in a place where the language has no use for it. The message names what was
found and, below the underline, what could have been there.

    # wrong
    x ~ Normal(0, 1) * / Normal(0, 2)

    # right
    x ~ Normal(0, 1) / Normal(0, 2)

The cause is often a little to the left: a sign too many, or an expression that was deleted and
left its operator behind.
""",
    ),
    "P0102": CodePage(
        "a statement that ends too early",
        """\
The line ends and the statement on it is not complete. A statement ends at the end of its line,
except that inside brackets lines run on. To continue a long product on the next line, put it in
brackets.

    # wrong
    x ~ Normal(0, 1) *
        Normal(2, 1)

    # right
    x ~ (Normal(0, 1) *
        Normal(2, 1))
""",
    ),
    "P0103": CodePage(
        "two expressions with nothing between them",
        """\
Two expressions follow each other, and neither an operator nor a comma joins them. Arguments of
a call and items of a list are separated by commas. A product is always written with `*`: `2 x`
and `2(x + 1)` are not products.

    # wrong
    x ~ Normal(0 1)

    # right
    x ~ Normal(0, 1)
""",
    ),
    "P0104": CodePage(
        "a bracket that is never closed",
        """\
An opening bracket has no closing one. Inside brackets a statement runs on over the ends of
lines, so the end of the statement may lie some lines below the bracket: it ends where the next
statement begins. The message points at the bracket and at that end.

    # wrong
    let c = linspace(-3.5, 3.5, 8
    x ~ Normal(0, 1)

    # right
    let c = linspace(-3.5, 3.5, 8)
    x ~ Normal(0, 1)
""",
    ),
    "P0105": CodePage(
        "a closing bracket that closes nothing",
        """\
A closing bracket has no opening one, or the open bracket is of the other kind. Round brackets
hold arguments and group expressions, square ones hold lists and regions.

    # wrong
    x ~ Normal([0, 0), 1)

    # right
    x ~ Normal([0, 0], 1)
""",
    ),
    "P0106": CodePage(
        "a text with the wrong quotes, or without a closing one",
        """\
A text begins and ends with a double quote `"`, on one line. Single quotes and the typographic
quotes that editors put in their place do not enclose a text. Quotes pair up from the left of
the line, so where one is missing, the one that is reported may be the last of the line and not
the wrong one. A double quote inside a text is written `\\"`.

    # wrong
    x ~ flux('a yellow horse')

    # right
    x ~ flux("a yellow horse")
""",
    ),
    "P0107": CodePage(
        "an unknown escape in a text",
        """\
In a text a backslash begins an escape: `\\"` is a double quote, `\\\\` a backslash, `\\n` the
end of a line and `\\t` a tab. There are no others. A path for Windows has each backslash twice,
or slashes in their place.

    # wrong
    use digits from "models\\digits"

    # right
    use digits from "models\\\\digits"
""",
    ),
    "P0108": CodePage(
        "a character that is not part of the language",
        """\
Outside of texts and comments a program is written in plain characters. Names are made of the
letters A to Z and a to z, digits and `_`. Text that was pasted from a document often has a
minus sign, a multiplication sign, quotes or spaces that look like the plain ones and are not. A
statement needs no `;` at its end.

    # wrong
    let a = 3 − 2;

    # right
    let a = 3 - 2
""",
    ),
    "P0109": CodePage(
        "an operator of another language",
        """\
The operators are `+`, `-`, `*`, `/` and `^`, the comparisons `<`, `<=`, `>`, `>=`, `==` and
`!=`, and `and`, `or` and `not`. A power is `^`. A comment begins with `#`.

    # wrong
    x ~ Normal(0, 1) ** 0.5 * where(x > 0 && x < 1)

    # right
    x ~ Normal(0, 1) ^ 0.5 * where(x > 0 and x < 1)
""",
    ),
    "P0110": CodePage(
        "a reserved word as a name, or in the wrong case",
        """\
The words `use`, `from`, `input`, `let`, `expert`, `given`, `for`, `in`, `sample`, `by`, `and`,
`or`, `not`, `true`, `false` and `none` are reserved: nothing else can have such a name, an
argument neither. They are written in small letters. Names tell small and capital letters apart,
and so do reserved words: `Let` is not `let`, and `True` is not `true`.

    # wrong
    let in = 3

    # right
    let inside = 3
""",
    ),
    "P0111": CodePage(
        "`=`, `~` and `:` in each other's place",
        """\
Each of the three signs says one thing of a name:

    let c = 3             a constant and its value
    x : Real[2]           a variable and its domain
    x ~ Normal(0, 1)      a factor of the variable's target
    input a : Int = 3     an input, its type and its default

A variable has no value: it is what the program is about. In an expression two values are
compared by `==`; a `=` inside brackets gives an argument by its name. Options of the sampler are
such arguments: `sample x by anneal(particles = 8000)`.

    # wrong
    x = Normal(0, 1)

    # right
    x ~ Normal(0, 1)
""",
    ),
    "P0112": CodePage(
        "a chain of comparisons",
        """\
A comparison has two sides. To say that a value lies between two others, join two comparisons by
`and`.

    # wrong
    x ~ Normal(0, 1) * where(0 < x < 1)

    # right
    x ~ Normal(0, 1) * where(0 < x and x < 1)
""",
    ),
    "P0113": CodePage(
        "indentation that belongs to no block",
        """\
Only the block of a `for` is indented. Its statements all begin in the same column, with the
same tabs or spaces; the block ends with the first statement that begins in the column of an
earlier block.

    # wrong
    x : Real
        x ~ Normal(0, 1)

    # right
    x : Real
    x ~ Normal(0, 1)

Inside brackets the indentation of a line has no meaning.
""",
    ),
    "P0114": CodePage(
        "a `for` without `:` or without its block",
        """\
The header of a `for` ends with `:`, and the statements of its block follow below it, each on a
line of its own and indented. There is no block without a statement.

    # wrong
    for part in layout
        x[part.box] ~ flux(part.text)

    # right
    for part in layout:
        x[part.box] ~ flux(part.text)
""",
    ),
    "P0115": CodePage(
        "not a number",
        """\
Numbers are written `3`, `0.5`, `.5` and `1e-3`, in decimal digits, without separators and
units. A product of a number and a name has a `*` between them.

    # wrong
    let a = 2pi

    # right
    let a = 2 * pi
""",
    ),
    "P0116": CodePage(
        "a line that is not a statement",
        """\
Every line is a statement, and these are all there are:

    use NAME from "PLACE"
    input NAME : Type = default
    let NAME = expression
    expert NAME(parameters) = product
    NAME : Type
    NAME ~ product
    NAME[region] ~ product given NAME
    for NAME in expression:
    sample NAME by METHOD(options)

A density alone says nothing of a variable; there are no conditions, definitions of functions or
imports as in other languages.

    # wrong
    Normal(0, 1)

    # right
    x ~ Normal(0, 1)
""",
    ),
    "P0117": CodePage(
        "an input without a type",
        """\
An input is declared with its type, also where it has a default.

    # wrong
    input label = 3
    x ~ digits(label)

    # right
    input label : Int = 3
    x ~ digits(label)
""",
    ),
}
