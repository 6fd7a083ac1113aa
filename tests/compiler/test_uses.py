"""Signatures of what `use` names are read without running it, and equal those of running it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from poedsl.catalog.code_references import CodeReference
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import REQUIRED, Signature
from poedsl.compiler.names.use_statements import read_use
from poedsl.experts.user import registry
from poedsl.experts.user.load import load_user
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.types import Type
from tests.diagnostics import quoted

CODE = Path(__file__).parents[1] / "experts" / "user_code.py"
DECORATED = [
    s.name
    for s in ast.walk(ast.parse(CODE.read_text()))
    if isinstance(s, ast.FunctionDef | ast.ClassDef)
    and any("poedsl" in ast.unparse(d) or "scorer" in ast.unparse(d) for d in s.decorator_list)
]
ROOT = Path(__file__).parents[2]
HEAD = "import poedsl\nfrom poedsl import Image, Real\n"


def read(place: str, base: Path = CODE.parent, name: str = "mine") -> Signature | Diagnostic:
    return read_use(tree.Use(name=tree.Name(name=name), place=tree.String(value=place)), base)


def signature(place: str, base: Path = CODE.parent) -> Signature:
    found = read(place, base)
    assert isinstance(found, Signature), found
    return found


def problem(place: str, base: Path) -> Diagnostic:
    found = read(place, base)
    assert isinstance(found, Diagnostic), found
    return found


def written(base: Path, text: str) -> Path:
    (base / "code.py").write_text(HEAD + text)
    return base


@pytest.mark.parametrize("name", DECORATED)
@pytest.mark.parametrize("future", [True, False])
def test_what_is_read_is_what_the_decorator_makes(tmp_path: Path, name: str, future: bool) -> None:
    text = CODE.read_text()
    file = tmp_path / "code.py"
    file.write_text(text if future else text.replace("from __future__ import annotations", ""))
    found = signature(f"{file}:{name}")
    load_user(found, f"{file}:{name}", Path(), allowed=True)
    made = registry.REGISTRY.at(CodeReference(str(file), name), Path())
    assert made is not None
    assert replace(found, name=name) == made.signature


def test_signatures_say_what_is_written() -> None:
    renamed = signature("user_code.py:renamed")
    assert renamed.name == "mine"
    assert renamed.implementation == "code:user_code.py:renamed"
    assert renamed.summary == "Below the quotes."
    assert renamed.domain == Type("Image", (3, None, None))
    assert (renamed.cost, renamed.citation) == (5.0, "Someone (2025)")
    assert "gradient" in renamed.capabilities
    assert [str(p) for p in renamed.parameters] == ["amount: Real = -1.5", "times: Int = 2"]
    typed = signature("user_code.py:by_typed_option")
    assert [p.default for p in typed.parameters] == [REQUIRED, None]
    assert signature("user_code.py:bowl").family == "density"
    assert signature("user_code.py:Flow").family == "flow"
    assert str(signature("user_code.py:simulated")).endswith("-> .depth: Image, .mask: Mask")
    assert signature("user_code.py:film").returns[0].sizes == ("frames", 4, 4)
    assert "noised" in signature("user_code.py:Normal2").capabilities


def test_modules_are_found_where_python_would_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "some_package" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "some_package" / "__init__.py").write_text("raise SystemExit('ran')")
    (inner / "__init__.py").write_text(HEAD + "@poedsl.reward\ndef here(x: Real): ...")
    (inner / "rewards.py").write_text(HEAD + "@poedsl.reward\ndef there(x: Real): ...")
    monkeypatch.syspath_prepend(tmp_path)
    assert signature("some_package.inner:here").family == "reward"
    assert signature("some_package.inner.rewards:there").family == "reward"
    assert "some_package" not in sys.modules


def test_reading_runs_nothing(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    run = f"__import__('pathlib').Path({str(ran)!r}).touch()"
    written(
        tmp_path,
        f"{run}\n"
        f"@poedsl.reward(domain={run!r})\ndef by_option(x): ...\n"
        f"@poedsl.reward\ndef by_text(x: {run!r}): ...\n"
        f"@poedsl.reward\ndef by_annotation(x: {run}): ...\n"
        f"@poedsl.reward\ndef by_default(x: Real, y: float = {run}): ...\n"
        f"@poedsl.reward(cost={run})\ndef by_cost(x: Real): ...\n"
        f"@poedsl.source\ndef by_record() -> poedsl.Record(a={run!r}): ...\n"
        "@poedsl.reward\ndef fine(x: Real): ...\n",
    )
    for name in ("by_option", "by_text", "by_annotation", "by_default", "by_cost", "by_record"):
        assert problem(f"code.py:{name}", tmp_path).code == "P0208", name
    assert signature("code.py:fine", tmp_path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("text", "name", "code", "named"),
    [
        ("def f(x): ...", "f", "P0207", "f"),
        ("@poedsl.reward\ndef redness(x: Real): ...", "rednes", "P0206", "rednes"),
        ("@poedsl.reward\ndef digits(x: Real): ...", "digits", "P0203", "digits"),
        ("@poedsl.reward\ndef f(x, y: float): ...", "f", "P0208", "x"),
        ("@poedsl.reward\ndef f(x: Real, y): ...", "f", "P0208", "y"),
        ("@poedsl.reward\ndef f(x: list): ...", "f", "P0208", "list"),
        ("@poedsl.reward\ndef f(x: Image[3]): ...", "f", "P0208", "x"),
        ("@poedsl.reward\ndef f(x: Real[0]): ...", "f", "P0208", "x"),
        ("@poedsl.reward\ndef f(x: Real['n']): ...", "f", "P0208", "x"),
        ("@poedsl.reward\ndef f(x: Real['a b']): ...", "f", "P0208", "x"),
        ("@poedsl.reward\ndef f(x: Real[1+1]): ...", "f", "P0208", "1 + 1"),
        ("from PIL import Image\n@poedsl.reward\ndef f(x: Image): ...", "f", "P0208", "Image"),
        ("Image = 3\n@poedsl.reward\ndef f(x: Image): ...", "f", "P0208", "Image"),
        ("N = 3\n@poedsl.reward\ndef f(x: Real, n: int = N): ...", "f", "P0208", "N"),
        ("@poedsl.reward\ndef f(x: Real, n: int = 'a'): ...", "f", "P0208", "n"),
        ("@poedsl.reward\ndef f(x: Real, n: float = 1e999): ...", "f", "P0208", "n"),
        ("@poedsl.reward\ndef f(x: Real, n: Real[2] = (1, 2)): ...", "f", "P0208", "n"),
        ("@poedsl.reward\ndef f(x: Real, *more): ...", "f", "P0208", "*more"),
        ("@poedsl.reward\ndef f(x: Real, y: float, /): ...", "f", "P0208", "y"),
        ("@poedsl.reward\ndef f(x: Real, subject: float): ...", "f", "P0208", "subject"),
        ("@poedsl.reward\ndef f(): ...", "f", "P0208", "f"),
        ("@poedsl.reward(gradient=1)\ndef f(x: Real): ...", "f", "P0208", "gradient"),
        ("@poedsl.reward(cost='a')\ndef f(x: Real): ...", "f", "P0208", "cost"),
        ("@poedsl.reward(price=1)\ndef f(x: Real): ...", "f", "P0208", "price"),
        ("@poedsl.reward(**{})\ndef f(x: Real): ...", "f", "P0208", "**"),
        ("@poedsl.reward(domain=3)\ndef f(x): ...", "f", "P0208", "domain"),
        ("@poedsl.reward\nclass f: ...", "f", "P0207", "__call__(self, x)"),
        ("@poedsl.expert\nclass f: ...", "f", "P0207", "score(self, x, alpha, sigma)"),
        (
            "@poedsl.expert\nclass f:\n  def score(self, x: Real): ...",
            "f",
            "P0207",
            "score",
        ),
        ("@poedsl.expert\ndef f(x: poedsl.Text): ...", "f", "P0208", "f"),
        ("@poedsl.expert\ndef f(x: poedsl.Record(a=Real)): ...", "f", "P0208", "x"),
        ("@poedsl.source\ndef f(n: int): ...", "f", "P0208", "-> poedsl.Depth"),
        ("@poedsl.source\ndef f() -> poedsl.Depth['n', 2]: ...", "f", "P0208", "n"),
        ("@poedsl.source\ndef f() -> poedsl.Record(): ...", "f", "P0208", "f"),
        (
            "from dataclasses import dataclass\n@poedsl.reward\n@dataclass\nclass f:\n  a: float\n"
            "  def __call__(self, x: Real): ...",
            "f",
            "P0208",
            "dataclasses.dataclass",
        ),
        ("def f(:", "f", "P0206", ""),
        (
            f"@poedsl.reward\ndef f(x: Real, n: int = 0x{'f' * 9999}): ...",
            "f",
            "P0208",
            "n",
        ),
        (f"@poedsl.reward\ndef f(x: 0x{'f' * 9999}): ...", "f", "P0206", ""),
        (f"@poedsl.reward(cost=0x{'f' * 9999})\ndef f(x: Real): ...", "f", "P0208", "cost"),
        (f"@poedsl.reward\ndef f(x: Real[0x{'f' * 9999}]): ...", "f", "P0208", "x"),
        (f"@poedsl.reward\ndef f(x: Real, n: int = {'-' * 900}1): ...", "f", "P0206", ""),
        ("@poedsl.reward\ndef f(x: Real, n: str = '\\ud800'): ...", "f", "P0208", "n"),
    ],
)
def test_what_cannot_be_used_is_reported(
    tmp_path: Path, text: str, name: str, code: str, named: str
) -> None:
    found = problem(f"code.py:{name}", written(tmp_path, text))
    assert found.code == code, found
    assert not named or named in quoted(found)
    if code in ("P0208", "P0203"):
        assert any("code.py:" in note for note in found.notes), found.notes


def test_a_mistake_has_a_fix(tmp_path: Path) -> None:
    (tmp_path / "scores.py").write_text(HEAD + "@poedsl.reward\ndef redness(x: Real): ...")
    for mistake in ("scores.py:rednes", "score.py:redness", "scores:redness"):
        (fix,) = problem(mistake, tmp_path).fixes
        assert fix.edits[0].text == '"scores.py:redness"'


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00binary\x00",
        b"x = '\x00'",
        b"# coding: nonsense\n",
        b"(" * 5000,
        b"x = " + b"-" * 100_000 + b"1",
        b"\xef\xbb\xbf\xff",
    ],
)
def test_any_content_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "code.py").write_bytes(content)
    assert problem("code.py:f", tmp_path).code == "P0206"


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    written(tmp_path, "")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert problem("code.py:f", tmp_path).code == "P0206"


@pytest.mark.parametrize(
    "place",
    [
        *(
            "",
            ":",
            ".",
            "..",
            "a:b",
            "a.py",
            "a.py:",
            "a.py:1",
            ":f",
            ".:f",
            "a//b:c",
            "http://a/b",
        ),
        *(
            "\0",
            "\0.py:f",
            "x" * 9000,
            "x" * 9000 + ".py:f",
            "no/such/model",
            "no/such",
            "json:loads",
        ),
    ],
)
def test_any_place_is_reported(tmp_path: Path, place: str) -> None:
    assert problem(place, tmp_path).code in ("P0206", "P0207")


# Models.


def test_a_folder_with_a_flow_is_a_flow() -> None:
    found = signature("models/digits", ROOT)
    known = SIGNATURES["digits"]
    assert (found.family, found.domain) == ("flow", known.domain)
    assert [(p.name, p.classes, p.default) for p in found.parameters] == [("label", 10, None)]
    assert (found.model, found.implementation) == ("models/digits", known.implementation)


def test_a_folder_with_a_classifier_is_a_reward() -> None:
    found = signature("models/digit_score", ROOT)
    assert (found.family, found.domain) == ("reward", Type("Image", (1, None, None)))
    assert found.parameters[0].classes == 10
    assert found.parameters[0].required


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("FluxPipeline", "flux"),
        ("FluxControlPipeline", "flux_depth"),
        ("FluxFillPipeline", "flux_fill"),
        ("FluxKontextPipeline", "flux_kontext"),
        ("QwenImagePipeline", "qwen_image"),
        ("ZImagePipeline", "z_image"),
        ("Flux2Pipeline", "flux2"),
        ("Flux2KleinPipeline", "flux2_klein"),
    ],
)
def test_pipelines_are_the_experts_of_the_language(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    found = signature(".", tmp_path)
    assert replace(found, name=name, parameters=()) == replace(SIGNATURES[name], parameters=())
    model = found.parameter("model")
    assert model is not None
    assert model.default == "."


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("FluxControlNetPipeline", "flux_controlnet"),
        ("QwenImageControlNetPipeline", "qwen_controlnet"),
        ("QwenImageControlNetInpaintPipeline", "qwen_fill"),
    ],
)
def test_pipelines_with_a_controlnet_bring_it(tmp_path: Path, kind: str, name: str) -> None:
    own = kind.partition("ControlNet")[0] + "ControlNetModel"
    index = {"_class_name": kind, "controlnet": ["diffusers", own]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    found = signature(".", tmp_path)
    assert found.summary == SIGNATURES[name].summary
    assert [found.parameter(p).default for p in ("model", "controlnet")] == [".", None]
    several = index | {"controlnet": ["diffusers", own.replace("Control", "MultiControl")]}
    for broken in (several, {"_class_name": kind}):
        (tmp_path / "model_index.json").write_text(json.dumps(broken))
        problem(".", tmp_path)


def test_a_flux_without_guidance_is_the_quick_one(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text('{"guidance_embeds": false}')
    assert signature(".", tmp_path).summary == SIGNATURES["flux_schnell"].summary


def test_models_of_the_hub_that_experts_have() -> None:
    found = signature("black-forest-labs/FLUX.1-Fill-dev")
    assert found.summary == SIGNATURES["flux_fill"].summary
    unknown = problem("someone/some-model", ROOT)
    assert any('flux(model = "someone/some-model")' in note for note in unknown.notes)


def test_a_language_model_takes_its_prompt_first(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["GPT2LMHeadModel", "XForCausalLM"]}')
    found = signature(".", tmp_path)
    assert [p.name for p in found.parameters] == ["prompt", "chat", "system", "model"]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"model_index.json": "{"},
        {"model_index.json": "[]"},
        {"model_index.json": "{}"},
        {"model_index.json": '{"_class_name": ["FluxPipeline"]}'},
        {"model_index.json": "[" * 100_000},
        {"model_index.json": '{"unet": ["diffusers", "UNet2DModel"]}'},
        {
            "model_index.json": '{"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", '
            '"FlowMatchEulerDiscreteScheduler"]}'
        },
        {"config.json": "{}"},
        {"config.json": '{"architectures": [3, null]}'},
        {"config.json": '{"architectures": ["BertModel"]}'},
    ],
)
def test_folders_of_nothing_known(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = problem(".", tmp_path)
    assert found.code == "P0206"
    assert found.notes


def test_reading_is_light() -> None:
    script = (
        "import sys\nimport poedsl\nfrom poedsl.compiler.names.use_statements import read_use\n"
        "poedsl.reward, poedsl.Real[2], poedsl.Record\n"
        "heavy = {'torch', 'numpy', 'diffusers', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
