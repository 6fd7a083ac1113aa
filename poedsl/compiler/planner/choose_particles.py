"""How many particles, in how many islands, from where, and which of them are shown first."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.product import Choice, PlannedProduct


def choose_particles(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    if product.pictures:
        return Choice(Const(16), "16 pictures are enough to select from")
    return Choice(Const(1000), "1000 particles are enough to show the distribution")


def choose_islands(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    return Choice(Const(1), "one large population loses fewer modes than several small ones")


def choose_start(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    return Choice(Apply("noise"), "this is the initial distribution of the path")


def choose_keep(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    if product.rewarded:
        return Choice(Apply("best"), f"individual {product.rewarded} are scored by a reward")
    return Choice(Apply("weighted"), "the whole distribution is of interest")
