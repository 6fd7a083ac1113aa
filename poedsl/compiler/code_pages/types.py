"""Pages of errors in types and shapes."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

TYPES: dict[str, CodePage] = {
    "P0301": CodePage(
        "arguments that do not fit a signature",
        """\
A call has too many arguments, lacks one, or names a parameter that does not exist. The note
shows the signature; `poe experts NAME` says what each parameter is.

    x ~ Normal(0)                # wrong: scale is missing
    x ~ Normal(0, scale = 1)     # right
""",
    ),
    "P0302": CodePage(
        "an argument of the wrong type",
        """\
A value of one type stands where another is needed.

    input depth : Depth
    x ~ flux_fill(depth)         # wrong: flux_fill takes a mask
""",
    ),
    "P0303": CodePage(
        "shapes that do not fit",
        """\
Shapes broadcast as in NumPy: aligned at their ends, sizes equal or one.

    x : Real[2]
    x ~ Normal([0, 0, 0], 1)     # wrong: three numbers for two components
    x ~ Normal([0, 0], 1)        # right
""",
    ),
    "P0304": CodePage(
        "experts over different things",
        """\
The experts of a variable share one domain; open sizes are taken from each other, others must
agree.

    x : Image[3, 64, 64]
    x ~ digits()                 # wrong: digits are Image[1, 8, 8]
""",
    ),
    "P0305": CodePage(
        "a part that is not there",
        """\
An index or the end of a slice lies outside, a box holds no pixel, or the value has no such part.
Indices count from 0, those that come with data too; a box is left, top, right, bottom in
fractions of width and height.

    x : Real[2]
    x ~ Normal(0, 1)
    x[2] ~ Normal(1, 1)              # wrong: x has the components 0 and 1
    x[1] ~ Normal(1, 1)              # right
""",
    ),
    "P0306": CodePage(
        "an expression without a value",
        """\
An expression of constants cannot be computed: a division by zero, the root of a negative
number, a number that is too large, a count that is not a whole number. A constant has at most
1,000,000 numbers.

    let c = linspace(0, 1, 2.5)      # wrong
    let c = linspace(0, 1, 3)        # right
""",
    ),
    "P0307": CodePage(
        "a parameter outside its range",
        """\
Scales are above zero, and an interval begins below its end; covariance and precision matrices are
symmetric and positive definite; scale_tril is lower triangular with a positive diagonal. A
parameter that belongs to another, as `system` to the `chat` of `lm`, is given together with it.

    x ~ Normal(0, -1)            # wrong
""",
    ),
    "P0308": CodePage(
        "a type that does not exist",
        """\
The types are Real, Int, Bool, Text, Image, Depth, Mask, Video, Tokens, Category, Region,
Layout and File. Variables that this release can sample are Real, Image and Video.
""",
    ),
    "P0309": CodePage(
        "sizes that are none",
        """\
A size is a whole number of at least 1; one that comes with the data of an input may be 0. Image
takes three sizes (channels, height, width), Depth and Mask two, Video four; Real takes any number.
The sizes of a variable may be left open where an expert says what they are.

    x : Image[64, 64]            # wrong
    x : Image[3, 64, 64]         # right
""",
    ),
    "P0310": CodePage(
        "where without a condition",
        """\
`where` takes a condition: a comparison, or several joined by `and`, `or`, `not`.

    x ~ Normal(0, 1) * where(x)          # wrong
    x ~ Normal(0, 1) * where(x > 0)      # right
""",
    ),
    "P0311": CodePage(
        "a value that is not a number",
        """\
Arithmetic and functions take numbers; `and`, `or` and `not` take conditions.
""",
    ),
    "P0312": CodePage(
        "a model conditioned on a variable",
        """\
The arguments of models are constants, inputs and expressions in them, since models prepare their
conditions once. A density may be conditioned on another variable, and a reward may depend on
several.

    y : Real
    y ~ Normal(0, 2)
    x ~ Normal(x, 1)                          # wrong: around itself

    y : Real
    y ~ Normal(0, 2)
    x ~ Normal(0, 5) * Normal(y, 1)           # right: around y, with a start of its own
""",
    ),
    "P0313": CodePage(
        "models of different latent spaces",
        """\
A model with an autoencoder lives in the latent space of that autoencoder: what its numbers mean is
known there alone. Scores are added within one space, so models of two spaces cannot be multiplied.

    x ~ wan_i2v(image) * framepack(image)     # wrong: Wan2.1 and HunyuanVideo

    x ~ wan_i2v(image) * wan_depth(depth)     # right: both live in Wan2.1's
""",
    ),
    "P0314": CodePage(
        "a shape of a truncated density that depends on a variable",
        """\
The normalising constants of `TruncatedGamma`, `TruncatedInverseGamma`, `TruncatedChi2`,
`TruncatedBeta` and `TruncatedStudentT` are incomplete gamma and beta functions, of which the
gradient in the shape is not available: `concentration`, `concentration1`, `concentration0` and
`df` are constants, inputs and expressions in them. Rates, locations, scales and bounds may depend
on variables.

    a ~ Gamma(2, 1)
    x ~ TruncatedGamma(a, 1, high = 5)        # wrong: the shape is a variable

    b ~ Gamma(2, 1)
    x ~ TruncatedGamma(3, b, high = 5)        # right: the rate is
""",
    ),
}
