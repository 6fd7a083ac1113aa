"""Profiles: the weights of experts, and the device, precision and memory of their networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Offload = Literal["none", "blocks"]
Quantize = Literal["none", "fp8", "int8"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How the networks of a run are loaded and evaluated.

    Attributes:
        models: the hub id or the folder of an expert's weights, by the expert's name; others have
            the weights of their signature.
        device: of the networks; empty for the device of the run.
        dtype: of the networks; ``auto`` is bfloat16 on a GPU and float32 elsewhere.
        offload: ``blocks`` keeps transformers in main memory and moves one block at a time to the
            GPU. It saves GPU memory, and every evaluation waits for the transfers.
        quantize: how the weights of transformers are stored. ``fp8`` halves the memory of bfloat16
            (relative error of velocities of random networks 2 to 3 %), as does ``int8`` (0.6 %,
            needs torchao).
        microbatch: particles in one evaluation of a network; 0 for the microbatch of the run.
        checkpointing: recompute activations where gradients pass through a transformer.
        costs: milliseconds of one evaluation of one particle by the weights in ``models``, by the
            expert's name, as far as they are known.
    """

    name: str = "default"
    models: Mapping[str, str] = field(default_factory=dict, hash=False)
    device: str = ""
    dtype: Dtype = "auto"
    offload: Offload = "none"
    quantize: Quantize = "none"
    microbatch: int = 0
    checkpointing: bool = True
    costs: Mapping[str, float] = field(default_factory=dict, hash=False)


DEFAULT = Profile()
_SMALL = Profile(
    "small",
    {
        "flux": "playroom/flux",
        "flux_schnell": "playroom/flux",
        "flux_depth": "playroom/flux-depth",
        "flux_fill": "playroom/flux-fill",
        "room": "playroom/rooms",
        "wan_i2v": "playroom/wan-i2v",
        "wan_depth": "playroom/wan-depth",
        "vqascore": "playroom/judge",
        "depth_agreement": "playroom/depth",
    },
    dtype="float32",
    checkpointing=False,
    # On one core of a server CPU.
    costs={
        "flux": 12.0,
        "flux_schnell": 12.0,
        "flux_depth": 10.0,
        "flux_fill": 12.0,
        "room": 7.0,
        "wan_i2v": 27.0,
        "wan_depth": 32.0,
        "vqascore": 25.0,
        "depth_agreement": 10.0,
    },
)
#: Profiles that exist without a file ``poe.toml``.
BUILT_IN = {p.name: p for p in (DEFAULT, _SMALL)}
