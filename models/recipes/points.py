"""Flow matching for points of the plane: trains a `PointNet` on draws that never repeat."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from poedsl.experts.flows.points import PointConfig, PointNet

#: Points (n, 2) and their classes (n,).
Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


def train(
    config: PointConfig,
    draw: Draw,
    steps: int,
    batch: int = 1024,
    seed: int = 0,
    unconditional: float = 0.5,
    rate: float = 2e-3,
) -> PointNet:
    """The velocity by squared error, s uniform; Adam with warm-up and cosine decay, weights
    averaged.

    Args:
        unconditional: share of the labels that are replaced by the null class.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = PointNet(config)
    averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    warm, every = max(1, steps // 50), max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda k: min((k + 1) / warm, 0.5 * (1 + math.cos(math.pi * k / steps)) + 1e-3),
    )
    begin, total = time.time(), 0.0
    for step in range(1, steps + 1):
        points, labels = draw(batch, generator)
        free = torch.rand(batch, generator=generator) < unconditional
        labels = torch.where(free, config.classes, labels)
        s = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
        noise = torch.randn(batch, 2, generator=generator)
        z = (1 - s)[:, None] * points + s[:, None] * noise
        loss = (net(z, s, labels) - (noise - points)).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        averaged.update_parameters(net)
        total += loss.item()
        if step % every == 0:
            seconds = time.time() - begin
            print(f"step {step:6d}  loss {total / every:.4f}  {seconds:.0f} s", flush=True)
            total = 0.0
    trained = averaged.module
    assert isinstance(trained, PointNet)
    return trained.eval().requires_grad_(False)
