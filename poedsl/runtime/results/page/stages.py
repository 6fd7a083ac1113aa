"""The stages of a run: ESS, evidence, rewards and acceptance."""

from __future__ import annotations

from itertools import accumulate

from poedsl.runtime.results.page.markup import Numbers
from poedsl.runtime.results.page.plots import Plot, beside, widened
from poedsl.runtime.results.progress import VIOLATED
from poedsl.runtime.results.report import COLUMNS, rows
from poedsl.runtime.results.saved_files import WrittenRun

#: Runs of more stages have a table of evenly spaced ones, and of those that have remarks.
MOST = 120


def stages(result: WrittenRun, numbers: Numbers) -> str:
    """Plots and the table of stages."""
    if not result.stages:
        return ""
    out = numbers.figure(beside(_plots(result)), _caption(result)) if len(result.stages) > 1 else ""
    table = list(rows(result))
    stride = -(-len(table) // MOST)
    kept = [
        row
        for i, row in enumerate(table)
        if i % stride == 0 or i == len(table) - 1 or row[-1] not in ("", "resampled")
    ]
    part = "" if len(kept) == len(table) else f"; {len(kept)} of {len(table)} are listed"
    caption = f"The stages from noise to data{part}. log.jsonl has all of them."
    return out + numbers.table(caption, (*COLUMNS[:-1], "remarks"), kept, kind="remarked")


def _plots(result: WrittenRun) -> list[str]:
    records = result.stages
    xs = [float(i) for i in range(len(records))]
    x = (0.0, xs[-1] or 1.0)
    count = len(result.log_weights)
    resampled = [i for i, s in zip(xs, records, strict=True) if s.resampled]

    def plot(y: tuple[float, float], label: str, name: str) -> Plot:
        out = Plot(x, y, label, "stages done", name)
        for i in resampled if len(resampled) < len(records) / 2 else ():
            out.upright(i, "resampling")
        return out

    least = min(s.ess for s in records)
    sizes = plot((0.0, 1.05 * count), f"ESS by stage, {least:.0f} at the least", "ESS, ancestors")
    sizes.line(xs, [float(s.unique_ancestors) for s in records], "line second")
    plots = [sizes.line(xs, [s.ess for s in records]).level(float(count)).svg()]
    if result.evidence.value is not None:
        total = list(accumulate(s.log_evidence_increment for s in records))
        offset = result.evidence.value - total[-1]
        ys = [value + offset for value in total]
        label = f"log evidence by stage, {ys[-1]:.4g} at the end"
        plots.append(plot(widened(ys), label, "log Z so far").line(xs, ys).svg())
    if _varies(result):
        low, middle, high = zip(*(s.rewards or (0.0, 0.0, 0.0) for s in records), strict=True)
        shown = [v for v in (*low, *high) if abs(v) < -VIOLATED]
        rewards = plot(widened(shown), f"reward by stage, {middle[-1]:.4g} at the end", "reward")
        plots.append(rewards.band(xs, low, high).line(xs, middle).svg())
    if any(s.acceptance is not None for s in records):
        ys = [float("nan") if s.acceptance is None else s.acceptance for s in records]
        plots.append(plot((0.0, 1.05), "acceptance by stage", "acceptance").line(xs, ys).svg())
    return plots


def _varies(result: WrittenRun) -> bool:
    """Whether there are rewards, other than conditions that hold everywhere."""
    return any(len({*s.rewards}) > 1 for s in result.stages if s.rewards)


def _caption(result: WrittenRun) -> str:
    parts = ["The effective sample size before resampling, and below it the distinct ancestors"]
    if result.evidence.value is not None:
        parts.append("log evidence so far")
    if _varies(result):
        parts.append("rewards, their median with the 5 % and 95 % quantiles")
    if any(s.acceptance is not None for s in result.stages):
        parts.append("acceptance of the kernel")
    return f"{'; '.join(parts)}. Upright lines mark stages that were resampled."
