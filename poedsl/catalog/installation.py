"""Commands that install optional libraries."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path


def install_command(extra: str, library: str) -> str:
    """The command that installs an extra of this package, or a library that no extra has."""
    required = [r.partition(";")[0] for r in _requirements() if f"extra == '{extra}'" in r]
    if required and not any(r.startswith(library) for r in required):
        return f"pip install {library}"
    clone = Path(__file__).resolve().parents[2]
    if (clone / "pyproject.toml").is_file():
        return f"pip install -e '{clone}[{extra}]'"
    return "pip install " + " ".join(f"'{r}'" for r in required)


def _requirements() -> list[str]:
    try:
        return metadata.requires("poedsl") or []
    except metadata.PackageNotFoundError:
        return []
