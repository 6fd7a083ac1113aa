"""Whether the product of noised Gaussians is a density at every stage of the path."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.experts.densities.gaussian_mixtures import Gaussians
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.expert_factor import ExpertFactor
from poedsl.runtime.terms.refusals import refused

#: The end of every path.
DATA = NoisingStage(1, 1.0, 0.0)


def refuse_improper_stages(
    experts: Sequence[ExpertFactor],
    stages: Sequence[NoisingStage],
    space: Space,
    variable: str,
    *,
    rewarded: bool,
) -> None:
    """Refuse a product that is no density at a stage, on the components that only Gaussians see
    (Soiffer et al., Theorem 1).

    A mixture falls off as its widest component does, along each component of x.

    Args:
        rewarded: whether rewards or conditions may make the product at the data end a density.

    Raises:
        PoeError: the product is not a density at the end, or at a stage before.
    """
    gaussian_only = torch.ones(space.size, dtype=torch.bool, device=space.loc.device)
    for factor in experts:
        if not isinstance(factor.expert, Gaussians):
            gaussian_only[factor.part] = False
    gaussians = [a for a in experts if isinstance(a.expert, Gaussians)]
    columns = space.slice(variable)
    gaussian_only = gaussian_only[columns].cpu()
    if not bool(gaussian_only.any()) or all(_least(a) >= 0 for a in gaussians):
        return
    for stage in reversed(stages):
        if positive(gaussians, stage, columns, gaussian_only):
            continue
        divides = [f"`{a.name}` at {a.place} divides" for a in gaussians if _least(a) < 0]
        if stage.sigma == 0 and not rewarded:
            raise refused(
                "P0404",
                f"the product over `{variable}` is not a density: it cannot be integrated",
                *divides,
                "the widths fail Soiffer et al., Theorem 1",
            )
        raise refused(
            "P0407",
            f"at stage {stage.t} of the path the product of the noised experts of `{variable}` "
            "is not a density",
            *divides,
            "the widths fail Soiffer et al., Theorem 1, there",
            "the tempering path would do: `path = temper()`",
        )


def _least(factor: ExpertFactor) -> float:
    w = factor.exponent
    return float(w.min()) if isinstance(w, Tensor) else w


def positive(
    experts: Sequence[ExpertFactor], stage: NoisingStage, columns: slice, gaussian_only: Tensor
) -> bool:
    """Whether the precision of the product is positive at a stage."""
    size = columns.stop - columns.start
    diagonal = torch.zeros(size, dtype=torch.float64, device="cpu")
    full: Tensor | None = None
    for factor in experts:
        expert, w = factor.expert, factor.exponent
        assert isinstance(expert, Gaussians)
        index = _inside(factor, columns)
        weight = torch.as_tensor(w, dtype=torch.float64, device="cpu")
        if expert.axes is not None and len(expert.log_weights) == 1 and not weight.dim():
            spread = stage.alpha**2 * expert.variances[0].double() + stage.sigma**2
            axes = expert.axes[0].double()
            turned = ((axes * (1 / spread)) @ axes.T).cpu() * weight
            full = diagonal.new_zeros(size, size) if full is None else full
            full[index[:, None], index] += turned
        else:
            widest = expert.component_variances().amax(0).double().cpu()
            diagonal[index] += weight / (stage.alpha**2 * widest + stage.sigma**2)
    if full is None:
        return bool((diagonal[gaussian_only] > 0).all())
    total = (full + torch.diag(diagonal))[gaussian_only][:, gaussian_only]
    return bool(torch.linalg.eigvalsh(total)[0] > 0)


def _inside(factor: ExpertFactor, columns: slice) -> Int[Tensor, " d"]:
    """The factor's components, counted from the variable's first."""
    part = factor.part if isinstance(factor.part, slice) else factor.part.cpu()
    inside: Tensor = torch.arange(columns.stop, device="cpu")[part] - columns.start
    return inside
