"""The options of ``sample ... by anneal(...)``: their forms, arguments and defaults, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, Value


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an option's form: its kind and its default.

    Attributes:
        approximate: why results are approximate when the argument differs from its default.
        biased: why no evidence is reported then.
    """

    name: str
    kind: str
    default: Value
    approximate: str = ""
    biased: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """One value that an option may have, such as ``langevin(steps = 1, step_size = 0.55)``.

    Attributes:
        needs_density: whether it evaluates the log density of every expert.
        needs_conservative: whether the combined scores must be the gradient of a log density.
        approximate: why results are approximate under this form.
        biased: why no evidence is reported under this form.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    summary: str = ""
    available: bool = True
    needs_density: bool = False
    needs_conservative: bool = False
    approximate: str = ""
    biased: str = ""


@dataclass(frozen=True, slots=True)
class Kernel(Form):
    """A Markov kernel: what it moves, what it needs, and how it adapts.

    Attributes:
        moves: real-valued variables, symbols, or nothing.
        needs_score: whether a proposal follows the score.
        acceptance_target: the acceptance rate that the step size adapts to; None for a kernel
            without a Metropolis correction.
        normals: the number of standard normals that a step takes for each component.
        trajectories: whether a step follows a trajectory, whose length has to vary.
        implementation: ``module:Class`` below `poedsl.runtime.kernels`; empty for none, and for
            kernels on symbols.
    """

    moves: Literal["numbers", "symbols", "nothing"] = "numbers"
    needs_score: bool = False
    acceptance_target: float | None = None
    normals: int = 1
    trajectories: bool = False
    implementation: str = ""

    @property
    def adjusted(self) -> bool:
        """Whether a Metropolis correction makes the kernel exactly invariant."""
        return self.acceptance_target is not None

    @property
    def has_step_size(self) -> bool:
        return any(a.name == "step_size" for a in self.arguments)

    def evaluations(self, leaps: int = 1, line: int | None = None) -> int:
        """Evaluations of all experts by one step: one for each leap, and one for each inner node
        of the line integral that replaces log densities.
        """
        return leaps + (line or 0)


@dataclass(frozen=True, slots=True)
class Option:
    """An option: either a plain value of a kind, or one of several forms."""

    name: str
    summary: str
    kind: str = ""
    forms: tuple[Form, ...] = ()

    def form(self, name: str) -> Form | None:
        return next((f for f in self.forms if f.name == name), None)

    @property
    def expected(self) -> str:
        if self.forms:
            shown = [f"`{f.name}`" for f in self.forms]
            return "one of " + ", ".join(shown) if len(shown) > 1 else "".join(shown) or "left out"
        return KINDS[self.kind]


#: Kinds of plain values, in words.
KINDS = {
    "count": "a whole number of at least 1",
    "nodes": "a whole number of at least 1, or none",
    "whole": "a whole number of at least 0",
    "positive": "a number above 0",
    "nonnegative": "a number of at least 0",
    "limit": "a number above 0, or none",
    "share": "a number between 0 and 1, or none",
    "truth": "true or false",
    "density": "a density of numbers such as `Normal(0, 5)`, a mixture of such, or none",
    "image": "the name of an input with the variable's type",
    "rule": "`always`, `ess < c` with c between 0 and 1, or `at(stage, ...)`",
    "gradient": "`backward()` or `forward()`",
}

_STEPS = Argument("steps", "count", 1)
_STEP_SIZE = Argument("step_size", "positive", 0.55)
_LEAPS = Argument("leaps", "count", 5)
_ADAPT = Argument("adapt", "truth", True)
_CONTROL = Argument(
    "control",
    "truth",
    False,
    approximate="the control drift is fitted to the particles, which adds a bias of order 1 / L",
)
_LINE = Argument(
    "line",
    "nodes",
    None,
    approximate="acceptance ratios are computed from a line integral of the scores",
)
_PRECONDITION = Argument("precondition", "truth", False)
_CORRELATION = Argument("correlation", "share", None)


def _metropolis(step_size: float, *others: Argument) -> tuple[Argument, ...]:
    """The arguments of a kernel with a Metropolis correction."""
    size = Argument("step_size", "positive", step_size)
    return (_STEPS, *others, size, _ADAPT, _LINE, _PRECONDITION, _CORRELATION)


_STEP_SIZE_BIAS = "the kernel has no Metropolis correction and is biased by its step size"
_WHEN = Argument("when", "rule", None)

OPTIONS: dict[str, Option] = {
    o.name: o
    for o in (
        Option("particles", "how many particles, L", "count"),
        Option("steps", "how many moves from noise to data, T - 1", "count"),
        Option(
            "path",
            "the annealing path",
            forms=(
                Form("flow", summary="noised marginals, from noise to data"),
                Form("prefix", summary="a token or a section a stage"),
                Form(
                    "temper",
                    (
                        Argument("ess", "share", 0.9),
                        Argument("base", "density", None),
                        Argument("unbiased", "truth", False),
                    ),
                    "powers of the densities, from `base`, or by default from a mixture around "
                    "the modes of the product, as far apart as keeps a share `ess` of the "
                    "particles, in at most `steps` stages; with `ess = none`, in `steps` stages "
                    "at fixed powers; with `unbiased`, a pilot run tunes stages and kernels for a "
                    "second one, of which the mean of exp(log Z) over seeds is Z",
                ),
            ),
        ),
        Option(
            "move",
            "from one distribution of the path to the next",
            forms=(
                Form("ode", (_CONTROL,), "the probability flow"),
                Form(
                    "sde",
                    (Argument("noise", "positive", 1.0), _CONTROL),
                    "with noise, 1 the path's own; `control` adds a drift that evens out the "
                    "weights of `fkc()`",
                ),
                Form("none", summary="no move"),
            ),
        ),
        Option(
            "kernel",
            "the Markov kernel at each stage",
            forms=(
                Kernel(
                    "langevin",
                    (_STEPS, _STEP_SIZE),
                    "unadjusted Langevin, steps in units of sigma / sqrt(W)",
                    needs_score=True,
                    approximate=_STEP_SIZE_BIAS,
                    implementation="langevin:Langevin",
                ),
                Kernel(
                    "mala",
                    _metropolis(0.7),
                    "Metropolis-adjusted Langevin; the step size adapts to the acceptance; with "
                    "`line`, that comes from scores alone, by a line integral with so many inner "
                    "nodes",
                    needs_density=True,
                    needs_conservative=True,
                    needs_score=True,
                    acceptance_target=0.574,  # Roberts and Rosenthal 2001
                    implementation="mala:Mala",
                ),
                Kernel("none", summary="no kernel", moves="nothing"),
                Kernel(
                    "hmc",
                    _metropolis(0.3, _LEAPS),
                    "Hamiltonian Monte Carlo by leapfrog steps; the step size adapts",
                    needs_density=True,
                    needs_conservative=True,
                    needs_score=True,
                    acceptance_target=0.651,  # Beskos et al. 2013
                    trajectories=True,
                    implementation="hmc:Hmc",
                ),
                Kernel(
                    "unadjusted_hmc",
                    (_STEPS, _LEAPS, _STEP_SIZE),
                    "the same without rejection: biased",
                    needs_score=True,
                    approximate=_STEP_SIZE_BIAS,
                    implementation="hmc:UnadjustedHmc",
                ),
                Kernel(
                    "random_walk",
                    _metropolis(1.0),
                    "random-walk Metropolis; the step size adapts",
                    needs_density=True,
                    needs_conservative=True,
                    acceptance_target=0.3,  # 0.234 is optimal in high dimension, 0.44 in one
                    implementation="random_walk:RandomWalk",
                ),
                Kernel(
                    "barker",
                    _metropolis(1.0),
                    "Metropolis with the Barker proposal: the gradient decides the signs of steps, "
                    "not their lengths; robust to the step size, which adapts",
                    needs_density=True,
                    needs_conservative=True,
                    needs_score=True,
                    acceptance_target=0.4,  # Livingstone and Zanella 2022
                    normals=2,
                    implementation="barker:Barker",
                ),
                Kernel(
                    "gibbs",
                    (_STEPS, Argument("block", "count", 1)),
                    "blocks of tokens drawn anew given the rest: exactly invariant",
                    moves="symbols",
                ),
            ),
        ),
        Option(
            "correct",
            "weights for the path itself",
            forms=(
                Form(
                    "none",
                    summary="no weights: biased where experts overlap",
                    biased="the path is not weighted",
                ),
                Form(
                    "fkc",
                    (Argument("clip", "limit", None, biased="clipped weights are biased"),),
                    "Feynman-Kac correction, from scores",
                    needs_conservative=True,
                    approximate="the weights are exact only in the limit of many steps",
                ),
                Form(
                    "ais",
                    summary="exact ratios, from densities",
                    needs_density=True,
                    needs_conservative=True,
                ),
            ),
        ),
        Option(
            "potential",
            "how rewards weigh along the path",
            forms=(
                Form("difference", summary="by their increase"),
                Form(
                    "full",
                    summary="by all of it at every stage, as Zhang et al. do: biased",
                    biased="rewards are counted more than once",
                ),
                Form("maximum", summary="by the highest so far, corrected at the end"),
                Form("sum", summary="by all so far, corrected at the end"),
            ),
        ),
        Option(
            "resample",
            "how and when particles are resampled",
            forms=(
                Form("systematic", (_WHEN,), "one uniform for all"),
                Form("none", summary="never"),
                Form("multinomial", (_WHEN,), "independent draws"),
                Form("stratified", (_WHEN,), "a uniform in each of L strata"),
                Form("residual", (_WHEN,), "whole copies first, then independent draws"),
                Form(
                    "tophalf",
                    (_WHEN,),
                    "the better half twice: biased (Zhang et al., E.6)",
                    biased="keeping the better half of the particles is biased",
                ),
            ),
        ),
        Option(
            "condition",
            "for `given`",
            forms=(
                Form(
                    "guide",
                    (
                        Argument("weight", "nonnegative", 0.1),
                        Argument("updates", "count", 2),
                        Argument("gradient", "gradient", None),
                    ),
                    "towards the velocity of the parents (Zhang et al., Eq. 6), by gradients "
                    "through the expert, or by `forward()`: differences along the gap, which are "
                    "the gradient where the velocity is that of a density",
                ),
                Form("none", summary="the expert alone"),
            ),
        ),
        Option(
            "start",
            "where particles begin",
            forms=(
                Form("noise", summary="pure noise"),
                Form(
                    "invert",
                    (Argument("image", "image", None),),
                    "a picture, noised by the flow run backwards",
                    available=False,
                ),
            ),
        ),
        Option("islands", "independent populations", "count"),
        Option("normalize_exponents", "scale exponents to sum to one", "truth"),
        Option(
            "keep",
            "what is shown first",
            forms=(
                Form("best", summary="the highest total reward"),
                Form("all", summary="every particle"),
                Form("weighted", summary="draws by weight"),
            ),
        ),
    )
}

#: Names that options, forms and arguments had in earlier versions.
RENAMED = {
    "swarms": "islands",
    "normalize": "normalize_exponents",
    "walk": "random_walk",
    "uhmc": "unadjusted_hmc",
    "size": "step_size",
}

RESAMPLE_BELOW = Apply("<", (Ref("ess"), Const(0.5)))
RESAMPLE_SOON = Apply("<", (Ref("ess"), Const(0.9)))
#: The defaults of arguments that are no constants, by their kinds.
DEFAULTS: dict[str, Term] = {"rule": RESAMPLE_BELOW, "gradient": Apply("backward")}


def filled(form: Form, arguments: Mapping[str, Term]) -> Apply:
    """The form with its left-out arguments at their defaults."""
    kwargs = tuple(
        (a.name, arguments.get(a.name, DEFAULTS.get(a.kind, Const(a.default))))
        for a in form.arguments
    )
    return Apply(form.name, (), kwargs)


def kernel_traits(name: str) -> Kernel:
    """The row of a kernel, by its name.

    Raises:
        KeyError: there is no such kernel.
    """
    kernel = OPTIONS["kernel"].form(name)
    if not isinstance(kernel, Kernel):
        raise KeyError(name)
    return kernel


def filled_form(option: str, name: str, arguments: Mapping[str, Term] | None = None) -> Apply:
    """A form of an option by name, with its left-out arguments at their defaults."""
    form = OPTIONS[option].form(name)
    assert form is not None
    return filled(form, arguments or {})


def form_name(value: Term) -> str:
    """The name of the form that an option has; empty for a plain value."""
    return value.function if isinstance(value, Apply) else ""


def form_constants(value: Term) -> dict[str, Value]:
    """The arguments of a form that are constants."""
    arguments = value.kwargs if isinstance(value, Apply) else ()
    return {name: term.value for name, term in arguments if isinstance(term, Const)}


def argument(option: str, value: Term, name: str) -> Value:
    """A constant argument of the form that an option has, at its default where it is left out.

    Raises:
        KeyError: the form has no such argument.
    """
    form = OPTIONS[option].form(form_name(value))
    defaults = {} if form is None else {a.name: a.default for a in form.arguments}
    return form_constants(value).get(name, defaults[name])


def kernel_evaluations(kernel: Term) -> int:
    """K, the evaluations of all experts by a kernel at one stage."""
    constants = form_constants(kernel)
    steps, leaps, line = (constants.get(name) for name in ("steps", "leaps", "line"))
    row = OPTIONS["kernel"].form(form_name(kernel))
    if not isinstance(row, Kernel) or not isinstance(steps, int):
        return 0
    return steps * row.evaluations(
        leaps if isinstance(leaps, int) else 1, line if isinstance(line, int) else None
    )
