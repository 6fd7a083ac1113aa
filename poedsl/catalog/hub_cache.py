"""Models of the Hugging Face hub that were downloaded to this machine."""

from __future__ import annotations

from pathlib import Path


def cached_folder(model: str) -> Path | None:
    """The folder of a model in the cache of huggingface_hub; None where it is not there."""
    if model.count("/") != 1:
        return None
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, local_files_only=True))
    except (ImportError, OSError, ValueError):
        return None
