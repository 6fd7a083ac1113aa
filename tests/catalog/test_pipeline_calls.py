"""What the calls of the installed diffusers take, read from its sources."""

from __future__ import annotations

import inspect
import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from poedsl.catalog import pipeline_calls
from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.folder_signatures import read_folder
from poedsl.catalog.pipeline_calls import pipeline_call
from poedsl.catalog.pipeline_signatures import parameters


def classes() -> list[str]:
    spec = find_spec("diffusers")
    assert spec is not None and spec.submodule_search_locations
    files = pipeline_calls._files(Path(spec.submodule_search_locations[0]) / "pipelines")
    return sorted(k for k in files if k.endswith("Pipeline"))


@pytest.mark.parametrize(
    "kind", ["FluxPipeline", "StableDiffusionXLPipeline", "PixArtSigmaPipeline", "LDMPipeline"]
)
def test_parameters_and_defaults_are_those_of_the_class(kind: str) -> None:
    import diffusers

    call = pipeline_call(kind)
    assert call is not None and not call.refusal
    function = inspect.unwrap(getattr(diffusers, kind).__call__)
    taken = list(inspect.signature(function).parameters.values())[1:]
    assert [p.name for p in call.parameters] == [p.name for p in taken if p.kind != p.VAR_KEYWORD]
    for mine, theirs in zip(call.parameters, taken, strict=False):
        required = theirs.default is inspect.Parameter.empty
        assert mine.required == required
        if isinstance(mine.default, int | float | str):
            assert mine.default == theirs.default


def test_a_class_takes_the_call_of_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "pipeline_two.py").write_text(
        "class BasePipeline(Any):\n"
        "    @torch.no_grad()\n"
        "    def __call__(self, prompt: str, scale: float = 2.5):\n"
        "        for t in timesteps:\n"
        "            latents = self.scheduler.step(net(latents), t, latents)[0]\n"
        "class OtherPipeline(BasePipeline):\n"
        "    def run(self): ...\n"
    )
    call = pipeline_calls._pipeline_call("OtherPipeline", tmp_path / "pipelines")
    assert call is not None and not call.refusal
    assert [(p.name, p.default, p.required) for p in call.parameters] == [
        ("prompt", None, True),
        ("scale", 2.5, False),
    ]


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("latents = self.scheduler.step(v, t, latents)[0]", False),
        ("latents = self.scheduler.step(v, t, latents)[0]; latents = latents.to(kind)", False),
        ("latents = self.scheduler.step(v, t, latents)[0]; latents = latents * mask", True),
        ("latents = self.scheduler.step(v, t, latents)[0]; latents *= mask", True),
        ("latents[:, :4] = self.scheduler.step(v, t, latents)[0]", True),
        ("latents, old = self.scheduler.step(v, t, latents)", True),
        ("with torch.no_grad(): latents = self.scheduler.step(v, t, latents)[0]", True),
        ("self.unet.set_attn_processor(x); latents = self.scheduler.step(v, t, latents)[0]", True),
        ("latents = v", True),
    ],
)
def test_loops_that_give_no_velocity(body: str, refused: bool, tmp_path: Path) -> None:
    (tmp_path / "pipeline_one.py").write_text(
        "class OnePipeline(Any):\n"
        "    def __call__(self, prompt: str):\n"
        f"        for t in timesteps:\n            {body}\n"
    )
    call = pipeline_calls._pipeline_call("OnePipeline", tmp_path)
    assert call is not None
    assert bool(call.refusal) is refused


@pytest.mark.slow
def test_every_class_of_the_library_is_read() -> None:
    calls = {kind: pipeline_call(kind) for kind in classes()}
    accepted = {kind for kind, call in calls.items() if call is not None and not call.refusal}
    assert len(accepted) > 100
    inpainting = {k for k in calls if k.endswith("InpaintPipeline") and k.startswith("Flux")}
    assert inpainting and not inpainting & accepted
    assert "FluxFillPipeline" in accepted
    for kind in accepted:
        call = calls[kind]
        assert call is not None
        names = [p.name for p in parameters(call)]
        assert len(names) == len(set(names))
        assert not {"num_inference_steps", "latents", "generator", "height"} & set(names)


@pytest.mark.parametrize(
    ("index", "config"),
    [
        ({"_class_name": "DDPMPipeline", "unet": []}, {}),
        ({"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"]}, {"in_channels": 4}),
        (
            {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"]},
            {"in_channels": 3, "num_class_embeds": 5},
        ),
        ({"_class_name": "NoPipeline", "vae": ["diffusers", "AutoencoderKL"]}, {}),
        ({"_class_name": "../x", "vae": ["diffusers", "AutoencoderKL"]}, {}),
    ],
)
def test_folders_are_read_or_refused(
    index: dict[str, object], config: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    if index.get("unet") == []:
        assert read_folder(".", tmp_path, as_pipeline=True).family == "flow"
        return
    with pytest.raises(DefinitionError) as caught:
        read_folder(".", tmp_path, as_pipeline=True)
    assert caught.value.code in ("P0206", "P0211")
