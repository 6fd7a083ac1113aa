"""The results of a run: pictures and films, texts, a table of the posterior, its plots."""

from __future__ import annotations

from pathlib import Path

from poedsl.compiler.plan.plan_parts import VariableSpec
from poedsl.grammar.types import SYMBOLS
from poedsl.runtime.core.sampler_options import keeps_best
from poedsl.runtime.results.films import animation, sampled, tile
from poedsl.runtime.results.page.embedded import address, picture
from poedsl.runtime.results.page.markup import Numbers, esc, scrolling
from poedsl.runtime.results.page.posterior import posterior
from poedsl.runtime.results.pictures import shares
from poedsl.runtime.results.report import order
from poedsl.runtime.results.saved_files import WrittenRun

#: Particles that are shown, and the longer side of a picture and of the best one, in pixels.
SHOWN, SIDE, BEST_SIDE = 36, 192, 512
#: Texts that are listed.
TEXTS = 30
#: A film with more bytes is not put into the page, which links to its file.
MOST_BYTES = 4_000_000


def outcome(result: WrittenRun, numbers: Numbers, samples: Path | None) -> str:
    """Everything that came out, variable by variable.

    Args:
        samples: the folder that films were written to; None if there is none.
    """
    if not result.outcome.ok:
        return f"<p>{esc(result.outcome.value)}</p>"
    out = ""
    for variable in result.plan.variables:
        match variable.type.name:
            case "Image":
                out += _pictures(result, variable.name, numbers)
            case "Video":
                out += _films(result, variable.name, numbers, samples)
            case name if name in SYMBOLS:
                out += _texts(result, variable, numbers)
    return out + posterior(result, numbers)


def _pictures(result: WrittenRun, name: str, numbers: Numbers) -> str:
    """The pictures in the order of `order`, the first one larger."""
    indices = order(result)[:SHOWN]
    items = ""
    for rank, i in enumerate(indices):
        pixels = picture(result.particles[name][i], SIDE if rank else BEST_SIDE)
        image = f'<img src="{pixels}" alt="{esc(_label(result, name, i))}">'
        items += f"<li{'' if rank else ' class=best'}>{image}<p>{esc(_fact(result, i))}</p></li>"
    by = "score" if keeps_best(result.plan) else "weight"
    left = len(order(result)) - len(indices)
    more = f"; {left} more are in the folder" if left else ""
    caption = f"{name}, {len(indices)} particles by {by}, the first one larger{more}."
    return numbers.figure(f'<ul class="gallery">{items}</ul>', caption)


def _fact(result: WrittenRun, index: int) -> str:
    """The number of a particle, with its score or its share of the weight."""
    if keeps_best(result.plan):
        return f"particle {index}: score {float(result.scores[index]):.4g}"
    return f"particle {index}: weight {float(result.log_weights[index].exp()):.3g}"


def _label(result: WrittenRun, name: str, index: int) -> str:
    return f"{name}, {_fact(result, index)}"


def _films(result: WrittenRun, name: str, numbers: Numbers, samples: Path | None) -> str:
    """The films side by side, and frames of the first ones."""
    out = _player(result, name, numbers, samples)
    rows = order(result)[:6]
    films = result.particles[name]
    frames = sampled(films.shape[1])
    lines = "".join(
        "<tr>"
        + f'<th scope="row">{esc(_fact(result, i))}</th>'
        + "".join(
            f'<td><img src="{picture(films[i, k], 120)}" '
            f'alt="{esc(name)}, particle {i}, frame {k}"></td>'
            for k in frames
        )
        + "</tr>"
        for i in rows
    )
    head = '<th scope="col">particle</th>'
    head += "".join(f'<th scope="col">frame {k}</th>' for k in frames)
    table = f"<table class=frames><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    by = "score" if keeps_best(result.plan) else "weight"
    caption = f"Frames of {name}, the first {len(rows)} particles by {by}, a row each."
    return out + numbers.figure(scrolling(table, f"Frames of {name}"), caption)


def _player(result: WrittenRun, name: str, numbers: Numbers, samples: Path | None) -> str:
    """The film that was written to the folder, else a small animation of the first particle."""
    film = None if samples is None else samples / f"{name}.mp4"
    if film is not None and film.is_file():
        link = f'<a href="samples/{esc(film.name)}">samples/{esc(film.name)}</a>'
        if film.stat().st_size > MOST_BYTES:
            return f"<p>The film is large, and in {link}.</p>"
        source = address(film.read_bytes(), "video/mp4")
        count = result.particles[name].shape[1]
        label = f'aria-label="{esc(name)}, films side by side"'
        player = f'<video src="{source}" {label} controls loop muted playsinline></video>'
        return numbers.figure(player, f"{name}, films of {count} frames side by side.")
    first = order(result)[0]
    frames = [tile(f, SIDE) for f in result.particles[name][first].clamp(0, 1).cpu()]
    source = address(animation(frames), "image/gif")
    image = f'<img src="{source}" alt="{esc(_label(result, name, first))}, as an animation">'
    return numbers.figure(image, f"{name}, particle {first}, {len(frames)} frames.")


def _texts(result: WrittenRun, variable: VariableSpec, numbers: Numbers) -> str:
    """The distinct sequences with their probabilities."""
    texts = shares(result, variable.name)
    rows = [(f"{share:.4f}", text) for share, text in texts[:TEXTS]]
    shown = f"the {len(rows)} likeliest of {len(texts)}" if len(texts) > len(rows) else "all"
    caption = f"{variable.name}: {shown} distinct sequences of {len(result.log_weights)} particles."
    return numbers.table(caption, ("probability", variable.name), rows, kind="texts")
