"""Where the weights of a network are, and how it runs: devices, precisions and offloading."""

from __future__ import annotations

from typing import Any

import torch

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.quantization import to_int8


def placed(network: Any, device: torch.device, profile: Profile) -> Any:
    """A network with the precision, offloading and checkpoints of a profile."""
    return set_up(kept(network, device, profile), device, profile)


def kept(network: Any, device: torch.device, profile: Profile) -> Any:
    """A network where its weights are kept, as numbers of 8 bits if they are integers."""
    if profile.quantize == "int8":
        to_int8(network)
    return network if _offloads(profile, device) else network.to(device)


def set_up(network: Any, device: torch.device, profile: Profile) -> Any:
    """A network that is where its weights are kept, with what a profile adds to its calls."""
    if profile.checkpointing and network._supports_gradient_checkpointing:
        network.enable_gradient_checkpointing()
    if profile.quantize == "fp8":
        network.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=network_dtype(profile, device)
        )
    if _offloads(profile, device):
        network.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )
    return network


def _offloads(profile: Profile, device: torch.device) -> bool:
    return profile.offload == "blocks" and device.type != "cpu"
