"""The runtime agrees with a plain sampler, particle by particle."""

from __future__ import annotations

import math

import numpy as np
import pytest

import poedsl
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.space.coordinates import Space
from tests.runtime.reference import Expert, Sampler

pytestmark = pytest.mark.statistical

#: Programs, and the same experts: power, and chance, mean and standard deviations of each part.
Parts = list[tuple[float, list[float], list[float]]]
PROGRAMS: dict[str, tuple[str, list[tuple[float, Parts]]]] = {
    "one": (
        "x ~ Normal([1, -2], [0.5, 2])",
        [(1, [(1, [1, -2], [0.5, 2])])],
    ),
    "two": (
        "x ~ Normal([1, 0], [0.5, 2]) * Normal(-1, 1)",
        [(1, [(1, [1, 0], [0.5, 2])]), (1, [(1, [-1, -1], [1, 1])])],
    ),
    "quotient": (
        "x ~ Normal([0, 1], [3, 1]) * Normal(0, [1, 3]) / Normal(0, 4)",
        [
            (1, [(1, [0, 1], [3, 1])]),
            (1, [(1, [0, 0], [1, 3])]),
            (-1, [(1, [0, 0], [4, 4])]),
        ],
    ),
    "powers": (
        "x ~ Normal([2, 0], [1, 2])^0.5 "
        "* mixture(0.3: Normal([-1, 1], 0.5), 0.7: Normal(1, 1))^1.2",
        [
            (0.5, [(1, [2, 0], [1, 2])]),
            (1.2, [(0.3, [-1, 1], [0.5, 0.5]), (0.7, [1, 1], [1, 1])]),
        ],
    ),
}
PLANS = [
    {"move": "ode", "correct": "none", "kernel": "none"},
    {"move": "ode", "correct": "fkc", "kernel": "none"},
    {"move": "sde", "correct": "fkc", "kernel": "none"},
    {"move": "sde", "correct": "fkc", "kernel": "langevin"},
    {"move": "sde", "correct": "ais", "kernel": "none"},
    {"move": "sde", "correct": "ais", "kernel": "mala"},
    {"move": "none", "correct": "ais", "kernel": "mala"},
    {"move": "none", "correct": "ais", "kernel": "none"},
]


def in_coordinates(space: Space, experts: list[tuple[float, Parts]]) -> list[Expert]:
    loc, scale = space.loc.double().numpy(), space.scale.double().numpy()
    return [
        Expert(
            power,
            [
                (c, (np.array(m) - loc) / scale, np.diag((np.array(s) / scale) ** 2))
                for c, m, s in parts
            ],
        )
        for power, parts in experts
    ]


@pytest.mark.slow
@pytest.mark.parametrize("islands", [1, 2])
@pytest.mark.parametrize("options", PLANS, ids=lambda o: "-".join(o.values()))
@pytest.mark.parametrize("name", PROGRAMS)
def test_particle_by_particle(name: str, options: dict[str, str], islands: int) -> None:
    text, experts = PROGRAMS[name]
    count, steps, kernel_steps, size = 6, 8, 2, 0.4
    kernels = {
        "none": "none",
        "langevin": f"langevin(steps = {kernel_steps}, step_size = {size**0.5})",
        "mala": f"mala(steps = {kernel_steps}, step_size = {size**0.5}, adapt = false)",
    }
    plan = poedsl.compile(f"x : Real[2]\n{text}").with_options(
        particles=count * islands,
        islands=islands,
        steps=steps,
        path="flow()",
        move=f"{options['move']}()",
        correct=f"{options['correct']}()",
        kernel=kernels[options["kernel"]],
        resample="systematic(when = ess < 0.7)",
    )
    model = prepare(plan.spec, RunSettings())
    target = model.target
    sampler = Sampler(
        in_coordinates(target.space, experts),
        2,
        [math.atan2(stage.alpha, stage.sigma) for stage in model.stages],
        count,
        **options,
        kernel_steps=kernel_steps,
        size=size,
        below=0.7,
    )
    result = plan.run(seed=11)
    space = target.space
    total = sum(power for power, _ in experts)
    shift = (total - 1) * float(space.scale.double().log().sum())
    evidence, log_weights = [], []
    for island in range(islands):
        x, log_w, ancestors, log_z = sampler.run(11, islands, island)
        rows = slice(island * count, (island + 1) * count)
        own = space.loc.double().numpy() + space.scale.double().numpy() * x
        assert np.allclose(result.particles["x"][rows].numpy(), own, atol=2e-3)
        assert [int(a) - island * count for a in result.eve_indices[-1][rows]] == ancestors
        mean = float(np.logaddexp.reduce(log_w)) - math.log(count)
        log_weights += list(log_w + log_z - mean)
        evidence.append(log_z - shift)
    log_weights = np.array(log_weights) - np.logaddexp.reduce(log_weights)
    assert np.allclose(result.log_weights.numpy(), log_weights, atol=2e-3)
    if options["correct"] != "none":
        whole = float(np.logaddexp.reduce(evidence)) - math.log(islands)
        assert result.log_evidence == pytest.approx(whole, abs=2e-3)
