"""Pass 6, the plan: from what experts can do to how their product is sampled, with reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from poedsl.compiler.analysis.regions import crossing, extent, unseen
from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.functions.operators import CONDITION_OPERATORS
from poedsl.compiler.plan.lower import Lowered
from poedsl.compiler.plan.options import OPTIONS, RESAMPLE_BELOW, RESAMPLE_SOON, filled
from poedsl.compiler.plan.plan import (
    GENERATIVE,
    FactorSpec,
    OptionSpec,
    PlanSpec,
    UseSpec,
    VariableSpec,
    kernel_evaluations,
)
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, walk
from poedsl.compiler.plan.text import print_term
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.source import NOWHERE, Span

PICTURES = frozenset({"Image", "Video"})
#: Sections of a video whose length is not known.
SECTIONS = 4
#: How many of all experts a plan of densities has for each particle, and of stages at the least.
EVALUATIONS, STAGES = 192, 48
NONE = Const(None)
#: Forms as the compiler chooses them, without arguments: runs take those that are left out.
FLOW, PREFIX, TEMPER, ODE = (Apply(form) for form in ("flow", "prefix", "temper", "ode"))
#: Functions whose values jump, and those that come and go.
STEPS = CONDITION_OPERATORS | {"sign"}
SWINGS = frozenset({"sin", "cos", "tan", "floor", "round"})
#: Functions that leave the degree of a polynomial as it is.
KEEP_DEGREE = frozenset(
    {"+", "-", "/", "neg", "list", "index", "crop", "sum", "mean", "norm", "abs", "min", "max"}
)


def plan(
    lowered: Lowered, program: str, uses: tuple[UseSpec, ...] = ()
) -> tuple[PlanSpec, tuple[Diagnostic, ...]]:
    draft = PlanSpec(
        program=program,
        inputs=lowered.inputs,
        variables=lowered.variables,
        factors=lowered.factors,
        options=(),
        lets=lowered.lets,
        uses=uses,
    )
    chosen = choose(draft, {name: value for name, (value, _) in lowered.options.items()})
    tempered = _function(chosen.option("path")) == "temper"
    diagnostics = list(_anchored(lowered, tempered))
    if not lowered.incomplete and not diagnostics:
        places = {name: span for name, (_, span) in lowered.options.items()}
        diagnostics += refuse(chosen, {**lowered.spans, **places})
    chosen, notes = _exponents(chosen, lowered.complete, lowered.spans)
    return chosen, (*diagnostics, *notes)


def choose(spec: PlanSpec, given: dict[str, Term]) -> PlanSpec:
    """The plan with every option given or chosen; choices depend on the options that were given."""
    facts = _Facts.of(spec, given)
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
    chosen = choose(spec, {**kept, **given})
    noted, _ = _exponents(chosen, spec.variables, {})
    return noted


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the choice of a plan rests on.

    Attributes:
        closed: whether all experts have noised marginals in closed form.
        judged: what kind of variable has a reward of its own and is looked at one by one; empty
            where there is none.
        latent: whether a variable is sampled in the latent space of its experts.
        field: what makes the scores a field without a density; empty where nothing does.
        routes: the path that each variable's experts can take.
        length: of the longest sequence, in symbols or sections, where its size is known.
        grows: what experts that extend a variable know: ``symbols``, ``densities`` of prefixes,
            ``scores`` of sections, or to ``draw``; empty where the path is another.
        tempers: why the path from noise cannot be taken, and tempering can; empty elsewhere.
        power: the mixture whose power above one the whole program is; None elsewhere.
    """

    closed: bool
    judged: str
    pictures: bool
    latent: bool
    field: str
    given: bool
    routes: dict[str, str]
    length: int
    grows: str
    tempers: str
    power: Term | None

    @classmethod
    def of(cls, spec: PlanSpec, given: Mapping[str, Term]) -> _Facts:
        anchors = [f for f in spec.factors if f.kind in GENERATIVE]
        of = _anchors(spec)
        routes = {v.name: _route(v, of[v.name], spec) for v in spec.variables}
        grown = [v.type for v in spec.variables if routes[v.name] == "prefix" and v.type.sizes]
        lengths = [t.sizes[0] or 1 for t in grown if t.name != "Category"]
        return cls(
            closed=all(f.kind == "gaussian" for f in anchors),
            judged=next(_judged(spec), ""),
            pictures=any(v.type.name in PICTURES for v in spec.variables),
            latent=any(v.space for v in spec.variables),
            field=next(_field(spec, given), ""),
            given=any(f.given for f in spec.factors),
            routes=routes,
            length=max(lengths, default=1),
            grows=_grows(spec) if set(routes.values()) == {"prefix"} else "",
            tempers=_tempers(spec, of),
            power=_power(spec),
        )

    @property
    def sequential(self) -> bool:
        return bool(self.grows)


