"""The path of a plan, and the type of the numbers on it."""

from __future__ import annotations

import torch

from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, walk
from poedsl.runtime.core.run_settings import RunSettings


def number_type(plan: PlanSpec, settings: RunSettings) -> torch.dtype:
    """The type of the numbers of particles.

    Log likelihoods of many data reach values that single precision holds to a few digits only;
    models and Python code are left in the single precision that they expect.
    """
    if settings.dtype != "auto":
        kind: torch.dtype = getattr(torch, settings.dtype)
        return kind
    calls = {t.function for f in plan.factors for t in walk(f.term) if isinstance(t, Apply)}
    signatures = [s for call in calls if (s := plan.find_signature(call)) is not None]
    plain = all(s.describes_data for s in signatures)
    return torch.float64 if form_name(plan.option("path")) == "temper" and plain else torch.float32
