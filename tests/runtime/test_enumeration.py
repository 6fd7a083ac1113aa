"""Resampling and weighting, enumerated: every mean here is a sum over all that can happen.

Three states and three stages; in place of moves a Markov chain, in place of experts a table of
weights. Each thing that can happen is an island of one population, with its probability beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import pytest
import torch
from torch import Tensor

from poedsl.compiler.plan.resampling_rule import ResamplingRule
from poedsl.runtime.core.particles import Particles
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.smc.evidence_contributions import EvidenceContributions
from poedsl.runtime.smc.population import Population, Potential
from poedsl.runtime.smc.resampler import Resampler
from poedsl.runtime.smc.resampling_schemes import SCHEMES

START = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
CHAINS = torch.tensor(
    [
        [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.25, 0.25, 0.5]],
        [[0.1, 0.2, 0.7], [0.4, 0.4, 0.2], [0.3, 0.6, 0.1]],
    ],
    dtype=torch.float64,
)
WEIGHTS = {
    "positive": [[1.0, 0.2, 2.5], [0.3, 4.0, 0.7], [2.0, 0.1, 0.9]],
    "with zeros": [[1.0, 0.0, 2.5], [0.3, 4.0, 0.0], [0.0, 0.1, 0.9]],
}
RULES = {
    "none": None,
    "always": ResamplingRule(always=True),
    "adaptive": ResamplingRule(below=0.8),
    "at": ResamplingRule(stages=frozenset([2])),
}
UNBIASED = ["multinomial", "systematic", "stratified", "residual"]


def cells(scheme: str, log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Cells of the uniforms within which the ancestors stay the same: for each row of weights the
    midpoint of every cell, (S, cells, uniforms), and its volume.
    """
    n = log_weights.shape[-1]
    ends = torch.softmax(log_weights, -1).nan_to_num(nan=1 / n).cumsum(-1)
    if scheme in ("systematic", "stratified"):
        ends = (n * ends).frac()
    if scheme == "residual":
        rest = n * torch.softmax(log_weights, -1).nan_to_num(nan=1 / n)
        rest = rest - rest.floor()
        ends = rest.cumsum(-1) / rest.sum(-1, keepdim=True).clamp(min=1e-300)
    inner = ends[:, :-1].clamp(0, 1).sort(-1).values
    edges = torch.cat([torch.zeros(len(inner), 1), inner, torch.ones(len(inner), 1)], -1).double()
    count = 1 if scheme == "systematic" else n
    which = torch.tensor(list(product(range(n), repeat=count)))
    middles, lengths = (edges[:, 1:] + edges[:, :-1]) / 2, edges.diff(dim=-1)
    return middles[:, which], lengths[:, which].prod(-1)


@dataclass(frozen=True, slots=True)
class Scripted(Noise):
    """Islands whose uniforms are what a test says."""

    uniforms: Tensor

    def __post_init__(self) -> None:
        """There are no streams."""

    def shared(self, stage: int, purpose: str, count: int = 1) -> Tensor:
        assert self.uniforms.shape == (self.islands, count)
        return self.uniforms


class Everything:
    """All that can happen to a few particles, one island each, with its probability."""

    def __init__(self, n: int, resampler: Resampler, weights: Tensor) -> None:
        self.n, self.resampler, self.weights = n, resampler, weights
        states = torch.tensor(list(product(range(3), repeat=n)))
        self.chances = START[states].prod(-1)
        x, zeros = states.view(-1, 1).float(), torch.zeros(states.numel()).double()
        self.population: Population[NoisingStage] = Population.start(
            Particles.at_start(x, zeros, 0.0),
            NoisingStage(3, 1.0, 0.0),
            len(states),
            StepSize(torch.ones(len(states), 1)),
        )
        self.weigh(0)

    def rng(self, uniforms: Tensor) -> Scripted:
        return Scripted(0, len(uniforms), self.n, torch.device("cpu"), uniforms=uniforms)

    @property
    def states(self) -> Tensor:
        return self.population.particles.x.view(self.population.islands, -1).long()

    def weigh(self, stage: int) -> None:
        p = self.population.particles
        gain = self.weights[stage][p.x[:, 0].long()].log()
        self.population = self.population.reweighted(Potential(gain, p.rewards)).measured()

    def branch(self, chances: Tensor) -> None:
        """Every island into as many as ``chances`` has columns, without those that cannot be."""
        self.kept = (chances > 0).flatten()
        self.select(torch.arange(len(chances)).repeat_interleave(chances.shape[1])[self.kept])
        self.chances = self.chances * chances.flatten()[self.kept]

    def select(self, islands: Tensor) -> None:
        """These islands, in this order; particles descend from themselves again."""
        p = self.population
        slots = torch.arange(len(p.particles.x)).view(p.islands, -1)[islands].flatten()
        fresh = torch.arange(len(slots))
        self.population = replace(
            p,
            particles=replace(p.particles.gather(slots), eve_indices=fresh),
            slots=fresh,
            parents=fresh,
            contributions=EvidenceContributions.start(fresh, torch.zeros(len(islands), self.n)),
            accumulated_log_evidence=p.accumulated_log_evidence[islands],
            log_mean_weights=p.log_mean_weights[islands],
            sizes=p.sizes[islands],
            resamplings=p.resamplings[islands],
        )
        self.chances = self.chances[islands]

    def move(self, chain: Tensor, stage: int) -> None:
        ends = torch.tensor(list(product(range(3), repeat=self.n)))
        self.branch(chain[self.states[:, None, :], ends].prod(-1))
        p, before = self.population.particles, len(self.kept) // len(ends)
        x = ends.repeat(before, 1)[self.kept].view(-1, 1).float()
        self.population = self.population.with_particles(replace(p, x=x))
        self.weigh(stage)

    def resample(self, t: int) -> None:
        self.population = replace(self.population, stage=NoisingStage(t, 1.0, 0.0), resampled=False)
        due = self.resampler.due(self.population)
        middles, volumes = cells(self.resampler.scheme, self.population.island_log_weights)
        once = torch.zeros_like(volumes)
        once[:, 0] = 1
        self.branch(torch.where(torch.tensor(due)[:, None], volumes, once))
        rng = self.rng(middles.flatten(0, 1)[self.kept])
        self.population = self.resampler(self.population, rng)
        assert self.population.resampled == any(due)
        self.merge()

    def merge(self) -> None:
        """Join islands with the same particles and weights; their evidence is averaged."""
        p, n = self.population, self.n
        columns = torch.cat([p.particles.x, p.particles.log_weights[:, None]], -1)
        rows, groups = columns.view(-1, 2 * n).unique(dim=0, return_inverse=True)
        examples = torch.empty(len(rows), dtype=torch.long)
        examples[groups] = torch.arange(len(groups))
        chances = torch.zeros(len(rows)).double().index_add(0, groups, self.chances)
        accumulated_log_evidence = torch.zeros_like(chances).index_add(
            0, groups, self.chances * p.accumulated_log_evidence.exp()
        )
        self.select(examples)
        self.population = replace(
            self.population, accumulated_log_evidence=(accumulated_log_evidence / chances).log()
        )
        self.chances = chances

    def measure(self) -> tuple[Tensor, Tensor]:
        """Means of Z-hat, and of Z-hat times the weighted share of each state."""
        evidence = self.population.island_evidence.exp()
        weights = self.population.island_log_weights.softmax(-1).nan_to_num()
        shares = torch.stack([(weights * (self.states == k)).sum(-1) for k in range(3)], -1)
        return self.chances @ evidence, self.chances @ (evidence[:, None] * shares)