def _judged(spec: PlanSpec) -> Iterator[str]:
    """What is looked at one by one, of those that a reward speaks of."""
    rewarded = {name for f in spec.factors if f.kind == "reward" for name in f.variables}
    for variable in spec.variables:
        if variable.name in rewarded:
            if variable.type.name in PICTURES:
                yield "pictures"
            if variable.type.name == "Tokens":
                yield "text"


def _tempers(spec: PlanSpec, anchors: dict[str, list[FactorSpec]]) -> str:
    """Why a program of densities alone is tempered; empty where it need not or cannot be."""
    if not all(_has_density(f) for f in spec.factors if f.kind not in ("reward", "where")):
        return ""
    variables = {v.name: v for v in spec.variables}
    densities: dict[str, list[FactorSpec]] = {}
    for factor in spec.factors:
        if factor.kind == "density":
            densities.setdefault(factor.variables[0], []).append(factor)
    for name, own in anchors.items():
        around = densities.get(name, [])
        if any(ends(f.term, spec.signature).constrained for f in around):
            return f"`{name}` has a constrained support"
        if not own:
            return f"no expert of {name} has noised marginals in closed form"
        if any(_own_code(f, spec) for f in around):
            return f"a density of the program's own may lie far from the others over {name}"
        total = None if any(f.part is not None for f in own) else _sum(own)
        if total is not None and total <= 0:
            return f"the exponents over {name} sum to {total:g}, and noise has no such power"
        gap = _gap(variables[name], own)
        if gap and around:
            return f"no expert has noised marginals of {name}[{gap}]"
    for factor in spec.factors:
        if _hidden(factor, variables.keys()):
            return f"`{factor.name}` at {factor.place} is not what it seems where noise is left"
    return ""


def _hidden(factor: FactorSpec, variables: Collection[str]) -> bool:
    """Whether the predicted endpoint says little of what a factor will be: it swings to and fro, or
    a reward has steps, or is of more than second degree and may have tops apart.
    """
    sudden = {"reward": STEPS | SWINGS, "where": SWINGS}.get(factor.kind, frozenset())
    calls = (t for t in walk(factor.term) if isinstance(t, Apply) and t.function in sudden)
    if any(names(call) & set(variables) for call in calls):
        return True
    return factor.kind == "reward" and _degree(factor.term, variables) > 2


def _degree(term: Term, variables: Collection[str]) -> float:
    """Of a polynomial in the variables; what is none counts as its parts do, or not at all."""
    match term:
        case Ref(name):
            return float(name in variables)
        case Apply("*" | "dot", args):
            return sum(_degree(a, variables) for a in args)
        case Apply("^", (inner, Const(int() | float() as power))):
            return power * _degree(inner, variables)
        case Apply(function, args) if function in KEEP_DEGREE:
            return max((_degree(a, variables) for a in args), default=0.0)
        case _:
            return 0.0


def _own_code(factor: FactorSpec, spec: PlanSpec) -> bool:
    """Whether a density, or a part of a mixture, is Python that the program brings."""
    calls = (t for t in walk(factor.term) if isinstance(t, Apply))
    known = (spec.known(call.function) for call in calls)
    return any(signature is not None and signature.is_code for signature in known)


