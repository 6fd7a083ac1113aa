"""How particles are resampled, and when."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.options import RESAMPLE_BELOW, RESAMPLE_SOON, filled_form, form_name
from poedsl.compiler.plan.terms import Term
from poedsl.compiler.planner.product import Choice, Product


def choose_resample(product: Product, options: Mapping[str, Term]) -> Choice:
    noisy = form_name(options["move"]) == "sde"
    if noisy and form_name(options["correct"]) == "fkc" and not product.pictures:
        resample = filled_form("resample", "systematic", {"when": RESAMPLE_SOON})
        return resample, "soon: moves with noise take copies apart"
    resample = filled_form("resample", "systematic", {"when": RESAMPLE_BELOW})
    return resample, "only when the weights have become uneven"
