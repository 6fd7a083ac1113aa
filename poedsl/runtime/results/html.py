"""A result in a notebook: the verdict, the posterior, small pictures and texts."""

from __future__ import annotations

import base64
import html
import io
from typing import Protocol, runtime_checkable

from poedsl.grammar.html import table
from poedsl.runtime.results.films import thumbnail
from poedsl.runtime.results.grids import pil_image
from poedsl.runtime.results.pictures import DrawnRun, shares
from poedsl.runtime.results.report import ReportedRun, order, summary

#: Pictures and texts that are shown, and the longer side of a picture in pixels.
SHOWN, SIZE = 16, 96


@runtime_checkable
class ShownRun(ReportedRun, DrawnRun, Protocol):
    """What a notebook shows of a result."""


def result_html(result: ShownRun) -> str:
    """A fragment without scripts, with pictures in it, in the colours of the page."""
    facts = dict(summary(result))
    verdict = facts.pop("verdict")
    out = f"<p><b>{html.escape(result.plan.program)}</b>: {html.escape(verdict)}</p>"
    out += "".join(f"<p>warning: {html.escape(str(w))}</p>" for w in result.warnings)
    if result.outcome.ok:
        out += "".join(
            _pictures(result, v.name, film=v.type.name == "Video")
            for v in result.plan.variables
            if v.type.name in ("Image", "Video")
        )
        out += "".join(_texts(result, name) for name in result.vocabularies)
    if result.posterior:
        head, *rows = result.posterior.table()
        out += table(head, rows)
    return f"<div>{out}{table(('', ''), facts.items())}</div>"


def _pictures(result: ShownRun, name: str, *, film: bool) -> str:
    """The first pictures in the order of `order`, each with the number of its particle; of films
    small animations.
    """
    shown = _film if film else _thumbnail
    return "".join(
        f'<img src="{shown(result, name, i)}" alt="{name}, particle {i}" '
        f'title="particle {i}" style="margin:2px">'
        for i in order(result)[:SHOWN]
    )


def _thumbnail(result: ShownRun, name: str, index: int) -> str:
    from PIL import Image

    image = pil_image(result.particles[name][index].clamp(0, 1).cpu())
    factor = SIZE / max(image.size)
    size = (max(1, round(factor * image.width)), max(1, round(factor * image.height)))
    image = image.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.NEAREST)
    content = io.BytesIO()
    image.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _film(result: ShownRun, name: str, index: int) -> str:
    content = thumbnail(result.particles[name][index], SIZE)
    return "data:image/gif;base64," + base64.b64encode(content).decode()


def _texts(result: ShownRun, name: str) -> str:
    rows = [(f"{share:.3f}", label) for share, label in shares(result, name)[:SHOWN]]
    return table(("probability", name), rows)
