"""Pass 5, the plan: from what the experts of a variable can do to how it is sampled, with reasons."""

from __future__ import annotations

from dataclasses import dataclass, replace

from poedsl.compiler.lower import Lowered
from poedsl.compiler.options import OPTIONS, RESAMPLE_BELOW, filled
from poedsl.compiler.plan import FactorSpec, OptionSpec, PlanSpec, VariableSpec
from poedsl.compiler.terms import Apply, Const, Ref, Term, names
from poedsl.experts.signatures import SIGNATURES
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import NOWHERE, Span

#: Kinds of factors that carry the path from noise to data.
GENERATIVE = frozenset({"gaussian", "flow"})
PICTURES = frozenset({"Image", "Video"})


def plan(lowered: Lowered, program: str) -> tuple[PlanSpec, tuple[Diagnostic, ...]]:
    draft = PlanSpec(
        program=program,
        inputs=lowered.inputs,
        variables=lowered.variables,
        factors=lowered.factors,
        options=(),
    )
    diagnostics = list(_anchored(lowered))
    chosen = choose(draft, lowered.options)
    diagnostics += refuse(chosen, lowered.spans)
    chosen, notes = _exponents(chosen, lowered.spans)
    return chosen, (*diagnostics, *notes)


def choose(spec: PlanSpec, given: dict[str, Term]) -> PlanSpec:
    """The plan with every option given or chosen; choices depend on the options that were given."""
    facts = _Facts.of(spec)
    options: list[OptionSpec] = []
    known: dict[str, Term] = dict(given)
    for name in _ORDER:
        if name in given:
            options.append(OptionSpec(name, given[name]))
            continue
        value, reason = _DEFAULTS[name](facts, known)
        known[name] = value
        options.append(OptionSpec(name, value, reason))
    listed = {o.name: o for o in options}
    return replace(spec, options=tuple(listed[name] for name in OPTIONS if name in listed))


