"""The settings of a run as a caller asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from poedsl import argument_checks
from poedsl.experts.user.registry import UserCode
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.torch_threads import single_thread_after_fork
from poedsl.runtime.inputs.profile_files import read_profile

if TYPE_CHECKING:
    import torch


@runtime_checkable
class CompiledPlan(Protocol):
    """What settings take from a plan.

    Attributes:
        base: the folder that files are relative to.
        allow_code: whether Python code that the program names may run.
        code: the Python that the program was compiled with, by name.
    """

    @property
    def base(self) -> Path: ...
    @property
    def allow_code(self) -> bool: ...
    @property
    def code(self) -> Mapping[str, UserCode]: ...


def requested_settings(
    plan: CompiledPlan,
    seed: int,
    device: str,
    microbatch: int | None,
    allow_code: bool | None,
    profile: str,
    dtype: str | torch.dtype = "auto",
) -> RunSettings:
    """The settings, checked.

    Args:
        allow_code: None for that of the plan.
        profile: the name of a profile, of ``poe.toml`` in the plan's folder or of the package.

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
        folder=plan.base,
        allow_code=plan.allow_code if allow_code is None else allow_code,
        profile=read_profile(argument_checks.text("profile", profile), plan.base),
        code=plan.code,
    )
