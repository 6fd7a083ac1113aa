"""Checkpoints: the state of a run in one file, which is whole whenever it is there.

The file is one of safetensors. Its metadata hold the JSON of the state, and a digest of that and of
all tensors, so that a file that was cut or changed is noticed. Reading it runs no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from poedsl.experts.flows.content_keys import content_key
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.core.atomic_files import write_atomically
from poedsl.runtime.core.state import SavedState, packed, unpacked

CHECKPOINT, CHECKPOINT_SCHEMA = "checkpoint.safetensors", "poedsl-checkpoint/2"


def write_checkpoint(folder: Path, state: SavedState) -> None:
    """Replace the checkpoint in a folder; the earlier one stays until the new one is on the disk.

    Raises:
        OSError: it cannot be written; the earlier one is as it was.
    """
    from safetensors.torch import save

    text, tensors = packed(state)
    digest = content_key((CHECKPOINT_SCHEMA, text, tensors))
    metadata = {"schema": CHECKPOINT_SCHEMA, "state": text, "sha256": digest}
    write_atomically(folder / CHECKPOINT, save(tensors, metadata))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file holds."""

    text: str
    tensors: dict[str, torch.Tensor]

    def state(self, device: torch.device) -> SavedState:
        """The state, with its tensors on a device.

        Raises:
            KeyError, TypeError, ValueError: it is not of the form that `packed` gives.
        """
        return unpacked(self.text, self.tensors, device)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint in a folder; None where there is none.

    Raises:
        PoeError: it cannot be read, or is damaged (P0721).
    """
    from safetensors import SafetensorError, safe_open

    path = folder / CHECKPOINT
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, ValueError) as error:
        raise damaged(folder, str(error)) from error
    schema, text = metadata.get("schema"), metadata.get("state", "")
    if schema != CHECKPOINT_SCHEMA:
        raise damaged(folder, f"it is of the schema {schema!r}, and not {CHECKPOINT_SCHEMA}")
    if metadata.get("sha256") != content_key((schema, text, tensors)):
        raise damaged(folder, "its content does not have the digest that was written with it")
    return Checkpoint(text, tensors)


def damaged(folder: Path, reason: str) -> PoeError:
    """The error of a checkpoint that a run cannot go on from."""
    message = f"{folder / CHECKPOINT} is damaged: {reason}"
    note = "`poe run --out FOLDER --force` starts a run again"
    return PoeError((Diagnostic("P0721", message, notes=(note,)),))
