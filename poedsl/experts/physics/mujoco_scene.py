"""The source `mujoco`: a scene in MJCF or URDF, simulated and rendered.

Frames are rendered off the screen by OpenGL, with EGL, which Mesa has without a GPU. The same
scene and arguments give the same frames on the same machine; another OpenGL may differ in the
last levels of colours.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poedsl.experts.physics.camera import Camera
from poedsl.experts.physics.depth import relative_inverse
from poedsl.experts.physics.frames import Frame, boxes, centroids, flows, tracks
from poedsl.experts.physics.refusals import no_graphics, unfit, unreadable

#: The most pixels of all frames, the most steps, and the most seconds that simulating and rendering
#: take.
MOST_PIXELS, MOST_STEPS, MOST_SECONDS = 2**28, 2_000_000, 900.0
#: Of the distance of the far plane: what is as far is the sky.
_SKY = 0.999
#: Steps between looks at the clock.
_STEPS = 1000


def mujoco(
    scene: str,
    frames: int,
    size: tuple[int, ...],
    device: torch.device,
    fps: float = 16.0,
    camera: str | None = None,
    seconds: float | None = None,
) -> dict[str, Tensor]:
    """Simulate a scene and render it.

    The simulation starts from the first keyframe of the scene if it has one, else from its initial
    state; the first frame shows that state.

    Args:
        scene: a file in MJCF or URDF. size: height and width.
        fps: frames in a second of the scene.
        camera: its name; None for the first of the scene, or for a view of all where it has none.
        seconds: of the scene from the first frame to the last, in place of ``fps``.

    Returns:
        ``rgb`` (F, 3, H, W); ``depth`` (F, H, W), relative inverse depth; ``mask`` (F, H, W), 1 on
        bodies that can move; ``segments`` (F, H, W), the number of such a body from 1, else 0; and
        in pixels ``centroids`` (F, B, 2), ``boxes`` (F, B, 4), of points on surfaces ``tracks`` (F,
        N, 2) and ``visible`` (F, N), and the optical ``flow`` to the next frame (F, 2, H, W).

    Raises:
        PoeError: the scene cannot be read (P0604), cannot be simulated, or does not fit the
            arguments (P0613); there is no OpenGL (P0703).
        ImportError: the library is not installed.
    """
    interval = _interval(scene, frames, size, fps, seconds)
    library = _library()
    model, data = _loaded(library, scene)
    if interval * (frames - 1) / model.opt.timestep > MOST_STEPS:
        long = f"{interval * (frames - 1):g} s in steps of {model.opt.timestep:g} s"
        raise unfit(scene, f"it takes too many steps: {long}, and at most {MOST_STEPS} are done")
    moving = np.nonzero(model.body_weldid != 0)[0]
    with _rendering(library, model, size) as renderer:
        view = _view(library, model, scene, camera)
        rendered = list(
            _frames(library, model, data, renderer, view, moving, frames, interval, scene)
        )
    return _outputs(rendered, _radii(model, moving), device)


def _interval(
    scene: str, frames: int, size: tuple[int, ...], fps: float, seconds: float | None
) -> float:
    """Seconds between frames."""
    problems = (
        (frames < 1, f"`frames` is at least 1, and this is {frames}"),
        (len(size) != 2 or min(size) < 1, f"`size` is a height and a width, and this is {size}"),
        (fps <= 0, f"`fps` is above 0, and this is {fps:g}"),
        (seconds is not None and seconds < 0, f"`seconds` is at least 0, and this is {seconds}"),
        (
            frames * int(np.prod(size)) > MOST_PIXELS,
            f"its frames have more than {MOST_PIXELS} pixels",
        ),
    )
    for wrong, reason in problems:
        if wrong:
            raise unfit(scene, reason)
    return 1 / fps if seconds is None else seconds / max(1, frames - 1)


def _library() -> Any:
    """MuJoCo, which chooses its OpenGL when it is first imported."""
    if sys.platform == "linux" and "mujoco" not in sys.modules and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return importlib.import_module("mujoco")
    except ImportError as error:
        if (error.name or "mujoco").partition(".")[0] == "mujoco":
            raise
        raise no_graphics(error) from error
    # Its choice of an OpenGL that is not there, or is none, raises exceptions of several classes.
    except (AttributeError, RuntimeError, OSError) as error:
        raise no_graphics(error) from error


def _loaded(library: Any, scene: str) -> tuple[Any, Any]:
    """The model of a scene, and its state at the start."""
    if not Path(scene).is_file():
        raise unreadable(scene, "there is no such file")
    with _quiet(library):
        try:
            model = library.MjModel.from_xml_path(scene)
        except ValueError as error:
            raise unreadable(scene, str(error)) from error
        data = library.MjData(model)
        model.opt.disableflags |= library.mjtDisableBit.mjDSBL_AUTORESET
        if model.nkey:
            library.mj_resetDataKeyframe(model, data, 0)
        library.mj_forward(model, data)
    return model, data


def _view(library: Any, model: Any, scene: str, camera: str | None) -> Any:
    """What the renderer takes as a camera."""
    if camera is None:
        if model.ncam:
            return 0
        free = library.MjvCamera()
        library.mjv_defaultFreeCamera(model, free)
        return free
    names = [model.camera(k).name for k in range(model.ncam)]
    if camera not in names:
        listed = ", ".join(f'"{n}"' for n in names if n) or "none that has a name"
        raise unfit(scene, f'it has no camera "{camera}"', f"its cameras: {listed}")
    return names.index(camera)


@contextmanager
def _rendering(library: Any, model: Any, size: tuple[int, ...]) -> Iterator[Any]:
    """A renderer of a size, whatever size the scene expects."""
    height, width = size
    _check_screen(library)
    buffer = model.vis.global_
    buffer.offwidth, buffer.offheight = max(buffer.offwidth, width), max(buffer.offheight, height)
    try:
        renderer = library.Renderer(model, height, width)
    # What OpenGL lacks is raised as several classes, by MuJoCo and by PyOpenGL.
    except Exception as error:
        raise no_graphics(error) from error
    try:
        yield renderer
    finally:
        renderer.close()


def _check_screen(library: Any) -> None:
    """Refuse to render by a window system without a screen, which ends the process."""
    chosen = sys.modules[library.Renderer.__module__].gl_context.GLContext.__module__
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and chosen == "mujoco.glfw" and not screen:
        reason = "mujoco was imported before MUJOCO_GL was set to egl, and there is no screen"
        raise no_graphics(RuntimeError(reason))


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without the file of warnings that MuJoCo otherwise writes beside the program."""
    before = library.get_mju_user_warning()
    library.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        library.set_mju_user_warning(before)


