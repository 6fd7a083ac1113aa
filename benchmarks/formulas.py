"""Two closed forms: exponents that sum to two, from scores alone, and the bias of the naive plan.

    python benchmarks/formulas.py [--seeds 6]

The first is N(0, 1) N(1, 1) on 20 components with the densities hidden, as if both were learned:
mean 1/2, variance 1/2, log evidence 20 (-log(4 pi) / 2 - 1/4). The second is Theorem 2 of Soiffer
et al.: without weights and kernels, commuting Gaussians compose to prod_i Sigma_i^(w_i).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

import poedsl
from poedsl.experts.protocol import Generative, Noised
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run

BASE = (
    "x : Real[2]\nx ~ Normal([0, 0], [10^0.5, 1]) * Normal([0, 0], [1, 10^0.5]) / Normal(0, {}^0.5)"
)


@dataclass
class ScoreOnly:
    """An expert whose density is hidden."""

    expert: Generative
    has_density = False
    terminal = False
    calls_per_evaluation = 1
    inference_mode = True

    def endpoint_precision(self, alpha: float, sigma: float) -> Tensor | float:
        return self.expert.endpoint_precision(alpha, sigma)

    def noised(self, x: Tensor, alpha: float, sigma: float) -> Noised:
        return Noised(self.expert.noised(x, alpha, sigma).score)


def as_if_learned(plan: poedsl.Plan, seed: int) -> poedsl.Result:
    job = Run(plan.bound().spec, RunSettings(seed=seed))
    # Targets are frozen; the run holds this one in several places.
    experts = tuple(replace(a, expert=ScoreOnly(a.expert)) for a in job.target.experts)
    object.__setattr__(job.target, "experts", experts)
    for _ in job.stages():
        pass
    return job.result()


def exponents(seeds: int) -> None:
    truth = 20 * (-0.5 * math.log(4 * math.pi) - 0.25)
    plan = poedsl.compile("x : Real[20]\nx ~ Normal(0, 1) * Normal(1, 1)")
    print(f"exponents that sum to two, 20 components, 1,000 particles, worst of {seeds} seeds")
    print(f"{'kernel':<22}{'moves':>6}{'mean - 1/2':>12}{'variance, %':>13}{'log Z error':>13}")
    for kernel in ("none", "langevin(steps = 1)"):
        for steps in (100, 400):
            given = plan.with_options(
                particles=1000, steps=steps, correct="fkc()", kernel=kernel, move="sde()"
            )
            worst = torch.zeros(3)
            for seed in range(seeds):
                result = as_if_learned(given, seed)
                weights = result.log_weights.exp()[:, None]
                x = result.particles["x"].double()
                mean = (weights * x).sum(0)
                variance = (weights * (x - mean).square()).sum(0)
                assert result.log_evidence is not None
                errors = torch.tensor(
                    [
                        float(mean.mean()) - 0.5,
                        100 * (float(variance.mean()) / 0.5 - 1),
                        result.log_evidence - truth,
                    ]
                )
                worst = torch.maximum(worst, errors.abs())
            print(f"{kernel:<22}{steps:>6}{worst[0]:>12.4f}{worst[1]:>13.2f}{worst[2]:>13.3f}")


def naive() -> None:
    print("\nthe naive plan, 200,000 particles: variance, and its ratio to that of Theorem 2")
    print(f"{'base':>6}{'theorem':>10}{'found':>18}{'ratio':>18}{'target':>10}")
    for base in (10.0, 20.0, 1.0, 1.1):
        plan = poedsl.compile(BASE.format(base))
        result = plan.run(particles=200_000, move="ode()", correct="none()", kernel="none")
        theorem, target = 10 / base, 1 / (1 / 10 + 1 - 1 / base)
        found = result.particles["x"].var(0).tolist()
        ratios = [f / theorem for f in found]
        print(
            f"{base:>6g}{theorem:>10.4f}{found[0]:>9.4f}{found[1]:>9.4f}"
            f"{ratios[0]:>9.4f}{ratios[1]:>9.4f}{target:>10.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(1)
    exponents(args.seeds)
    naive()


if __name__ == "__main__":
    main()
