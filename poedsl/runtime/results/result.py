"""The result of a run: all particles, their weights, the evidence and the records of stages.

The file is long because all that users call stands in one documented class; other modules do the
work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from poedsl.argument_checks import whole_number
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.experts.sequences.vocabulary import Vocabulary, vocabulary_of
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.torch_state import default_torch_state
from poedsl.runtime.core.warnings import RunWarning
from poedsl.runtime.results.draws import drawn, drawn_by_island
from poedsl.runtime.results.evidence import Evidence
from poedsl.runtime.results.particle_histories import PredictedEndpoints, Snapshots
from poedsl.runtime.results.posterior_summary import PosteriorSummary
from poedsl.runtime.results.ranking import scores
from poedsl.runtime.results.verdict import Verdict
from poedsl.runtime.smc.composition import Composition
from poedsl.runtime.smc.records import Outcome, StageRecord

if TYPE_CHECKING:
    import xarray

    from poedsl.runtime.build.observed_data import ObservedData


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result:
    """The result of a run.

    Attributes:
        plan: the plan that ran, inputs bound.
        seed: the seed it ran with.
        particles: a tensor (L, ...) for each variable, in the variable's own units.
        log_weights: (L,), logsumexp 0; -inf for particles that violate a condition.
        log_values: for each factor that has one, its own log value at each particle, (L,).
        exponents: of each factor, inputs bound and normalised where that was asked for; masks, and
            experts that are given parents, have no density to take to a power and are left out.
        evidence: log of the integral of the product, its standard error, and why one is missing.
        stages: one record a stage, from noise to data.
        eve_indices: (T, L), for each stage and particle the slot, at the first stage, of the root
            of its line of descent.
        parents: (T, L), for each stage and particle the slot, at the stage before, that it was
            copied from.
        calls: evaluations of each factor, in particles.
        outcome: how the run ended.
        verdict: whether the result is to be trusted; the warnings say why not.
        posterior: mean, sd, quantiles, bulk ESS and R-hat of each component.
        warnings: what went wrong in the run, and where the product cannot be trusted; each has a
            ``code`` and a ``message``.
        composition: whether the product could be trusted; None for one expert, and where scores
            were not looked at.
        log_product: log of the target at points (n, D), all variables side by side; None where an
            expert has no density, and in results from a folder or another process.
        predicted_endpoints: at the stages at which they were to be kept; None likewise, and where
            none were.
        snapshots: all particles at some stages, those without descendants too; None likewise.
        peak_memory: in bytes, of the device's tensors or of the whole process.
        sites: for each factor that is a model of Pyro's, its latent and deterministic sites by
            name, (L, ...), in their own units.
        vocabularies: the text of the symbols of each variable that has a text.
        reports: the values of `report` statements by name, (L, ...).
        data: builds the likelihoods of the data as predictions need them; None in results from a
            folder or another process, which build them from the plan.
    """

    plan: PlanSpec
    seed: int
    particles: dict[str, Shaped[Tensor, L * shape]]
    log_weights: Float[Tensor, " L"]
    log_values: dict[str, Float[Tensor, " L"]]
    exponents: dict[str, float]
    evidence: Evidence
    stages: tuple[StageRecord, ...]
    eve_indices: Int[Tensor, "T L"]
    parents: Int[Tensor, "T L"]
    calls: dict[str, int]
    outcome: Outcome
    verdict: Verdict
    posterior: PosteriorSummary
    warnings: tuple[RunWarning, ...]
    composition: Composition | None = None
    log_product: Callable[[Tensor], Tensor] | None = None
    predicted_endpoints: PredictedEndpoints | None = None
    snapshots: Snapshots | None = None
    peak_memory: int | None = None
    sites: dict[str, dict[str, Shaped[Tensor, L * shape]]] = field(default_factory=dict)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    reports: dict[str, Float[Tensor, L * shape]] = field(default_factory=dict)
    data: Callable[[], ObservedData] | None = None

    def __repr__(self) -> str:
        from poedsl.runtime.results.report import head_lines

        return "\n".join(head_lines(self))

    def _repr_html_(self) -> str:
        from poedsl.runtime.results.html import result_html

        return result_html(self)

    def __getstate__(self) -> list[Any]:
        """All but what holds networks and Python code of experts."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        gone = dict.fromkeys(("log_product", "predicted_endpoints", "snapshots", "data"))
        return list({**values, **gone}.values())

    def __setstate__(self, state: list[Any]) -> None:
        for f, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, f.name, value)

    @default_torch_state()
    def save(self, folder: str | Path, *, pictures: bool = True) -> list[str]:
        """Write what ``poe run --out FOLDER`` writes; `load` reads it back.

        Args:
            pictures: whether to write the pictures in ``samples/`` and ``posterior.nc``, which take
                most of the time.

        Returns:
            What was left out since a library is not installed, a sentence each.

        Raises:
            PoeError: the folder cannot be written (P0704), or holds other files (P0712).
        """
        from poedsl.runtime.results.write_result import OutputFolder

        out = OutputFolder(Path(folder), self.plan.to_json())
        for record in self.stages:
            out.stage(record)
        return out.finish(self, pictures=pictures)

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """The result in a folder that `save` or ``poe run --out FOLDER`` wrote, on the CPU. Runs no
        code.

        Raises:
            PoeError: the folder cannot be read (P0604), or holds no complete result (P0713).
        """
        from poedsl.runtime.results.read_result import read_result

        return cls(**read_result(Path(folder)))

    @property
    def log_evidence(self) -> float | None:
        """Log of the integral of the product; None where there is none."""
        return self.evidence.value

    @property
    def log_evidence_se(self) -> float | None:
        """The standard error of the log evidence; None where no honest one is known."""
        return self.evidence.standard_error

    @property
    def evidence_reason(self) -> str:
        """Why there is no evidence, no standard error, or why the evidence is approximate."""
        return self.evidence.text

    @property
    def ess(self) -> float:
        """Effective sample size of the final weights."""
        total = torch.logsumexp(2 * self.log_weights, 0)
        return float((-total).exp()) if torch.isfinite(total) else 0.0

    @property
    def nfe(self) -> int:
        """Evaluations of all experts, each over all particles (Zhang et al., E.1)."""
        return sum(s.nfe for s in self.stages)

    @default_torch_state()
    def texts(self, name: str) -> list[str]:
        """The text of each particle of a variable of tokens, up to its end.

        Raises:
            PoeError: the variable has no text.
        """
        return vocabulary_of(self.vocabularies, name).texts(self.particles[name])

    @default_torch_state()
    def sample(self, n: int, seed: int = 0) -> dict[str, Float[Tensor, n * shape]]:
        """Unweighted draws, with replacement: copies are as even as can be, of each particle and,
        where components are few, of each region. Reported values are drawn with their particles.

        Raises:
            PoeError: the run failed, so that there is nothing to draw from.
            TypeError, ValueError: a number is not whole, or below zero.
        """
        count, seed = whole_number("n", n, 0), whole_number("seed", seed)
        index = self._drawn(count, seed)
        drawn = {**self.particles, **self.reports}
        return {name: x[index.to(x.device)] for name, x in drawn.items()}

    @default_torch_state()
    def predict(self, n: int | None = None, seed: int = 0) -> dict[str, Float[Tensor, n * shape]]:
        """The data drawn again by name, (n, ...), each time given an unweighted draw of the result:
        the posterior predictive distribution, and the prior one of a run of `Plan.prior`.

        Args:
            n: how many draws; as many as particles by default.

        Raises:
            PoeError: the program has no data (P0715), their likelihood is no density, or the run
                failed.
            TypeError, ValueError: a number is not whole, or below zero.
        """
        count = len(self.log_weights) if n is None else whole_number("n", n, 0)
        index = self._drawn(count, whole_number("seed", seed))
        particles = {name: x[index.to(x.device)] for name, x in self.particles.items()}
        return self.observed().draws(particles, seed)

    @default_torch_state()
    def log_likelihood(self) -> dict[str, Float[Tensor, L * shape]]:
        """The log density of each datum at each particle by the name of the data, (L, ...).

        Raises:
            PoeError: the program has no data (P0715).
        """
        return self.observed().log_likelihood(self.particles)

    @default_torch_state()
    def observed(self) -> ObservedData:
        """The data with their likelihoods.

        Raises:
            PoeError: the program has no data (P0715).
        """
        from poedsl.runtime.build.observed_data import observed_data

        observed = observed_data(self.plan) if self.data is None else self.data()
        if not observed.values:
            message = "the program has no data: no statement has an input before `~`"
            raise PoeError((Diagnostic("P0715", message),))
        return observed

    def _drawn(self, n: int, seed: int) -> Int[Tensor, " n"]:
        """The slots of unweighted draws, in random order."""
        self._require_draws()
        return drawn(self.particles, self.log_weights.cpu(), n, seed)

    def _require_draws(self) -> None:
        if not self.outcome.ok:
            raise PoeError((Diagnostic("P0705", f"there are no draws: {self.outcome.value}"),))

    @property
    @default_torch_state()
    def scores(self) -> Float[Tensor, " L"]:
        """What `best` ranks by: the total reward; without one the log target, else the weight."""
        return scores(self.plan, self.exponents, self.log_values, self.log_weights)

    @property
    def best_index(self) -> int:
        """The slot of the highest-scoring particle with weight."""
        return int(self.scores.argmax())

    @default_torch_state()
    def best(self) -> dict[str, Float[Tensor, " *shape"]]:
        """The highest-scoring particle: by total reward, or by the target's density without
        rewards.
        """
        return {name: x[self.best_index] for name, x in self.particles.items()}

    @default_torch_state()
    def summary(self) -> PosteriorSummary:
        """Mean, sd, 5 %, 50 % and 95 % quantiles, bulk ESS and R-hat of each component,
        by its name: ``result.summary()["beta[0]"].mean``. Printed, it is a table.
        """
        return self.posterior

    @default_torch_state()
    def report(self) -> str:
        """The run in words and one table, for a terminal."""
        from poedsl.runtime.results.report import text_report

        return text_report(self)

    @default_torch_state()
    def to_arviz(self, prior: Result | None = None, *, data: bool = True) -> Any:
        """The tree of `to_xarray` as data of ArviZ: an `InferenceData` of its versions before 1,
        else the tree itself.

        Raises:
            ImportError: ArviZ is not installed (the extra ``report``).
            PoeError: the run failed, so that there is nothing to draw from.
        """
        from poedsl.runtime.results.arviz_data import arviz_data

        return arviz_data(self.to_xarray(prior, data=data))

    @default_torch_state()
    def to_xarray(self, prior: Result | None = None, *, data: bool = True) -> xarray.DataTree:
        """A tree of datasets: as many unweighted draws as particles as the posterior, in a chain
        for each island. Chains are drawn by the weights within their island, so that ArviZ compares
        what the islands found; ``sample`` draws by the weights of all. Reported values are there
        too, `/` in their names written as `÷`, since it separates groups.

        ``sample_stats`` holds for each draw the index of the ``particle`` it copies, and that
        particle's ``log_weight``, ``eve_index`` (its root at the first stage) and log value under
        each factor. ``stages`` holds the records of the stages, and ``eve_indices``.

        Of a program with data ``log_likelihood`` holds the log density of each datum, from which
        ``az.loo`` and ``az.compare`` estimate predictive accuracy, ``observed_data`` the data, and
        ``posterior_predictive`` the data drawn again where that is possible.

        Args:
            prior: a run of `Plan.prior`, whose draws are the groups ``prior`` and
                ``prior_predictive``.
            data: whether to add the groups of the data, which have a number for each datum and
                draw.

        Raises:
            ImportError: xarray is not installed (the extra ``report``).
            PoeError: the run failed, so that there is nothing to draw from.
        """
        from poedsl.runtime.results.arviz_data import xarray_tree
        from poedsl.runtime.results.data_groups import data_groups

        self._require_draws()
        islands = SamplerOptions.of(self.plan).islands
        draws = drawn_by_island(self.particles, self.log_weights.cpu(), islands)
        groups = data_groups(self, torch.stack(draws), prior, with_data=data)
        return xarray_tree(self, draws, groups)