def rechoose(spec: PlanSpec, given: dict[str, Term]) -> PlanSpec:
    """The plan with options overridden; those that the compiler chose are chosen anew."""
    kept = {o.name: o.value for o in spec.options if not o.reason}
    return choose(spec, {**kept, **given})


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the choice of a plan rests on."""

    closed: bool
    rewarded: bool
    pictures: bool
    exponent_sum: float | None

    @classmethod
    def of(cls, spec: PlanSpec) -> _Facts:
        anchors = [f for f in spec.factors if f.kind in GENERATIVE]
        return cls(
            closed=all(f.kind == "gaussian" for f in anchors),
            rewarded=any(f.kind == "reward" for f in spec.factors),
            pictures=any(v.type.name in PICTURES for v in spec.variables),
            exponent_sum=_sum(anchors),
        )


def _sum(factors: list[FactorSpec]) -> float | None:
    total = 0.0
    for factor in factors:
        value = factor.exponent.value if isinstance(factor.exponent, Const) else None
        if not isinstance(value, (int, float)):
            return None
        total += value
    return total


Choice = tuple[Term, str]


def _particles(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.pictures:
        return Const(16), "pictures: enough to choose from"
    return Const(1000), "a cloud that shows the distribution"


def _steps(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.closed and _function(known["kernel"]) == "none":
        return Const(
            1000
        ), "without a kernel nothing mends a coarse step, and these experts are cheap"
    if facts.closed:
        return Const(48), "with three kernel steps a stage, under 200 evaluations of the experts"
    return Const(50), "fine enough for the weights of a learned flow"


def _path(facts: _Facts, known: dict[str, Term]) -> Choice:
    what = "in closed form" if facts.closed else "learned"
    return Apply("flow"), f"every expert has noised marginals, {what}"


def _move(facts: _Facts, known: dict[str, Term]) -> Choice:
    move = OPTIONS["move"].form("sde")
    assert move is not None
    return filled(move, {}), "fresh noise at every move keeps particles apart"


def _kernel(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.closed:
        mala = OPTIONS["kernel"].form("mala")
        assert mala is not None
        return filled(mala, {"steps": Const(3)}), "densities are known: exactly invariant"
    langevin = OPTIONS["kernel"].form("langevin")
    assert langevin is not None
    return filled(langevin, {}), "a learned flow gives a score, which is all this kernel needs"


def _correct(facts: _Facts, known: dict[str, Term]) -> Choice:
    move = known["move"]
    if facts.closed and _reversible(move):
        return Apply("ais"), "densities are known: exact ratios, and an unbiased evidence"
    if _function(move) == "none":
        return Apply("none"), "nothing moves and no density is known"
    fkc = OPTIONS["correct"].form("fkc")
    assert fkc is not None
    return filled(fkc, {}), "the product of noised marginals is not the noised product"


def _potential(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Apply("difference"), "counts each reward once"


def _resample(facts: _Facts, known: dict[str, Term]) -> Choice:
    resample = OPTIONS["resample"].form("systematic")
    assert resample is not None
    return filled(resample, {"when": RESAMPLE_BELOW}), "only when the weights have become uneven"


def _start(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Apply("noise"), "the path begins there"


def _swarms(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Const(1), "one population loses fewer modes than several small ones"


def _normalize(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Const(False), "exponents are taken as written"


def _keep(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.pictures and facts.rewarded:
        return Apply("best"), "pictures with a reward"
    return Apply("weighted"), "the whole distribution is of interest"


_DEFAULTS = {
    "particles": _particles,
    "path": _path,
    "move": _move,
    "kernel": _kernel,
    "steps": _steps,
    "correct": _correct,
    "potential": _potential,
    "resample": _resample,
    "start": _start,
    "swarms": _swarms,
    "normalize": _normalize,
    "keep": _keep,
}
_ORDER = tuple(_DEFAULTS)


def _function(term: Term) -> str:
    return term.function if isinstance(term, Apply) else ""


def _reversible(move: Term) -> bool:
    """Whether a move has the transition densities that exact ratios need."""
    return _function(move) == "none" or (
        isinstance(move, Apply)
        and move.function == "sde"
        and dict(move.kwargs)["noise"] in (Const(1), Const(1.0))
    )


def _anchored(lowered: Lowered) -> list[Diagnostic]:
    """Every variable needs an expert that can start its path."""
    out: list[Diagnostic] = []
    for variable in lowered.variables:
        factors = [f for f in lowered.factors if variable.name in f.variables]
        if any(f.kind in GENERATIVE for f in factors):
            out += _start_exists(variable, factors, lowered.spans)
            continue
        span = lowered.spans[factors[0].name] if factors else NOWHERE
        if not factors:
            out.append(
                Diagnostic("P0408", f"nothing is said of `{variable.name}`: it has no expert", span)
            )
        elif any(f.kind == "density" for f in factors):
            out.append(
                Diagnostic(
                    "P0408",
                    f"no expert of `{variable.name}` has noised marginals in closed form",
                    span,
                    notes=(
                        "such densities alone need the tempering path, which this release does not run",
                        "beside a Gaussian, a mixture of Gaussians or a learned flow they count as rewards",
                    ),
                )
            )
        else:
            out.append(
                Diagnostic(
                    "P0408",
                    f"`{variable.name}` has rewards and conditions, but no expert that generates it",
                    span,
                    notes=("rewards and conditions tilt a density; they are none by themselves",),
                )
            )
    return out


def _start_exists(
    variable: VariableSpec, factors: list[FactorSpec], spans: dict[str, Span]
) -> list[Diagnostic]:
    anchors = [f for f in factors if f.kind in GENERATIVE]
    total = _sum(anchors)
    if total is None or total > 0:
        return []
    return [
        Diagnostic(
            "P0407",
            f"the exponents over `{variable.name}` sum to {total:g}: the path from noise has no start",
            spans[anchors[-1].name],
            notes=(
                "on pure noise the product is N(0, 1) to the power of that sum",
                "the tempering path would do, which this release does not run",
            ),
        )
    ]


def refuse(spec: PlanSpec, spans: dict[str, Span]) -> list[Diagnostic]:
    """What these experts and options cannot do together."""
    facts = _Facts.of(spec)
    options = {o.name: o.value for o in spec.options}
    scored = next((f for f in spec.factors if f.kind == "flow"), None)
    span = spans.get(scored.name, NOWHERE) if scored is not None else NOWHERE
    out: list[Diagnostic] = []

    def no(message: str, *notes: str, at: Span = NOWHERE) -> None:
        out.append(Diagnostic("P0503", message, at, notes=notes))

    correct, move, kernel = (_function(options[k]) for k in ("correct", "move", "kernel"))
    if scored is not None and not facts.closed:
        gives = f"`{scored.name}` gives a score but no density"
        if correct == "ais":
            no("`correct = ais()` needs the density of every expert", gives, at=span)
        if kernel == "mala":
            no("`kernel = mala()` needs the density of every expert", gives, at=span)
    if correct == "ais" and not _reversible(options["move"]):
        no(
            "`correct = ais()` goes with `move = none()` or `move = sde()`",
            "others have no transition density",
        )
    if correct == "fkc" and move == "none":
        no(
            "`correct = fkc()` weighs a move, and there is none",
            "without a move, `ais()` gives exact ratios",
        )
    particles, swarms = options["particles"], options["swarms"]
    if (
        isinstance(particles, Const)
        and isinstance(swarms, Const)
        and particles.value % swarms.value
    ):  # type: ignore[operator]
        no(f"{particles.value} particles do not split into {swarms.value} swarms of one size")
    rule = (
        dict(options["resample"].kwargs).get("when")
        if isinstance(options["resample"], Apply)
        else None
    )
    steps = options["steps"]
    if isinstance(rule, Apply) and rule.function == "at" and isinstance(steps, Const):
        last = steps.value
        missing = [a.value for a in rule.args if isinstance(a, Const) and a.value > last]  # type: ignore[operator]
        if missing:
            no(
                f"there is no stage {missing[0]} to resample at",
                f"with steps = {last} the stages after a move are {last} down to 1",
            )
    return out


def _exponents(spec: PlanSpec, spans: dict[str, Span]) -> tuple[PlanSpec, list[Diagnostic]]:
    """Normalise the exponents where that is asked for; note their sum where it is not one."""
    notes: list[Diagnostic] = []
    text: list[str] = list(spec.notes)
    factors = list(spec.factors)
    for variable in spec.variables:
        anchors = [f for f in factors if f.kind in GENERATIVE and variable.name in f.variables]
        total = _sum(anchors)
        if total is None or total <= 0 or abs(total - 1) < 1e-9:
            continue
        if spec.option("normalize") == Const(True):
            factors = [
                replace(f, exponent=Const(f.exponent.value / total))  # type: ignore[operator, union-attr]
                if f in anchors
                else f
                for f in factors
            ]
            text.append(
                f"the exponents over {variable.name} summed to {total:g} and are scaled to one"
            )
            continue
        message = f"the exponents over `{variable.name}` sum to {total:g}"
        text.append(message.replace("`", ""))
        notes.append(Diagnostic("P0802", message, spans[anchors[-1].name], "note"))
    return replace(spec, factors=tuple(factors), notes=tuple(text)), notes


def unrunnable(spec: PlanSpec) -> list[str]:
    """The experts and rewards of a plan that this release knows by signature alone."""
    from poedsl.compiler.terms import walk

    used = {t.function for f in spec.factors for t in walk(f.term) if isinstance(t, Apply)}
    return sorted(n for n in used if n in SIGNATURES and not SIGNATURES[n].implementation)


__all__ = ["GENERATIVE", "Ref", "choose", "names", "plan", "rechoose", "refuse", "unrunnable"]
