"""Kernels by the names that plans give them."""

from __future__ import annotations

from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.kernels.hmc import Hmc, UnadjustedHmc
from poedsl.runtime.kernels.kernel import Kernel
from poedsl.runtime.kernels.langevin import Langevin
from poedsl.runtime.kernels.mala import Mala
from poedsl.runtime.kernels.random_walk import RandomWalk
from poedsl.runtime.kernels.sweep import KernelSteps


def kernel_steps(options: SamplerOptions) -> KernelSteps | None:
    """The kernel of a plan over numbers, and how it is applied; None where there is none."""
    kernels: dict[str, Kernel] = {
        "langevin": Langevin(),
        "mala": Mala(),
        "random_walk": RandomWalk(),
        "hmc": Hmc(options.leaps),
        "unadjusted_hmc": UnadjustedHmc(options.leaps),
    }
    kernel = kernels.get(options.kernel)
    if kernel is None or not options.kernel_steps:
        return None
    return KernelSteps(kernel, options.kernel_steps, options.adapt)
