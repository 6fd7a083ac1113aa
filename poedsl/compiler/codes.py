"""What ``poe explain CODE`` says of the codes that the compiler and the runtime give."""

from __future__ import annotations

from poedsl.grammar.codes import SYNTAX, CodePage

_PAGES: dict[str, tuple[str, str]] = {
    "P0201": (
        "a name that nothing has",
        """\
A name stands where a value is needed, and nothing declares it.

    x ~ Normal(mu, 1)            # wrong: nothing says what mu is

    input mu : Real
    x ~ Normal(mu, 1)            # right

Names that are arguments of a learned expert or a reward become inputs by themselves, with the
parameter's type; numbers in densities and expressions do not, and a name that nearly is a
declared one never does.
""",
    ),
    "P0202": (
        "an expert, reward or function that does not exist",
        """\
A call names something that this release does not know. `poe experts` lists experts and
rewards.

    x ~ Nomral(0, 1)             # wrong
    x ~ Normal(0, 1)             # right
""",
    ),
    "P0203": (
        "a name declared twice",
        """\
A name is declared once: as an input, a constant or a variable.

    let c = 3
    input c : Real               # wrong: c is a constant already
""",
    ),
    "P0204": (
        "a name used above its declaration",
        """\
Constants and inputs are declared above their first use.

    let a = b + 1                # wrong
    let b = 2

    let b = 2
    let a = b + 1                # right
""",
    ),
    "P0205": (
        "an implicit input under --strict",
        """\
With --strict every input is declared; without it a free name that is an argument of an
expert, and an argument that is left out and has no default, become inputs.

    x ~ flux(prompt)             # refused by --strict

    input prompt : Text
    x ~ flux(prompt)             # accepted
""",
    ),
    "P0209": (
        "an argument that a definition does not pass on",
        """\
Inside a definition of an `expert`, arguments that are left out come from its parameters only, so
that what it takes can be read off its first line.

    expert cut(mask) = flux_fill(mask)                   # wrong: where is the image from?
    x ~ cut(mask)

    expert paste(mask, image, prompt) = flux_fill(mask)  # right
    x ~ paste(mask)
""",
    ),
    "P0210": (
        "an expert defined by itself",
        """\
A definition stands for its product wherever it is called, so it cannot call itself, not even by
way of another definition.

    expert twice(m) = twice(m) * Normal(m, 1)    # wrong
    x ~ twice(0)

    expert both(m) = Normal(m, 1) * Normal(m, 2) # right
    x ~ both(0)
""",
    ),
    "P0301": (
        "arguments that do not fit a signature",
        """\
A call has too many arguments, lacks one, or names a parameter that does not exist. The note
shows the signature; `poe experts NAME` says what each parameter is.

    x ~ Normal(0)                # wrong: scale is missing
    x ~ Normal(0, scale = 1)     # right
""",
    ),
    "P0302": (
        "an argument of the wrong type",
        """\
A value of one type stands where another is needed.

    input depth : Depth
    x ~ flux_fill(depth)         # wrong: flux_fill takes a mask
""",
    ),
    "P0303": (
        "shapes that do not fit",
        """\
Shapes broadcast as in NumPy: aligned at their ends, sizes equal or one.

    x : Real[2]
    x ~ Normal([0, 0, 0], 1)     # wrong: three numbers for two components
    x ~ Normal([0, 0], 1)        # right
""",
    ),
    "P0304": (
        "experts over different things",
        """\
The experts of a variable share one domain; open sizes are taken from each other, others must
agree.

    x : Image[3, 64, 64]
    x ~ digits()                 # wrong: digits are Image[1, 8, 8]
""",
    ),
    "P0305": (
        "a part that is not there",
        """\
An index or the end of a slice lies outside, a box holds no pixel, or the value has no such part.
Indices count from 0; a box is left, top, right, bottom in fractions of width and height.

    x : Real[2]
    x ~ Normal(0, 1)
    x[2] ~ Normal(1, 1)              # wrong: x has the components 0 and 1
    x[1] ~ Normal(1, 1)              # right
""",
    ),
    "P0306": (
        "an expression without a value",
        """\
An expression of constants cannot be computed: a division by zero, the root of a negative
number, a number that is too large, a count that is not a whole number. A constant has at most
1,000,000 numbers.

    let c = linspace(0, 1, 2.5)      # wrong
    let c = linspace(0, 1, 3)        # right
""",
    ),
    "P0307": (
        "a parameter outside its range",
        """\
Scales are above zero, and an interval begins below its end; covariance and precision matrices are
symmetric and positive definite; scale_tril is lower triangular with a positive diagonal.

    x ~ Normal(0, -1)            # wrong
""",
    ),
    "P0308": (
        "a type that does not exist",
        """\
The types are Real, Int, Bool, Text, Image, Depth, Mask, Video, Tokens, Category, Region,
Layout and File. Variables that this release can sample are Real, Image and Video.
""",
    ),
    "P0309": (
        "sizes that are none",
        """\
A size is a whole number of at least 1. Image takes three sizes (channels, height, width),
Depth and Mask two, Video four; Real takes any number. The sizes of a variable may be left
open where an expert says what they are.

    x : Image[64, 64]            # wrong
    x : Image[3, 64, 64]         # right
""",
    ),
    "P0310": (
        "where without a condition",
        """\
`where` takes a condition: a comparison, or several joined by `and`, `or`, `not`.

    x ~ Normal(0, 1) * where(x)          # wrong
    x ~ Normal(0, 1) * where(x > 0)      # right
""",
    ),
    "P0311": (
        "a value that is not a number",
        """\
Arithmetic and functions take numbers; `and`, `or` and `not` take conditions.
""",
    ),
    "P0312": (
        "a model conditioned on a variable",
        """\
The arguments of models are constants, inputs and expressions in them, since models prepare their
conditions once. A density may stand around another variable, and a reward may judge several.

    y : Real
    y ~ Normal(0, 2)
    x ~ Normal(x, 1)                          # wrong: around itself

    y : Real
    y ~ Normal(0, 2)
    x ~ Normal(0, 5) * Normal(y, 1)           # right: around y, with a start of its own
""",
    ),
    "P0313": (
        "models of different latent spaces",
        """\
A model with an autoencoder lives in the latent space of that autoencoder: what its numbers mean is
known there alone. Scores are added within one space, so models of two spaces cannot be multiplied.

    x ~ wan_i2v(image) * framepack(image)     # wrong: Wan2.1 and HunyuanVideo

    x ~ wan_i2v(image) * wan_depth(depth)     # right: both live in Wan2.1's
""",
    ),
    "P0401": (
        "a number among densities",
        """\
`*` multiplies densities, always. A number times a density is no density of its own; to give
an expert more or less say, raise it to a power.

    x ~ 2 * Normal(0, 1)         # wrong
    x ~ Normal(0, 1)^2           # right
""",
    ),
    "P0402": (
        "a reward without exp",
        """\
A reward is a number, not a density. Its factor is its exponential.

    x ~ flux(prompt) * vqascore(prompt)          # wrong
    x ~ flux(prompt) * exp(vqascore(prompt))     # right
""",
    ),
    "P0403": (
        "a density inside arithmetic",
        """\
Experts, mixtures and conditions are factors of a product. They have no place inside
expressions of numbers; rewards have one under `exp` only.

    x ~ exp(Normal(0, 1))        # wrong
""",
    ),
    "P0404": (
        "a product that cannot be integrated",
        """\
A product of Gaussians with exponents w_i and covariances Sigma_i is a density only where the
sum of w_i Sigma_i^-1 is positive definite (Soiffer et al., Theorem 1). Dividing by a Gaussian
that is narrower than what it divides leaves something that grows without bound.

    x ~ Normal(0, 2) / Normal(0, 1)      # wrong: 1/4 - 1 is below zero
    x ~ Normal(0, 1) / Normal(0, 2)^0.5  # right
""",
    ),
    "P0405": (
        "weights of a mixture",
        """\
The weights of a mixture are above zero, known when the program is compiled, and sum to one;
without weights all components weigh the same. Nothing is renormalised silently.

    x ~ mixture(1: Normal(0, 1), 1: Normal(4, 1))        # wrong
    x ~ mixture(0.5: Normal(0, 1), 0.5: Normal(4, 1))    # right
""",
    ),
    "P0406": (
        "a component without a density",
        """\
A mixture needs the density of each of its parts, so its parts are densities or mixtures;
learned flows give a score only, and products are not normalised.
""",
    ),
    "P0407": (
        "a path without a start",
        """\
On pure noise every expert is N(0, 1), and the product N(0, 1) to the power of the sum of
exponents. A sum of zero or less is no density to start from; and a product may be one at both
ends of the path and not in between.
""",
    ),
    "P0408": (
        "a variable that nothing generates",
        """\
Rewards and conditions tilt a density. Each variable needs at least one expert that generates
it: a Gaussian, a mixture of Gaussians, or a learned flow.

    x : Real
    x ~ exp(-x^2)                        # wrong
    x ~ Normal(0, 10) * exp(-x^2)        # right
""",
    ),
    "P0409": (
        "an exponent that is no number",
        """\
An exponent is a number or an input of type Real, the same for all values of the variable. A
condition has no negative power.

    x ~ Normal(0, 1)^"2"         # wrong
    x ~ Normal(0, 1)^2           # right
""",
    ),
    "P0410": (
        "exp of more than one number",
        """\
A reward is one number. Add up the components of a tensor.

    x ~ Normal([0, 0], 1) * exp(-x^2)            # wrong: two numbers
    x ~ Normal([0, 0], 1) * exp(-sum(x^2))       # right
""",
    ),
    "P0411": (
        "a program without a variable",
        """\
A program says what to sample. A variable comes with a statement about it.

    let c = 3                    # wrong: nothing is sampled

    let c = 3
    x ~ Normal(c, 1)             # right
""",
    ),
    "P0412": (
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
    "P0413": (
        "a statement that has no place in a loop",
        """\
A block of `for` holds factors, constants and further loops. What is declared once stands outside.

    x : Real[3]
    for i in range(3):
        input m : Real                        # wrong
        x[i] ~ Normal(m, 1)
""",
    ),
    "P0414": (
        "densities that share no point",
        """\
A product is zero wherever one of its densities is. Where their supports share no point it is zero
everywhere, and there is nothing to sample. Two densities over shares that sum to one are over the
same vector, or over vectors apart.

    x ~ Uniform(0, 1) * Uniform(2, 3)    # wrong
    x ~ Uniform(0, 2) * Uniform(1, 3)    # right
""",
    ),
    "P0501": (
        "an option that does not exist",
        """\
The options of `anneal` are particles, steps, path, move, kernel, condition, correct,
potential, resample, start, islands, normalize_exponents and keep, each given by its name.
""",
    ),
    "P0502": (
        "an option with an unfit value",
        """\
The message says what the option takes.

    sample x by anneal(particles = many)         # wrong
    sample x by anneal(particles = 512)          # right
""",
    ),
    "P0503": (
        "options that exclude each other",
        """\
Some options need what the experts of a program cannot give: exact ratios and Metropolis steps
need densities, and a learned flow gives a score. Others exclude one another; the note says
why. Left out, the compiler chooses options that fit.
""",
    ),
    "P0504": (
        "sampling what is not a variable",
        """\
`sample` names variables of the program: those with a `~` statement.
""",
    ),
    "P0506": (
        "an expression nested too deeply",
        """\
An expression has many hundreds of levels, or constants and definitions that build on each
other unfold to very many operations. Write it in parts, with `let` or several `~` statements on
the same variable: they multiply.
""",
    ),
    "P0601": (
        "an input without a value",
        """\
Inputs without a default are given by the caller.

    poe run program.poe --set prompt="a cat" --set depth=@depth.png
    plan.bind(prompt="a cat", depth=image)
""",
    ),
    "P0602": (
        "a value of the wrong type",
        """\
The value given for an input is not of its type.
""",
    ),
    "P0603": (
        "a value of the wrong shape",
        """\
The value given for an input has other sizes than its type. Pictures are channel-first:
Image[3, 480, 640] has 3 channels, 480 rows and 640 columns.
""",
    ),
    "P0604": (
        "a file that cannot be read",
        """\
Pictures are PNG, JPEG or WebP; numbers come from JSON, CSV or .npy files.
""",
    ),
    "P0605": (
        "a value for an input that does not exist",
        """\
`--set NAME=VALUE` and `plan.bind(NAME=...)` name inputs of the program; `poe check` lists
them.
""",
    ),
    "P0606": (
        "not a plan",
        """\
The file is not a plan of this version, or was changed after it was written: its content no
longer has the hash it states. A plan that another tool wrote has its hash and is no plan all the
same where a name, a call, an option or a value in it is not one that the compiler would have
made; the message then has the place in the JSON:

    at `factors[0].term`, `scale` is above 0, and this is -1
""",
    ),
    "P0701": (
        "a model that is not here",
        """\
The weights of an expert are not on this machine: there is no such folder, or the model has not been
fetched. The notes say how large it is, under which licence it stands, and the command that fetches
it. Other weights are named in the program, `flux(model = "FOLDER")`, or in a profile of `poe.toml`:

    [profile.mine.models]
    flux = "FOLDER"

`poe run --profile mine` then takes those. `--profile small` has small models that come with the
package.
""",
    ),
    "P0702": (
        "a device that does not exist",
        """\
Devices are cpu, cuda:0, cuda:1, ... as far as the machine has them. Apple's mps is none: runs keep
log weights in double precision, which it does not have.
""",
    ),
    "P0703": (
        "an expert that cannot run",
        """\
The expert's library is not installed, or this release knows only what the expert takes. The
note says which.
""",
    ),
    "P0704": (
        "results that cannot be written",
        """\
The folder given with --out cannot be written: it is a file, the disk is full, or it is not
permitted. An earlier result in the folder stays as it is; what could be written of the new one is
in `.poedsl-unfinished` there.
""",
    ),
    "P0712": (
        "a folder with files of another origin",
        """\
`--out DIR` names a folder that holds files which no run of poedsl wrote, or in which a file or
folder of a run was replaced by a symbolic link. Nothing in it is written or removed. A run lists
its files in `.poedsl-run.json`, and a later run into the same folder replaces only those. Name a
folder that does not exist yet, or an empty one.

    poe run crossing.poe --out .             # wrong: the folder holds the program
    poe run crossing.poe --out crossing      # right
""",
    ),
    "P0705": (
        "a run that failed",
        """A run whose particles all lost their weight has nothing to draw from; its outcome
says why, and what may help.""",
    ),
    "P0709": (
        "an option that is planned and not run",
        """\
The language has this option, and a plan can hold it, but this release cannot run it. Leave it
out, and the compiler chooses one that runs; the printed plan says which, and why.
""",
    ),
    "P0710": (
        "a profile that cannot be read",
        """\
A profile says which weights experts have and how their networks are run. `--profile NAME` takes it
from `poe.toml`, beside the program or in a folder above it:

    [profile.mine]
    dtype = "bfloat16"      # auto, float32, bfloat16 or float16
    device = "cuda"         # where networks are; the run's own device if left out
    offload = "blocks"      # none, or blocks: in main memory, a block at a time on the GPU
    quantize = "fp8"        # none, fp8 or int8: how weights are stored
    microbatch = 4          # particles that a network sees at once
    checkpointing = true    # less memory where gradients pass through a network
    [profile.mine.models]
    flux = "FOLDER"         # relative to poe.toml; or an id of the hub

`default` and `small` are there without a file.
""",
    ),
    "P0711": (
        "language models with different tokenizers",
        """\
A product of language models is one over their tokens: the same numbers must stand for the same
pieces of text, and the same one must end it. Models of one family mostly share a tokenizer. The
message names the first token that differs.

    y ~ lm("gpt2") * lm("Qwen/Qwen2.5-0.5B")                    # wrong
    y ~ lm("Qwen/Qwen2.5-1.5B") * lm("Qwen/Qwen2.5-0.5B")       # right
""",
    ),
    "P0801": (
        "an unused input",
        """\
An input is declared and nothing uses it. Remove it, or use it.
""",
    ),
    "P0802": (
        "exponents that do not sum to one",
        """\
A note, not an error, where learned models are multiplied: `flux(a) * flux(b)` is sharper than
either. Where a geometric mean is meant, write the exponents, or `normalize_exponents = true` in the
`sample` statement. Of densities such as `Normal(0, 1) * Normal(0, 1)` the plan alone says it.
""",
    ),
    "P0803": (
        "a reward that never changes",
        """\
A reward or condition does not depend on the variable, so it favours nothing.
""",
    ),
    "P0804": (
        "a factor to the power 0",
        """\
A factor to the power 0 is 1 everywhere. It is left out of the plan. Remove it, or give it
another exponent.
""",
    ),
    "P0805": (
        "parts that overlap are told different things",
        """\
One model sees two parts that share some of the picture, with a prompt each. Where they overlap it
is asked for both at once. Make the parts disjoint, or say the same.
""",
    ),
    "P0806": (
        "an expert that counts more than once in places",
        """\
The same expert, with the same arguments, sees two parts that overlap: where they do, its exponents
add up to more than one, and what it likes is sharpened there. Make the parts disjoint, or write
the exponents so that they sum to one.
""",
    ),
    "P0807": (
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
    "P0808": (
        "two inputs of nearly the same name",
        """\
A name that nothing declares is an input, and this one is another one but for a letter. If they are
one, spell them alike; if they are two, declare them.

    x ~ flux(prompt) * exp(vqascore(promt))       # wrong
    x ~ flux(prompt) * exp(vqascore(prompt))      # right
""",
    ),
    "P0809": (
        "a product that does not fall off",
        """\
Far out along some axis the product grows, or falls off more slowly than 1 / |x|, or towards an end
of its support it rises as fast as 1 / distance, so that it has no integral and is no density. Of
Gaussians alone this is an error, P0404; of other densities and of rewards it is said where
constants show it.

    x ~ Normal(0, 1) * exp(x^2)                   # wrong: exp(x^2 / 2)
    x ~ Laplace(0, 1) / Laplace(0, 0.5)           # wrong: exp(|x|)
    x ~ Gamma(1, 1) / Gamma(3, 1)                 # wrong: 1 / x^2, from 0 on

    x ~ Normal(0, 1) * exp(x^2 / 4)               # right
    x ~ Laplace(0, 0.5) / Laplace(0, 1)           # right
""",
    ),
    "P0901": (
        "a command of the session that cannot be done",
        """\
Lines that begin with % are commands of `poe repl`, not statements of the program; `%help` lists
them. The message says what this one takes.
""",
    ),
    "P0206": (
        "a `use` of what is not there",
        """\
`use` names Python in a file beside the program or in a module, the folder of a model, or a model
of the hub that an expert of the language has as its default.

    use redness from "rewards.py"              # wrong: which of its functions?
    use redness from "rewards.py:redness"      # right
    use redness from "package.module:redness"  # right
    use mine from "models/my_digits"           # right: a folder that diffusers has written

Files are read and not run when a program is compiled; one with an error of syntax cannot be read.
""",
    ),
    "P0207": (
        "a `use` of what is no expert, reward or source",
        """\
A Python function or class is made an expert, a reward or a source by a decorator. The class of an
expert has one of the methods `velocity`, `score` and `log_prob`, that of a reward `__call__`.
A function that calls `pyro.sample` is a model of Pyro's without one.

    def redness(x: poedsl.Image):              # wrong
        return x[:, 0].mean((1, 2))

    @poedsl.reward
    def redness(x: poedsl.Image):              # right
        return x[:, 0].mean((1, 2))

A plan that was made with one signature is not run with another: compile the program again.
""",
    ),
    "P0208": (
        "a parameter whose type or default cannot be read",
        """\
The parameters of Python that a program uses have annotations: a type of Python (float, int, bool,
str) or of the language (poedsl.Real[2], poedsl.Image[3, 64, 64], poedsl.Depth, ...). Since they are
read without running the code, defaults and options are written as plain numbers and texts.

    @poedsl.reward
    def redness(x, amount=WEIGHT):                         # wrong
        ...

    @poedsl.reward
    def redness(x: poedsl.Image, amount: float = 0.5):     # right
        ...
""",
    ),
    "P0707": (
        "Python that may not run",
        """\
A program can name Python code. To check and plan the program it is read; to run the program it has
to be run, with everything that stands in its file, and that takes the caller's leave. The message
says which file. Code that a Python process has decorated itself needs no leave there.

    poe run program.poe                        # wrong, where program.poe says use f from "f.py:f"
    poe run program.poe --allow-code           # right

    plan.run(allow_code=True)                  # right, in Python
""",
    ),
    "P0708": (
        "Python that failed",
        """\
A function or class that a program uses raised an exception, or did not return what it should: a
reward or a log density returns one number a particle, shape [L] for particles [L, ...]; a score or
a velocity one number a component, shape [L, ...]. The message names the line. A model of Pyro's has
continuous sites, the same ones whatever their values.

    @poedsl.reward
    def redness(x: poedsl.Image):
        return x[:, 0].mean()                  # wrong: one number for all particles

    @poedsl.reward
    def redness(x: poedsl.Image):
        return x[:, 0].mean((1, 2))            # right
""",
    ),
}

CODES: dict[str, CodePage] = {
    **SYNTAX,
    **{code: CodePage(title=title, page=page) for code, (title, page) in _PAGES.items()},
}
