"""The precision that networks compute in."""

from __future__ import annotations

import torch

from poedsl.catalog.profiles import Profile


def network_dtype(profile: Profile, device: torch.device) -> torch.dtype:
    """The dtype of the networks of a profile; ``auto`` is bfloat16 on a GPU, else float32."""
    if profile.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, profile.dtype)
    return dtype
