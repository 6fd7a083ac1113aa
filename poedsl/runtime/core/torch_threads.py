"""How many threads torch has in processes that were forked."""

from __future__ import annotations

import os

_IMPORTED_IN = os.getpid()


def single_thread_after_fork() -> None:
    """Let torch use one thread in a process that was forked from the one that loaded this module.

    The threads of OpenMP do not survive a fork, and a parallel loop of torch in the child waits for
    them for ever.
    """
    if os.getpid() != _IMPORTED_IN:
        import torch

        torch.set_num_threads(1)
