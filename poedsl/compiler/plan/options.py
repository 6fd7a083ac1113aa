"""The options of ``sample ... by anneal(...)``: their forms, arguments and defaults, as data."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_forms import (
    Form,
    KernelRow,
    Option,
    OptionArgument,
    one_and_nodes,
)
from poedsl.compiler.plan.terms import Apply, Const, Ref, Value

_STEPS = OptionArgument("steps", "count", 1)
_STEP_SIZE = OptionArgument("step_size", "positive", 0.55)
_LEAPS = OptionArgument("leaps", "count", 5)
_ADAPT = OptionArgument("adapt", "truth", True)
_CONTROL = OptionArgument(
    "control",
    "truth",
    False,
    approximate="the control drift is fitted to the particles, which adds a bias of order 1 / L",
)
_LINE = OptionArgument(
    "line",
    "nodes",
    None,
    approximate="acceptance ratios are computed from a line integral of the scores",
)
_PRECONDITION = OptionArgument("precondition", "truth", False)
_CORRELATION = OptionArgument("correlation", "share", None)


def _metropolis(step_size: float, *others: OptionArgument) -> tuple[OptionArgument, ...]:
    """The arguments of a kernel with a Metropolis correction."""
    size = OptionArgument("step_size", "positive", step_size)
    return (_STEPS, *others, size, _ADAPT, _LINE, _PRECONDITION, _CORRELATION)


def _leaps_and_nodes(arguments: Mapping[str, Value]) -> int:
    """One evaluation for each leap, and one for each inner node of a line integral."""
    leaps = arguments["leaps"]
    assert isinstance(leaps, int)
    return leaps - 1 + one_and_nodes(arguments)


_STEP_SIZE_BIAS = "the kernel has no Metropolis correction and is biased by its step size"
_WHEN = OptionArgument("when", "rule", None)

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
                        OptionArgument("ess", "share", 0.9),
                        OptionArgument("base", "density", None),
                        OptionArgument("unbiased", "truth", False),
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
                    (OptionArgument("noise", "positive", 1.0), _CONTROL),
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
                KernelRow(
                    "langevin",
                    (_STEPS, _STEP_SIZE),
                    "unadjusted Langevin, steps in units of sigma / sqrt(W)",
                    needs_score=True,
                    approximate=_STEP_SIZE_BIAS,
                    implementation="langevin:Langevin",
                ),
                KernelRow(
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
                KernelRow("none", summary="no kernel", moves="nothing"),
                KernelRow(
                    "hmc",
                    _metropolis(0.3, _LEAPS),
                    "Hamiltonian Monte Carlo by leapfrog steps; the step size adapts",
                    needs_density=True,
                    needs_conservative=True,
                    needs_score=True,
                    acceptance_target=0.651,  # Beskos et al. 2013
                    trajectories=True,
                    evaluations=_leaps_and_nodes,
                    implementation="hmc:Hmc",
                ),
                KernelRow(
                    "unadjusted_hmc",
                    (_STEPS, _LEAPS, _STEP_SIZE),
                    "the same without rejection: biased",
                    needs_score=True,
                    approximate=_STEP_SIZE_BIAS,
                    evaluations=_leaps_and_nodes,
                    implementation="hmc:UnadjustedHmc",
                ),
                KernelRow(
                    "random_walk",
                    _metropolis(1.0),
                    "random-walk Metropolis; the step size adapts",
                    needs_density=True,
                    needs_conservative=True,
                    acceptance_target=0.3,  # 0.234 is optimal in high dimension, 0.44 in one
                    implementation="random_walk:RandomWalk",
                ),
                KernelRow(
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
                KernelRow(
                    "gibbs",
                    (_STEPS, OptionArgument("block", "count", 1)),
                    "blocks of tokens drawn anew given the rest: exactly invariant",
                    moves="symbols",
                    evaluations=lambda arguments: 2,  # of the prefix, and of the proposed one
                    implementation="gibbs:Gibbs",
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
                    (OptionArgument("clip", "limit", None, biased="clipped weights are biased"),),
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
            "how rewards enter the weights along the path",
            forms=(
                Form("difference", summary="the increase of the rewards"),
                Form(
                    "full",
                    summary="the full reward at every stage, as in Zhang et al.: biased",
                    biased="rewards are counted more than once",
                ),
                Form("maximum", summary="the highest reward so far, corrected at the end"),
                Form("sum", summary="the sum of the rewards so far, corrected at the end"),
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
                        OptionArgument("weight", "nonnegative", 0.1),
                        OptionArgument("updates", "count", 2),
                        OptionArgument("gradient", "gradient", None),
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
                    (OptionArgument("image", "image", None),),
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
