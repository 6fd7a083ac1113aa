"""Which of PyTorch's attention kernels networks use on a GPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

#: All but cuDNN's, which PyTorch prefers on Hopper: its backward pass ends in an illegal memory
#: access or in wrong gradients at the sizes of FLUX.1 (pytorch/pytorch#196678).
RIGHT = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)


def right_attention() -> AbstractContextManager[None]:
    """Attention whose gradients are right, where there is a GPU; elsewhere nothing changes."""
    return sdpa_kernel(list(RIGHT)) if torch.cuda.is_available() else nullcontext()
