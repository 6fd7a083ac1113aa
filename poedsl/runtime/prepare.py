"""A bound plan to what the loop runs: experts built, coordinates chosen, the path laid out."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan import Array, FactorSpec, PlanSpec
from poedsl.compiler.terms import Apply, Const, Ref, Term, names, walk
from poedsl.experts.densities import Gaussians, gaussian, pyro_density
from poedsl.experts.models import missing_extra
from poedsl.experts.protocol import Generative, Reward
from poedsl.experts.signatures import SIGNATURES, Signature
from poedsl.grammar.diagnostics import Diagnostic, PoeError
from poedsl.runtime.evaluate import Environment, evaluate
from poedsl.runtime.options import Options
from poedsl.runtime.path import FlowPath, Stage
from poedsl.runtime.space import Space
from poedsl.runtime.target import Anchor, Target, Tilt

#: Pictures are in [0, 1] for people and in [-1, 1] for the networks that learned them.
PICTURE_CENTRE, PICTURE_SCALE = 0.5, 0.5


def prepare(
    plan: PlanSpec, device: torch.device, base: Path = Path(), allow_code: bool = False
) -> tuple[Target, FlowPath]:
    """The target and the path of a plan whose inputs are all bound.

    Raises:
        PoeError: a model or library is missing, or the product has no density on the way.
    """
    options = Options.of(plan)
    return _Builder(plan, device).build(options.steps, options.eta)


def bound_tensor(value: Any, device: torch.device) -> Float[Tensor, 1 * shape]:
    """A bound number or array with a leading row of one."""
    if isinstance(value, Array):
        import numpy as np

        flat = np.frombuffer(value.data, dtype=np.dtype(value.dtype)).reshape(value.shape)
        return torch.from_numpy(flat.astype(np.float32))[None].to(device)
    return torch.tensor(value, dtype=torch.float32, device=device)[None]


@dataclass(slots=True)
class _Builder:
    plan: PlanSpec
    device: torch.device
    inputs: dict[str, Any] = field(init=False)
    environment: Environment = field(init=False)
    models: dict[Term, Any] = field(default_factory=dict)
    here: str = ""

    def __post_init__(self) -> None:
        self.inputs = dict(self.plan.bindings)
        numeric = {i.name for i in self.plan.inputs if i.type.is_numeric}
        values = {
            name: bound_tensor(value, self.device)
            for name, value in self.inputs.items()
            if name in numeric and value is not None
        }
        self.environment = Environment(values, {}, self.device)

    def build(self, steps: int, eta: float) -> tuple[Target, FlowPath]:
        factors = self.plan.factors
        space = self.space(factors)
        anchors = tuple(self.anchor(f, space) for f in factors if f.kind in ("gaussian", "flow"))
        tilts = tuple(
            self.tilt(f, space) for f in factors if f.kind in ("density", "reward", "where")
        )
        self.here = ""
        if self.plan.option("normalize") == Const(True):
            anchors = self.normalised(anchors)
        exponents = torch.zeros(space.size, device=self.device)
        for anchor in anchors:
            exponents[anchor.part] += anchor.exponent
        if float(exponents.min()) <= 0:
            raise self.refused(
                "P0407",
                f"the exponents sum to {float(exponents.min()):g}: the path has no start",
            )
        if float(exponents.min()) == float(exponents.max()):
            exponents = exponents[:1]
        path = FlowPath.build(steps, exponents, eta)
        for variable in self.plan.variables:
            own = [a for a in anchors if a.part == space.slice(variable.name)]
            self.on_the_way(own, path)
        return Target(space, anchors, tilts, self.environment, exponents), path

    def normalised(self, anchors: tuple[Anchor, ...]) -> tuple[Anchor, ...]:
        """Exponents over each variable scaled to sum to one."""
        sums: dict[tuple[int, int], float] = {}
        for anchor in anchors:
            key = (anchor.part.start, anchor.part.stop)
            sums[key] = sums.get(key, 0.0) + anchor.exponent
        if min(sums.values()) <= 0:
            raise self.refused(
                "P0407", f"exponents that sum to {min(sums.values()):g} cannot be scaled to one"
            )
        return tuple(
            replace(a, exponent=a.exponent / sums[a.part.start, a.part.stop]) for a in anchors
        )

    def refused(self, code: str, message: str, *notes: str) -> PoeError:
        """What cannot be run, as an error to raise, with the place of the factor at hand."""
        place = (f"the factor at {self.here}",) if self.here else ()
        return PoeError((Diagnostic(code, message, notes=(*place, *notes)),))

    # Coordinates.

    def space(self, factors: tuple[FactorSpec, ...]) -> Space:
        """Pictures in the networks' own scale; elsewhere centred and scaled as the Gaussians."""
        space = Space.of(self.plan.variables, self.device)
        for variable in self.plan.variables:
            part = space.slice(variable.name)
            own = [f for f in factors if variable.name in f.variables]
            if any(f.kind == "flow" for f in own):
                space.loc[part], space.scale[part] = PICTURE_CENTRE, PICTURE_SCALE
                continue
            known = [f for f in own if f.kind == "gaussian"]
            loc, scale = self.standard(known, space.shapes[variable.name])
            space.loc[part], space.scale[part] = loc.to(self.device), scale.to(self.device)
        return space

    def standard(
        self, factors: list[FactorSpec], shape: tuple[int, ...]
    ) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        """Precision-weighted centre, and geometric mean of the spreads about it."""
        weights = [abs(self.number(f.exponent)) for f in factors]
        moments = []
        for factor in factors:
            self.here = factor.place
            moments.append(self.gaussians(factor.term, shape).moments())
        pairs = list(zip(weights, moments, strict=True))
        precision = torch.stack([w / v for w, (_, v) in pairs]).sum(0)
        loc = torch.stack([w * m / v for w, (m, v) in pairs]).sum(0) / precision
        logs = torch.stack([w * (v + (m - loc).square()).log() for w, (m, v) in pairs]).sum(0)
        return loc, (0.5 * logs / sum(weights)).exp()

    # Factors.

    def anchor(self, factor: FactorSpec, space: Space) -> Anchor:
        self.here = factor.place
        (variable,) = factor.variables
        part = space.slice(variable)
        shape = space.shapes[variable]
        expert: Generative
        if factor.kind == "gaussian":
            own = self.gaussians(factor.term, shape).to(self.device)
            expert = own.within(space.loc[part], space.scale[part])
        else:
            assert isinstance(factor.term, Apply)
            expert = self.model(factor.term, shape=shape)
        return Anchor(factor.name, factor.place, expert, self.number(factor.exponent), part)

    def gaussians(self, term: Term, shape: tuple[int, ...]) -> Gaussians:
        assert isinstance(term, Apply)
        if term.function == "mixture":
            parts = [self.gaussians(p, shape) for p in term.args[1::2]]
            return Gaussians.mixture([self.number(w) for w in term.args[::2]], parts)
        arguments = {k: v.cpu() for k, v in self.numbers(term).items()}
        return gaussian(term.function, arguments, shape)

    def numbers(self, term: Apply) -> dict[str, Tensor]:
        """The parameters of a density, inside their ranges."""
        values = {k: evaluate(v, self.environment)[0] for k, v in term.kwargs}
        signature = SIGNATURES[term.function]
        for name, value in values.items():
            parameter = signature.parameter(name)
            assert parameter is not None
            if reason := _out_of_range(name, parameter.role, value):
                raise self.refused("P0307", f"`{name}` of `{term.function}` {reason}")
        return values

    def number(self, term: Term) -> float:
        return float(evaluate(term, self.environment))

    def tilt(self, factor: FactorSpec, space: Space) -> Tilt:
        self.here = factor.place
        exponent = self.number(factor.exponent)
        density, variable = None, ""
        if factor.kind == "density":
            (variable,) = factor.variables
            density = self.density(factor.term, space.shapes[variable])
        for call in walk(factor.term):
            if isinstance(call, Apply) and call.function in SIGNATURES and factor.kind == "reward":
                self.environment.rewards[call] = self.model(call)
        return Tilt(
            factor.name,
            factor.place,
            factor.kind,
            exponent,
            factor.term,
            self.guiding(factor),
            density,
            variable,
        )

    def density(self, term: Term, shape: tuple[int, ...]) -> Reward:
        assert isinstance(term, Apply)
        if term.function != "mixture":
            return pyro_density(term.function, self.numbers(term), shape)
        logs = [math.log(self.number(w)) for w in term.args[::2]]
        parts = [self.density(p, shape) for p in term.args[1::2]]

        def mixed(x: Tensor) -> Tensor:
            both = zip(logs, parts, strict=True)
            return torch.logsumexp(torch.stack([w + part(x) for w, part in both]), 0)

        return mixed

    def guiding(self, factor: FactorSpec) -> bool:
        """Whether kernels may follow it: expressions, judges with a gradient, inequalities."""
        if factor.kind == "density":
            return True
        if not names(factor.term) & {v.name for v in self.plan.variables}:
            return False
        if factor.kind == "where":
            return _inequalities(factor.term)
        calls = [t for t in walk(factor.term) if isinstance(t, Apply) and t.function in SIGNATURES]
        judges = [c for c in calls if SIGNATURES[c.function].family == "reward"]
        return all("gradient" in SIGNATURES[c.function].capabilities for c in judges)

    # Models.

    def model(self, call: Apply, **more: Any) -> Any:
        """The object behind a call of a learned expert or judge; equal calls share it."""
        if call not in self.models:
            signature = SIGNATURES[call.function]
            if not signature.implementation:
                raise self.refused(
                    "P0703",
                    f"this release knows what `{signature.name}` takes, but cannot run it",
                    "`poe experts` shows which experts run",
                )
            arguments = {k: self.argument(v) for k, v in call.kwargs if k != "subject"}
            for parameter in signature.parameters:
                label = arguments.get(parameter.name)
                if reason := parameter.no_label(label):
                    name = f"`{parameter.name}` of `{signature.name}`"
                    raise self.refused("P0307", f"{name} {reason}")
            kind = _load(signature)
            self.models[call] = kind(
                folder=signature.model, **arguments, **more, device=self.device
            )
        return self.models[call]

    def argument(self, term: Term) -> Any:
        if isinstance(term, Const):
            return term.value
        if isinstance(term, Ref) and not isinstance(self.inputs[term.name], Array):
            return self.inputs[term.name]
        return evaluate(term, self.environment)[0]

    # The product of noised marginals must be a density at every stage.

    def on_the_way(self, anchors: list[Anchor], path: FlowPath) -> None:
        """Soiffer et al., Theorem 1, at every stage, for the Gaussians over one variable.

        A mixture falls off as its widest component does, along each component of x.
        """
        experts = [a.expert for a in anchors]
        if not all(isinstance(e, Gaussians) for e in experts) or all(
            a.exponent > 0 for a in anchors
        ):
            return
        for stage in path.stages:
            if not _positive(anchors, stage):
                raise self.refused(
                    "P0407",
                    f"at stage {stage.t} of the path the product of the noised experts is not a "
                    "density",
                    "the widths fail Soiffer et al., Theorem 1, there",
                    "the tempering path would do, which this release does not run",
                )