def everything(n: int, scheme: str, rule: str, weights: Tensor) -> Everything:
    everything = Everything(n, Resampler(scheme, RULES[rule]), weights)
    everything.resample(3)
    everything.move(CHAINS[0], 1)
    everything.resample(2)
    everything.move(CHAINS[1], 2)
    return everything


def measures(weights: Tensor) -> Tensor:
    """The unnormalised distribution of the last stage."""
    after = ((START * weights[0]) @ CHAINS[0]) * weights[1]
    return (after @ CHAINS[1]) * weights[2]


@pytest.mark.slow
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scheme", UNBIASED)
@pytest.mark.parametrize("n", [2, 3])
def test_the_evidence_is_unbiased(n: int, scheme: str, rule: str, weights: str) -> None:
    table = torch.tensor(WEIGHTS[weights], dtype=torch.float64)
    found = everything(n, scheme, rule, table)
    assert float(found.chances.sum()) == pytest.approx(1, abs=1e-12)
    assert bool(found.population.resamplings.any()) == (rule != "none")
    mean, each = found.measure()
    torch.testing.assert_close(each, measures(table), atol=1e-10, rtol=0)
    assert float(mean) == pytest.approx(float(measures(table).sum()), abs=1e-10)


def test_a_biased_scheme_is_found_out() -> None:
    table = torch.tensor(WEIGHTS["positive"], dtype=torch.float64)
    mean, _ = everything(2, "tophalf", "always", table).measure()
    assert abs(float(mean) / float(measures(table).sum()) - 1) > 0.01


@pytest.mark.parametrize("scheme", UNBIASED)
@pytest.mark.parametrize(
    "shares", [[0.7, 0.3], [0.5, 0.5, 0.0], [0.61, 0.28, 0.11], [0.05, 0.4, 0.13, 0.42]]
)
def test_copies_are_proportional_to_weights(scheme: str, shares: list[float]) -> None:
    """The mean number of copies, by integrating over the uniforms: exact for every scheme."""
    weights = torch.tensor([shares], dtype=torch.float64)
    middles, volumes = cells(scheme, weights.log())
    uniforms = middles[0][volumes[0] > 0]
    chosen = SCHEMES[scheme](weights.log().expand(len(uniforms), -1), uniforms)
    copies = torch.nn.functional.one_hot(chosen, len(shares)).sum(1).double()
    mean = volumes[0][volumes[0] > 0] @ copies
    torch.testing.assert_close(mean, len(shares) * weights[0], atol=1e-12, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", UNBIASED)
def test_ancestors_are_the_same_within_a_cell(scheme: str) -> None:
    """What makes the sums above integrals: only the edges of the cells change the ancestors."""
    weights = torch.tensor([[0.61, 0.28, 0.11]], dtype=torch.float64).log()
    middles, volumes = cells(scheme, weights)
    generator = torch.Generator().manual_seed(0)
    uniforms = torch.rand(5000, middles.shape[-1], generator=generator).double()
    chosen = SCHEMES[scheme](weights.expand(5000, -1), uniforms)
    nearest = SCHEMES[scheme](weights.expand(middles.shape[1], -1), middles[0])
    for ancestors in nearest[volumes[0] > 0].unique(dim=0):
        found = (chosen == ancestors).all(-1).double().mean()
        exact = volumes[0][(nearest == ancestors).all(-1)].sum()
        assert abs(float(found - exact)) < 4 * (0.25 / 5000) ** 0.5
