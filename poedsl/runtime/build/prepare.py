"""A bound plan to the Feynman-Kac model that the sampler runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, walk
from poedsl.runtime.build.latent_spaces import codecs
from poedsl.runtime.build.models import Models, runnable
from poedsl.runtime.build.noising_model import noising_model
from poedsl.runtime.build.prefix_model import prefix_model
from poedsl.runtime.build.product import ProductBuilder
from poedsl.runtime.build.section_model import section_model
from poedsl.runtime.build.tempering_model import tempering_model
from poedsl.runtime.build.values import Values
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.inputs.remarks import warn_of_constant_masks, warn_of_inputs
from poedsl.runtime.results.composition import Composition
from poedsl.runtime.smc.anneal import FeynmanKac
from poedsl.runtime.smc.population import Population, StageT
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.sizes import shapes
from poedsl.runtime.targets.prefixes import Symbols
from poedsl.runtime.targets.sections import Sections
from poedsl.runtime.targets.target import Target


@runtime_checkable
class RunnableModel(FeynmanKac[StageT], Protocol[StageT]):
    """A Feynman-Kac model of a plan.

    Attributes:
        stages: all there may be, the first one first.
    """

    @property
    def target(self) -> Target: ...

    @property
    def stages(self) -> tuple[StageT, ...]: ...

    def evaluations(self, stage: StageT, steps: int | None = None) -> int:
        """Evaluations of all experts that a stage takes (Zhang et al., E.1).

        Args:
            steps: of the kernel, where their number was left to the run.
        """
        ...

    def length(self, population: Population[StageT]) -> int:
        """How many components there are, all variables side by side; fewer of a prefix."""
        ...

    def composition(self, particles: int) -> Composition | None:
        """Whether the product could be trusted, where scores were compared on the way."""
        ...

    def endpoint(self, population: Population[StageT]) -> torch.Tensor:
        """Where the particles are expected to end, (L, D), as far as that is known."""
        ...


def prepare(
    plan: PlanSpec,
    settings: RunSettings,
    device: torch.device,
    warnings: WarningLog | None = None,
    look_ahead: Callable[[int, int], None] | None = None,
) -> RunnableModel[Any]:
    """The model of a plan whose inputs are all bound: experts built, coordinates chosen, stages
    laid out.

    Args:
        warnings: where the model puts what it finds doubtful, now and while it runs.
        look_ahead: is called with the number of places that rules on text have looked ahead, and of
            all.

    Raises:
        PoeError: an expert or option is one that this release cannot run, a library is missing, a
            value does not fit, or the product has no density on the way.
    """
    log = WarningLog() if warnings is None else warnings
    warn_of_inputs(plan, log)
    models = Models(
        plan,
        device,
        settings.folder,
        settings.allow_code,
        settings.profile,
        settings.code,
        warnings=log,
    )
    runnable(models)
    model = _model(plan, settings, models, log, look_ahead)
    warn_of_constant_masks(plan, log)
    return model


def _model(
    plan: PlanSpec,
    settings: RunSettings,
    models: Models,
    log: WarningLog,
    look_ahead: Callable[[int, int], None] | None,
) -> RunnableModel[Any]:
    device = models.device
    kind = number_type(plan, settings)
    values = Values.of(plan, models, device, kind)
    factors = [s for f in plan.factors for s in values.sites(f)]
    env = values.environment
    sizes = shapes(plan, factors, env, models.native, lambda f: models.length(f, env))

    def builder(space: Space) -> ProductBuilder:
        return ProductBuilder(plan, settings, models, values, space, log)

    def numbers() -> Space:
        return Space.of(sizes, device, codecs(factors, sizes, models), kind)

    match path_name(plan):
        case "prefix" if any(f.kind == "tokens" for f in plan.factors):
            return prefix_model(builder(Symbols.of(sizes, device, dtype=kind)), factors, look_ahead)
        case "prefix":
            return section_model(builder(Sections.of(sizes, device, dtype=kind)), factors)
        case "temper":
            return tempering_model(builder(numbers()), factors)
        case _:
            return noising_model(builder(numbers()), factors)


def number_type(plan: PlanSpec, settings: RunSettings) -> torch.dtype:
    """The type of the numbers of particles.

    Log likelihoods of many data reach values that single precision holds to a few digits only;
    models and Python code are left in the single precision that they expect.
    """
    if settings.dtype != "auto":
        kind: torch.dtype = getattr(torch, settings.dtype)
        return kind
    calls = {t.function for f in plan.factors for t in walk(f.term) if isinstance(t, Apply)}
    signatures = [s for call in calls if (s := plan.find_signature(call)) is not None]
    plain = all(s.describes_data for s in signatures)
    return torch.float64 if path_name(plan) == "temper" and plain else torch.float32


def path_name(plan: PlanSpec) -> str:
    path = plan.option("path")
    return path.function if isinstance(path, Apply) else ""
