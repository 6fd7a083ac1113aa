"""One seed, one population: whatever the batches, the watchers and the number of particles."""

from __future__ import annotations

import pytest
import torch

import poedsl

PROGRAM = "x : Real[2]\nx ~ Normal([0, 1], 1) * mixture(Normal(1, [0.5, 2]), Normal(-1, 1))"
REWARDED = PROGRAM + " * exp(-sum(softplus(x)))"
FIXED = "temper(ess = none)"
PLANS = {
    "annealed importance": (
        PROGRAM,
        {"move": "none()", "correct": "ais()", "kernel": "mala(steps = 2, adapt = false)"},
    ),
    "exact ratios": (PROGRAM, {"move": "sde()", "correct": "ais()", "kernel": "none"}),
    "scores": (PROGRAM, {"move": "sde()", "correct": "fkc()", "kernel": "langevin(steps = 2)"}),
    "flow": (PROGRAM, {"move": "ode()", "correct": "fkc()", "kernel": "unadjusted_hmc(steps = 1)"}),
    "lines": (
        PROGRAM,
        {"move": "ode()", "correct": "fkc()", "kernel": "mala(line = 2, adapt = false)"},
    ),
    "random_walk": (REWARDED, {"path": FIXED, "kernel": "random_walk(steps = 2, adapt = false)"}),
    "barker": (REWARDED, {"path": FIXED, "kernel": "barker(steps = 2, adapt = false)"}),
    "hamiltonian": (REWARDED, {"path": FIXED, "kernel": "hmc(steps = 2, adapt = false)"}),
    "black box": (REWARDED, {"potential": "maximum()", "kernel": "none"}),
    "tempered": (
        "x : Real[2]\nx ~ StudentT(4, [0, 1], 1) * Normal(1, [0.5, 2])",
        {"path": FIXED, "kernel": "mala(steps = 2, adapt = false)"},
    ),
    "learned": ("x ~ digits(3) * digits(8)^0.5", {"move": "sde()", "correct": "fkc()", "steps": 2}),
}


def plan(name: str, resample: str) -> poedsl.Plan:
    program, options = PLANS[name]
    options = {"particles": 8, "steps": 4, "islands": 2, "resample": resample, **options}
    return poedsl.compile(program).with_options(**options)


def close(a: poedsl.Result, b: poedsl.Result, rows: slice = slice(None)) -> None:
    torch.testing.assert_close(a.particles["x"], b.particles["x"][rows], atol=1e-3, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_batches_of_any_size(name: str) -> None:
    """Resampling included: its rule, its ancestors and its accumulated evidence."""
    own = plan(name, "systematic(when = ess < 0.8)")
    whole = own.run(seed=2)
    for microbatch in (1, 7):
        parts = own.run(seed=2, microbatch=microbatch)
        close(whole, parts)
        torch.testing.assert_close(whole.log_weights, parts.log_weights, atol=1e-3, rtol=1e-3)
        assert torch.equal(whole.eve_indices, parts.eve_indices)
        assert whole.calls == parts.calls


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_being_watched(name: str) -> None:
    """Bit for bit, also where someone looks at every stage."""
    own = plan(name, "systematic(when = ess < 0.8)")
    quiet, watched = own.run(seed=3), own.run(seed=3, progress=True)
    *_, last = own.stream(seed=3)
    assert torch.equal(quiet.particles["x"], watched.particles["x"])
    assert torch.equal(quiet.particles["x"], last.particles["x"])
    assert torch.equal(quiet.log_weights, watched.log_weights)
    assert quiet.log_evidence == watched.log_evidence


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_more_particles_and_more_islands(name: str) -> None:
    """Without resampling and adaptation the first particles of an island are what they were."""
    own = plan(name, "none")
    few = own.run(seed=4)
    for particles, islands in ((12, 3), (18, 2)):
        many, each = own.run(seed=4, particles=particles, islands=islands), particles // islands
        for island in range(2):
            first = slice(island * each, island * each + 4)
            mine = slice(island * 4, island * 4 + 4)
            found, known = many.particles["x"][first], few.particles["x"][mine]
            torch.testing.assert_close(found, known, atol=1e-3, rtol=1e-3)


def test_resampling_does_not_move_the_noise_of_other_islands() -> None:
    """An island is what it is, whatever the others do."""
    own = plan("scores", "systematic(when = ess < 0.95)")
    two, five = own.run(seed=6), own.run(seed=6, particles=20, islands=5)
    assert any(s.resampled for s in two.stages)
    torch.testing.assert_close(two.particles["x"], five.particles["x"][:8], atol=1e-4, rtol=1e-4)
    assert torch.equal(two.eve_indices, five.eve_indices[:, :8])
