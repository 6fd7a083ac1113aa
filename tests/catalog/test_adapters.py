"""How programs name LoRAs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import poedsl
from poedsl.catalog.adapters import find_loras
from tests.diagnostics import refused
from tests.experts import tiny


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_files_and_folders_have_weights(tmp_path: Path) -> None:
    touch(tmp_path, "a.safetensors", "b:c.safetensors")
    touch(tmp_path / "one", "style.safetensors")
    touch(tmp_path / "several", "x.safetensors", "pytorch_lora_weights.safetensors")
    text = "a.safetensors:0.8, b:c.safetensors,one:-1e-1 ,several: 2"
    found = find_loras("flux", text, tmp_path)
    assert [(Path(lora.path).name, lora.weight) for lora in found] == [
        ("a.safetensors", 0.8),
        ("b:c.safetensors", 1),
        ("style.safetensors", -0.1),
        ("pytorch_lora_weights.safetensors", 2),
    ]
    assert find_loras("flux", str(tmp_path / "one"))[0].path == found[2].path


def test_a_file_that_is_written_again_is_another(tmp_path: Path) -> None:
    touch(tmp_path, "a.safetensors")
    before = find_loras("flux", "a.safetensors", tmp_path)
    (tmp_path / "a.safetensors").write_bytes(b"more")
    assert find_loras("flux", "a.safetensors", tmp_path) != before


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nowhere.safetensors", "P0701"),
        ("someone/nothing:0.5", "P0701"),
        ("a.safetensors:strong", "P0701"),
        ("", "P0701"),
        ("a.safetensors:1,", "P0701"),
        ("empty", "P0701"),
        ("a\0b", "P0701"),
        (500 * "a", "P0701"),
        ("a.safetensors:inf", "P0307"),
        ("a.safetensors:nan", "P0307"),
        ("several", "P0206"),
        ("pickled.bin", "P0206"),
    ],
)
def test_what_cannot_be_found_or_used_is_refused(text: str, code: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.safetensors", "pickled.bin")
    touch(tmp_path / "empty", "readme.md")
    touch(tmp_path / "several", "x.safetensors", "y.safetensors")
    with refused(code):
        find_loras("flux", text, tmp_path)


def program(folder: str, lora: str) -> str:
    return f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{folder}", lora = "{lora}")'


def test_a_lora_that_is_not_here_is_reported_with_its_factor(tmp_path: Path) -> None:
    plan = poedsl.compile(program(tiny.folder("flux", tmp_path), "no.safetensors:0.5"))
    with refused("P0701") as errors:
        plan.run()
    assert "flux" in errors[0].notes[0]


def test_peft_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.safetensors")
    text = program(tiny.folder("flux", tmp_path), str(tmp_path / "a.safetensors"))
    monkeypatch.setitem(sys.modules, "peft", None)
    with refused("P0703") as errors:
        poedsl.compile(text).run()
    assert "peft" in errors[0].message and "[lora]" in errors[0].notes[0]
