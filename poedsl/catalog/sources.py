"""Sources: programs whose output is an input of the program."""

from __future__ import annotations

from poedsl.catalog.parameters import PROMPT
from poedsl.catalog.signatures import REQUIRED, Returned, Signature, SignatureParameter
from poedsl.grammar.types import BOOL, INT, REAL, TEXT, Type, open_type

_FRAMES = (
    SignatureParameter("frames", INT, "number", None, "how many; none: all"),
    SignatureParameter(
        "size", Type("Int", (2,)), "number", None, "height and width; none: as they are"
    ),
)
_RENDERED = (
    Returned("rgb", "Video", ("frames", 3, "size.0", "size.1")),
    Returned("depth", "Depth", ("frames", "size.0", "size.1")),
    Returned("mask", "Mask", ("frames", "size.0", "size.1")),
)

SOURCES = (
    Signature(
        "mujoco",
        "source",
        "simulates a physical scene and renders it: colours, depth, what moves and where",
        (
            SignatureParameter(
                "scene", open_type("File"), "label", REQUIRED, "a file in MJCF or URDF"
            ),
            SignatureParameter("frames", INT, "number", 1, "how many"),
            SignatureParameter("size", Type("Int", (2,)), "number", REQUIRED, "height and width"),
            SignatureParameter("fps", REAL, "number", 16.0, "frames in a second of the scene"),
            SignatureParameter(
                "camera", TEXT, "label", None, "its name; none: the first of the scene"
            ),
            SignatureParameter(
                "seconds", REAL, "number", None, "first frame to last; none: by `fps`"
            ),
        ),
        cost=500.0,
        citation="Todorov, Erez and Tassa, MuJoCo (IROS 2012)",
        implementation="poedsl.experts.physics.mujoco_scene:mujoco",
        requires="physics",
        returns=(
            *_RENDERED,
            Returned("segments", "Int", ("frames", "size.0", "size.1")),
            Returned("centroids", "Real", ("frames", None, 2)),
            Returned("boxes", "Real", ("frames", None, 4)),
            Returned("tracks", "Real", ("frames", None, 2)),
            Returned("visible", "Real", ("frames", None)),
            Returned("flow", "Real", ("frames", 2, "size.0", "size.1")),
        ),
    ),
    Signature(
        "frames_of",
        "source",
        "the frames of a film, a GIF or a folder of pictures",
        (
            SignatureParameter(
                "file", open_type("File"), "label", REQUIRED, "MP4, MOV, WebM, GIF, folder"
            ),
            *_FRAMES,
            SignatureParameter(
                "fps", REAL, "number", None, "frames in a second; none: each as it comes"
            ),
            SignatureParameter("start", REAL, "number", 0.0, "seconds from the beginning"),
        ),
        cost=50.0,
        implementation="poedsl.runtime.inputs.film_sources:frames_of",
        requires="video",
        returns=(Returned("", "Video", ("frames", 3, "size.0", "size.1")),),
    ),
    Signature(
        "sequence_of",
        "source",
        "a sequence that was simulated elsewhere: a folder with rgb/, depth/ and mask/",
        (
            SignatureParameter("folder", open_type("File"), "label", REQUIRED, "a folder"),
            *_FRAMES,
            SignatureParameter("metric", BOOL, "label", False, "whether depths are distances"),
        ),
        cost=50.0,
        implementation="poedsl.runtime.inputs.film_sources:sequence_of",
        returns=_RENDERED,
    ),
    Signature(
        "layout_of",
        "source",
        "a layout for a prompt, by a language model that can only answer with one",
        (
            PROMPT,
            SignatureParameter(
                "model", TEXT, "label", "Qwen/Qwen2.5-7B-Instruct", "hub id or folder"
            ),
        ),
        cost=5_000.0,
        citation="Zhang et al., Product of Experts for Visual Generation, F.5 (ICLR 2026)",
        implementation="poedsl.experts.sequences.layouts:layout_of",
        requires="diffusers",
        returns=(Returned("", "Layout"),),
    ),
)
