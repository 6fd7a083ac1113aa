"""Rectified flows over points of the plane, as small fully connected networks."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from poedsl.catalog.weights import model_folder
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.loading.model_errors import loading


@dataclass(frozen=True, slots=True)
class PointConfig:
    """What a `PointNet` is made of.

    Attributes:
        spread: standard deviation of the data, by which points are scaled.
        classes: how many there are, the null class not counted.
        frequencies: of the sines of points that the network sees beside them.
    """

    width: int
    layers: int = 5
    classes: int = 0
    spread: float = 1.0
    frequencies: tuple[float, ...] = ()


class PointNet(nn.Module):
    """The velocity v = E[eps - x_1 | z] at z = (1 - s) x_1 + s eps."""

    sines: Tensor
    waves: Tensor

    def __init__(self, config: PointConfig) -> None:
        super().__init__()
        self.config = config
        sines = torch.tensor(config.frequencies, dtype=torch.float32, device="cpu")
        self.register_buffer("sines", sines, persistent=False)
        waves = math.pi * torch.arange(1, 9, dtype=torch.float32, device="cpu")
        self.register_buffer("waves", waves, persistent=False)
        self.kinds = nn.Embedding(config.classes + 1, 32)
        sizes = [2 + 4 * len(sines) + 16 + 32, *[config.width] * (config.layers - 1)]
        body = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.SiLU())]
        self.body = nn.Sequential(*body, nn.Linear(config.width, 2))

    def forward(
        self, z: Float[Tensor, "L 2"], s: Float[Tensor, " L"], label: Int[Tensor, " L"]
    ) -> Float[Tensor, "L 2"]:
        size = ((1 - s) ** 2 * self.config.spread**2 + s**2).sqrt()[:, None]
        turns = (z[:, :, None] * self.sines).flatten(1)
        time = s[:, None] * self.waves
        parts = [z / size, turns.sin(), turns.cos(), time.sin(), time.cos(), self.kinds(label)]
        out: Tensor = self.body(torch.cat(parts, 1))
        return out * max(self.config.spread, 1.0)

    def save(self, folder: Path) -> None:
        """``config.json`` and ``model.safetensors``."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n")
        save_file(self.state_dict(), folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path) -> PointNet:
        from safetensors.torch import load_file

        config = json.loads((folder / "config.json").read_text())
        net = cls(PointConfig(**{**config, "frequencies": tuple(config["frequencies"])}))
        net.load_state_dict(load_file(folder / "model.safetensors"))
        return net.eval().requires_grad_(False)


class PointFlow(RectifiedFlow):
    """A rectified flow over points, conditional on a class or not.

    Args:
        folder: with ``config.json`` and ``model.safetensors``. column: the class; None for the
            unconditional flow.

    Raises:
        PoeError: the folder is missing, or holds no such network (P0206).
    """

    def __init__(
        self, folder: str, column: int | None, shape: tuple[int, ...], device: torch.device
    ) -> None:
        place = model_folder(folder)
        with loading("", str(place)):
            self.net = PointNet.load(place).to(device, torch.float32)
        self.label = self.net.config.classes if column is None else column
        self.spread = self.net.config.spread

    def velocity(self, z: Float[Tensor, "L 2"], s: float) -> Float[Tensor, "L 2"]:
        """V = E[eps - x_1 | z], which points from data to noise."""
        labels = torch.full((len(z),), self.label, dtype=torch.long, device=z.device)
        out: Tensor = self.net(z, z.new_full((len(z),), s), labels)
        return out
