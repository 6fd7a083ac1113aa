"""The variables that a run without an output folder does not save."""

from __future__ import annotations

from poedsl.compiler.plan.plan import PlanSpec

#: What variables are to a person whom their numbers do not help, by type.
_KINDS = {"Image": "the pictures of", "Video": "the films of", "Tokens": "the texts of"}


def unsaved(plan: PlanSpec) -> str:
    """The variables that only an output folder shows, in words; empty if there are none."""
    lost = [f"{_KINDS[v.type.name]} `{v.name}`" for v in plan.variables if v.type.name in _KINDS]
    return " and ".join(lost)