def _power(spec: PlanSpec) -> Term | None:
    """The mixture that the program raises to a power above one, and nothing else."""
    if len(spec.factors) != 1 or len(spec.variables) != 1:
        return None
    (factor,) = spec.factors
    plain = factor.kind == "gaussian" and factor.part is None and not factor.loops
    exponent = factor.exponent.value if isinstance(factor.exponent, Const) else None
    raised = plain and not factor.mask and isinstance(exponent, int | float) and exponent > 1
    return factor.term if raised and _function(factor.term) == "mixture" else None


def _has_density(factor: FactorSpec) -> bool:
    return factor.kind in ("gaussian", "density") and not factor.mask and not factor.given


def _field(spec: PlanSpec, options: Mapping[str, Term]) -> Iterator[str]:
    """What keeps the scores from being those of a density, if anything does.

    Args:
        options: those of ``sample`` that are known.
    """
    guided = _function(options.get("condition", Const(None))) != "none"
    scaled = options.get("normalize_exponents") == Const(True)
    shared = _shared(spec) if scaled else frozenset()
    for factor in spec.factors:
        if factor.kind not in GENERATIVE:
            continue
        if factor.mask:
            yield f"the exponent of `{factor.name}` at {factor.place} is a mask"
        elif factor.given and guided:
            yield f"`{factor.name}` at {factor.place} is conditioned on its parents"
        elif factor.name in shared:
            yield f"exponents are scaled where `{factor.name}` at {factor.place} overlaps others"


def _anchors(spec: PlanSpec) -> dict[str, list[FactorSpec]]:
    """The generative factors of each variable's own statements."""
    of: dict[str, list[FactorSpec]] = {v.name: [] for v in spec.variables}
    for factor in spec.factors:
        if factor.kind in GENERATIVE:
            of[factor.variables[0]].append(factor)
    return of


def _shared(spec: PlanSpec) -> frozenset[str]:
    """The experts on parts that have some of theirs in common with one that sees another part."""
    out: set[str] = set()
    sizes = {v.name: v.type.sizes for v in spec.variables}
    for name, anchors in _anchors(spec).items():
        own = [f for f in anchors if f.part is not None]
        if any(f.part is None or f.loops for f in anchors):
            out |= {f.name for f in own}
        else:
            crossed = crossing((f.part for f in own if f.part is not None), sizes[name])
            out |= {f.name for f in own if f.part in crossed}
    return frozenset(out)


def _route(variable: VariableSpec, anchors: list[FactorSpec], spec: PlanSpec) -> str:
    """The path that a variable's experts can take together."""
    if variable.type.name in ("Tokens", "Category"):
        return "prefix"
    able = [_capabilities(f, spec) for f in anchors]
    if anchors and all("extend" in a for a in able):
        return "prefix"
    if any("extend" in a for a in able) and not all("score" in a for a in able):
        return "prefix"
    return "flow" if anchors else "temper"


def _grows(spec: PlanSpec) -> str:
    """What experts that extend a variable know, as `_Facts` says."""
    if any(v.type.name in ("Tokens", "Category") for v in spec.variables):
        return "symbols"
    able = [_capabilities(f, spec) for f in _extending(spec)]
    if all("log_prob" in a for a in able):
        return "densities"
    return "scores" if all("score" in a for a in able) else "draws"


def _extending(spec: PlanSpec) -> list[FactorSpec]:
    """The experts that extend a variable by sections; the first one proposes."""
    return [f for f in spec.factors if f.kind == "flow" and "extend" in _capabilities(f, spec)]


