"""The log values of the particles under each expert, and the composition report."""

from __future__ import annotations

import torch

from poedsl.compiler.plan.text import print_term
from poedsl.runtime.results.page.markup import Numbers, esc
from poedsl.runtime.results.report import order
from poedsl.runtime.results.saved_files import WrittenRun
from poedsl.runtime.terms.unrolled import base_name

#: Particles and factors in the table of single values.
PARTICLES, FACTORS = 16, 8


def experts(result: WrittenRun, numbers: Numbers) -> str:
    """The values of every factor, and the report on their composition."""
    if not result.calls:
        return _composition(result, numbers)
    weights = result.log_weights.double().exp().cpu()
    rows = [_row(result, name, weights) for name in _names(result)]
    caption = (
        "The factors of the product: their exponents, the log values of the particles under each "
        "as it is, without its exponent, and how many particles it was evaluated at."
    )
    head = ("factor", "kind", "exponent", "mean", "sd", "least", "largest", "evaluations")
    out = numbers.table(caption, head, rows)
    return out + _single(result, numbers) + _composition(result, numbers)


def _names(result: WrittenRun) -> list[str]:
    """Every factor that was evaluated or has values; of loops one for each element."""
    return list(dict.fromkeys((*result.exponents, *result.log_values, *result.calls)))


def _row(result: WrittenRun, name: str, weights: torch.Tensor) -> tuple[str, ...]:
    factor = next((f for f in result.plan.factors if f.name == base_name(name)), None)
    kind = "" if factor is None else factor.kind
    exponent = result.exponents.get(name)
    if exponent is not None:
        power = f"{exponent:.4g}"
    else:
        power = "" if factor is None else print_term(factor.exponent)
    calls = str(result.calls.get(name, ""))
    values = result.log_values.get(name)
    there = weights > 0
    if values is None or not bool(there.any()):
        return (name, kind, power, "", "", "", "", calls)
    x, w = values.double().cpu()[there], weights[there] / weights[there].sum()
    mean = float(w @ x)
    sd = float((w @ (x - mean).square()).sqrt())
    return (
        name,
        kind,
        power,
        *(f"{v:.4g}" for v in (mean, sd, float(x.min()), float(x.max()))),
        calls,
    )


def _single(result: WrittenRun, numbers: Numbers) -> str:
    """The values of single particles in small populations, the best first."""
    names = [n for n in _names(result) if n in result.log_values][:FACTORS]
    if not names or len(result.log_weights) > 64 or not result.outcome.ok:
        return ""
    shown = order(result)[:PARTICLES]
    rows = [
        (
            str(i),
            f"{float(result.log_weights[i].exp()):.3g}",
            f"{float(result.scores[i]):.4g}",
            *(f"{float(result.log_values[n][i]):.4g}" for n in names),
        )
        for i in shown
    ]
    caption = f"Log values of single particles under each factor; {len(shown)} particles."
    return numbers.table(caption, ("particle", "weight", "score", *names), rows)


def _composition(result: WrittenRun, numbers: Numbers) -> str:
    composition = result.composition
    if composition is None:
        return ""
    items = "".join(f"<li>{esc(text)}</li>" for text in composition.findings())
    items += "".join(f"<li>{esc(w.message)}</li>" for w in composition.warnings)
    rows = [
        (
            m.name,
            m.place,
            "yes" if m.learned else "no",
            f"{composition.noise[m.name]:.3g}",
            f"{m.limit:.3g}",
            "outside" if m in composition.outside else "within",
        )
        for m in composition.members
    ]
    caption = (
        "The range of each expert's own samples: the mean square of the noise that it sees in the "
        "particles, and the most that is usual. Learned experts without guidance are warned of "
        "outside of it."
    )
    head = ("expert", "place", "warned of", "noise", "limit", "range")
    return f"<h3>Composition</h3><ul>{items}</ul>" + numbers.table(caption, head, rows)