def _frames(
    library: Any,
    model: Any,
    data: Any,
    renderer: Any,
    view: Any,
    moving: Any,
    count: int,
    interval: float,
    scene: str,
) -> Iterator[Frame]:
    """The frames at even times of the scene, each rendered when it is reached."""
    numbers = np.zeros(model.nbody, int)
    numbers[moving] = np.arange(1, len(moving) + 1)
    start, deadline = data.time, time.monotonic() + MOST_SECONDS
    for k in range(count):
        with _quiet(library):
            _advance(library, model, data, start + k * interval, deadline, scene)
        yield _frame(library, model, data, renderer, view, moving, numbers)


def _advance(library: Any, model: Any, data: Any, end: float, deadline: float, scene: str) -> None:
    """Simulate up to a time."""
    steps = 0
    while data.time < end - model.opt.timestep / 2:
        library.mj_step(model, data)
        steps += 1
        if _exploded(library, data):
            step = f"{model.opt.timestep:g} s"
            raise unfit(
                scene,
                f"its simulation explodes numerically after {data.time:.3g} s",
                f'a smaller step than {step} may help: <option timestep="..."/>; so may softer '
                "contacts, and bodies that do not start inside of each other",
            )
        if steps % _STEPS == 0 and time.monotonic() > deadline:
            raise unfit(scene, f"it takes more than {MOST_SECONDS:g} s to simulate and render")
    if time.monotonic() > deadline:
        raise unfit(scene, f"it takes more than {MOST_SECONDS:g} s to simulate and render")
    library.mj_forward(model, data)


def _exploded(library: Any, data: Any) -> bool:
    kinds = library.mjtWarning
    bad = (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)
    return any(data.warning[kind].number for kind in bad)


def _frame(
    library: Any, model: Any, data: Any, renderer: Any, view: Any, moving: Any, numbers: Any
) -> Frame:
    renderer.update_scene(data, camera=view)
    rgb = renderer.render().copy()
    eye = Camera.of(renderer.scene, rgb.shape[:2])
    renderer.enable_depth_rendering()
    renderer.update_scene(data, camera=view)
    distance = renderer.render().astype(np.float64)
    renderer.disable_depth_rendering()
    renderer.enable_segmentation_rendering()
    renderer.update_scene(data, camera=view)
    ids, kinds = np.moveaxis(renderer.render(), -1, 0)
    renderer.disable_segmentation_rendering()
    is_geom = kinds == int(library.mjtObj.mjOBJ_GEOM)
    bodies = model.geom_bodyid[np.where(is_geom, ids, 0)] if model.ngeom else np.zeros_like(ids)
    far = model.vis.map.zfar * model.stat.extent
    return Frame(
        rgb,
        np.where(distance < _SKY * far, distance, np.inf),
        np.where(is_geom, numbers[bodies], 0).astype(np.int32),
        data.xpos[moving].copy(),
        data.xmat[moving].reshape(-1, 3, 3).copy(),
        data.xipos[moving].copy(),
        eye,
    )


def _radii(model: Any, moving: Any) -> Any:
    """How far the geometries of each body are from its origin, at most."""
    reach = np.linalg.norm(model.geom_pos, axis=-1) + model.geom_rbound
    radii = [reach[model.geom_bodyid == body].max(initial=0.0) for body in moving]
    return np.array(radii, float).reshape(len(moving))


def _outputs(rendered: list[Frame], radii: Any, device: torch.device) -> dict[str, Tensor]:
    rgb = np.stack([f.rgb for f in rendered])
    segments = np.stack([f.segments for f in rendered])
    points, visible = np.zeros((len(rendered), 0, 2), np.float32), np.zeros((len(rendered), 0))
    if len(radii):
        points, visible = tracks(rendered, radii)
    distance = torch.from_numpy(np.stack([f.distance for f in rendered]))
    out = {
        "rgb": torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255,
        "depth": relative_inverse(distance),
        "mask": torch.from_numpy(segments > 0).float(),
        "segments": torch.from_numpy(segments).float(),
        "centroids": torch.from_numpy(centroids(rendered)),
        "boxes": torch.from_numpy(boxes(rendered)),
        "tracks": torch.from_numpy(points),
        "visible": torch.from_numpy(visible).float(),
        "flow": torch.from_numpy(flows(rendered)),
    }
    return {name: x.to(device) for name, x in out.items()}
