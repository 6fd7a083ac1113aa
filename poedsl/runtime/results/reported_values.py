"""The values that a program reports, computed of every particle."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.grammar.types import CONTINUOUS
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.terms.evaluate import Environment, evaluate
from poedsl.runtime.terms.refusals import refused

#: Particles whose values are computed at once.
CHUNK = 4096


def reported(
    plan: PlanSpec, particles: Mapping[str, Shaped[Tensor, L * shape]], environment: Environment
) -> dict[str, Float[Tensor, L * shape]]:
    """The reported values by name, (L, ...); conditions are 1 where they hold, else 0.

    Args:
        particles: each variable in its own units and shape.

    Raises:
        PoeError: a report has no value for these inputs (P0603).
    """
    count = len(next(iter(particles.values())))
    out: dict[str, Tensor] = {}
    for report in plan.reports:
        parts = []
        for start in range(0, count, CHUNK):
            rows = {name: x[start : start + CHUNK] for name, x in particles.items()}
            try:
                with torch.no_grad():
                    value = evaluate(report.term, environment.with_values(rows))
            except (ValueError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                message = f"the report `{report.name}` has no value for these inputs: {reason}"
                raise refused("P0603", message) from error
            size = min(CHUNK, count - start)
            parts.append(value.to(environment.dtype).expand(size, *value.shape[1:]))
        out[report.name] = torch.cat(parts)
    return out


def try_reports(plan: PlanSpec, space: Space, environment: Environment) -> None:
    """Compute the reports at one point, so that errors in them come before the run.

    Raises:
        PoeError: a report has no value for these inputs (P0603).
    """
    numeric = all(v.type.name in CONTINUOUS for v in plan.variables)
    if plan.reports and numeric and not space.codecs:
        reported(plan, space.values(torch.zeros_like(space.loc)[None]), environment)


def where_finite(
    name: str,
    value: Float[Tensor, L * shape],
    log_weights: Float[Tensor, " L"],
    warnings: WarningLog,
) -> tuple[Float[Tensor, L * shape], Float[Tensor, " L"]]:
    """The values and the log weights with particles whose value is not finite at zero and without
    weight, which is a warning.
    """
    finite = torch.isfinite(value).reshape(len(value), -1).all(1).to(log_weights.device)
    lost = ~finite & torch.isfinite(log_weights)
    if bool(lost.any()):
        count = int(lost.sum())
        warnings.add(
            "P1040",
            f"the report `{name}` is not finite for {count}/{len(lost)} particles, and left out of "
            "it",
            report=name,
            particles=count,
            of=len(lost),
        )
    rows = finite.to(value.device).view(-1, *[1] * (value.dim() - 1))
    return torch.where(rows, value, 0), torch.where(finite, log_weights, -torch.inf)
