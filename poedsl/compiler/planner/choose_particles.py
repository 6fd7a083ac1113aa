"""How many particles, in how many islands, from where, and which of them are shown first."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.product import Choice, Product


def choose_particles(product: Product, options: Mapping[str, Term]) -> Choice:
    if product.pictures:
        return Const(16), "pictures: enough to choose from"
    return Const(1000), "a cloud that shows the distribution"


def choose_islands(product: Product, options: Mapping[str, Term]) -> Choice:
    return Const(1), "one population loses fewer modes than several small ones"


def choose_start(product: Product, options: Mapping[str, Term]) -> Choice:
    return Apply("noise"), "the path begins there"


def choose_keep(product: Product, options: Mapping[str, Term]) -> Choice:
    if product.rewarded:
        return Apply("best"), f"{product.rewarded} with a reward"
    return Apply("weighted"), "the whole distribution is of interest"
