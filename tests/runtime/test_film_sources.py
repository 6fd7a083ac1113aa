"""Films and sequences that programs read: `frames_of`, `sequence_of`, and films for inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import poedsl
from poedsl.experts.physics.depth import relative_inverse
from poedsl.grammar.errors import PoeError
from poedsl.grammar.types import Type, open_type
from poedsl.runtime.inputs.film_sources import frames_of, sequence_of
from tests.runtime.film_files import film, folder, gif, levels
from tests.runtime.image_values import kept
from tests.runtime.test_inputs import bound, problem

CPU = torch.device("cpu")
VIDEO = open_type("Video")
UNEVEN = [0, 100, 200, 250, 300, 700]


def means(frames: torch.Tensor) -> list[float]:
    """The grey level of each frame."""
    return [round(float(level)) for level in 255 * frames.mean((1, 2, 3))]


def code(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(PoeError) as caught:
        call(*args, **kwargs)
    (found,) = caught.value.diagnostics
    assert "\n" not in found.message
    return found.code


WRITERS: dict[str, Callable[[Path], Path]] = {
    "mp4": lambda path: film(path / "x.mp4", levels(6)),
    "webm": lambda path: film(path / "x.webm", levels(6)),
    "gif": lambda path: gif(path / "x.gif", levels(6)),
    "folder": lambda path: folder(path / "x", levels(6)),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_frames_of_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    file = str(WRITERS[kind](tmp_path))
    whole = frames_of(file, CPU)
    assert whole.shape == (6, 3, 8, 12) and whole.dtype == torch.float32
    np.testing.assert_allclose(means(whole), [0, 20, 40, 60, 80, 100], atol=2)
    assert torch.equal(frames_of(file, CPU, frames=4), whole[:4])
    small = frames_of(file, CPU, size=(4, 6))
    assert small.shape == (6, 3, 4, 6)
    np.testing.assert_allclose(means(small), means(whole), atol=1)
    assert code(frames_of, file, CPU, frames=7) == "P0612"
    assert code(frames_of, file, CPU, size=(8, 8)) == "P0612"
    np.testing.assert_allclose(bound(VIDEO, Path(file)), whole, atol=1e-6)
    assert problem(Type("Video", (7, 3, 8, 12)), Path(file)).code == "P0603"


@pytest.mark.parametrize("kind", ["mp4", "webm", "gif"])
def test_frames_at_even_times(tmp_path: Path, kind: str) -> None:
    """At each time the frame that is shown: every second one at half the rate."""
    file = str(WRITERS[kind](tmp_path))
    np.testing.assert_allclose(means(frames_of(file, CPU, fps=5)), [0, 40, 80], atol=2)
    twice = means(frames_of(file, CPU, fps=20, frames=6, start=0.1))
    np.testing.assert_allclose(twice, [20, 20, 40, 40, 60, 60], atol=2)
    np.testing.assert_allclose(means(frames_of(file, CPU, start=0.4)), [80, 100], atol=2)
    assert code(frames_of, file, CPU, fps=5, frames=4) == "P0612"
    assert code(frames_of, file, CPU, start=2.0) == "P0612"


def test_a_folder_has_no_times(tmp_path: Path) -> None:
    file = str(WRITERS["folder"](tmp_path))
    assert code(frames_of, file, CPU, fps=5) == code(frames_of, file, CPU, start=1) == "P0612"


@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_uneven_times(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "mp4":
        film(path, levels(6), UNEVEN)
    else:
        gif(path, levels(6), [100, 100, 50, 50, 400, 100])
    assert code(frames_of, str(path), CPU) == "P0612"
    read = means(frames_of(str(path), CPU, fps=10, frames=7))
    np.testing.assert_allclose(read, [0, 20, 40, 80, 80, 80, 80], atol=2)


def test_an_input_takes_uneven_frames_and_a_run_warns(tmp_path: Path) -> None:
    assert kept(VIDEO, film(tmp_path / "x.mp4", levels(6), UNEVEN)).remarks == ("P1036",)
    assert kept(VIDEO, film(tmp_path / "y.mp4", levels(6))).remarks == ()


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"size": (0, 8)}, {"fps": -1.0}, {"fps": 0.0}, {"start": -1.0}]
)
def test_arguments_out_of_range(tmp_path: Path, wrong: dict[str, Any]) -> None:
    assert code(frames_of, str(WRITERS["gif"](tmp_path)), CPU, **wrong) == "P0612"


def test_a_picture_or_a_playlist_is_no_film(tmp_path: Path) -> None:
    """The library that reads films would follow the addresses in a playlist."""
    inside = film(tmp_path / "x.mp4", levels(2))
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{inside}\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {inside.name}\n")
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(tmp_path / "picture.mp4")
    for name in ("list", "concat", "picture"):
        assert code(frames_of, str(tmp_path / f"{name}.mp4"), CPU) == "P0604"


def test_what_is_no_film(tmp_path: Path) -> None:
    for name in ("x.mp4", "x.gif", "x.txt"):
        (tmp_path / name).write_bytes(b"\x00\x01no film")
        assert code(frames_of, str(tmp_path / name), CPU) == "P0604"
    assert code(frames_of, str(tmp_path / "gone.mp4"), CPU) == "P0604"
    (tmp_path / "empty").mkdir()
    assert code(frames_of, str(tmp_path / "empty"), CPU) == "P0604"


@pytest.mark.parametrize("share", [0.5, 0.97])
@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "png"])
def test_a_film_that_is_cut_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    """Of some formats the libraries read the part that is there."""
    frames = [np.roll(f, 1, 1) for f in np.random.default_rng(0).integers(0, 255, (9, 32, 32, 3))]
    path = tmp_path / f"x.{ending}"
    write = film if ending in ("mp4", "webm") else gif
    whole = write(path, [f.astype(np.uint8) for f in frames]).read_bytes()
    assert len(frames_of(str(path), CPU)) == 9
    path.write_bytes(whole[: int(share * len(whole))])
    assert code(frames_of, str(path), CPU) == "P0604"
    assert problem(open_type("Video"), path).code == "P0604"


def test_the_end_of_a_picture_is_missed(tmp_path: Path) -> None:
    """Pillow reads a GIF or a PNG without its last bytes."""
    for path in (gif(tmp_path / "x.gif", levels(3)), folder(tmp_path / "f", levels(1)) / "0.png"):
        path.write_bytes(path.read_bytes()[:-1])
        assert "P1035" in kept(open_type("Image"), path).remarks
    for name in ("x.gif", "f"):
        assert code(frames_of, str(tmp_path / name), CPU) == "P0604"


PROGRAM = (
    'let film = frames_of("x.mp4", frames = 4, size = [4, 6])\nx : Video[4, 3, 4, 6]\n'
    "x ~ Normal(0, 1) * exp(-1000 * sum((x - film)^2))\n"
)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_program_reads_a_film_beside_it(tmp_path: Path) -> None:
    film(tmp_path / "x.mp4", levels(6))
    (tmp_path / "p.poe").write_text(PROGRAM, encoding="utf-8")
    result = poedsl.compile(tmp_path / "p.poe").run(particles=50, steps=10)
    expected = frames_of(str(tmp_path / "x.mp4"), CPU, frames=4, size=(4, 6))
    assert float((result.particles["x"].mean(0) - expected).abs().mean()) < 0.05


def test_a_program_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(tmp_path / "x.mp4", levels(6))
    (tmp_path / "p.poe").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PoeError) as caught:
        poedsl.compile(tmp_path / "p.poe").run()
    (found,) = caught.value.diagnostics
    assert found.code == "P0703" and "pip install" in found.notes[0]


# Sequences that were made elsewhere.


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    for name in ("rgb", "depth", "mask"):
        folder(tmp_path / "s" / name, levels(5))
    return tmp_path / "s"


def test_a_sequence_is_one_input(sequence: Path) -> None:
    read = sequence_of(str(sequence), CPU, frames=4, size=(8, 12))
    assert {n: tuple(x.shape) for n, x in read.items()} == {
        "rgb": (4, 3, 8, 12),
        "depth": (4, 8, 12),
        "mask": (4, 8, 12),
    }
    assert read["mask"][2, 0, 0] == pytest.approx(40 / 255)


def test_distances_become_relative_inverse_depths(sequence: Path) -> None:
    for number, distance in enumerate((1.0, 2.0, 4.0, np.inf, 0.0)):
        np.save(sequence / "depth" / f"{number}.npy", np.full((8, 12), distance, np.float32))
    read = sequence_of(str(sequence), CPU, metric=True)["depth"]
    assert read[:, 0, 0].tolist() == pytest.approx([1, 1 / 2, 1 / 4, 0, 0])
    three = sequence_of(str(sequence), CPU, frames=3, metric=True)["depth"]
    assert three[:, 0, 0].tolist() == pytest.approx([1, (1 / 2 - 1 / 4) / (1 - 1 / 4), 0])


@pytest.mark.parametrize("distances", [torch.full((2, 2, 2), torch.inf), torch.zeros(1, 2, 2)])
def test_depth_of_nothing_is_zero(distances: torch.Tensor) -> None:
    assert not relative_inverse(distances).any()


def test_depth_of_one_plane_is_one() -> None:
    assert relative_inverse(torch.full((2, 2, 2), 3.0)).eq(1).all()


def test_sequences_that_do_not_fit(sequence: Path, tmp_path: Path) -> None:
    assert code(sequence_of, str(sequence), CPU, frames=6) == "P0612"
    assert code(sequence_of, str(sequence), CPU, size=(8, 8)) == "P0612"
    (sequence / "mask" / "4.png").unlink()
    assert code(sequence_of, str(sequence), CPU) == "P0612"
    assert sequence_of(str(sequence), CPU, frames=4)["rgb"].shape[0] == 4
    folder(tmp_path / "other" / "rgb", levels(2))
    assert code(sequence_of, str(tmp_path / "other"), CPU) == "P0604"