def _out_of_range(name: str, role: str, value: Tensor) -> str:
    """What keeps a parameter from its range; empty where nothing does."""
    if not bool(torch.isfinite(value).all()):
        return "is not finite"
    if role == "positive" and float(value.min()) <= 0:
        return f"is above 0, and this is {float(value.min()):g}"
    if role != "matrix":
        return ""
    if name == "scale_tril":
        proper = bool((value.diagonal() > 0).all()) and bool((value.triu(1) == 0).all())
        return "" if proper else "is lower triangular with a positive diagonal"
    symmetric = torch.allclose(value, value.T, rtol=1e-4, atol=0)
    definite = symmetric and int(torch.linalg.cholesky_ex(value.double()).info) == 0
    return "" if definite else "is symmetric and positive definite, and this matrix is not"


def _positive(anchors: list[Anchor], stage: Stage) -> bool:
    """Whether the precision of the product is positive at a stage."""
    diagonal = torch.zeros(())
    full: Tensor | None = None
    for anchor in anchors:
        expert = anchor.expert
        assert isinstance(expert, Gaussians)
        if expert.axes is not None and len(expert.log_weights) == 1:
            spread = stage.alpha**2 * expert.variances[0].double() + stage.sigma**2
            axes = expert.axes[0].double()
            turned = (axes * (anchor.exponent / spread)) @ axes.T
            full = turned if full is None else full + turned
        else:
            widest = expert.component_variances().amax(0).double()
            spread = stage.alpha**2 * widest + stage.sigma**2
            diagonal = diagonal + anchor.exponent / spread
    if full is None:
        return bool((diagonal > 0).all())
    return bool(torch.linalg.eigvalsh(full + torch.diag(diagonal.expand(len(full))))[0] > 0)


def _inequalities(term: Term) -> bool:
    match term:
        case Apply("and", (a, b)):
            return _inequalities(a) and _inequalities(b)
        case Apply(function):
            return function in ("<", "<=", ">", ">=")
        case _:
            return False


def _load(signature: Signature) -> Any:
    module, _, name = signature.implementation.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise missing_extra(signature.name, signature.requires, error) from error
