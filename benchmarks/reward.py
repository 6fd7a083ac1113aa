"""Nine modes with a reward (Kim et al. 2025): every potential against the exact tilted mixture.

    python benchmarks/reward.py [--seeds 12]

Nine components N(m, 0.3 I) on a grid of side 4, reward -x^2 / 100 - y^2. The product is a mixture
again, so the mean reward, the log evidence and draws are exact. EMD is W1 of 500 draws, beside that
between two sets of exact draws. DAS publishes no figures for this: the ones here were
measured with its code, as it stands and with what it forgets to resample gathered.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import torch
from figures import parser, write
from metrics import w1
from torch import Tensor

import poedsl

COUNT, DRAWS, STEPS = 2000, 500, 96
CENTRES, VARIANCE, RATES = (-4, 0, 4), 0.3, np.array([0.01, 1.0])
#: All potentials but `difference` make a black box of a differentiable reward as well.
CASES = [("differentiable", "difference")] + [
    ("black box", potential) for potential in ("difference", "maximum", "sum", "full")
]
#: With `at` rewards weigh at two stages and at the end, as in Singhal et al. 2025.
RESAMPLE = {
    "adaptive": "systematic(when = ess < 0.5)",
    "at two": "systematic(when = at(65, 33))",
    "none": "none()",
}
PLANS = {
    "sde, mala": {"path": "flow()", "move": "sde()", "kernel": "mala()"},
    "sde": {"path": "flow()", "move": "sde()", "kernel": "none"},
    "mala": {"path": "flow()", "move": "none()", "kernel": "mala()"},
}
#: Where EMD was measured: floor, DAS as coded, DAS with its state gathered, annealed weights, MALA.
PEERS = {"exact draws": 0.28, "DAS": 0.47, "DAS, gathered": 0.31, "annealed weights, MALA": 0.32}


@poedsl.reward
def black_box(x: poedsl.Real[2]) -> Tensor:
    """The reward, without its gradient."""
    return -x[:, 0].square() / 100 - x[:, 1].square()


REWARDS = {"differentiable": "exp(-x[0]^2 / 100 - x[1]^2)", "black box": "exp(black_box())"}


def program(reward: str) -> str:
    modes = ", ".join(f"Normal([{a}, {b}], {VARIANCE**0.5})" for a, b in product(CENTRES, CENTRES))
    return f"x : Real[2]\nx ~ mixture({modes}) * {REWARDS[reward]}"


def axis(rate: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Of an equal mixture of N(c, v) times exp(-rate x^2): log masses and means of its components,
    and their variance.
    """
    c, slack = np.array(CENTRES, dtype=float), 1 + 2 * rate * VARIANCE
    return -rate * c**2 / slack - 0.5 * math.log(slack) - math.log(3), c / slack, VARIANCE / slack


def exact() -> tuple[float, float]:
    """Mean reward and log evidence."""
    reward, evidence = 0.0, 0.0
    for rate in RATES:
        logs, means, variance = axis(rate)
        total = float(np.logaddexp.reduce(logs))
        reward -= rate * float(np.exp(logs - total) @ (means**2 + variance))
        evidence += total
    return reward, evidence


def draws(rng: np.random.Generator, count: int = DRAWS) -> np.ndarray:
    """Exact draws: the axes are independent."""
    out = []
    for rate in RATES:
        logs, means, variance = axis(rate)
        share = np.exp(logs - np.logaddexp.reduce(logs))
        out.append(rng.normal(means[rng.choice(3, count, p=share)], variance**0.5))
    return np.stack(out, 1)


def measure(plan: poedsl.Plan, options: dict[str, Any], seeds: int) -> dict[str, float | None]:
    """Means over seeds; of the reward also how many standard errors it is off."""
    truth, evidence = exact()
    rewards, emd, sizes, logs = [], [], [], []
    for seed in range(seeds):
        result = plan.run(seed=seed, particles=COUNT, steps=STEPS, **options)
        x = result.particles["x"].double().numpy()
        rewards.append(float(result.log_weights.exp().double().numpy() @ -(x**2 @ RATES)))
        drawn = result.sample(DRAWS)["x"].double().numpy()
        emd.append(w1(drawn, draws(np.random.default_rng(seed))))
        sizes.append(result.stages[-1].ess)
        logs.append(result.log_evidence)
    error = float(np.std(rewards, ddof=1)) / math.sqrt(seeds)
    off = float(np.mean(rewards)) - truth
    known = [log - evidence for log in logs if log is not None]
    return {
        "mean reward": truth + off,
        "error": error,
        "z": off / error,
        "EMD": float(np.mean(emd)),
        "ESS": float(np.mean(sizes)),
        "log evidence": float(np.mean(known)) if known else None,
    }


def main() -> None:
    args = parser(__doc__, "reward", seeds=12).parse_args()
    torch.set_num_threads(1)
    seeds = 4 if args.quick else args.seeds
    rng = np.random.default_rng(0)
    floor = float(np.mean([w1(draws(rng), draws(rng)) for _ in range(seeds)]))
    truth, evidence = exact()
    print(f"exact: mean reward {truth:.4f}, log evidence {evidence:.4f}, EMD {floor:.3f}")
    print("measured before: " + ", ".join(f"{name} {emd:.2f}" for name, emd in PEERS.items()))
    print(
        f"\n{'plan':<11}{'reward':<16}{'potential':<12}{'resampled':<12}"
        f"{'mean reward':>20}{'z':>7}{'EMD':>7}{'ESS':>7}{'log Z off':>11}"
    )
    rows = []
    for moves, (reward, potential), rule in product(PLANS, CASES, RESAMPLE):
        options = {**PLANS[moves], "potential": f"{potential}()", "resample": RESAMPLE[rule]}
        row = measure(poedsl.compile(program(reward)), options, seeds)
        rows.append(
            {"moves": moves, "reward": reward, "potential": potential, "resample": rule} | row
        )
        off = row["log evidence"]
        print(
            f"{moves:<11}{reward:<16}{potential:<12}{rule:<12}"
            f"{row['mean reward']:>11.4f} +- {row['error']:.4f}{row['z']:>7.1f}{row['EMD']:>7.3f}"
            f"{row['ESS']:>7.0f}" + (f"{off:>11.4f}" if off is not None else f"{'none':>11}"),
            flush=True,
        )
    exactly = {"mean reward": truth, "log evidence": evidence, "EMD": floor}
    write(args, exact=exactly, peers=PEERS, rows=rows)


if __name__ == "__main__":
    main()
