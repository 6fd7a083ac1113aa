"""Composed mixtures and Gaussians, with exact and with learned scores (Soiffer et al., 5.1, 5.2).

    python benchmarks/mixtures.py [--seeds 2] [--populations 80] [--quick] [--out FILE]

P1 P2 / P0 in six settings. Exact scores, or small networks trained on N samples of each expert by
denoising (their Appendix F, smaller, an expert each). Sampled as they do, in islands of K particles
with a draw from each, and in one population as the compiler plans it; sliced W2 to exact draws,
that of two exact sets beside it, and what the composition report says.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from figures import add_out, write
from gaussians import sliced_w2
from torch import Tensor

import poedsl
from poedsl.experts.densities.gaussian_mixtures import Gaussians

SIZES = (100, 1000, 10000)
ISLANDS = (1, 4, 16, 64, 256)
#: Islands, each for one draw, with exact and with learned scores; particles of one population.
DRAWS, LEARNED, PLANNED = 1000, 250, 4000
WIDTH, BATCH, ROUNDS, STEPS = 64, 256, 6000, 100
GRID = [(x, y) for x in (-3.0, 0.0, 3.0) for y in (-2.5, 2.5)]


@dataclass(frozen=True)
class Mixture:
    """Gaussians of equal weight on the plane: means, and variances along the axes."""

    means: tuple[tuple[float, float], ...]
    variance: tuple[float, float]

    def __str__(self) -> str:
        spread = [v**0.5 for v in self.variance]
        parts = [f"Normal([{x}, {y}], [{spread[0]}, {spread[1]}])" for x, y in self.means]
        return parts[0] if len(parts) == 1 else f"mixture({', '.join(parts)})"

    @property
    def exact(self) -> Gaussians:
        scale = torch.tensor(self.variance).sqrt()
        parts = [Gaussians.diagonal(torch.tensor(m), scale) for m in self.means]
        return Gaussians.mixture([1 / len(parts)] * len(parts), parts)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        means = np.array(self.means)[rng.integers(len(self.means), size=count)]
        return means + rng.normal(size=(count, 2)) * np.sqrt(self.variance)


@dataclass(frozen=True)
class Setting:
    """P1 P2 / P0, whether it lies where the experts have data, and how the error of learned
    experts goes with K in the paper.
    """

    name: str
    first: Mixture
    second: Mixture
    base: Mixture
    inside: bool
    paper: str

    @property
    def experts(self) -> tuple[Mixture, Mixture, Mixture]:
        return self.first, self.second, self.base

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Exact draws by importance from a wide grid of cells: 2,000 by 2,000, uniform within."""
        cells, probabilities, width = self.cells
        chosen = rng.choice(len(probabilities), size=count, p=probabilities)
        return cells[chosen] + (rng.random((count, 2)) - 0.5) * width

    @functools.cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray, float]:
        axis = torch.linspace(-16, 16, 2001)
        points = torch.cartesian_prod(axis, axis)
        logs = [e.exact.log_prob(points).double() for e in self.experts]
        weights = torch.softmax(logs[0] + logs[1] - logs[2], 0)
        keep = weights > 1e-12
        chosen = weights[keep] / weights[keep].sum()
        return points[keep].numpy(), chosen.numpy(), float(axis[1] - axis[0])


def gaussian(name: str, base: float, inside: bool, paper: str) -> Setting:
    zero = ((0.0, 0.0),)
    wide, tall = Mixture(zero, (10.0, 1.0)), Mixture(zero, (1.0, 10.0))
    return Setting(name, wide, tall, Mixture(zero, (base, base)), inside, paper)


def grid(*kept: int) -> Mixture:
    return Mixture(tuple(GRID[k] for k in kept), (0.6, 0.6))


FAR = ((-6.0, 1.5), (0.0, 0.0)), ((0.0, -9.0), (-1.5, 6.0))
SETTINGS = (
    gaussian("factorized, in", 10.0, True, "level; N = 100 rises"),
    gaussian("not factorized, in", 20.0, True, "falls where well trained"),
    gaussian("factorized, out", 1.0, False, "rises"),
    gaussian("not factorized, out", 1.1, False, "rises"),
    Setting(
        "mixtures, in",
        grid(0, 1, 2, 3),
        grid(1, 2, 4, 5),
        grid(*range(6)),
        True,
        "falls; N = 100 rises at large K",
    ),
    Setting(
        "mixtures, out",
        Mixture(FAR[0], (1.0, 1.0)),
        Mixture(FAR[1], (1.0, 1.0)),
        Mixture(FAR[0] + FAR[1], (1.0, 1.0)),
        False,
        "falls, then rises",
    ),
)


