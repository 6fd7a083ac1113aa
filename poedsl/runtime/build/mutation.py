"""What the models over numbers share when they are built."""

from __future__ import annotations

from dataclasses import replace

from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.feynman_kac.continuous import Mutation
from poedsl.runtime.feynman_kac.rewards import RewardWeights
from poedsl.runtime.kernels.kernels_by_name import kernel_steps
from poedsl.runtime.kernels.non_centred import NonCentred
from poedsl.runtime.targets.target import Target


def mutation(
    target: Target,
    options: SamplerOptions,
    warnings: WarningLog,
    *,
    non_centred: NonCentred | None = None,
    warns_of_infinite_rewards: bool = False,
) -> Mutation:
    """The kernel steps of a target, and the weights of its rewards.

    Args:
        non_centred: coordinates in which adjusted steps are taken by turns.
    """
    rewards = RewardWeights(target, options, warnings, warns_of_infinite_rewards)
    steps = kernel_steps(options)
    if steps is not None and steps.adjusted and options.line is None:
        steps = replace(steps, non_centred=non_centred)
    return Mutation(target, options, steps, rewards)


def shown_stages(stages: int, settings: RunSettings) -> frozenset[int]:
    """Numbers of the stages after the first whose predicted endpoints a result keeps."""
    return frozenset(evenly_spaced(stages - 1, settings.shown_stages))


def evenly_spaced(last: int, count: int) -> list[int]:
    """As many of the numbers 1 to ``last``, evenly spaced, the first among them."""
    count = min(count, last)
    return [1 + round(k * (last - 1) / max(count - 1, 1)) for k in range(count)]
