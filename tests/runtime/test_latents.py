"""Variables that are sampled as latents: what experts and rewards see, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latents import Codec
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from poedsl.runtime.space.parts import snapped
from tests.diagnostics import numbers, refused
from tests.experts import tiny

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
FAST = "sample x by anneal(particles = 3, steps = 4"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def flux(place: Path) -> str:
    return f'flux("a red cat", model = "{tiny.folder("flux", place)}")'


def run(program: str, options: str = "", **values: Any) -> Any:
    return poedsl.compile(f"{program}\n{FAST}{options})\n").bind(**values).run(seed=1)


def job(program: str, options: str = "", **values: Any) -> Run:
    return Run(
        poedsl.compile(f"{program}\n{FAST}{options})\n").bind(**values).bound().spec,
        RunSettings(seed=1),
    )


@pytest.mark.slow
def test_particles_are_pictures_and_the_path_is_over_latents(flux: str) -> None:
    made = job(f"x : Image[3, 32, 48]\nx ~ {flux}")
    assert made.target.space.shapes == {"x": (4, 8, 12)}
    view = [made.view(record) for record in made.stages()][-1]
    assert view.particles["x"].shape == (3, 3, 32, 48)
    found = made.result().particles["x"]
    torch.testing.assert_close(found, view.particles["x"], atol=1e-6, rtol=0)
    assert float(found.min()) >= 0 and float(found.max()) <= 1


def test_open_sizes_are_those_that_the_model_was_trained_on(flux: str) -> None:
    assert run(f"x ~ {flux}").particles["x"].shape == (3, 3, 32, 32)


@pytest.mark.slow
def test_a_box_is_a_crop_of_latents_from_patch_to_patch(place: Path, flux: str) -> None:
    seen = []
    depth = tiny.folder("flux_depth", place)
    program = (
        f"x : Image[3, 32, 32]\nx ~ {flux}\n"
        f'x[box(0.2, 0, 0.8, 0.5)] ~ flux_depth(d, "a dog", model = "{depth}")'
    )
    made = job(program, d=torch.rand(16, 20))
    own = made.target.experts[1]
    assert own.expert.shape == (4, 4, 4)
    numbers = torch.arange(256).view(4, 8, 8)[:, 0:4, 2:6].flatten()
    assert torch.equal(own.part, numbers)
    inner = own.expert.velocity
    own.expert.velocity = lambda z, s: (seen.append(z.shape), inner(z, s))[1]
    list(made.stages())
    assert set(seen) == {(3, 64)}


@pytest.mark.parametrize(
    ("first", "last", "wanted"),
    [(0, 32, (0, 8)), (6, 26, (2, 6)), (3, 5, (0, 2)), (30, 32, (6, 8)), (12, 20, (4, 6))],
)
def test_parts_begin_and_end_at_patches(first: int, last: int, wanted: tuple[int, int]) -> None:
    found = snapped(slice(first, last), 32, 4)
    assert (found.start, found.stop) == wanted


def test_a_mask_is_averaged_over_the_pixels_of_a_latent(flux: str) -> None:
    m = torch.zeros(32, 32)
    m[:, :6] = 1
    made = job(f"input m : Mask\nx : Image[3, 32, 32]\nx ~ {flux} ^ (1 - 0.5 * m)", m=m)
    own = made.target.experts[0].exponent.view(4, 8, 8)
    assert own[0, 0].tolist() == [0.5, 0.75, 1, 1, 1, 1, 1, 1]


@pytest.mark.slow
def test_rewards_see_pictures_decoded_once_a_stage(
    flux: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[torch.Size] = []
    inner = Codec.decode

    def decode(self: Codec, latents: torch.Tensor) -> torch.Tensor:
        calls.append(latents.shape)
        return inner(self, latents)

    monkeypatch.setattr(Codec, "decode", decode)
    made = job(
        f"x ~ {flux} * exp(40 * mean(x[0]) - 40 * mean(x[2])) * exp(-3 * mean(x[1]))",
        ", kernel = none",
    )
    calls.clear()
    records = list(made.stages())
    assert len(records) == 5
    assert all(len(shape) == 4 for shape in calls)
    assert len(calls) <= len(records) + 1


@pytest.mark.slow
def test_rewards_pull_through_the_decoder(flux: str) -> None:
    plain = run(f"x : Image[3, 32, 32]\nx ~ {flux}").particles["x"]
    pulled = run(f"x : Image[3, 32, 32]\nx ~ {flux} * exp(2000 * mean(x[0]))").particles["x"]
    assert float(pulled[:, 0].mean()) > float(plain[:, 0].mean()) + 0.01


@pytest.mark.slow
def test_a_density_beside_a_model_with_latents_counts_as_a_reward(flux: str) -> None:
    result = run(f"x : Image[3, 32, 32]\nx ~ {flux} * Normal(0.5, 0.5)")
    wanted = torch.distributions.Normal(0.5, 0.5).log_prob(result.particles["x"]).sum((1, 2, 3))
    torch.testing.assert_close(result.log_values["Normal"], wanted, atol=1e-2, rtol=1e-4)


@pytest.mark.slow
def test_the_program_of_the_front_page_runs(place: Path) -> None:
    """With parents and a mask, as in programs/insert_object.poe."""
    depth, fill = (tiny.folder(kind, place) for kind in ("flux_depth", "flux_fill"))
    program = (
        f'x ~ flux_fill(mask, prompt = "a can", model = "{fill}") ^ (1 - mask)\n'
        f'x ~ flux_depth(depth, prompt = "a can", model = "{depth}") ^ mask given x'
    )
    mask = torch.zeros(32, 32)
    mask[8:24, 8:24] = 0.8
    values = {"mask": mask, "depth": torch.rand(32, 32), "image": torch.rand(3, 32, 32)}
    first, again = (run(program, **values).particles["x"] for _ in range(2))
    assert torch.equal(first, again)
    assert bool(torch.isfinite(first).all())


@pytest.mark.slow
def test_microbatches_give_the_same_particles(flux: str) -> None:
    plan = poedsl.compile(f"x : Image[3, 32, 32]\nx ~ {flux}\n{FAST})\n")
    whole = plan.run(seed=2).particles["x"]
    split = plan.run(seed=2, microbatch=1).particles["x"]
    torch.testing.assert_close(whole, split, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_networks_that_round_time_have_stages_where_they_see_them(flux: str) -> None:
    plan = poedsl.compile(f"x : Image[3, 32, 32]\nx ~ {flux}\n{FAST})\n").bound().spec
    made = Run(plan, RunSettings(profile=Profile(dtype="bfloat16")))
    times = [s.sigma / (s.alpha + s.sigma) for s in made.model.stages[1:-1]]
    for s in times:
        rounded = (torch.tensor(s).bfloat16() * 1000).bfloat16()
        assert float(rounded) == pytest.approx(1000 * s, rel=1e-5)
    list(made.stages())
    assert bool(torch.isfinite(made.result().particles["x"]).all())


# What is refused.


def test_models_of_two_spaces_are_not_multiplied(place: Path, flux: str) -> None:
    other = tiny.folder("flux", place, seed=1)
    with refused("P0313"):
        poedsl.compile(f'x ~ {flux} * flux("a dog", model = "{other}")').run()


def test_sizes_are_whole_patches(flux: str) -> None:
    with refused("P0304") as errors:
        poedsl.compile(f"x : Image[3, 32, 36]\nx ~ {flux}").run()
    assert 8 in numbers(errors[0].message)


def test_a_part_of_latents_is_a_picture(flux: str) -> None:
    with refused("P0304"):
        poedsl.compile(f"x : Image[3, 32, 32]\nx ~ {flux}\nx[0] ~ {flux}").run()


def test_an_absent_folder_is_named() -> None:
    with refused("P0701") as errors:
        poedsl.compile('x ~ flux("a", model = "nowhere/at-all")').run()
    assert "nowhere/at-all" in errors[0].message


def test_parents_pull_a_crop_as_finite_differences_say(place: Path, flux: str) -> None:
    """Eq. 6 of Zhang et al. on a box: v_i - w grad |v_i - v_parent|^2, through the network."""
    depth = tiny.folder("flux_depth", place)
    program = (
        f"input d : Depth\nx : Image[3, 32, 32]\nx ~ {flux}\n"
        f'x[box(0.25, 0, 0.75, 0.5)] ~ flux_depth(d, "a dog", model = "{depth}") given x'
    )
    made = job(program, ", condition = guide(weight = 0.3, updates = 1)", d=torch.rand(16, 16))
    parent, own = made.target.experts
    stage = made.model.stages[2]
    s, size = stage.sigma / (stage.alpha + stage.sigma), stage.alpha + stage.sigma
    x = torch.randn(1, 256, generator=torch.Generator().manual_seed(9))
    z = (x / size)[:, own.part]
    wanted = parent.expert.velocity(x / size, s)[:, own.part].double()

    def miss(at: torch.Tensor) -> float:
        return float((own.expert.velocity(at, s).double() - wanted).square().sum())

    g = torch.Generator().manual_seed(10)
    plain = own.expert.noised(x[:, own.part], stage.alpha, stage.sigma).score
    pulled = made.target._noised(
        own,
        x[:, own.part],
        {parent.name: parent.expert.noised(x, stage.alpha, stage.sigma).score},
        stage,
    ).score
    shift = (pulled - plain) * stage.sigma * size / stage.alpha
    for _ in range(3):
        direction = torch.randn(1, 64, generator=g)
        step = 3e-3
        slope = (miss(z + step * direction) - miss(z - step * direction)) / (2 * step)
        found = float((shift * direction).sum())
        assert found == pytest.approx(-0.3 * slope, rel=0.03, abs=0.01)
