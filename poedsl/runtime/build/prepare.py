"""A bound plan to the Feynman-Kac model that the sampler runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.analysis.tails import improper
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.build.bound_plan import BoundPlan
from poedsl.runtime.build.missing_models import runnable
from poedsl.runtime.build.models import Models
from poedsl.runtime.build.noising_model import noising_model
from poedsl.runtime.build.prefix_model import prefix_model
from poedsl.runtime.build.section_model import section_model
from poedsl.runtime.build.tempering_model import tempering_model
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.feynman_kac.pilot_run import Pilot
from poedsl.runtime.feynman_kac.tempering import TemperingModel
from poedsl.runtime.inputs.remarks import warn_of_constant_masks, warn_of_inputs
from poedsl.runtime.smc.anneal import FeynmanKac
from poedsl.runtime.smc.composition import Composition
from poedsl.runtime.smc.population import Population, StageT
from poedsl.runtime.targets.prefixes import Symbols
from poedsl.runtime.targets.sections import Sections
from poedsl.runtime.targets.target import Target
from poedsl.runtime.terms.slices import OutOfRange

Model = TypeVar("Model")


@runtime_checkable
class RunnableModel(FeynmanKac[StageT], Protocol[StageT]):
    """A Feynman-Kac model of a plan.

    Attributes:
        stages: all there may be, the first one first.
        grows: whether particles have fewer components at a stage than at the end.
        before_the_first_stage: evaluations of all experts before that stage, each over all
            particles, and the seconds that they took.
        pilot: a run that tunes the model before; None where there is none.
    """

    @property
    def target(self) -> Target: ...

    @property
    def stages(self) -> tuple[StageT, ...]: ...

    @property
    def grows(self) -> bool: ...

    @property
    def before_the_first_stage(self) -> tuple[int, float]: ...

    @property
    def pilot(self) -> Pilot[Any] | None: ...

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
        """Whether the product could be trusted, where scores were compared along the path."""
        ...

    def endpoint(self, population: Population[StageT]) -> torch.Tensor:
        """Where the particles are expected to end, (L, D), as far as that is known."""
        ...


def prepare(
    plan: PlanSpec,
    settings: RunSettings,
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
            value does not fit, or the product has no density along the path.
    """
    log = WarningLog() if warnings is None else warnings
    return _prepared(plan, settings, log, partial(_model, look_ahead=look_ahead))


def prepare_tempering(plan: PlanSpec, settings: RunSettings) -> TemperingModel:
    """The model of a plan whose path is `temper()` and whose inputs are all bound.

    Raises:
        PoeError: as `prepare`.
    """
    return _prepared(plan, settings, WarningLog(), _tempering)


def _prepared(
    plan: PlanSpec,
    settings: RunSettings,
    log: WarningLog,
    build: Callable[[BoundPlan], Model],
) -> Model:
    warn_of_inputs(plan, log)
    _warn_of_improper_products(plan, log)
    models = Models.of(plan, settings, log)
    runnable(models)
    try:
        model = build(BoundPlan.of(plan, settings, models))
    except OutOfRange as error:
        message = f"a factor has no value for these inputs: {error}"
        raise PoeError((Diagnostic("P0603", message),)) from error
    warn_of_constant_masks(plan, log)
    return model


def _warn_of_improper_products(plan: PlanSpec, warnings: WarningLog) -> None:
    """Warn of products that the compiler knows to have no integral."""
    signatures = {**SIGNATURES, **{u.name: u.signature for u in plan.uses}}
    for variable, message in improper(Lowered.of(plan), signatures).items():
        message_of_run = f"{message}, so that the result of a run is arbitrary"
        warnings.add("P1026", message_of_run, variable=variable)


def _model(bound: BoundPlan, look_ahead: Callable[[int, int], None] | None) -> RunnableModel[Any]:
    sizes, device, dtype = bound.sizes, bound.device, bound.dtype
    match form_name(bound.plan.option("path")):
        case "prefix" if any(f.kind == "tokens" for f in bound.plan.factors):
            symbols = Symbols.of(sizes, device, dtype=dtype)
            return prefix_model(bound.builder(symbols), symbols, bound.factors, look_ahead)
        case "prefix":
            sections = Sections.of(sizes, device, dtype=dtype)
            return section_model(bound.builder(sections), bound.factors)
        case "temper":
            return _tempering(bound)
        case _:
            return noising_model(bound.builder(bound.numbers()), bound.factors)


def _tempering(bound: BoundPlan) -> TemperingModel:
    return tempering_model(bound.builder(bound.numbers()), bound.factors)
