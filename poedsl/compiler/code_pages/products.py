"""Pages of errors in products and in the factors of a variable."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

PRODUCTS: dict[str, CodePage] = {
    "P0401": CodePage(
        "a number among densities",
        """\
`*` multiplies densities, always. A number times a density is no density of its own; to give
an expert more or less say, raise it to a power.

    x ~ 2 * Normal(0, 1)         # wrong
    x ~ Normal(0, 1)^2           # right
""",
    ),
    "P0402": CodePage(
        "a reward without exp",
        """\
A reward is a number, not a density. Its factor is its exponential.

    x ~ flux(prompt) * vqascore(prompt)          # wrong
    x ~ flux(prompt) * exp(vqascore(prompt))     # right
""",
    ),
    "P0403": CodePage(
        "a density inside arithmetic",
        """\
Experts, mixtures and conditions are factors of a product. They have no place inside
expressions of numbers; rewards have one under `exp` only.

    x ~ exp(Normal(0, 1))        # wrong
""",
    ),
    "P0404": CodePage(
        "a product that cannot be integrated",
        """\
A product of Gaussians with exponents w_i and covariances Sigma_i is a density only where the
sum of w_i Sigma_i^-1 is positive definite (Soiffer et al., Theorem 1). Dividing by a Gaussian
that is narrower than what it divides leaves something that grows without bound.

    x ~ Normal(0, 2) / Normal(0, 1)      # wrong: 1/4 - 1 is below zero
    x ~ Normal(0, 1) / Normal(0, 2)^0.5  # right
""",
    ),
    "P0405": CodePage(
        "weights of a mixture",
        """\
The weights of a mixture are above zero, known when the program is compiled, and sum to one;
without weights all components weigh the same. Nothing is renormalised silently.

    x ~ mixture(1: Normal(0, 1), 1: Normal(4, 1))        # wrong
    x ~ mixture(0.5: Normal(0, 1), 0.5: Normal(4, 1))    # right
""",
    ),
    "P0406": CodePage(
        "a component without a density",
        """\
A mixture needs the density of each of its parts, so its parts are densities or mixtures;
learned flows give a score only, and products are not normalised. Experts over sequences, as
`Markov` or `lm`, are no parts either: the path of a sequence extends each of them by itself. Data
may have mixtures of `Categorical`.
""",
    ),
    "P0407": CodePage(
        "a path without a start",
        """\
On pure noise every expert is N(0, 1), and the product N(0, 1) to the power of the sum of
exponents. A sum of zero or less is no density to start from; and a product may be one at both
ends of the path and not in between.
""",
    ),
    "P0408": CodePage(
        "a variable that nothing generates",
        """\
Rewards and constraints multiply a density. Each variable needs at least one expert that generates
it: a Gaussian, a mixture of Gaussians, or a learned flow.

    x : Real
    x ~ exp(-x^2)                        # wrong
    x ~ Normal(0, 10) * exp(-x^2)        # right
""",
    ),
    "P0409": CodePage(
        "an exponent that is no number",
        """\
An exponent is a number or an input of type Real, the same for all values of the variable. A
condition has no negative power.

    x ~ Normal(0, 1)^"2"         # wrong
    x ~ Normal(0, 1)^2           # right

A mask is an exponent of experts that generate. With `normalize_exponents = true` each exponent is
divided by the sum of those over a component, which has to be one number for a density such as
`Gamma` over several components.
""",
    ),
    "P0410": CodePage(
        "exp of more than one number",
        """\
A reward is one number. Add up the components of a tensor.

    x ~ Normal([0, 0], 1) * exp(-x^2)            # wrong: two numbers
    x ~ Normal([0, 0], 1) * exp(-sum(x^2))       # right
""",
    ),
    "P0411": CodePage(
        "a program without a variable",
        """\
A program says what to sample. A variable comes with a statement about it.

    let c = 3                    # wrong: nothing is sampled

    let c = 3
    x ~ Normal(c, 1)             # right
""",
    ),
    "P0412": CodePage(
        "given without a parent",
        """\
`given x` conditions an expert on the statements on the whole of x that have no `given` themselves
(Zhang et al., Eq. 6). There must be one, the variable is the statement's own, and the statement
must hold an expert that generates.

    x : Image[3, 64, 64]
    x[box(0, 0, 0.5, 1)] ~ flux("a horse") given x    # wrong: x has no parent

    x : Image[3, 64, 64]
    x ~ flux("a meadow")
    x[box(0, 0, 0.5, 1)] ~ flux("a horse") given x    # right
""",
    ),
    "P0413": CodePage(
        "a statement that has no place in a loop",
        """\
A block of `for` holds factors, constants and further loops. What is declared once stands outside.

    x : Real[3]
    for i in range(3):
        input m : Real                        # wrong
        x[i] ~ Normal(m, 1)
""",
    ),
    "P0414": CodePage(
        "densities that share no point",
        """\
A product is zero wherever one of its densities is. Where their supports share no point it is zero
everywhere, and there is nothing to sample. Two densities over shares that sum to one are over the
same vector, or over vectors apart.

    x ~ Uniform(0, 1) * Uniform(2, 3)    # wrong
    x ~ Uniform(0, 2) * Uniform(1, 3)    # right
""",
    ),
    "P0415": CodePage(
        "data that depend on a variable",
        """\
What stands on the left of `~` is a variable, or data: an input, or a constant of inputs. The name
here is of a constant that depends on a variable, and so is neither. A density of an expression is a
reward, with `log_prob`; it does not change variables, so that no Jacobian is counted.

    x ~ Normal(0, 1)
    let y = 2 * x
    y ~ Normal(1, 1)                       # wrong

    x ~ Normal(0, 1)
    let y = 2 * x
    x ~ exp(log_prob(Normal(1, 1), y))     # right
""",
    ),
    "P0416": CodePage(
        "a density that its target cannot have",
        """\
A density of whole numbers is for data of type Int or Bool; a variable is sampled by gradients, and
discrete ones are summed out, as a mixture does. Data have a density of the language, whose
parameters may depend on variables; models and densities of the program's own are for variables.

    input y : Real[20]
    rate ~ Gamma(2, 1)
    y ~ Poisson(rate)                      # wrong: y is Real

    input y : Int[20]
    rate ~ Gamma(2, 1)
    y ~ Poisson(rate)                      # right
""",
    ),
}