def _capabilities(factor: FactorSpec, spec: PlanSpec) -> frozenset[str]:
    if factor.kind == "gaussian" or not isinstance(factor.term, Apply):
        return frozenset({"noised", "score", "log_prob"})
    return spec.capabilities(factor.term)


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
    if facts.sequential:
        if facts.pictures:
            return Const(SECTIONS), "sections, each a stage"
        each = "a token a stage" if facts.grows == "symbols" else "a section a stage"
        return Const(facts.length), each
    if facts.field:
        return Const(50), "fine enough for learned flows"
    tempers = _function(known["path"]) == "temper"
    if facts.closed and not tempers and _function(known["kernel"]) == "none":
        reason = "without a kernel nothing mends a coarse step, and these experts are cheap"
        return Const(1000), reason
    if facts.closed or tempers:
        return _stages(known["kernel"])
    return Const(50), "fine enough for the weights of a learned flow"


def _stages(kernel: Term) -> Choice:
    """As many as leave room for the kernel in all evaluations, and no fewer than ``STAGES``."""
    calls = kernel_evaluations(kernel)
    if not 0 < calls < EVALUATIONS // STAGES:
        return Const(STAGES), "fine enough for the weights of densities"
    each = ("one kernel step", "two evaluations by the kernel", "three evaluations by the kernel")
    reason = f"with {each[calls - 1]} a stage, under 200 evaluations of all experts"
    return Const(EVALUATIONS // (calls + 1)), reason


def _path(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.sequential:
        return PREFIX, "every expert extends a prefix"
    if facts.tempers:
        return TEMPER, facts.tempers
    if facts.power is not None:
        temper = OPTIONS["path"].form("temper")
        assert temper is not None
        return filled(
            temper, {"base": facts.power}
        ), "a power of one mixture, which is drawn from exactly"
    if len(set(facts.routes.values())) > 1:
        each = tuple((name, Apply(route)) for name, route in facts.routes.items())
        return Apply("each", (), each), "each variable by what its experts can do"
    what = "in closed form, which also space the stages" if facts.closed else "learned"
    return FLOW, f"every expert has noised marginals, {what}"


def _move(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.sequential:
        return Apply("none"), "a prefix grows by what the experts propose"
    if _function(known["path"]) == "temper":
        return Apply("none"), "between tempered densities only the weights and the kernel act"
    if facts.field:
        return ODE, f"{facts.field}: the scores are no density's, and nothing is weighed"
    move = OPTIONS["move"].form("sde")
    assert move is not None
    return filled(move, {}), "fresh noise at every move keeps particles apart"


def _kernel(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.grows == "symbols":
        return Apply("none"), "tokens are drawn from the product of the conditionals"
    if facts.grows == "draws":
        return Apply("none"), "an expert has no density of prefixes, to revisit them by"
    if facts.grows == "densities":
        return _mala(known), "densities of prefixes are known"
    if facts.closed and not facts.field:
        return _mala(known), "densities are known: exactly invariant"
    langevin = OPTIONS["kernel"].form("langevin")
    assert langevin is not None
    return filled(langevin, {}), "a learned flow gives a score, which is all this kernel needs"


def _mala(known: dict[str, Term]) -> Term:
    """Three steps a stage; on the path from noise what the stages that are asked for leave room
    for, from one to three, and one where they are not.
    """
    given = known.get("steps")
    stages = given.value if isinstance(given, Const) and isinstance(given.value, int) else 0
    fit = EVALUATIONS // stages - 1 if stages else 1
    often = min(max(fit, 1), 3) if _function(known["path"]) == "flow" else 3
    mala = OPTIONS["kernel"].form("mala")
    assert mala is not None
    return filled(mala, {"steps": Const(often)})


def _correct(facts: _Facts, known: dict[str, Term]) -> Choice:
    move = known["move"]
    if facts.field:
        return Apply("none"), "a field of scores has no density to weigh by"
    if facts.grows == "symbols":
        return Apply("ais"), "the normaliser of each proposal is its weight"
    if facts.grows in ("densities", "draws"):
        return Apply("ais"), "the conditionals of those that do not propose are the weight"
    if facts.closed and _reversible(move):
        return Apply("ais"), "densities are known: exact ratios, and an unbiased evidence"
    if _function(move) == "none":
        return Apply("none"), "nothing moves and no density is known"
    if facts.latent and not _controlled(move):
        return Apply("none"), "path weights in so many components would leave one particle"
    fkc = OPTIONS["correct"].form("fkc")
    assert fkc is not None
    return filled(fkc, {}), "the product of noised marginals is not the noised product"


def _condition(facts: _Facts, known: dict[str, Term]) -> Choice:
    if not facts.given:
        return Apply("none"), "no statement is given another"
    guide = OPTIONS["condition"].form("guide")
    assert guide is not None
    return filled(guide, {}), "strength and updates as in Zhang et al., Eq. 6 and F.5"


def _potential(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Apply("difference"), "counts each reward once"


def _resample(facts: _Facts, known: dict[str, Term]) -> Choice:
    resample = OPTIONS["resample"].form("systematic")
    assert resample is not None
    moves, weights = _function(known["move"]), _function(known["correct"])
    if moves == "sde" and weights == "fkc" and not facts.pictures:
        return filled(resample, {"when": RESAMPLE_SOON}), "soon: moves with noise take copies apart"
    return filled(resample, {"when": RESAMPLE_BELOW}), "only when the weights have become uneven"


def _start(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Apply("noise"), "the path begins there"


def _islands(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Const(1), "one population loses fewer modes than several small ones"


def _normalize_exponents(facts: _Facts, known: dict[str, Term]) -> Choice:
    return Const(False), "exponents are taken as written"


def _keep(facts: _Facts, known: dict[str, Term]) -> Choice:
    if facts.judged:
        return Apply("best"), f"{facts.judged} with a reward"
    return Apply("weighted"), "the whole distribution is of interest"


_DEFAULTS = {
    "particles": _particles,
    "path": _path,
    "move": _move,
    "kernel": _kernel,
    "steps": _steps,
    "correct": _correct,
    "condition": _condition,
    "potential": _potential,
    "resample": _resample,
    "start": _start,
    "islands": _islands,
    "normalize_exponents": _normalize_exponents,
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
        and not _controlled(move)
    )


def _controlled(move: Term) -> bool:
    return isinstance(move, Apply) and dict(move.kwargs).get("control") == Const(True)


def _untempered(
    variable: VariableSpec, factors: list[FactorSpec], lowered: Lowered
) -> list[Diagnostic]:
    """A variable that is tempered needs a density of its own; symbols are refused as such."""
    own = [f for f in factors if f.variables[0] == variable.name]
    if any(f.kind in ("gaussian", "density", "tokens") for f in own):
        return []
    span = lowered.spans[own[0].name] if own else lowered.places[variable.name]
    return [_unanchored(variable.name, own, span)]


def _anchored(lowered: Lowered, tempered: bool) -> list[Diagnostic]:
    """Every variable needs an expert that can start its path."""
    out: list[Diagnostic] = []
    of = lowered.by_variable()
    if tempered:
        return [d for v in lowered.complete for d in _untempered(v, of[v.name], lowered)]
    for variable in lowered.complete:
        factors = [f for f in of[variable.name] if f.variables[0] == variable.name]
        if any(f.kind in GENERATIVE for f in factors):
            out += _start_exists(variable, factors, lowered.spans)
            out += _uncovered(variable, factors, lowered.spans)
        else:
            span = lowered.spans[factors[0].name] if factors else lowered.places[variable.name]
            out.append(_unanchored(variable.name, factors, span))
    return out


def _unanchored(name: str, factors: list[FactorSpec], span: Span) -> Diagnostic:
    """Why a variable with these factors has no start."""
    if not factors:
        return Diagnostic(
            "P0408",
            f"nothing generates `{name}`: it has no expert",
            span,
            notes=(f"an expert is given by a statement such as `{name} ~ Normal(0, 1)`",),
        )
    if any(f.kind == "density" for f in factors):
        return Diagnostic(
            "P0408",
            f"no expert of `{name}` has noised marginals in closed form",
            span,
            notes=(
                "such densities count as rewards beside a Gaussian or a learned flow",
                "where all experts of a program have a density, `path = temper()` does without",
            ),
        )
    return Diagnostic(
        "P0408",
        f"`{name}` has rewards and conditions, but no expert that generates it",
        span,
        notes=("rewards and conditions tilt a density; they are none by themselves",),
    )


def _start_exists(
    variable: VariableSpec, factors: list[FactorSpec], spans: dict[str, Span]
) -> list[Diagnostic]:
    anchors = [f for f in factors if f.kind in GENERATIVE]
    total = None if any(f.part is not None for f in anchors) else _sum(anchors)
    if total is None or total > 0 or all(f.kind == "tokens" for f in anchors):
        return []
    return [
        Diagnostic(
            "P0407",
            f"the exponents over `{variable.name}` sum to {total:g}, "
            "and the path from noise has no start",
            spans[anchors[-1].name],
            notes=(
                "on pure noise the product is N(0, 1) to the power of that sum",
                "where all experts have a density, `path = temper()` does without",
            ),
        )
    ]


def _gap(variable: VariableSpec, anchors: list[FactorSpec]) -> str:
    """The first component that no expert sees, as an index; empty where there is none."""
    sizes = tuple(s for s in variable.type.sizes if s is not None)
    if len(sizes) < len(variable.type.sizes) or not sizes or any(f.loops for f in anchors):
        return ""
    if variable.space and any(_boxed(f.part) for f in anchors):  # pixels share a latent
        return ""
    parts = [extent(f.part, sizes) for f in anchors]
    known = [p for p in parts if p is not None]
    gap = unseen(known, sizes) if len(known) == len(parts) else None
    return "" if gap is None else ", ".join(map(str, gap))


def _boxed(part: Term | None) -> bool:
    return isinstance(part, Apply) and any(_function(a) == "box" for a in part.args)


def _uncovered(
    variable: VariableSpec, factors: list[FactorSpec], spans: dict[str, Span]
) -> list[Diagnostic]:
    anchors = [f for f in factors if f.kind in GENERATIVE]
    gap = _gap(variable, anchors)
    if not gap:
        return []
    return [
        Diagnostic(
            "P0408",
            f"nothing generates `{variable.name}[{gap}]`: no expert sees it",
            spans[anchors[-1].name],
            notes=(
                f"`{variable.name}` is {variable.type}, and every component of it needs an expert",
            ),
        )
    ]


def refuse(spec: PlanSpec, spans: dict[str, Span]) -> list[Diagnostic]:
    """What these experts and options cannot do together.

    Args:
        spans: the places of factors and of options, as far as they have one.
    """
    options = {o.name: o.value for o in spec.options}
    found = (
        *_off_path(spec, options),
        *_without_density(spec, options),
        *_uncorrected(options),
        *_uneven(options),
        *_no_stage(options),
    )
    first: dict[str, Diagnostic] = {}
    for option, message, notes in found:
        span = spans.get(option, NOWHERE)
        fixes = _by_line(spec, options, span) if option == "kernel" and span is not NOWHERE else ()
        first.setdefault(option, Diagnostic("P0503", message, span, notes=notes, fixes=fixes))
    return list(first.values())


#: The option that is refused, why, and notes.
Refusal = tuple[str, str, tuple[str, ...]]


#: Options that need a density, by their forms.
DENSITY = {"correct": ("ais",), "kernel": ("mala", "hmc", "random_walk")}
#: The inner nodes of a line integral that is proposed.
LINE = 4


def _lined(kernel: Term) -> bool:
    """Whether a kernel accepts by a line integral of the scores."""
    return isinstance(kernel, Apply) and dict(kernel.kwargs).get("line", NONE) != NONE


def _by_line(spec: PlanSpec, options: dict[str, Term], span: Span) -> tuple[Fix, ...]:
    """The kernel as it runs on scores, where they are those of a density."""
    kernel = options["kernel"]
    form = OPTIONS["kernel"].form(_function(kernel))
    if next(_field(spec, options), "") or form is None or form.name not in DENSITY["kernel"]:
        return ()
    if any(f.kind == "tokens" for f in spec.factors):
        return ()
    assert isinstance(kernel, Apply)
    usual = {a.name: Const(a.default) for a in form.arguments}
    given = tuple((k, v) for k, v in kernel.kwargs if v != usual[k])
    term = replace(kernel, kwargs=(*given, ("line", Const(LINE))))
    text = f"kernel = {print_term(term)}"
    return (Fix(f"`{text}` accepts by the scores: approximate", (Edit(span, text),)),)


def _off_path(spec: PlanSpec, options: dict[str, Term]) -> Iterator[Refusal]:
    """What the experts cannot do on the path that was asked for."""
    path = _function(options["path"])
    if path not in ("flow", "prefix", "temper"):
        return
    symbols = next((f for f in spec.factors if f.kind == "tokens"), None)
    if symbols is not None and path != "prefix":
        note = f"`{symbols.name}` at {symbols.place} is an expert of symbols"
        yield "path", f"symbols grow by `path = prefix()` alone, not by {path}()", (note,)
        return
    needs = {"flow": "score", "prefix": "extend", "temper": "log_prob"}[path]
    grown = _extending(spec) if path == "prefix" else []
    for factor in spec.factors:
        if factor.kind == "gaussian" and grown:
            continue
        if factor.kind in GENERATIVE and needs not in _capabilities(factor, spec):
            offers = ", ".join(sorted(_capabilities(factor, spec)))
            note = f"`{factor.name}` at {factor.place} offers {offers}"
            yield "path", f"`path = {path}()` needs `{needs}` of every expert", (note,)
            return
    for factor in spec.factors if path == "flow" else ():
        if factor.kind == "density" and ends(factor.term, spec.signature).simplex:
            note = f"`{factor.name}` at {factor.place} is over such vectors alone"
            yield "path", "`path = flow()` does not keep to shares that sum to one", (note,)
            return
    yield from _sections(spec, grown, options)
    if path != "flow" and _function(options["move"]) != "none":
        yield "move", f"`path = {path}()` moves by its kernel alone: `move = none()`", ()
    kernel = _function(options["kernel"])
    if kernel == "gibbs" and symbols is None:
        yield "kernel", "`kernel = gibbs()` revisits tokens, and there are none", ()
    if kernel not in ("gibbs", "none") and symbols is not None:
        notes = ("`gibbs()` draws blocks of them anew",)
        yield "kernel", f"`kernel = {kernel}()` moves numbers, and these are symbols", notes


def _sections(
    spec: PlanSpec, grown: list[FactorSpec], options: dict[str, Term]
) -> Iterator[Refusal]:
    """What experts that grow a variable by sections cannot do."""
    if not grown:
        return
    if len(spec.variables) > 1:
        note = "these are " + " and ".join(f"`{v.name}`" for v in spec.variables)
        yield "path", "`path = prefix()` over sections grows one variable alone", (note,)
        return
    if not spec.variables[0].type.sizes:
        yield "path", "`path = prefix()` grows a variable along its first size, and it has none", ()
        return
    for factor in grown:
        what = {"a part": factor.part, "each of a loop": factor.loops, "parents": factor.given}
        if found := next((k for k, v in what.items() if v), "a mask" if factor.mask else ""):
            note = f"`{factor.name}` at {factor.place} has {found}"
            yield "path", "an expert of sections sees the whole, to a power of one number", (note,)
            return
    kernel = _function(options["kernel"])
    for number, factor in enumerate(grown):
        if "log_prob" in (able := _capabilities(factor, spec)):
            continue
        note = f"`{factor.name}` at {factor.place} has no `log_prob(self, prefix)`"
        if number or factor.exponent != Const(1):
            message = "sections are proposed by the first expert to the power one, and the others' "
            yield "path", message + "densities weigh", (note,)
            return
        if kernel != "none" and "score" not in able:
            yield "kernel", f"`kernel = {kernel}()` revisits prefixes by their density", (note,)


def _without_density(spec: PlanSpec, options: dict[str, Term]) -> Iterator[Refusal]:
    field = next(_field(spec, options), "")
    notes: tuple[str, ...]
    if field:
        notes = (field, "a field of scores that is no density's takes no weights and no Metropolis")
        refused = {**DENSITY, "correct": ("ais", "fkc")}
    else:
        flows = (f for f in spec.factors if f.kind == "flow")
        scored = next((f for f in flows if "score" in _capabilities(f, spec)), None)
        if scored is None:
            return
        notes = (f"`{scored.name}` at {scored.place} gives a score but no density",)
        refused = DENSITY
    for name, forms in refused.items():
        form = _function(options[name])
        if form in forms and (field or not _lined(options[name])):
            yield name, f"`{name} = {form}()` needs a density", notes


def _uncorrected(options: dict[str, Term]) -> Iterator[Refusal]:
    correct, move = options["correct"], options["move"]
    if _controlled(move):
        if _function(correct) != "fkc":
            message = f"`control = true` needs `correct = fkc()`, and it is {_function(correct)}()"
            yield "move", message, ("the drift evens out the weights that fkc() gives",)
    elif _function(correct) == "ais" and not _reversible(move):
        message = "`correct = ais()` goes with `move = none()` or `move = sde()`"
        yield "correct", message, ("other moves have no transition density",)
    elif _function(correct) == "fkc" and _function(move) == "none":
        message = "`correct = fkc()` weighs a move, and there is none"
        yield "correct", message, ("without a move, `ais()` gives exact ratios",)


def _uneven(options: dict[str, Term]) -> Iterator[Refusal]:
    particles, islands = _whole(options["particles"]), _whole(options["islands"])
    if particles % islands:
        yield (
            "islands",
            f"{particles} particles do not split into {islands} islands of one size",
            (),
        )


def _no_stage(options: dict[str, Term]) -> Iterator[Refusal]:
    resample, steps = options["resample"], _whole(options["steps"])
    rule = dict(resample.kwargs).get("when") if isinstance(resample, Apply) else None
    if not isinstance(rule, Apply) or rule.function != "at":
        return
    missing = [stage for stage in map(_whole, rule.args) if stage > steps]
    if missing:
        yield (
            "resample",
            f"there is no stage {missing[0]} to resample at",
            (f"with steps = {steps} the stages after a move are {steps} down to 1",),
        )


def _whole(term: Term) -> int:
    assert isinstance(term, Const) and isinstance(term.value, int)
    return term.value


def _exponents(
    spec: PlanSpec, variables: tuple[VariableSpec, ...], spans: dict[str, Span]
) -> tuple[PlanSpec, list[Diagnostic]]:
    """Note where exponents do not sum to one; where that was asked for, the run scales them."""
    notes: list[Diagnostic] = []
    text: list[str] = []
    scaled = spec.option("normalize_exponents") == Const(True)
    of = _anchors(spec)
    for variable in variables:
        anchors = of[variable.name]
        if any(f.kind == "tokens" for f in anchors):
            continue
        whole = [f for f in anchors if f.part is None]
        total = _sum(whole)
        if total is None or total <= 0:
            continue
        message = f"the exponents over `{variable.name}` sum to {total:g}"
        if len(whole) < len(anchors):
            message += f" on the whole, and {len(anchors) - len(whole)} on parts of it add theirs"
        elif abs(total - 1) < 1e-9:
            continue
        text.append(message.replace("`", "") + (" and are scaled to one" if scaled else ""))
        if not scaled and any(f.kind == "flow" for f in anchors):
            notes.append(Diagnostic("P0802", message, spans.get(anchors[-1].name, NOWHERE), "note"))
    return replace(spec, notes=(*text, *_approximate(spec))), notes


def _approximate(spec: PlanSpec) -> Iterator[str]:
    kernel = spec.option("kernel")
    if _lined(kernel):
        yield (
            f"kernel = {_function(kernel)}(line = ...) is approximate: it accepts by a line "
            "integral of the scores"
        )
