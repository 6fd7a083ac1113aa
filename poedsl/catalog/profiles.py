"""Profiles: which weights experts have, and how their networks are held and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Offload = Literal["none", "blocks"]
Quantize = Literal["none", "fp8", "int8"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How the networks of a run are had and run.

    Attributes:
        models: a hub id or a folder for an expert's name, in place of its own.
        device: where the networks are; empty for the device of the run.
        dtype: of networks; ``auto`` is bfloat16 on a GPU and float32 elsewhere.
        offload: ``blocks`` keeps transformers in the main memory, and brings a block at a time to
            the GPU: several fit on one, each evaluation waits for the transfers.
        quantize: how transformers' weights are stored: ``fp8`` halves bfloat16 (2 to 3 % error of
            velocities of random networks), ``int8`` too (.6 %, needs torchao).
        microbatch: particles that a network sees at once; 0 for what the run says.
        checkpointing: recompute activations where gradients pass through a transformer.
    """

    name: str = "default"
    models: Mapping[str, str] = field(default_factory=dict, hash=False)
    device: str = ""
    dtype: Dtype = "auto"
    offload: Offload = "none"
    quantize: Quantize = "none"
    microbatch: int = 0
    checkpointing: bool = True

    def torch_dtype(self, device: torch.device) -> torch.dtype:
        """What networks compute in."""
        import torch

        if self.dtype == "auto":
            return torch.bfloat16 if device.type == "cuda" else torch.float32
        kind: torch.dtype = getattr(torch, self.dtype)
        return kind


DEFAULT = Profile()
_SMALL = Profile(
    "small",
    {
        "flux": "playroom/flux",
        "flux_schnell": "playroom/flux",
        "flux_depth": "playroom/flux-depth",
        "flux_fill": "playroom/flux-fill",
        "room": "playroom/rooms",
        "vqascore": "playroom/judge",
        "depth_agreement": "playroom/depth",
    },
    dtype="float32",
    checkpointing=False,
)
#: Those that are there without a file.
BUILT_IN = {p.name: p for p in (DEFAULT, _SMALL)}
