"""Log evidence by tempering in 2 to 100 dimensions, and whether its standard errors are honest.

    python benchmarks/evidence.py [--seeds 40] [--coverage 200]

Three families with known evidence: a correlated Gaussian (neighbours drawn together), a Gaussian
times Laplace densities, and two wells eight spreads apart whatever the dimension. 1,000 particles,
eight islands or one population. Where BlackJAX is installed, its adaptive tempered SMC runs on the
same target from the same base, with as many particles, three MALA steps a stage, systematic
resampling, the share of ESS that makes its evaluations come closest to ours, and the step size
that serves it best on each target (ours adapt).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crossing import exact_log_evidence
from figures import add_out, write

import poedsl
from poedsl.runtime.run import Run

COUNT, STEPS = 1000, 3
DIMENSIONS = (2, 10, 20, 50, 100)
CROSSING = (Path(__file__).parent.parent / "programs" / "crossing.poe").read_text()
COUPLING, SIDE, WIDTH, PLACE = 4.0, 1.0, 0.5, 4.0


@dataclass(frozen=True)
class Family:
    """Targets of one kind: their programs and the log evidence of each, by dimension."""

    program: Callable[[int], str]
    log_z: Callable[[int], float]


def chain(d: int) -> str:
    pull = f"exp(-{COUPLING / 2} * sum((x[1:] - x[:-1])^2))"
    return f"x : Real[{d}]\nx ~ Normal(0, 1) * {pull}"


def chain_z(d: int) -> float:
    """Log of the integral of N(0, I) exp(-x' Q x / 2), Q the coupling times a path's Laplacian."""
    steps = np.diff(np.eye(d), axis=0)
    return -0.5 * float(np.linalg.slogdet(np.eye(d) + COUPLING * steps.T @ steps)[1])


def peaked(d: int) -> str:
    return f"x : Real[{d}]\nx ~ Normal(0, 1) * Laplace({SIDE}, {WIDTH})"


def peaked_z(d: int) -> float:
    """Of N(0, 1) times a Laplace density, on each component: two halves of shifted Gaussians."""
    rate = 1 / WIDTH
    lower = math.exp(rate**2 / 2 - rate * SIDE) * math.erfc((rate - SIDE) / math.sqrt(2))
    upper = math.exp(rate**2 / 2 + rate * SIDE) * math.erfc((rate + SIDE) / math.sqrt(2))
    return d * math.log(rate / 4 * (lower + upper))


def place(d: int) -> float:
    """Of the wells, which are ``PLACE`` apart."""
    return PLACE / 2 / math.sqrt(d)


def wells(d: int) -> str:
    at = place(d)
    pair = f"mixture(0.3 : Normal(-{at}, {WIDTH}), 0.7 : Normal({at}, {WIDTH}))"
    return f"x : Real[{d}]\nx ~ {pair} * Normal(0, 1)"


def wells_z(d: int) -> float:
    """Both wells overlap N(0, I) alike."""
    spread = 1 + WIDTH**2
    return -0.5 * (d * math.log(2 * math.pi * spread) + PLACE**2 / 4 / spread)


FAMILIES = {
    "correlated": Family(chain, chain_z),
    "Laplace": Family(peaked, peaked_z),
    "two wells": Family(wells, wells_z),
}


@dataclass(frozen=True)
class Row:
    """The figures of one target over seeds; errors are those of log Z.

    Attributes:
        rmse: root mean square error; ``bias`` its mean; ``spread`` its deviation over seeds.
        reported: the mean of the reported standard errors, over the seeds that have one.
        silent: seeds without a standard error.
        within: share of those with one whose error is below three of it.
    """

    method: str
    seeds: int
    bias: float
    spread: float
    rmse: float
    reported: float | None
    silent: int
    within: float | None
    nfe: float
    seconds: float


def summed(
    method: str,
    errors: list[float],
    reported: list[float | None],
    nfe: list[float],
    seconds: list[float],
) -> Row:
    found = np.array(errors)
    pairs = [(abs(e), s) for e, s in zip(errors, reported, strict=True) if s is not None]
    return Row(
        method,
        len(found),
        float(found.mean()),
        float(found.std(ddof=1)),
        float(np.sqrt((found**2).mean())),
        float(np.mean([s for _, s in pairs])) if pairs else None,
        len(errors) - len(pairs),
        float(np.mean([e <= 3 * s for e, s in pairs])) if pairs else None,
        float(np.mean(nfe)),
        float(np.median(seconds)),
    )


METHODS: dict[str, dict[str, object]] = {
    "8 islands": {"islands": 8},
    "one population": {"resample": "multinomial()"},
}


def ours(method: str, program: str, log_z: float, seeds: int, **options: object) -> Row:
    plan = poedsl.compile(program)
    errors, reported, nfe, seconds = [], [], [], []
    for seed in range(seeds):
        start = time.perf_counter()
        result = plan.run(seed=seed, particles=COUNT, **options, **METHODS[method])
        seconds.append(time.perf_counter() - start)
        errors.append(result.log_evidence - log_z)
        reported.append(result.log_evidence_se)
        nfe.append(float(result.nfe))
    return summed(method, errors, reported, nfe, seconds)


def blackjax_rows(
    family: str, d: int, log_z: float, seeds: int, evaluations: float
) -> Iterator[Row]:
    """Its best step size, at the share of ESS whose evaluations are closest to ours."""
    import blackjax
    import blackjax.smc.adaptive_tempered
    import blackjax.smc.resampling
    import jax
    import jax.numpy as jnp
    from jax.scipy.special import logsumexp

    space = Run(poedsl.compile(FAMILIES[family].program(d)).bound().spec).target.space
    loc, scale = (jnp.asarray(v.expand(d).numpy()) for v in (space.loc, space.scale))

    def normal(x: Any, mean: Any, sd: Any) -> Any:
        return (-0.5 * ((x - mean) / sd) ** 2 - jnp.log(sd * math.sqrt(2 * math.pi))).sum()

    def target(x: Any) -> Any:
        total = normal(x, 0.0, 1.0)
        if family == "correlated":
            return total - COUPLING / 2 * ((x[1:] - x[:-1]) ** 2).sum()
        if family == "Laplace":
            return total - (jnp.abs(x - SIDE) / WIDTH + math.log(2 * WIDTH)).sum()
        ends = [normal(x, at, WIDTH) for at in (-place(d), place(d))]
        return total + logsumexp(jnp.stack(ends), b=jnp.array([0.3, 0.7]))

    def prior(x: Any) -> Any:
        return normal(x, loc, scale)

    def gain(x: Any) -> Any:
        return target(x) - prior(x)

    @jax.jit
    def step(key: Any, state: Any, share: Any, size: Any) -> Any:
        sampler = blackjax.adaptive_tempered_smc(
            prior,
            gain,
            blackjax.mala.build_kernel(),
            blackjax.mala.init,
            {"step_size": size[None]},
            blackjax.smc.resampling.systematic,
            share,
            num_mcmc_steps=STEPS,
        )
        return sampler.step(key, state)

    def runs(share: float, size: float, count: int, first: int = 0) -> Row:
        errors, nfe, seconds = [], [], []
        for seed in range(first, first + count + 1):
            start, keys = time.perf_counter(), jax.random.split(jax.random.key(seed), 400)
            state = blackjax.smc.adaptive_tempered.init(
                loc + scale * jax.random.normal(keys[0], (COUNT, d))
            )
            found, stages = 0.0, 0
            while float(state.tempering_param) < 1 and stages < 399:
                stages += 1
                state, info = step(keys[stages], state, jnp.array(share), jnp.array(size))
                found += float(info.log_likelihood_increment)
            seconds.append(time.perf_counter() - start)
            errors.append(found - log_z)
            nfe.append(float(stages * (STEPS + 2)))
        return summed("BlackJAX", errors[1:], [None] * count, nfe[1:], seconds[1:])

    typical = 0.5 * float(scale.mean()) ** 2 / d ** (1 / 3)
    shares = {c: runs(c, typical, 2).nfe for c in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)}
    share = min(shares, key=lambda c: abs(math.log(shares[c] / evaluations)))
    tried = {r: runs(share, r * typical, 8, 1000).rmse for r in (0.03, 0.1, 0.3, 1.0)}
    best = min(tried, key=lambda r: tried[r] if math.isfinite(tried[r]) else math.inf)
    yield runs(share, best * typical, seeds)


def show(name: str, row: Row) -> None:
    reported = f"{'-':>8}" if row.reported is None else f"{row.reported:8.3f}"
    within = f"{'-':>7}" if row.within is None else f"{100 * row.within:6.1f}%"
    print(
        f"{name:<18}{row.method:<16}{row.bias:>+8.3f}{row.spread:>8.3f}{row.rmse:>8.3f}{reported}"
        f"{within}{row.silent:>7}{row.nfe:>7.0f}{row.seconds:>8.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--coverage", type=int, default=200, help="seeds of the coverage table")
    parser.add_argument("--peer-seeds", type=int, default=20)
    add_out(parser, "evidence")
    args = parser.parse_args()
    torch.set_num_threads(1)
    peer = find_spec("blackjax") is not None
    print(
        f"{'target':<18}{'method':<16}{'bias':>8}{'sd':>8}{'RMSE':>8}{'rep. SE':>8}{'in 3 SE':>7}"
        f"{'no SE':>7}{'NFE':>7}{'s a run':>8}"
    )
    if not peer:
        print("BlackJAX is not installed here, and its rows are left out")
    rows: list[dict[str, Any]] = []

    def add(name: str, row: Row) -> None:
        show(name, row)
        rows.append({"target": name, **asdict(row)})

    for name, family in FAMILIES.items():
        for d in DIMENSIONS:
            program, log_z, target = family.program(d), family.log_z(d), f"{name}, {d}"
            for method in METHODS:
                row = ours(method, program, log_z, args.seeds, path="temper(ess = none)")
                add(target, row)
            if peer:
                for theirs in blackjax_rows(name, d, log_z, args.peer_seeds, row.nfe):
                    add(target, theirs)
    print("coverage")
    for method in METHODS:
        add("crossing", ours(method, CROSSING, exact_log_evidence(), args.coverage))
        for name, family in FAMILIES.items():
            found = ours(
                method,
                family.program(20),
                family.log_z(20),
                args.coverage,
                path="temper(ess = none)",
            )
            add(f"{name}, 20", found)
    write(args, rows=rows)


if __name__ == "__main__":
    main()
