"""Sources: programs whose output is an input of the program."""

from __future__ import annotations

from poedsl.catalog.parameters import PROMPT
from poedsl.catalog.signatures import REQUIRED, Parameter, Returned, Signature
from poedsl.grammar.types import INT, TEXT, Type, open_type

SOURCES = (
    Signature(
        "mujoco",
        "source",
        "renders a physical scene: colours, relative inverse depth, and a mask of what moves",
        (
            Parameter("scene", open_type("File"), "label", REQUIRED, "an MJCF file"),
            Parameter("frames", INT, "number", 1, "how many"),
            Parameter("size", Type("Int", (2,)), "number", REQUIRED, "height and width"),
        ),
        cost=50.0,
        citation="Todorov, Erez and Tassa, MuJoCo (IROS 2012)",
        returns=(
            Returned("rgb", "Video", ("frames", 3, "size.0", "size.1")),
            Returned("depth", "Depth", ("frames", "size.0", "size.1")),
            Returned("mask", "Mask", ("frames", "size.0", "size.1")),
        ),
    ),
    Signature(
        "layout_of",
        "source",
        "a layout for a prompt, by a language model that can only answer with one",
        (
            PROMPT,
            Parameter("model", TEXT, "label", "Qwen/Qwen2.5-7B-Instruct", "hub id or folder"),
        ),
        cost=5_000.0,
        citation="Zhang et al., Product of Experts for Visual Generation, F.5 (ICLR 2026)",
        implementation="poedsl.experts.sequences.layouts:layout_of",
        requires="diffusers",
        returns=(Returned("", "Layout"),),
    ),
)
