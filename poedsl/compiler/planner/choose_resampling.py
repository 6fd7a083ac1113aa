"""How particles are resampled, and when."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_values import filled_form, form_name
from poedsl.compiler.plan.options import RESAMPLE_BELOW, RESAMPLE_SOON
from poedsl.compiler.plan.terms import Term
from poedsl.compiler.planner.product import Choice, PlannedProduct


def choose_resample(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    noisy = form_name(options["move"]) == "sde"
    if noisy and form_name(options["correct"]) == "fkc" and not product.pictures:
        return Choice(
            filled_form("resample", "systematic", {"when": RESAMPLE_SOON}),
            "moves with noise separate duplicates, so that early resampling costs little",
        )
    return Choice(
        filled_form("resample", "systematic", {"when": RESAMPLE_BELOW}),
        "resampling loses diversity, and is put off until the weights are uneven",
    )
