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
from poedsl.experts.loading.shared_networks import prompt
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


def calls(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Calls of functions and methods of these names in the package, with the files they are in."""
    package = Path(poedsl.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", None))
                if called in names:
                    yield path.relative_to(package).as_posix(), node


@pytest.mark.slow
def test_one_loader_reads_every_model_and_refuses_code() -> None:
    """Classes of diffusers' models take no code; all others get ``LOCAL``. Single files are read
    before they are given to the library.
    """
    found = [
        (file, call)
        for file, call in calls("from_pretrained", "from_single_file", "pipeline")
        if not (isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "cls")
    ]
    assert {file for file, _ in found} == {"experts/loading/folder_loader.py"}
    for _, call in found:
        starred = [ast.unparse(k.value) for k in call.keywords if not k.arg]
        plain = {k.arg: ast.unparse(k.value) for k in call.keywords}
        read = "use_safetensors" in plain or ast.unparse(call.args[0]).startswith("original_")
        of_diffusers = plain.get("local_files_only") == "True" and read
        assert "LOCAL" in starred or of_diffusers, ast.unparse(call)
    networks = [c for _, c in found if "output_loading_info" in {k.arg for k in c.keywords}]
    assert len(networks) == 3 and len(found) >= 6


@pytest.mark.slow
def test_weights_are_read_from_safetensors_alone() -> None:
    loads = [ast.unparse(c.func) for _, c in calls("load", "loads")]
    assert not {"torch.load", "pickle.load", "pickle.loads"} & set(loads)
    readers = {file for file, _ in calls("safe_open", "load_file")}
    assert readers == {
        "experts/flows/points.py",
        "experts/loading/weight_files.py",
        "experts/loading/transformers_models.py",
        "experts/loading/weight_counts.py",
        "runtime/checkpoints/checkpoint_file.py",
    }
