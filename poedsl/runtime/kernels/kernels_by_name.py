"""Kernels by the names that plans give them; the table of options says which class is which."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

from poedsl.compiler.plan.option_values import kernel_traits
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.kernels.kernel import SymbolKernel
from poedsl.runtime.kernels.sweep import KernelSteps


def kernel_steps(options: SamplerOptions) -> KernelSteps | None:
    """The kernel of a plan over numbers, and how it is applied; None where there is none."""
    traits = options.traits
    if traits.moves != "numbers" or not options.kernel_steps:
        return None
    return KernelSteps(
        implementation(options.kernel, **options.kernel_arguments),
        options.kernel_steps,
        options.adapt,
        traits.acceptance_target,
        traits.normals,
        jittered=traits.trajectories,
        precondition=options.precondition,
        correlation=options.correlation,
    )


def symbol_kernel(options: SamplerOptions) -> SymbolKernel | None:
    """The kernel of a plan over symbols; None where there is none."""
    if options.traits.moves != "symbols":
        return None
    kernel: SymbolKernel = implementation(options.kernel, **options.kernel_arguments)
    return kernel


def implementation(name: str, **arguments: Any) -> Any:
    """A kernel by its name, with those of the arguments that it takes."""
    module, _, class_name = kernel_traits(name).implementation.partition(":")
    kind = getattr(import_module(f"poedsl.runtime.kernels.{module}"), class_name)
    return kind(**{f.name: arguments[f.name] for f in fields(kind)})
