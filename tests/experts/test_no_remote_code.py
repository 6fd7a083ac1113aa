"""Models come without code: no folder of a model runs Python, and none asks whether it may."""

from __future__ import annotations

import ast
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.catalog.profiles import DEFAULT
from poedsl.experts.loading.diffusers_parts import prompt
from poedsl.experts.loading.transformers_models import processor
from poedsl.experts.rewards.classifier import ClassifierScore
from poedsl.experts.sequences.language_model import LanguageModel
from poedsl.grammar.errors import PoeError

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


class Answering(io.StringIO):
    """Standard input of a person who agrees to whatever is asked."""

    def readline(self, size: int = -1) -> str:
        raise AssertionError("a model's folder asked a question")


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that the code of a hostile folder would make."""
    monkeypatch.setattr("sys.stdin", Answering("y\n" * 20))
    path = tmp_path / "ran"
    yield path
    assert not path.exists()


def hostile(folder: Path, marker: Path, config: dict[str, object]) -> Path:
    """A folder whose configuration and tokenizer name code that lies beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Mine: pass\n")
    kinds = ("AutoConfig", "AutoModel", "AutoModelForImageClassification", "AutoModelForCausalLM")
    auto = {"auto_map": {kind: "code.Mine" for kind in kinds}}
    (folder / "config.json").write_text(json.dumps(config | auto))
    for name, own in {
        "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["code.Mine", None]}},
        "processor_config.json": {"auto_map": {"AutoProcessor": "code.Mine"}},
        "preprocessor_config.json": {"auto_map": {"AutoImageProcessor": "code.Mine"}},
    }.items():
        path = folder / name
        there = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(there | own))
    return folder


def test_a_classifier_with_code_is_refused(tmp_path: Path, marker: Path) -> None:
    folder = hostile(tmp_path / "model", marker, {"model_type": "mine"})
    with pytest.raises(PoeError) as caught:
        ClassifierScore(str(folder), 3, CPU)
    assert [d.code for d in caught.value.diagnostics] == ["P0206"]
    assert str(folder) in caught.value.diagnostics[0].message


def test_a_classifier_of_a_known_kind_runs_without_the_code_beside_it(
    tmp_path: Path, marker: Path
) -> None:
    own = tmp_path / "model"
    shutil.copytree(ROOT / "models" / "digit_score", own)
    hostile(own, marker, json.loads((own / "config.json").read_text()))
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(
        ClassifierScore(str(own), 3, CPU)(x), ClassifierScore("digit_score", 3, CPU)(x)
    )


def test_a_language_model_with_code_is_refused(tmp_path: Path, marker: Path) -> None:
    folder = hostile(tmp_path / "lm", marker, {"model_type": "mine"})
    with pytest.raises(PoeError):
        LanguageModel("", folder=str(folder), profile=DEFAULT, device=CPU)


@pytest.mark.parametrize("kind", ["AutoTokenizer", "AutoProcessor", "AutoImageProcessor"])
def test_a_processor_with_code_is_refused(kind: str, tmp_path: Path, marker: Path) -> None:
    folder = hostile(tmp_path / "model", marker, {"model_type": "mine"})
    with pytest.raises((OSError, ValueError, KeyError)):
        processor(kind, str(folder))


@pytest.mark.parametrize("part", ["text_encoder", "text_encoder_2", "tokenizer_2"])
def test_a_pipeline_whose_index_names_other_classes_runs_none_of_their_code(
    part: str, tmp_path: Path, marker: Path
) -> None:
    flux = tmp_path / "flux"
    shutil.copytree(ROOT / "models" / "playroom" / "flux", flux)
    index = json.loads((flux / "model_index.json").read_text())
    index[part] = ["transformers", "AutoTokenizer" if "tokenizer" in part else "AutoModel"]
    (flux / "model_index.json").write_text(json.dumps(index))
    config = flux / part / "config.json"
    hostile(flux / part, marker, json.loads(config.read_text()) if config.exists() else {})
    theirs = prompt(str(flux), "a red sphere", CPU, torch.float32)
    ours = prompt(str(ROOT / "models/playroom/flux"), "a red sphere", CPU, torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))


def test_every_call_that_reads_a_model_of_transformers_refuses_code() -> None:
    """Classes of diffusers' models take no code; all others go through ``LOCAL``."""
    diffusers = {"FluxTransformer2DModel", "AutoencoderKL", "UNet2DModel", "cls"}
    calls = 0
    for path in Path(poedsl.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr != "from_pretrained":
                continue
            calls += 1
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in diffusers:
                continue
            starred = [
                k.value.id for k in node.keywords if isinstance(k.value, ast.Name) and not k.arg
            ]
            assert "LOCAL" in starred, f"{path}:{node.lineno}"
    assert calls >= 5
