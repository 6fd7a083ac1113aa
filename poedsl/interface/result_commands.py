"""The commands of a session about its last run."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from poedsl.grammar.types import SYMBOLS, Type
from poedsl.interface.interactive_program import InteractiveProgram
from poedsl.interface.replies import Reply, command_error

if TYPE_CHECKING:
    from torch import Tensor

    from poedsl.runtime.results.result import Result

#: Draws and distinct sequences that are shown where no number is given.
SHOWN = 10
#: Components of a draw that are shown.
COMPONENTS = 12
#: Columns of a picture in characters, from dark to bright, and how much taller than wide those are.
COLUMNS, LEVELS, TALL = 48, " .:-=+*#%@", 2


def report(program: InteractiveProgram, _: str) -> Reply:
    result = last_result(program)
    return Reply(result.report().rstrip(), result)


def show(program: InteractiveProgram, rest: str) -> Reply:
    """The variables and reports of the last run, or one of them, as a person looks at them."""
    result = last_result(program)
    types = {v.name: v.type for v in result.plan.variables}
    types |= {r.name: r.type for r in result.plan.reports}
    if rest and rest not in types:
        raise command_error("P0901", f"the last run has no variable `{rest}`: {', '.join(types)}")
    shown = [_shown(result, name, type_) for name, type_ in types.items() if rest in ("", name)]
    values = {**result.particles, **result.reports}
    return Reply("\n".join(shown), values[rest] if rest else values)


def draws(program: InteractiveProgram, rest: str) -> Reply:
    """Draws of equal weight from the last run, a row each."""
    if rest and not (rest.isascii() and rest.isdigit()):
        raise command_error("P0901", f"`%draws` takes a whole number, and this is {rest!r}")
    result, count = last_result(program), int(rest or SHOWN)
    drawn = result.sample(count)
    columns = [column for name in drawn for column in _columns(result, name, drawn)]
    rows = [[str(k) for k in range(count)], *(cells for _, cells in columns)]
    heads = ["", *(head for head, _ in columns)]
    widths = [max(map(len, (head, *cells))) for head, cells in zip(heads, rows, strict=True)]
    lines = [heads, *map(list, zip(*rows, strict=True))]
    text = "\n".join("  ".join(map(str.rjust, line, widths)).rstrip() for line in lines)
    return Reply(text, drawn)


def out(program: InteractiveProgram, rest: str) -> Reply:
    """Write the last result to a folder, as ``poe run --out`` does."""
    notes = last_result(program).save(Path(rest).expanduser())
    return Reply("\n".join([f"written to {rest}", *notes]))


def last_result(program: InteractiveProgram) -> Result:
    """The result of the last run.

    Raises:
        PoeError: nothing has run yet (P0901).
    """
    if program.result is None:
        raise command_error("P0901", "nothing has run yet: `%run` does")
    return program.result


def _shown(result: Result, name: str, type_: Type) -> str:
    from poedsl.runtime.results.pictures import shares

    if type_.name in SYMBOLS:
        lines = [f"  {share:.4f}  {label}" for share, label in shares(result, name)[:SHOWN]]
    elif type_.name == "Image":
        index = result.best_index
        best = f"  particle {index}, with the highest score"
        lines = [best, *_drawn(result.particles[name][index])]
    else:
        head, *table = result.posterior.lines() or [""]
        lines = [head, *(line for line in table if _is_of(name, line))]
    return "\n".join([f"{name} : {type_}", *lines])


def _is_of(name: str, line: str) -> bool:
    """Whether a line of the table is about a component of a variable."""
    return line.startswith((f"{name} ", f"{name}["))


def _drawn(picture: Tensor) -> list[str]:
    """A picture (C, H, W) in characters."""
    from torch.nn.functional import interpolate

    height, width = picture.shape[-2:]
    columns = min(COLUMNS, TALL * width)
    rows = max(1, round(columns * height / width / TALL))
    grey = picture.detach().cpu().float().clamp(0, 1).mean(0)[None, None]
    cells = interpolate(grey, size=(rows, columns), mode="area")[0, 0] * (len(LEVELS) - 1)
    return ["  " + "".join(LEVELS[round(value)] for value in row) for row in cells.tolist()]


def _columns(result: Result, name: str, drawn: dict[str, Tensor]) -> list[tuple[str, list[str]]]:
    """The components of a variable, each with its draws as texts."""
    values = drawn[name].cpu()
    if name in result.vocabularies:
        return [(name, [repr(text) for text in result.vocabularies[name].texts(values)])]
    shape = values.shape[1:]
    if math.prod(shape) > COMPONENTS:
        cells = [f"mean {float(x):.4g}" for x in values.double().flatten(1).mean(1)]
        return [(f"{name} ({math.prod(shape)} components)", cells)]
    flat = values.reshape(len(values), math.prod(shape))
    heads = (
        f"{name}[{', '.join(map(str, i))}]" if i else name for i in product(*map(range, shape))
    )
    return [(head, [f"{x:.4g}" for x in flat[:, k].tolist()]) for k, head in enumerate(heads)]
