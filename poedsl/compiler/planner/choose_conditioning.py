"""How experts are conditioned on their parents, and whether exponents are normalized."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_values import filled_form
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.product import Choice, PlannedProduct


def choose_condition(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    if not product.conditioned:
        return Choice(Apply("none"), "no statement uses `given`")
    guide = filled_form("condition", "guide")
    return Choice(guide, "weight and updates are those of Zhang et al., Eq. 6 and F.5")


def choose_normalize_exponents(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    return Choice(Const(False), "exponents are used as they are written")
