"""What is set after it was made: attributes of the few classes that are there to change.

A value that does not change can be passed on, kept and compared without a copy. So attributes are
set where an object is made, and else only on classes that are listed here with what they are for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.test_imports import modules

#: Classes whose attributes are set after they were made.
MUTABLE = {
    # What passes of the compiler have collected so far.
    "Expansion": "the definitions that are being expanded",
    "NameScope": "the names that are known where resolution is",
    "TypeScope": "the types that are known where checking is",
    "ProgramChecker": "a TypeScope, and the factors so far",
    "WorkBudget": "the operations so far",
    "Lowerer": "the factors so far",
    # Text that is read or written from left to right.
    "_Reader": "how far lines are read",
    "_Blocks": "the blocks that are open",
    "_Row": "a line of an excerpt",
    "Piece": "a token and the line break after it",
    "_Open": "a bracket while lines are broken",
    "Bracket": "a bracket while a line is read",
    "_Walk": "the names that are bound where the editor reads",
    "LayoutWriter": "the text so far, and what the model has read of it",
    "DrawnBox": "where a box of a picture is, which others move",
    "Numbers": "the numbers of figures and tables",
    "Plot": "the marks so far",
    # Runs and sessions.
    "Run": "where a run is",
    "AnnealingDriver": "where the particles are",
    "Pilot": "what a pilot run has tuned so far",
    "SnapshotCollector": "the snapshots so far",
    "Checkpointer": "when a checkpoint was written",
    "RunFolder": "the state of an output folder",
    "SavedRun": "the stages that are logged",
    "Progress": "what is on the terminal",
    "InteractiveProgram": "the program of a session",
    "Registry": "when user's code was read",
    "Probe": "a scheduler as pipelines of diffusers expect it",
    "_Placed": "a handler of Pyro, called site by site",
    "Output": "how much a command writes",
}
#: Methods in which an object is made.
MAKING = ("__init__", "__post_init__", "__setstate__")
#: Objects of other libraries, by the module and how they are named there.
OF_LIBRARIES = {
    "cli.entry": {"sys"},
    "cli.output": {"logger"},
    "cli.prompt": {"event.current_buffer"},
    "catalog.character_classes": {"parsed.state"},
    "catalog.pattern_graphs": {"inner.state"},
    "compiler.views.picture": {"SubElement"},
    "experts.densities.incomplete_integrals": {"Any"},
    "experts.flows.pipeline_view": {"distribution", "copied"},
    "experts.loading.shared_networks": {"pipeline"},
    "experts.loading.libraries": {"logger"},
    "experts.loading.stable_diffusion_prompts": {"pipeline"},
    "experts.physics.mujoco_scene": {"model.opt", "buffer"},
    "experts.rewards.image_reward": {"part.get_submodule"},
    "experts.rewards.vqa_score": {"self.net.config.get_text_config"},
    "experts.user.load": {"module"},
    "experts.user.pyro_models": {"_DIM_ALLOCATOR"},
    "runtime.core.random_numbers": {"self.philox"},
    "runtime.inputs.rasters": {"Image", "Any"},
    "runtime.results.films": {"stream", "context"},
}
#: Classes of variables without an annotation, by module.
VARIABLES = {
    "cli.entry": {"OUTPUT": "Output"},
    "cli.output": {"OUTPUT": "Output"},
    "compiler.verification.verify": {"self.context.checker": "TypeScope"},
    "compiler.views.picture": {"box": "DrawnBox"},
    "compiler.views.picture_layout": {"box": "DrawnBox"},
    "editor.cursor": {"stack[-1]": "Bracket", "top": "Bracket"},
    "grammar.formatting.line_breaks": {
        "piece": "Piece",
        "first": "Piece",
        "pieces[index]": "Piece",
        "pieces[pieces[opener].partner]": "Piece",
        "open_[-1]": "_Open",
    },
    "grammar.formatting.spacing": {
        "piece": "Piece",
        "comma": "Piece",
        "pieces[piece.partner]": "Piece",
    },
    "grammar.render": {"framed": "_Row"},
}


def targets(node: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes that a statement sets or deletes."""
    match node:
        case ast.Assign(targets=several) | ast.Delete(targets=several):
            left = list(several)
        case ast.AugAssign(target=one) | ast.AnnAssign(target=one) | ast.For(target=one):
            left = [one]
        case ast.With(items=items):
            left = [i.optional_vars for i in items if i.optional_vars is not None]
        case ast.Call(func=ast.Name(id="setattr") | ast.Attribute(attr="__setattr__")):
            left = [ast.Attribute(node.args[0], "any", ast.Store())]
        case _:
            return
    while left:
        match left.pop():
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                left += parts
            case ast.Starred(value=value):
                left.append(value)
            case ast.Attribute() as attribute:
                yield attribute


def assignments(
    node: ast.AST, own: str = "", function: str = "", of: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """The class of each object that is changed after it was made, or else how it is named there,
    and the line.

    Args:
        own, function: the class and the function around the node. of: classes by names of
            parameters.
    """
    for child in ast.iter_child_nodes(node):
        inner, inside, classes = own, function, dict(of or {})
        if isinstance(child, ast.ClassDef):
            inner, inside = child.name, ""
        elif isinstance(child, ast.FunctionDef):
            inside = child.name
            for a in child.args.args:
                if a.annotation is not None:
                    classes[a.arg] = ast.unparse(a.annotation).partition("[")[0]
        for target in targets(child):
            base = target.value
            if isinstance(base, ast.Name) and base.id == "self":
                if function not in MAKING:
                    yield own, child.lineno
                continue
            named = ast.unparse(base.func if isinstance(base, ast.Call) else base)
            yield classes.get(named, named), child.lineno
        yield from assignments(child, inner, inside, classes)


def test_the_test_sees_assignments() -> None:
    text = (
        "class A:\n def __init__(self): self.a = 1\n def f(self): self.b, c = 1, 2\n"
        "def g(x: B[int], y):\n x.a += 1\n y.a = 2\n object.__setattr__(y, 'a', 3)\n"
    )
    assert list(assignments(ast.parse(text))) == [("A", 3), ("B", 5), ("y", 6), ("y", 7)]


@pytest.mark.slow
def test_attributes_are_set_where_the_list_says() -> None:
    """By objects as they are made, and of what is listed; and the list has no more than that."""
    unlisted, kinds = [], set()
    for name, path in modules().items():
        module = name.removeprefix("poedsl.")
        for changed, line in assignments(ast.parse(path.read_text(encoding="utf-8"))):
            kind = VARIABLES.get(module, {}).get(changed, changed)
            kinds.add(kind)
            if kind not in MUTABLE and changed not in OF_LIBRARIES.get(module, ()):
                unlisted.append(f"{name}:{line}: an attribute of {changed} is set")
    assert unlisted == []
    assert kinds >= MUTABLE.keys()
