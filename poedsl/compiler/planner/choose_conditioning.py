"""How experts are conditioned on their parents, and whether exponents are normalized."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.options import filled_form
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.product import Choice, Product


def choose_condition(product: Product, options: Mapping[str, Term]) -> Choice:
    if not product.conditioned:
        return Apply("none"), "no statement is given another"
    guide = filled_form("condition", "guide")
    return guide, "strength and updates as in Zhang et al., Eq. 6 and F.5"


def choose_normalize_exponents(product: Product, options: Mapping[str, Term]) -> Choice:
    return Const(False), "exponents are taken as written"