class Networks(torch.nn.Module):
    """As many noise predictors as there are data sets, trained side by side."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (4, WIDTH, WIDTH, WIDTH, 2)
        self.weights, self.biases = torch.nn.ParameterList(), torch.nn.ParameterList()
        for a, b in itertools.pairwise(sizes):
            weight = torch.randn(count, a, b, generator=generator) * (2 / a) ** 0.5
            self.weights.append(torch.nn.Parameter(weight))
            self.biases.append(torch.nn.Parameter(torch.zeros(count, 1, b)))

    def forward(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The noise in points (count, n, 2), at levels (count, n, 1)."""
        h = torch.cat([alpha, sigma, x], -1)
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            h = torch.nn.functional.silu(h) if k < last else h
        return h

    def one(self, index: int, x: Tensor, alpha: float, sigma: float) -> Tensor:
        """The noise in points (n, 2) by one of the networks."""
        h = torch.cat([torch.tensor([alpha, sigma]).expand(len(x), 2), x], -1)
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.addmm(bias[index], h, weight[index])
            h = torch.nn.functional.silu(h) if k < last else h
        return h


def trained(data: list[np.ndarray], seed: int, rounds: int) -> Networks:
    """Networks that predict the noise in x_t = alpha x_1 + sigma eps, at uniform angles."""
    generator = torch.Generator().manual_seed(seed)
    networks = Networks(len(data), generator)
    most = max(map(len, data))
    table = torch.zeros(len(data), most, 2)
    for k, own in enumerate(data):
        table[k, : len(own)] = torch.from_numpy(own).float()
    counts = torch.tensor([len(own) for own in data])[:, None]
    optimiser = torch.optim.Adam(networks.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, rounds)
    for _ in range(rounds):
        chosen = (torch.rand(len(data), BATCH, generator=generator) * counts).long()
        x = table.gather(1, chosen[..., None].expand(-1, -1, 2))
        angle = torch.rand(len(data), BATCH, 1, generator=generator) * math.pi / 2
        alpha, sigma = angle.sin(), angle.cos()
        noise = torch.randn(x.shape, generator=generator)
        predicted = networks(alpha * x + sigma * noise, alpha, sigma)
        loss = (predicted - noise).square().mean((1, 2)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return networks.requires_grad_(False)


#: What `learned` is made of; trained anew for each seed.
NETWORKS: dict[tuple[int, int], Callable[[Tensor, float, float], Tensor]] = {}
DISTRIBUTIONS = list(dict.fromkeys(e for s in SETTINGS for e in s.experts))


@poedsl.expert
class learned:
    """The network that learned one of the distributions from so many samples."""

    def __init__(self, index: int, samples: int) -> None:
        self.network = NETWORKS[index, samples]

    def score(self, x: poedsl.Real[2], alpha: float, sigma: float) -> Tensor:
        return -self.network(x, alpha, sigma) / sigma


def learn(seed: int, rounds: int) -> None:
    """Every network of a seed."""
    rng = np.random.default_rng(seed)
    places = [(k, n) for k in range(len(DISTRIBUTIONS)) for n in SIZES]
    networks = trained([DISTRIBUTIONS[k].draw(n, rng) for k, n in places], seed, rounds)
    NETWORKS.update({at: functools.partial(networks.one, i) for i, at in enumerate(places)})


def program(setting: Setting, samples: int | None) -> str:
    """P1 P2 / P0 of densities, or of the networks that saw so many samples."""
    names = [str(e) for e in setting.experts]
    if samples is not None:
        at = [DISTRIBUTIONS.index(e) for e in setting.experts]
        names = [f"learned(index = {k}, samples = {samples})" for k in at]
    return "x : Real[2]\nx ~ {} * {} / {}\n".format(*names)


def islands(setting: Setting, samples: int | None, size: int, count: int) -> poedsl.Plan:
    """Feynman-Kac correction in islands that are resampled at every step (their Appendix F)."""
    options = f"particles = {size * count}, islands = {count}, steps = {STEPS}, move = sde()"
    options += ", correct = fkc(), kernel = none, resample = systematic(when = always)"
    return poedsl.compile(program(setting, samples) + f"sample x by anneal({options})\n")


def one_each(result: poedsl.Result, count: int, seed: int) -> np.ndarray:
    """One draw from each island, by its weights."""
    weights = torch.softmax(result.log_weights.view(count, -1), -1)
    weights = torch.where(weights.isfinite().all(-1, keepdim=True), weights, 1.0)
    chosen = torch.multinomial(weights, 1, generator=torch.Generator().manual_seed(seed))
    return result.particles["x"].view(count, -1, 2)[torch.arange(count), chosen[:, 0]].numpy()


def trend(errors: list[float], floor: float) -> str:
    """How errors go with K, in the paper's words; a quarter of the floor is noise."""
    first, last, low = errors[0], errors[-1], min(errors)
    noise = 0.25 * floor
    rises, falls = last > 1.25 * low + noise, first > 1.25 * low + noise
    if rises and falls:
        return "falls, then rises"
    return "rises" if rises else "falls" if falls else "level"


def report(result: poedsl.Result) -> dict[str, Any]:
    """What the composition report says."""
    found = result.composition
    assert found is not None
    return {
        "rate_spread": found.rate_spread,
        "disagreement": found.disagreement,
        "noise": max(found.noise.values()),
        "outside": len(found.outside),
        "warned": not found.trusted,
    }


def measure(setting: Setting, samples: int | None, seed: int, sizes: tuple[int, ...]) -> list[Any]:
    """Errors and reports of islands of each size."""
    count = DRAWS if samples is None else LEARNED
    rng = np.random.default_rng([seed, count])
    exact = setting.draw(count, rng)
    rows = []
    for size in sizes:
        result = islands(setting, samples, size, count).run(seed=seed)
        found = np.nan_to_num(one_each(result, count, seed))
        rows.append({"sw2": sliced_w2(found, exact, seed), **report(result)})
    return rows


def planned(setting: Setting, seed: int) -> dict[str, float]:
    """The error of one population of exact experts, as the compiler plans it, and the floor."""
    rng = np.random.default_rng([seed, PLANNED])
    exact, other = setting.draw(PLANNED, rng), setting.draw(PLANNED, rng)
    result = poedsl.compile(program(setting, None)).run(seed=seed, particles=PLANNED)
    found = result.sample(PLANNED)["x"].numpy()
    return {"sw2": sliced_w2(found, exact, seed), "floor": sliced_w2(other, exact, seed)}


def mean(rows: list[Any], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def one_population(seeds: int) -> dict[str, Any]:
    """Errors of single populations over their floors, with the ratio's standard error."""
    print(f"\n{'one population':<20}{'SW2':>8}{'floor':>8}{'ratio':>7}{'+-':>6}")
    whole = {}
    for setting in SETTINGS:
        each = [planned(setting, seed) for seed in range(seeds)]
        ours, floor = mean(each, "sw2"), mean(each, "floor")
        ratio = ours / floor
        left = [row["sw2"] - ratio * row["floor"] for row in each]
        error = float(np.std(left) / floor / len(left) ** 0.5)
        whole[setting.name] = {"sw2": ours, "floor": floor, "ratio": ratio, "error": error}
        print(f"{setting.name:<20}{ours:>8.4f}{floor:>8.4f}{ratio:>7.2f}{error:>6.2f}", flush=True)
    return {"seeds": seeds, "settings": whole}


def trends(seeds: int, sizes: tuple[int, ...], rounds: int) -> list[dict[str, Any]]:
    """Errors of islands by their size, with exact scores and learned ones."""
    runs: dict[tuple[str, int | None], list[list[Any]]] = defaultdict(list)
    for seed in range(seeds):
        learn(seed, rounds)
        for setting in SETTINGS:
            for samples in (None, *SIZES):
                runs[setting.name, samples].append(measure(setting, samples, seed, sizes))
    out = []
    print(
        f"{'setting':<20}{'N':>6}  {'floor':>6}" + "".join(f"{f'K={k}':>8}" for k in sizes), end=""
    )
    print(f"{'rate':>9}{'apart':>6}{'noise':>8}   warned  ours / paper")
    for setting in SETTINGS:
        for samples in (None, *SIZES):
            own = runs[setting.name, samples]
            count = DRAWS if samples is None else LEARNED
            rng = np.random.default_rng(1)
            pairs = [(setting.draw(count, rng), setting.draw(count, rng)) for _ in range(10)]
            floor = float(np.mean([sliced_w2(a, b, i) for i, (a, b) in enumerate(pairs)]))
            errors = [mean([run[k] for run in own], "sw2") for k in range(len(sizes))]
            seen = [run[min(2, len(sizes) - 1)] for run in own]
            row = {
                "setting": setting.name,
                "samples": samples,
                "inside": setting.inside,
                "floor": floor,
                "sw2": dict(zip(map(str, sizes), errors, strict=True)),
                "trend": trend(errors, floor),
                "paper": setting.paper if samples else "falls to the floor",
                "warned": [[step["warned"] for step in run] for run in own],
                **{key: mean(seen, key) for key in ("rate_spread", "disagreement", "noise")},
            }
            out.append(row)
            warned = sum(map(sum, row["warned"]))
            verdict = f"{warned}/{len(own) * len(sizes)}"
            print(
                f"{setting.name:<20}{samples or 'exact':>6}  {floor:>6.3f}"
                + "".join(f"{e:>8.3f}" for e in errors)
                + f"{row['rate_spread']:>9.2g}{row['disagreement']:>6.2f}{row['noise']:>8.3g}"
                f"  {verdict:>7}  {row['trend']} / {row['paper']}"
            )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2, help="of islands; 0: as --out has them")
    parser.add_argument("--populations", type=int, default=80, help="seeds of single populations")
    parser.add_argument("--quick", action="store_true", help="small islands, short training")
    add_out(parser, "mixtures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sizes, rounds = (ISLANDS[:3], 1000) if args.quick else (ISLANDS, ROUNDS)
    if args.seeds:
        islands = trends(args.seeds, sizes, rounds)
    else:
        islands = json.loads(args.out.read_text(encoding="utf-8"))["islands"]
    whole = one_population(3 if args.quick else args.populations)
    write(args, islands=islands, one_population=whole)


if __name__ == "__main__":
    main()
