"""The pictures in docs/architecture.md: which package of poedsl imports which.

    python docs/architecture.py

writes ``docs/architecture.svg``, and of the packages within ``poedsl.runtime``
``docs/runtime.svg``. Packages stand on a diagonal, the upper layers first. A line leaves a package
to the right and turns, at a dot, down to the package that it imports. A red line to the left is an
import of an upper layer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "poedsl"

#: The layers from top to bottom, each with what it does.
PACKAGES = {
    "cli": "the command poe",
    "editor": "language server",
    "interface": "sessions, pipelines",
    "api": "compile, load",
    "plan": "bind, run",
    "runtime": "plan to result",
    "experts": "densities, networks",
    "compiler": "tree to plan",
    "catalog": "what an expert is",
    "grammar": "text to tree",
    "argument_checks": "for callers in Python",
    "version": "of the package",
}

#: Those of the runtime.
RUNTIME = {
    "pyro_model": "a plan for Pyro",
    "run_plan": "a plan to its result",
    "checkpointer": "saves, resumes, stops",
    "run": "one run",
    "annealing_driver": "pilot run, then run",
    "stage_view": "a stage, for callers",
    "results": "evidence, report, files",
    "checkpoints": "state of a run in a file",
    "build": "bound plan to model",
    "inputs": "values, files, pictures",
    "feynman_kac": "the four models",
    "smc": "particle filter",
    "kernels": "Markov kernels",
    "targets": "log densities, scores",
    "path": "the noising path",
    "space": "coordinates",
    "terms": "expressions on tensors",
    "core": "particles, noise, options",
}
#: The pictures, each of a package.
PICTURES = {"architecture.svg": (PACKAGE, PACKAGES), "runtime.svg": (PACKAGE / "runtime", RUNTIME)}

# Box size, distance of boxes along the diagonal, and margin, in pixels.
WIDTH, HEIGHT, RIGHT, DOWN, MARGIN = 140, 40, 112, 58, 12


@cache
def imports(package: Path) -> frozenset[tuple[str, str]]:
    """Pairs of packages or modules right within a package of which the first imports the second."""
    name = (package.name,)
    while (package.parents[len(name) - 1] / "__init__.py").exists():
        name = (package.parents[len(name) - 1].name, *name)
    files = (f for f in package.rglob("*.py") if f != package / "__init__.py")
    return frozenset(
        (importer, imported)
        for file in files
        for importer in [file.relative_to(package).with_suffix("").parts[0]]
        for imported in _imported(ast.parse(file.read_text(encoding="utf-8")), package, name)
        if imported != importer
    )


def _imported(tree: ast.Module, package: Path, name: tuple[str, ...]) -> Iterator[str]:
    """What a module imports of a package of that name."""
    depth = len(name)
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for parts in (tuple(text.split(".")) for text in names):
            if parts[:depth] == name and len(parts) > depth:
                path = package / parts[depth]
                if path.is_dir() or path.with_suffix(".py").exists():
                    yield parts[depth]


def drawn(pairs: frozenset[tuple[str, str]], summaries: Mapping[str, str] = PACKAGES) -> str:
    """The picture as SVG; every import is a path of class ``import`` with a title.

    Args:
        summaries: the packages from top to bottom, each with what it does.
    """
    names = {name for pair in pairs for name in pair}
    order = [*summaries, *sorted(names - summaries.keys())]
    left = {name: MARGIN + RIGHT * i for i, name in enumerate(order)}
    top = {name: MARGIN + DOWN * i for i, name in enumerate(order)}
    last = len(order) - 1
    size = (2 * MARGIN + RIGHT * last + WIDTH, 2 * MARGIN + DOWN * last + HEIGHT)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" '
        f'width="{size[0]}" height="{size[1]}" font-family="sans-serif" text-anchor="middle">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#567"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for a, b in sorted(pairs, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        forward = order.index(a) < order.index(b)
        start = left[a] + (WIDTH if forward else 0)
        end = top[b] + (0 if forward else HEIGHT)
        y, x = top[a] + HEIGHT // 2, left[b] + WIDTH // 2
        colour = "#567" if forward else "#c33"
        lines += [
            f'<path class="import" d="M{start} {y}H{x}V{end}" fill="none" stroke="{colour}" '
            f'stroke-width="1.3" marker-end="url(#head)"><title>{a} imports {b}</title></path>',
            f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>',
        ]
    for name in order:
        x, y = left[name] + WIDTH // 2, top[name]
        lines += [
            f'<rect x="{left[name]}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" '
            'fill="#eef3f8" stroke="#567"/>',
            f'<text x="{x}" y="{y + 17}" font-size="14" font-weight="bold">{name}</text>',
            f'<text x="{x}" y="{y + 33}" font-size="11">{summaries.get(name, "")}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    for name, (package, summaries) in PICTURES.items():
        picture = drawn(imports(package), summaries)
        (DOCS / name).write_text(picture, encoding="utf-8", newline="\n")
