"""What keeps a scene from being simulated or rendered, as diagnostics."""

from __future__ import annotations

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


def unreadable(scene: str, reason: str) -> PoeError:
    """The file of a scene is not there, or is none."""
    message = f"the scene cannot be read: {scene}: {one_line(reason)}"
    return PoeError((Diagnostic("P0604", message),))


def unfit(scene: str, reason: str, *notes: str) -> PoeError:
    """A scene that cannot be simulated as the arguments say."""
    return PoeError((Diagnostic("P0613", f"{scene}: {reason}", notes=notes),))


def no_graphics(error: Exception) -> PoeError:
    """There is no OpenGL that renders without a screen."""
    return PoeError(
        (
            Diagnostic(
                "P0703",
                f"`mujoco` needs OpenGL to render, which fails here: {one_line(str(error))}",
                notes=(
                    "on Debian and Ubuntu: apt-get install libegl1 libgl1 libgl1-mesa-dri",
                    "`MUJOCO_GL=egl` renders without a screen, `MUJOCO_GL=osmesa` in software",
                ),
            ),
        )
    )


def one_line(text: str) -> str:
    return " ".join(text.split()) or "the library does not say why"
