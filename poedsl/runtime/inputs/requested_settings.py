"""The settings of a run as a caller asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from poedsl import argument_checks
from poedsl.experts.user.registry import UserCode
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.torch_threads import single_thread_after_fork
from poedsl.runtime.inputs.profile_files import read_profile

if TYPE_CHECKING:
    import torch


def requested_settings(
    *,
    seed: int,
    device: str,
    microbatch: int | None,
    allow_code: bool,
    profile: str,
    dtype: str | torch.dtype,
    folder: Path,
    code: Mapping[str, UserCode],
) -> RunSettings:
    """The settings, checked.

    Args:
        profile: the name of a profile, of ``poe.toml`` in the folder or of the package.

    Raises:
        PoeError: there is no such profile.
        TypeError, ValueError: a number is no whole number or too small, or the dtype is another.
    """
    single_thread_after_fork()
    seed = argument_checks.whole_number("seed", seed)
    if microbatch is not None:
        microbatch = min(argument_checks.whole_number("microbatch", microbatch, 1), 2**31)
    return RunSettings(
        seed=seed,
        device=device,
        dtype=argument_checks.number_type(dtype),
        microbatch=microbatch,
        folder=folder,
        allow_code=allow_code,
        profile=read_profile(argument_checks.text("profile", profile), folder),
        code=code,
    )
