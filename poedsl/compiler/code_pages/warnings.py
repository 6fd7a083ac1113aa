"""Pages of warnings."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

WARNINGS: dict[str, CodePage] = {
    "P0801": CodePage(
        "an unused input",
        """\
An input is declared and nothing uses it. Remove it, or use it.
""",
    ),
    "P0802": CodePage(
        "exponents that do not sum to one",
        """\
A note, not an error, where learned models are multiplied: `flux(a) * flux(b)` is sharper than
either. Where a geometric mean is meant, write the exponents, or `normalize_exponents = true` in the
`sample` statement. Of densities such as `Normal(0, 1) * Normal(0, 1)` the plan alone says it.
""",
    ),
    "P0803": CodePage(
        "a reward that never changes",
        """\
A reward or condition does not depend on the variable, so it favours nothing.
""",
    ),
    "P0804": CodePage(
        "a factor to the power 0",
        """\
A factor to the power 0 is 1 everywhere. It is left out of the plan. Remove it, or give it
another exponent.
""",
    ),
    "P0805": CodePage(
        "overlapping parts with different prompts",
        """\
One model sees two parts that share some of the picture, with a prompt each. Where they overlap, it
is conditioned on both prompts. Make the parts disjoint, or give them the same prompt.
""",
    ),
    "P0806": CodePage(
        "an expert that counts more than once in places",
        """\
The same expert, with the same arguments, sees two parts that overlap: where they do, its exponents
add up to more than one, and what it likes is sharpened there. Make the parts disjoint, or write
the exponents so that they sum to one.
""",
    ),
    "P0807": CodePage(
        "a condition that says nothing, or leaves nothing",
        """\
A condition holds always or never, or with probability zero: an equality of continuous values is
one that no particle meets.

    x ~ Normal(0, 1) * where(x == 0)              # wrong
    x ~ Normal(0, 1) * where(x > 1 and x < 0)     # wrong

    x ~ Normal(0, 1) * where(abs(x) < 0.01)       # right
    x ~ Normal(0, 1) * exp(-100 * x^2)            # right
""",
    ),
    "P0808": CodePage(
        "two inputs of nearly the same name",
        """\
A name that nothing declares is an input, and this one is another one but for a letter. If they are
one, spell them alike; if they are two, declare them.

    x ~ flux(prompt) * exp(vqascore(promt))       # wrong
    x ~ flux(prompt) * exp(vqascore(prompt))      # right
""",
    ),
    "P0809": CodePage(
        "a product that does not fall off",
        """\
Far out along some axis the product grows, or falls off more slowly than 1 / |x|, or towards an end
of its support it rises as fast as 1 / distance, so that it has no integral and is no density. Of
Gaussians alone this is an error, P0404; of other densities and of rewards it is said where
constants show it. A run of such a product is doubtful (P1026).

    x ~ Normal(0, 1) * exp(x^2)                   # wrong: exp(x^2 / 2)
    x ~ Laplace(0, 1) / Laplace(0, 0.5)           # wrong: exp(|x|)
    x ~ Gamma(1, 1) / Gamma(3, 1)                 # wrong: 1 / x^2, from 0 on

    x ~ Normal(0, 1) * exp(x^2 / 4)               # right
    x ~ Laplace(0, 0.5) / Laplace(0, 1)           # right

The power w of a density of scale s over n components has the integral s^(n (1 - w)), up to a
constant. With a prior of the scale that vanishes fast enough at zero, such as `LogNormal(0, 1)` or
`Gamma(3, 1)`, the product is integrable.

    x ~ Normal(0, s)^2
    s ~ HalfNormal(1)                             # wrong: with x integrated out 1 / s, from 0 on
    s ~ LogNormal(0, 1)                           # right
""",
    ),
    "P0810": CodePage(
        "a factor that a loop repeats",
        """\
A statement in a block does not depend on the element of the loop, so that the same factors are
multiplied once for each element, as if they had an exponent. Move it above the loop, or use the
element.

    x : Real[3]
    x ~ Normal(0, 1)
    for i in range(3):
        x ~ exp(-x[0]^2)                          # wrong: exp(-3 * x[0]^2)

    x : Real[3]
    x ~ Normal(0, 1)
    for i in range(3):
        x ~ exp(-x[i]^2)                          # right
""",
    ),
    "P0811": CodePage(
        "a pipeline by its call where there is an expert",
        """\
`pipeline("FOLDER")` goes through the call of the pipeline in the library. For this folder the
language has an expert of its own, which evaluates the network itself: it is faster, and it takes
conditions in the language's own types. `use NAME from "FOLDER"` chooses that expert.

    x ~ pipeline("weights/flux", prompt = "a cat")     # works, by the library's call
    x ~ flux("a cat", model = "weights/flux")          # the expert of the language
""",
    ),
    "P0812": CodePage(
        "a loop over many data",
        """\
A loop whose statement is about more than one number at each element is unrolled to one factor for
each, and each is evaluated by itself. One statement on all of the data is evaluated at once, and
means the same: parameters broadcast, `y[1:]` and `y[:-1]` are the data without the first and
without the last.

    input y : Real[100, 2]
    m : Real[2]
    m ~ Normal(0, 1)
    for n in range(100):
        y[n] ~ Normal(m, 1)                       # wrong

    input y : Real[100, 2]
    m : Real[2]
    m ~ Normal(0, 1)
    y ~ Normal(m, 1)                              # right
""",
    ),
}
