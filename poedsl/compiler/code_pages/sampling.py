"""Pages of errors in ``sample`` and its options."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

SAMPLING: dict[str, CodePage] = {
    "P0501": CodePage(
        "an option that does not exist",
        """\
The options of `anneal` are particles, steps, path, move, kernel, condition, correct,
potential, resample, start, islands, normalize_exponents and keep, each given by its name.
""",
    ),
    "P0502": CodePage(
        "an option with an unfit value",
        """\
The message says what the option takes.

    sample x by anneal(particles = many)         # wrong
    sample x by anneal(particles = 512)          # right
""",
    ),
    "P0503": CodePage(
        "options that exclude each other",
        """\
Some options need what the experts of a program cannot give: exact ratios and Metropolis steps
need densities, and a learned flow gives a score. Others exclude one another; the note says
why. Left out, the compiler chooses options that fit.
""",
    ),
    "P0504": CodePage(
        "sampling what is not a variable",
        """\
`sample` names variables of the program: those with a `~` statement.
""",
    ),
    "P0506": CodePage(
        "an expression nested too deeply",
        """\
An expression has many hundreds of levels, or constants and definitions that build on each
other unfold to very many operations. Write it in parts, with `let` or several `~` statements on
the same variable: they multiply.
""",
    ),
    "P0507": CodePage(
        "more than a limit allows",
        """\
Programs, plans and inputs come from many places, and a single number in them can ask for more
memory or time than a machine has. Sizes that are known beforehand are compared with limits, before
anything is read or allocated.

    # wrong
    x ~ Normal(0, 1) * Normal(1, 1)
    sample x by anneal(particles = 10^9)

    # right
    x ~ Normal(0, 1) * Normal(1, 1)
    sample x by anneal(particles = 10^4)

The message names the limit. `poe run --limit particles=2000000000 program.poe` allows more, as does
`with poedsl.limits(particles=2_000_000_000):` in Python. A program cannot change limits.
""",
    ),
}
