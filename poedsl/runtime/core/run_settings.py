"""How a plan is run, apart from what it samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.experts.user.registry import UserCode


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The settings of one run.

    Attributes:
        seed: with the plan, determines all random numbers of the run.
        device: the name of a device of torch's.
        dtype: the type of the numbers of particles, ``float32``, ``float64`` or ``auto``: double
            where densities are tempered without models or Python code; networks keep that
            of the profile.
        microbatch: particles that networks see at once; None for the profile's number.
        folder: the folder that files and ``use`` statements are relative to.
        allow_code: whether Python that the program names may run.
        profile: which weights experts have, and how their networks run.
        code: the Python that the program was compiled with, by name.
        shown_stages: at how many stages, evenly spaced, the result keeps predicted endpoints.
    """

    seed: int = 0
    device: str = "cpu"
    dtype: str = "auto"
    microbatch: int | None = None
    folder: Path = Path()
    allow_code: bool = False
    profile: Profile = DEFAULT
    code: Mapping[str, UserCode] = field(default_factory=dict)
    shown_stages: int = 0

    @property
    def particles_at_once(self) -> int | None:
        """The size of micro-batches; None for all particles."""
        return self.microbatch or self.profile.microbatch or None
