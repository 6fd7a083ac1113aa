"""Kernels by the names that plans give them; the table of options says which class is which."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

from poedsl.compiler.plan.option_values import kernel_traits
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.kernels.kernel import Kernel
from poedsl.runtime.kernels.sweep import KernelSteps


def kernel_steps(options: SamplerOptions) -> KernelSteps | None:
    """The kernel of a plan over numbers, and how it is applied; None where there is none."""
    traits = kernel_traits(options.kernel)
    if not traits.implementation or not options.kernel_steps:
        return None
    kernel = implementation(options.kernel, leaps=options.leaps)
    return KernelSteps(
        kernel,
        options.kernel_steps,
        options.adapt,
        traits.acceptance_target,
        traits.normals,
        jittered=traits.trajectories,
        precondition=options.precondition,
        correlation=options.correlation,
    )


def implementation(name: str, **settings: Any) -> Kernel:
    """A kernel by its name, with those of the settings that it takes."""
    module, _, class_name = kernel_traits(name).implementation.partition(":")
    kind = getattr(import_module(f"poedsl.runtime.kernels.{module}"), class_name)
    kernel: Kernel = kind(**{f.name: settings[f.name] for f in fields(kind)})
    return kernel
