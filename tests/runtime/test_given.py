"""Experts conditioned on their parents (Zhang et al., Eq. 6)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import poedsl
from poedsl.experts.densities.gaussian_mixtures import Gaussians
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.run import Run
from poedsl.runtime.targets.parent_guidance import ParentGuidance, guided_score, velocity
from tests.diagnostics import warning_data
from tests.runtime.helpers import moments, substitute

STAGE = NoisingStage(3, 0.6, 0.8)
SAMPLE = (
    "\nsample x by anneal(condition = {condition}, move = ode(), correct = none(),"
    " kernel = langevin(step_size = 0.32), steps = 20, particles = 200)"
)


def gaussian(mean: float, scale: float) -> Gaussians:
    return Gaussians.diagonal(torch.tensor([float(mean)]), torch.tensor([float(scale)]))


def mixture_of(loc: torch.Tensor, scale: torch.Tensor) -> Gaussians:
    return Gaussians(torch.tensor([0.4, 0.6]).log(), loc, scale.square())


def by_hand(z: float, wanted: float, weight: float, updates: int) -> float:
    """v_i(z) - w sum_k grad |v_i(z_k) - v_parent|^2 for N(1, 0.5), as a formula in z.

    v_i is affine: with u = alpha^2 / 4 + sigma^2 the score of x is -(x - alpha) / u.
    """
    a, b = STAGE.alpha, STAGE.sigma
    c, u = a + b, a**2 / 4 + b**2

    def own(at: float) -> float:
        return (c * at - b * c * (c * at - a) / u) / a

    slope = own(1) - own(0)
    shift = 0.0
    for _ in range(updates):
        shift -= weight * 2 * (own(z + shift) - wanted) * slope
    return own(z) + shift


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("updates", [1, 2, 5])
@pytest.mark.parametrize("weight", [0.05, 0.1, 0.3])
def test_one_dimension_by_hand(weight: float, updates: int, forward: bool) -> None:
    expert, parent = gaussian(1, 0.5), gaussian(0, 2)
    x = torch.tensor([[0.7], [-1.2]])
    above = parent.noised(x, STAGE.alpha, STAGE.sigma).score
    guide = ParentGuidance(weight, updates, (), forward)
    score = guided_score(expert, x, above, guide, STAGE)
    found = velocity(x, score, STAGE).flatten()
    wanted = velocity(x, above, STAGE).flatten()
    expected = [
        by_hand(float(at) / (STAGE.alpha + STAGE.sigma), float(v), weight, updates)
        for at, v in zip(x.flatten(), wanted, strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4 if forward else 1e-5)


def test_an_expert_that_agrees_with_its_parent_is_left_alone() -> None:
    expert, x = gaussian(1, 0.5), torch.randn(5, 1)
    own = expert.noised(x, STAGE.alpha, STAGE.sigma).score
    torch.testing.assert_close(guided_score(expert, x, own, ParentGuidance(0.2, 3, ()), STAGE), own)


@pytest.mark.parametrize("stage", [NoisingStage(9, 0.1, 0.995), STAGE, NoisingStage(2, 0.995, 0.1)])
def test_forward_differences_of_a_mixture_are_its_gradient(stage: NoisingStage) -> None:
    """Its velocity is curved, and its Jacobian symmetric, as that of every density."""
    loc = torch.tensor([[0.0, 1.0, -1.0], [1.0, -0.5, 0.5]])
    scale = torch.tensor([[0.6, 1.0, 0.8], [0.9, 0.5, 0.7]])
    expert = mixture_of(loc, scale)
    generator = torch.Generator("cpu").manual_seed(0)
    x, above = torch.randn(2, 20, 3, generator=generator)
    found = [
        guided_score(expert, x, above, ParentGuidance(0.1, 1, (), forward), stage)
        - expert.noised(x, stage.alpha, stage.sigma).score
        for forward in (False, True)
    ]
    assert float(torch.cosine_similarity(*found, dim=-1).min()) > 0.99
    torch.testing.assert_close(found[1].norm(dim=-1), found[0].norm(dim=-1), rtol=0.1, atol=1e-3)


def test_an_expert_that_agrees_is_left_alone_by_forward_differences() -> None:
    expert, x = gaussian(1, 0.5), torch.zeros(5, 1)
    own = expert.noised(x, STAGE.alpha, STAGE.sigma).score
    score = guided_score(expert, x, own, ParentGuidance(0.2, 3, (), True), STAGE)
    torch.testing.assert_close(score, own)


@pytest.mark.parametrize("forward", [False, True])
def test_the_gradient_of_the_point_goes_through_the_expert_alone(forward: bool) -> None:
    expert, x = gaussian(1, 0.5), torch.randn(4, 1, requires_grad=True)
    above = gaussian(0, 2).noised(x.detach(), STAGE.alpha, STAGE.sigma).score
    guide = ParentGuidance(0.2, 2, (), forward)
    score = guided_score(expert, x, above, guide, STAGE)
    (slope,) = torch.autograd.grad(score.sum(), x)
    torch.testing.assert_close(slope, torch.full((4, 1), -1 / (0.36 / 4 + 0.64)))
    fixed = guided_score(expert, x.detach(), above, guide, STAGE)
    torch.testing.assert_close(score.detach(), fixed)


@pytest.mark.parametrize("stage", [NoisingStage(9, 0.1, 0.995), STAGE, NoisingStage(2, 0.995, 0.1)])
def test_a_correction_leads_where_velocities_agree(stage: NoisingStage) -> None:
    expert, x = gaussian(1, 0.5), torch.randn(50, 1)
    scale = stage.alpha + stage.sigma

    def own(point: torch.Tensor) -> torch.Tensor:
        score = expert.noised(point, stage.alpha, stage.sigma).score
        return velocity(point, score, stage)

    above = gaussian(0, 2).noised(x, stage.alpha, stage.sigma).score
    wanted = velocity(x, above, stage)
    apart = [own(x) - wanted]
    for updates in (1, 2, 4):
        score = guided_score(expert, x, above, ParentGuidance(0.1, updates, ()), stage)
        shift = velocity(x, score, stage) - own(x)
        apart.append(own(x + scale * shift) - wanted)
    sizes = [float(a.abs().mean()) for a in apart]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.8 * sizes[0]


def run(program: str, condition: str) -> poedsl.Result:
    return poedsl.compile(program + SAMPLE.format(condition=condition)).run(seed=1)


TWO = "x : Real[2]\nx ~ Normal(0, 1) * Normal([1, 0], 2)\nx[0] ~ Normal(3, 0.5) given x"


@pytest.mark.slow
def test_a_weight_of_zero_is_no_parent_at_all() -> None:
    alone = run(TWO.replace(" given x", ""), "none()").particles["x"]
    for condition in ("guide(weight = 0)", "none()"):
        assert torch.equal(run(TWO, condition).particles["x"], alone)
    assert not torch.equal(run(TWO, "guide(weight = 0.1)").particles["x"], alone)


def test_two_updates_are_not_one() -> None:
    one, two = (run(TWO, f"guide(updates = {n})").particles["x"] for n in (1, 2))
    assert float((one[:, 0] - two[:, 0]).abs().max()) > 1e-3
    assert torch.isfinite(two).all()


def test_there_is_no_density_and_the_result_says_why() -> None:
    result = run(TWO, "guide()")
    assert result.log_evidence is None
    factor = {"factor": "Normal_3", "place": "<string>:3:8"}
    assert warning_data(result, "P1102") == [factor]
    calls = result.calls
    assert calls["Normal_3"] == 2 * calls["Normal"]
    calls = run(TWO, "guide(gradient = forward())").calls
    assert calls["Normal_3"] == 4 * calls["Normal"]


def test_the_product_s_score_holds_the_correction() -> None:
    """The parents of a part: both statements on the whole, by their exponents, cropped."""
    program = "x : Real[2]\nx ~ Normal(0, 1)^3 * Normal(1, 1)\nx[1] ~ Normal(2, 1) given x"
    job = Run(poedsl.compile(program + SAMPLE.format(condition="guide()")).bound().spec)
    stage = job.model.stages[9]
    x = torch.randn(6, 2)
    first, second, part = job.target.experts
    assert part.guidance is not None
    s = [a.expert.noised(x, stage.alpha, stage.sigma).score for a in (first, second)]
    above = 0.75 * s[0][:, 1:] + 0.25 * s[1][:, 1:]
    own = guided_score(part.expert, x[:, 1:], above, part.guidance, stage)
    expected = 3 * s[0] + s[1] + torch.nn.functional.pad(own, (1, 0))
    torch.testing.assert_close(job.target.evaluate(x, stage).score, expected)
    substitute(job, microbatch=2)
    torch.testing.assert_close(job.target.evaluate(x, stage).score, expected)


def test_parents_whose_masks_are_zero_still_have_a_velocity() -> None:
    program = (
        "input m : Mask\nx : Image[1, 2, 2]\nx ~ Normal(0, 1)^(1 - m)\nx ~ Normal(1, 1)^m given x"
    )
    plan = poedsl.compile(program + SAMPLE.format(condition="guide()"))
    job = Run(plan.bind(m=[[0, 1], [0.5, 1]]).spec)
    _, child = job.target.experts
    assert child.guidance is not None
    assert child.guidance.parents[0].share.tolist() == [1, 1, 1, 1]
    for _ in job.stages():
        pass
    assert job.result().outcome.ok


def test_rewards_guide_a_product_with_parents() -> None:
    program = "x ~ Normal(0, 1)\nx ~ Normal(2, 1) given x\nx ~ exp(-8 * (x + 1)^2)"
    result = run(program, "guide()")
    assert result.outcome.ok
    assert float(moments(result)[0]) < 0


@pytest.mark.slow
@pytest.mark.statistical
def test_a_learned_flow_is_conditioned_through_its_network() -> None:
    program = "x ~ digits()^0.5\nx ~ digits(3)^0.5 given x"
    found = {}
    for weight in (0, 0.1):
        spec = poedsl.compile(
            program + SAMPLE.format(condition=f"guide(weight = {weight})")
        ).with_options(particles=4, steps=6)
        result = spec.run(seed=2)
        assert result.outcome.ok
        found[weight] = result.particles["x"]
    assert not torch.equal(found[0], found[0.1])
    assert float(found[0.1].abs().max()) < 3
    assert math.isfinite(float(found[0.1].sum()))


@pytest.mark.parametrize("gradient", ["forward", "forward()", "backward()"])
def test_gradients_by_their_names(gradient: str) -> None:
    plan = poedsl.compile(TWO + SAMPLE.format(condition=f"guide(gradient = {gradient})"))
    found = dict(plan.spec.option("condition").kwargs)["gradient"]
    assert found.function == gradient.removesuffix("()")
    assert poedsl.load(plan.to_json()).spec.option("condition") == plan.spec.option("condition")


@pytest.mark.parametrize("gradient", ["sideways()", "forward(2)", "1", "none", "true"])
def test_other_gradients_are_refused(gradient: str) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(TWO + SAMPLE.format(condition=f"guide(gradient = {gradient})"))
    assert [d.code for d in caught.value.diagnostics] == ["P0502"]


def test_parents_in_a_loop_without_elements_are_missed() -> None:
    plan = poedsl.compile(
        "input boxes : Layout\nx : Image[1, 8, 8]\nfor e in boxes:\n    x ~ Normal(0, 1)\n"
        "x ~ digits() given x"
    )
    with pytest.raises(poedsl.PoeError) as raised:
        plan.run(boxes=[], particles=2, steps=2)
    assert [d.code for d in raised.value.diagnostics] == ["P0412"]
