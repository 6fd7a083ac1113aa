"""The options of ``sample ... by anneal(...)``: their forms, arguments and defaults, as data."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, Value


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an option's form: its kind and what it is when left out."""

    name: str
    kind: str
    default: Value


@dataclass(frozen=True, slots=True)
class Form:
    """One thing an option may be, such as ``langevin(steps = 1, step_size = 0.55)``."""

    name: str
    arguments: tuple[Argument, ...] = ()
    summary: str = ""
    available: bool = True


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
}

_STEPS = Argument("steps", "count", 1)
_STEP_SIZE = Argument("step_size", "positive", 0.55)
_LEAPS = Argument("leaps", "count", 5)
_ADAPT = Argument("adapt", "truth", True)
_CONTROL = Argument("control", "truth", False)
_LINE = Argument("line", "nodes", None)
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
                    (Argument("ess", "share", None), Argument("base", "density", None)),
                    "powers of the densities, from a Gaussian, ancestral draws or `base`; "
                    "with `ess`, as far apart as keeps that share of the particles, in at "
                    "most `steps` stages",
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
                Form(
                    "langevin",
                    (_STEPS, _STEP_SIZE),
                    "unadjusted Langevin, steps in units of sigma / sqrt(W)",
                ),
                Form(
                    "mala",
                    (_STEPS, Argument("step_size", "positive", 0.7), _ADAPT, _LINE),
                    "Metropolis-adjusted Langevin; the step size adapts to the acceptance; with "
                    "`line`, that comes from scores alone, by a line integral with so many inner "
                    "nodes",
                ),
                Form("none", summary="no kernel"),
                Form(
                    "hmc",
                    (_STEPS, _LEAPS, Argument("step_size", "positive", 0.3), _ADAPT, _LINE),
                    "Hamiltonian Monte Carlo by leapfrog steps; the step size adapts",
                ),
                Form(
                    "unadjusted_hmc",
                    (_STEPS, _LEAPS, _STEP_SIZE),
                    "the same without rejection: biased",
                ),
                Form(
                    "random_walk",
                    (_STEPS, Argument("step_size", "positive", 1.0), _ADAPT, _LINE),
                    "random-walk Metropolis; the step size adapts",
                ),
                Form(
                    "gibbs",
                    (_STEPS, Argument("block", "count", 1)),
                    "blocks of tokens drawn anew given the rest: exactly invariant",
                ),
            ),
        ),
        Option(
            "correct",
            "weights for the path itself",
            forms=(
                Form("none", summary="no weights: biased where experts overlap"),
                Form(
                    "fkc", (Argument("clip", "limit", None),), "Feynman-Kac correction, from scores"
                ),
                Form("ais", summary="exact ratios, from densities"),
            ),
        ),
        Option(
            "potential",
            "how rewards weigh along the path",
            forms=(
                Form("difference", summary="by their increase"),
                Form("full", summary="by all of it at every stage, as Zhang et al. do: biased"),
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
                Form("tophalf", (_WHEN,), "the better half twice: biased (Zhang et al., E.6)"),
            ),
        ),
        Option(
            "condition",
            "for `given`",
            forms=(
                Form(
                    "guide",
                    (Argument("weight", "nonnegative", 0.1), Argument("updates", "count", 2)),
                    "towards the velocity of the parents (Zhang et al., Eq. 6)",
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


def filled(form: Form, given: dict[str, Term]) -> Term:
    """The form with its left-out arguments at their defaults."""
    kwargs = tuple(
        (a.name, given.get(a.name, RESAMPLE_BELOW if a.kind == "rule" else Const(a.default)))
        for a in form.arguments
    )
    return Apply(form.name, (), kwargs)
