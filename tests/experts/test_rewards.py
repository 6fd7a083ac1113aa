"""Rewards of pictures against transformers' own calls, on networks with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from PIL import Image
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.compiler.plan.costs import costs
from poedsl.compiler.plan.terms import Apply
from poedsl.experts.loading import transformers_models
from poedsl.experts.loading.load_warnings import collected
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.rewards.clip import Aesthetic, ClipScore, PickScore
from poedsl.experts.rewards.clip_flant5 import squared
from poedsl.experts.rewards.depth_agreement import DepthAgreement, correlation
from poedsl.experts.rewards.detected import Detected, share_inside
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor
from poedsl.experts.rewards.image_reward import DEVIATION, MEAN, ImageReward
from poedsl.experts.rewards.learned_reward import LearnedReward
from poedsl.experts.rewards.siglip import SiglipScore
from poedsl.experts.rewards.vqa_score import QUESTION, SYSTEM, vqa_score
from tests.compiler.programs import planned
from tests.diagnostics import quoted, refused
from tests.experts import tiny_rewards as tiny
from tests.experts import tiny_vlms

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
#: Rewards without a gradient: the network cuts it, or the processor makes tiles of pictures.
RIGID = ("grounding_dino", "internvl")
CHATS = ("chat", "qwen2_5_vl", "qwen3_vl", "internvl")
LEFT = (0.0, 0.0, 0.5, 1.0)
DEPTH = tiny.pictures(1, 12, 10, seed=5)[0, 0]

#: Tokens of tiny models are letters, and "Yes" is one token of large ones.
CHAT = {"prompt": "a cat", "answer": "Y"}
#: How each reward is made, the builder of its folder, its own arguments, and pixels along a side of
#: what its network sees.
KINDS: dict[
    str, tuple[Callable[..., LearnedReward], Callable[[Path], str], dict[str, Any], int]
] = {
    "chat": (vqa_score, tiny.llava, CHAT, 16),
    "qwen2_5_vl": (vqa_score, tiny_vlms.qwen2_5_vl, CHAT, 16),
    "qwen3_vl": (vqa_score, tiny_vlms.qwen3_vl, CHAT, 16),
    "internvl": (vqa_score, tiny_vlms.internvl, CHAT, 16),
    "instructblip": (vqa_score, tiny.instructblip, {"prompt": "a cat"}, 16),
    "clip_flant5": (vqa_score, tiny.clip_flant5, {"prompt": "a cat"}, 16),
    "clipscore": (ClipScore, tiny.clip, {"prompt": "a cat"}, 16),
    "pickscore": (PickScore, tiny.clip, {"prompt": "a cat"}, 16),
    "siglip": (SiglipScore, tiny.siglip, {"prompt": "a cat"}, 16),
    "aesthetic": (Aesthetic, tiny.aesthetic, {}, 16),
    "imagereward": (ImageReward, tiny.blip, {"prompt": "a cat"}, 16),
    "grounding_dino": (Detected, tiny.grounding_dino, {"phrase": "a cat", "inside": LEFT}, 96),
    "owlv2": (Detected, tiny.owlv2, {"phrase": "a cat", "inside": LEFT}, 32),
    "depth": (DepthAgreement, tiny.depth_anything, {"depth": DEPTH}, 28),
}


def folder(kind: str, place: Path) -> str:
    path = place / kind
    if not path.exists():
        torch.manual_seed(0)
        KINDS[kind][1](path)
    return str(path)


def reward(kind: str, place: Path, **more: Any) -> Any:
    make, _, own, _ = KINDS[kind]
    return make(**{**own, **more}, folder=folder(kind, place), device=CPU, profile=PROFILE)


def native(kind: str, count: int = 3) -> Tensor:
    """Pictures that need no resizing."""
    side = KINDS[kind][3]
    return tiny.pictures(count, side, side)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_its_pictures_one_by_one(kind: str, place: Path) -> None:
    made, x = reward(kind, place), tiny.pictures(3, 40, 48)
    scores = made(x)
    torch.testing.assert_close(scores, torch.cat([made(p[None]) for p in x]), rtol=1e-4, atol=1e-6)
    assert scores.shape == (3,) and len(set(scores.tolist())) == 3


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - set(RIGID)))
def test_gradients_are_those_of_finite_differences(kind: str, place: Path) -> None:
    made, x = reward(kind, place, gradient=True), tiny.pictures(2, 40, 48) * 0.8 + 0.1
    point = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(made(point).sum(), point)
    size = slope.flatten(1).norm(dim=1)
    step = 0.01 * slope / size.view(-1, 1, 1, 1)
    with torch.no_grad():
        found = (made(x + step) - made(x - step)) / 0.02
    torch.testing.assert_close(found, size, rtol=0.03, atol=1e-6)
    assert float(size.min()) > 1e-5


def test_gradients_are_the_same_when_activations_are_kept(place: Path) -> None:
    at = folder("clipscore", place)
    found, sizes = [], []
    for checkpointing, microbatch in ((True, 2), (False, 2), (False, 0)):
        profile = Profile(dtype="float32", checkpointing=checkpointing, microbatch=microbatch)
        made = ClipScore("a cat", at, CPU, profile, gradient=True)
        seen: list[int] = []
        score = made.score
        made.score = lambda x, s=seen, f=score: (s.append(len(x)), f(x))[1]  # type: ignore
        x = tiny.pictures(3, 40, 48).requires_grad_()
        found.append(torch.autograd.grad(made(x).sum(), x)[0])
        sizes.append(seen)
    assert sizes == [[2, 1, 1, 2], [2, 1], [3]]
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_gradient_nothing_is_followed(kind: str, place: Path) -> None:
    x = native(kind, 1)
    assert not reward(kind, place)(x.clone().requires_grad_()).requires_grad
    if kind not in RIGID:
        both = reward(kind, place)(x), reward(kind, place, gradient=True)(x)
        torch.testing.assert_close(*both, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_films_are_scored_by_frames_from_first_to_last(kind: str, place: Path) -> None:
    made = reward(kind, place, frames=4)
    films = torch.stack([tiny.pictures(7, 40, 48, seed=s) for s in (1, 2)])
    shown = films[:, [0, 2, 4, 6]]
    expected = torch.stack([made(film).mean() for film in shown])
    torch.testing.assert_close(made(films), expected, rtol=1e-4, atol=1e-6)
    short = films[:, :2]
    expected = torch.stack([made(film).mean() for film in short])
    torch.testing.assert_close(made(short), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [*CHATS, "instructblip", "clip_flant5", "clipscore", "siglip"])
def test_prompts_share_one_network_and_score_apart(kind: str, place: Path) -> None:
    x, cat, dog = native(kind, 1), reward(kind, place), reward(kind, place, prompt="a dog")
    assert cat.net is dog.net
    assert float(cat(x)) != float(dog(x))


def test_aesthetic_and_clipscore_share_a_clip(place: Path) -> None:
    made = Aesthetic(folder("aesthetic", place), CPU, PROFILE)
    assert ClipScore("a cat", folder("aesthetic", place), CPU, PROFILE).net is made.net


# Each is what the library makes of it.


def images(x: Tensor) -> list[Image.Image]:
    return [Image.fromarray((p * 255).round().byte().permute(1, 2, 0).numpy()) for p in x]


#: Of each family: the text in the place of a picture with n tokens, its tokens, and how many there
#: are for the library's own output.
SEEN: dict[str, tuple[str, str, Callable[[Any], int]]] = {
    "chat": ("{}", "<image>", lambda seen: 16),
    "qwen2_5_vl": (
        "<|vision_start|>{}<|vision_end|>",
        "<|image_pad|>",
        lambda seen: int(seen["image_grid_thw"].prod()) // 4,
    ),
    "qwen3_vl": (
        "<|vision_start|>{}<|vision_end|>",
        "<|image_pad|>",
        lambda seen: int(seen["image_grid_thw"].prod()) // 4,
    ),
    "internvl": ("<img>{}</img>", "<IMG_CONTEXT>", lambda seen: 4 * len(seen["pixel_values"])),
}


@pytest.mark.parametrize("answer", ["Yes", "a dog"])
@pytest.mark.parametrize("size", [(16, 16), (20, 28)])
@pytest.mark.parametrize("kind", CHATS)
def test_a_chat_model_is_asked_as_by_hand(
    kind: str, size: tuple[int, int], answer: str, place: Path
) -> None:
    """The product of the probabilities of an answer's tokens, each after a pass of its own."""
    path, x = folder(kind, place), tiny.pictures(2, *size)
    model = tf.AutoModelForImageTextToText.from_pretrained(path).eval()
    tokenizer = tf.AutoTokenizer.from_pretrained(path)
    eye = tf.AutoImageProcessor.from_pretrained(path)
    shape, token, count = SEEN[kind]
    crops = {"crop_to_patches": True} if kind == "internvl" else {}
    expected = []
    for picture in images(x):
        seen = dict(eye(picture, return_tensors="pt", **crops))
        seen.pop("num_patches", None)
        text = f"user: {shape.format(token * count(seen))}Is a cat here?\nassistant:"
        ids, product = tokenizer.encode(text, add_special_tokens=False), 1.0
        for letter in tokenizer.encode(answer, add_special_tokens=False):
            read = torch.tensor([ids])
            kinds = (read == tokenizer.convert_tokens_to_ids(token)).int()
            more = {"mm_token_type_ids": kinds} if "qwen" in kind else {}
            with torch.no_grad():
                last = model(input_ids=read, **seen, **more).logits[0, -1]
            product *= float(last.softmax(-1)[letter])
            ids.append(letter)
        expected.append(product)
    made = reward(kind, place, question="Is {} here?", answer=answer)
    torch.testing.assert_close(made(x), torch.tensor(expected), rtol=1e-3, atol=0)


def test_yes_is_the_answer_and_the_question_that_of_the_authors(place: Path) -> None:
    x = native("chat")
    asked = reward("chat", place, question=QUESTION, answer="Yes")(x)
    plain = reward("chat", place, answer=None)(x)
    torch.testing.assert_close(plain, asked, rtol=0, atol=0)
    for other in ({"answer": "No"}, {"question": "{}?"}):
        found = reward("chat", place, **{"answer": None, **other})(x)
        assert not torch.allclose(found, asked, rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", ["chat", "instructblip", "clip_flant5"])
@pytest.mark.parametrize("own", [{"question": "Is it a cat?"}, {"answer": " "}])
def test_questions_and_answers_that_are_none_are_refused(
    kind: str, own: dict[str, str], place: Path
) -> None:
    with refused("P0307"):
        reward(kind, place, **own)


@pytest.mark.parametrize("kind", ["instructblip", "clip_flant5"])
def test_encoders_and_decoders_take_questions_and_answers(kind: str, place: Path) -> None:
    x = native(kind)
    plain = reward(kind, place)(x)
    for own in ({"question": "Is {} here?"}, {"answer": "no"}):
        found = reward(kind, place, **own)(x)
        assert not torch.allclose(found, plain, rtol=1e-3, atol=0)
        assert bool(((found > 0) & (found < 1)).all())


def test_tiles_have_no_gradient(place: Path) -> None:
    x = tiny.pictures(1, 40, 48).requires_grad_()
    with refused("P0206") as errors:
        reward("internvl", place, gradient=True)(x)
    assert "vqascore" in quoted(errors[0])


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "qwen3_vl"])
def test_patches_are_the_processor_s(kind: str, place: Path) -> None:
    eye = tf.AutoImageProcessor.from_pretrained(folder(kind, place))
    x = tiny.pictures(3, 16, 24)
    expected = eye(images(x), return_tensors="pt").pixel_values
    seen = ImagePreprocessor(kind, "", eye)(x)
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-5)


def test_instructblip_is_its_loss(place: Path) -> None:
    path, x = folder("instructblip", place), native("instructblip")
    model = tf.InstructBlipForConditionalGeneration.from_pretrained(path).eval()
    processor = tf.InstructBlipProcessor.from_pretrained(path)
    question = f"Question: {QUESTION.format('a cat')}"
    answer = processor.tokenizer("yes", return_tensors="pt").input_ids
    assert answer[0, -1] == processor.tokenizer.convert_tokens_to_ids("</s>")
    expected = []
    for picture in images(x):
        inputs = processor(images=picture, text=question, return_tensors="pt")
        with torch.no_grad():
            expected.append((-model(**inputs, labels=answer).loss).exp())
    torch.testing.assert_close(reward("instructblip", place)(x), torch.stack(expected))


def test_clip_flant5_is_the_loss_of_t5_on_its_tokens(place: Path) -> None:
    path, x = folder("clip_flant5", place), tiny.pictures(2, 16, 12)
    made = reward("clip_flant5", place)
    t5, vision, tokenizer = made.net.t5, made.net.vision, tiny.t5_tokenizer()
    projector = torch.nn.Sequential(
        torch.nn.Linear(16, 16), torch.nn.GELU(), torch.nn.Linear(16, 16)
    )
    found = transformers_models.tensors(path, "mm_projector.")
    projector.load_state_dict({k.removeprefix("mm_projector."): v for k, v in found.items()})
    eye = tf.AutoImageProcessor.from_pretrained(f"{path}/vision")
    colour = tuple(int(255 * v) for v in eye.image_mean)
    parts = f"{SYSTEM} USER: ", f"\n{QUESTION.format('a cat')} ASSISTANT: "
    before, after = (tokenizer(t, return_tensors="pt").input_ids for t in parts)
    assert before[0, -1] == after[0, -1] == tokenizer.eos_token_id
    expected = []
    for picture in images(x):
        canvas = Image.new("RGB", (16, 16), colour)
        canvas.paste(picture, (2, 0))
        pixels = eye(canvas, return_tensors="pt").pixel_values
        with torch.no_grad():
            patches = vision(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
            assert patches.shape[1] == 16
            read = [t5.shared(before), projector(patches), t5.shared(after)]
            labels = tokenizer("Yes", return_tensors="pt").input_ids
            expected.append((-t5(inputs_embeds=torch.cat(read, 1), labels=labels).loss).exp())
    torch.testing.assert_close(made(x), torch.stack(expected), rtol=1e-4, atol=1e-7)


def test_clipscore_is_its_logit_without_the_temperature(place: Path) -> None:
    path, x = folder("clipscore", place), native("clipscore")
    model = tf.CLIPModel.from_pretrained(path).eval()
    processor = tf.CLIPProcessor(
        tf.AutoImageProcessor.from_pretrained(path), tf.CLIPTokenizer.from_pretrained(path)
    )
    inputs = processor(images=images(x), text=["a cat"], return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits_per_image[:, 0] / model.logit_scale.exp()
    torch.testing.assert_close(reward("clipscore", place)(x), logits)


def test_pickscore_is_the_logit(place: Path) -> None:
    path, x = folder("pickscore", place), native("pickscore")
    model = tf.CLIPModel.from_pretrained(path).eval()
    processor = tf.CLIPProcessor(
        tf.AutoImageProcessor.from_pretrained(path), tf.CLIPTokenizer.from_pretrained(path)
    )
    with torch.no_grad():
        logits = model(**processor(images=images(x), text=["a cat"], return_tensors="pt"))
    expected = logits.logits_per_image[:, 0]
    torch.testing.assert_close(reward("pickscore", place)(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["pickscore", "clipscore", *CHATS])
def test_scores_in_bfloat16_are_those_in_float32_but_for_rounding(kind: str, place: Path) -> None:
    make, _, own, _ = KINDS[kind]
    x = native(kind)
    at, profile = folder(kind, place), Profile(dtype="bfloat16")
    half = make(**own, folder=at, device=CPU, profile=profile)
    assert next(half.net.parameters()).dtype == torch.bfloat16  # type: ignore[attr-defined]
    found, expected = half(x), reward(kind, place)(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.15, atol=0.05)


def test_a_prompt_that_is_cut_is_a_warning_of_its_reward(place: Path) -> None:
    with collected() as warnings:
        reward("pickscore", place, prompt=100 * "a")
    assert [w.code for w in warnings] == ["P1022"] and "`pickscore`" in warnings[0].message


def test_siglip_is_the_log_of_its_probability(place: Path) -> None:
    path, x = folder("siglip", place), native("siglip")
    model = tf.SiglipModel.from_pretrained(path).eval()
    processor = tf.SiglipProcessor(
        tf.AutoImageProcessor.from_pretrained(path), tf.AutoTokenizer.from_pretrained(path)
    )
    for prompt in ("a cat", "a cat that is longer than sixteen letters"):
        padded: dict[str, Any] = {"padding": "max_length", "max_length": 16, "truncation": True}
        inputs = processor(images=images(x), text=[prompt], return_tensors="pt", **padded)
        with torch.no_grad():
            expected = model(**inputs).logits_per_image[:, 0].sigmoid().log()
        torch.testing.assert_close(reward("siglip", place, prompt=prompt)(x), expected)


@pytest.mark.slow
def test_aesthetic_is_laion_s_layers_on_the_direction(place: Path, tmp_path: Path) -> None:
    path, x = folder("aesthetic", place), native("aesthetic")
    layers = torch.nn.Sequential(*(torch.nn.Identity() for _ in range(5)))
    for n, sizes in {0: (8, 6), 2: (6, 4), 4: (4, 1)}.items():
        layers[n] = torch.nn.Linear(*sizes)
    layers.load_state_dict(tiny.head(8, ""))
    model = tf.CLIPModel.from_pretrained(path).eval()
    pixels = tf.AutoImageProcessor.from_pretrained(path)(images(x), return_tensors="pt")
    with torch.no_grad():
        seen = model.get_image_features(**pixels).pooler_output
        expected = layers(seen / seen.norm(dim=-1, keepdim=True))[:, 0]
    torch.testing.assert_close(reward("aesthetic", place)(x), expected, rtol=1e-4, atol=1e-5)
    config = tf.CLIPVisionConfig(**tiny.VISION, projection_dim=8)
    vision = tf.CLIPVisionModelWithProjection(config)
    whole = model.state_dict()
    vision.load_state_dict({k: whole[k] for k in vision.state_dict()})
    tiny.saved(tmp_path, vision, tiny.cropping())
    alone = transformers_models.tensors(str(tmp_path)) | tiny.head(8, "layers.")
    tiny.save_file(alone, tmp_path / "model.safetensors", metadata={"format": "pt"})
    named = (tmp_path / "config.json").read_text()
    for kind in ("clip_vision_model", "aesthetics_predictor"):
        (tmp_path / "config.json").write_text(named.replace("clip_vision_model", kind))
        transformers_models.network.cache_clear()
        transformers_models.processor.cache_clear()
        found = Aesthetic(str(tmp_path), CPU, PROFILE)(x)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_imagereward_is_blip_s_first_token(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path, model = tiny.blip(tmp_path)
    x = native("imagereward")
    pixels = tf.AutoImageProcessor.from_pretrained(path)(images(x), return_tensors="pt")
    tokens = tf.AutoTokenizer.from_pretrained(path)(
        ["a cat"] * 3, padding="max_length", max_length=35, return_tensors="pt"
    )
    with torch.no_grad():
        read = model(
            input_ids=tokens.input_ids,
            attention_mask=tokens.attention_mask,
            pixel_values=pixels.pixel_values,
        ).question_embeds[:, 0]
    for n in (0, 2, 4):
        head = tiny.head(16, "")
        read = read @ head[f"{n}.weight"].T + head[f"{n}.bias"]
    made = ImageReward("a cat", path, CPU, PROFILE)
    torch.testing.assert_close(made(x), (read[:, 0] - MEAN) / DEVIATION, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grounding_dino", "owlv2"])
@pytest.mark.parametrize("inside", [None, LEFT])
def test_detections_are_those_of_the_library(
    kind: str, inside: tuple[float, ...] | None, place: Path
) -> None:
    path = folder(kind, place)
    side = KINDS[kind][3]
    x = tiny.pictures(2, side, 3 * side // 4) if kind == "owlv2" else native(kind, 2)
    height, width = x.shape[-2:]
    model = tf.AutoModelForZeroShotObjectDetection.from_pretrained(path).eval()
    processor = tf.AutoProcessor.from_pretrained(path)
    text: Any = [["a cat"]] * 2 if kind == "owlv2" else ["a cat."] * 2
    inputs = processor(images=images(x), text=text, return_tensors="pt")
    with torch.no_grad():
        out = model(**inputs)
    sizes = [(height, width)] * 2
    if kind == "owlv2":
        found = processor.post_process_grounded_object_detection(
            out, threshold=0.0, target_sizes=torch.tensor(sizes)
        )
    else:
        found = processor.post_process_grounded_object_detection(
            out, inputs.input_ids, threshold=0.0, text_threshold=0.0, target_sizes=sizes
        )
    expected = []
    for one in found:
        best = 0.0
        for score, box in zip(one["scores"].tolist(), one["boxes"].tolist(), strict=True):
            a, b, c, d = (min(max(v, 0), n) for v, n in zip(box, (width, height) * 2, strict=True))
            left = max(min(c, width / 2) - a, 0) * (d - b)
            part = left / ((c - a) * (d - b)) if (c - a) * (d - b) > 1e-6 else 0.0
            best = max(best, score * (part if inside else 1.0))
        expected.append(best)
    scores = reward(kind, place, inside=inside)(x)
    torch.testing.assert_close(scores, torch.tensor(expected), rtol=1e-3, atol=1e-4)


def test_the_share_inside_is_of_the_box() -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.4, 0, 0.6, 1], [0.6, 0.6, 1, 1], [0, 0, 0, 1]])
    torch.testing.assert_close(share_inside(boxes, LEFT), torch.tensor([1.0, 0.5, 0.0, 0.0]))


@pytest.mark.slow
def test_depth_agrees_as_the_library_s_estimate_does(place: Path) -> None:
    path, x = folder("depth", place), native("depth")
    model = tf.AutoModelForDepthEstimation.from_pretrained(path).eval()
    processor = tf.AutoImageProcessor.from_pretrained(path)
    with torch.no_grad():
        out = model(**processor(images(x), return_tensors="pt"))
    found = processor.post_process_depth_estimation(out, target_sizes=[(12, 10)] * 3)
    expected = [
        torch.corrcoef(torch.stack([f["predicted_depth"].flatten(), DEPTH.flatten()]))[0, 1]
        for f in found
    ]
    torch.testing.assert_close(reward("depth", place)(x), torch.stack(expected), rtol=0, atol=1e-4)


def test_correlation_sees_neither_scale_nor_shift() -> None:
    depth = tiny.pictures(1, 5, 7)[0, 0]
    flat = torch.full_like(depth, 0.5)
    found = correlation(torch.stack([3 * depth + 2, -depth, flat]), depth)
    torch.testing.assert_close(found, torch.tensor([1.0, -1.0, 0.0]))


# What networks see.


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k not in ("chat", "instructblip", "internvl")]
)
@pytest.mark.parametrize("size", [(40, 48), (50, 21), (9, 13)])
def test_sight_is_the_processor_s_but_for_interpolation(
    kind: str, size: tuple[int, int], place: Path
) -> None:
    path = folder(kind, place)
    x = tiny.pictures(2, *size)
    if kind == "owlv2":
        x = squared(x, torch.zeros(1, 3, 1, 1))
    eye = tf.AutoImageProcessor.from_pretrained(f"{path}/vision" * (kind == "clip_flant5") or path)
    expected = eye(images(x), return_tensors="pt").pixel_values
    seen = ImagePreprocessor(kind, path, eye)(x)
    assert seen.shape == expected.shape
    assert float((seen - expected).abs().mean()) < 0.03


def test_sight_rounds_nothing_and_cuts_the_middle(place: Path) -> None:
    eye = tiny.cropping()
    x = torch.full((1, 3, 16, 20), 0.5) + 1e-4 * torch.arange(20) / 20
    seen = ImagePreprocessor("clipscore", "", eye)(x)
    mean, std = (torch.tensor(v)[:, None] for v in (eye.image_mean, eye.image_std))
    torch.testing.assert_close(seen[0, :, 7], (x[0, :, 7, 2:18] - mean) / std)


def test_sight_stays_within_black_and_white() -> None:
    eye = tiny.image_processor("CLIPImageProcessor", size={"shortest_edge": 16}, crop_size=16)
    edges = (torch.arange(48) // 4 % 2).float().expand(1, 3, 48, -1)
    mean, std = (torch.tensor(v)[:, None, None] for v in (eye.image_mean, eye.image_std))
    seen = ImagePreprocessor("clipscore", "", eye).transform(edges, (40, 40)) * std + mean
    assert -1e-6 < float(seen.min()) < 1e-3 and 1 - 1e-3 < float(seen.max()) < 1 + 1e-6


def test_a_processor_that_does_more_has_no_gradient() -> None:
    size = {"height": 16, "width": 16}
    tiles = tiny.image_processor("GotOcr2ImageProcessor", size=size, crop_to_patches=True)
    with refused("P0206") as errors:
        ImagePreprocessor("vqascore", "there", tiles)(tiny.pictures(1, 28, 28))
    assert "vqascore" in quoted(errors[0])
    padding = tiny.image_processor("CLIPImageProcessor", do_resize=True, do_rescale=False)
    with refused("P0206"):
        ImagePreprocessor("vqascore", "there", padding)(tiny.pictures(1, 28, 28))


# What is wrong with folders.


def problem(make: Callable[[], object], name: str) -> str:
    """The one diagnostic, which names the reward; its message and notes."""
    with refused("P0206") as errors:
        make()
    (found,) = errors
    assert name in quoted(found)
    return "\n".join([found.message, *found.notes])


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
)
def test_a_lack_of_memory_is_no_fault_of_the_folder(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, loading("clipscore", "somewhere"):
        raise error
    assert caught.value is error


NAMES = {
    **dict.fromkeys(CHATS, "vqascore"),
    "instructblip": "vqascore",
    "clip_flant5": "vqascore",
    "grounding_dino": "detected",
    "owlv2": "detected",
    "depth": "depth_agreement",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_another_kind_is_reported(kind: str, place: Path, tmp_path: Path) -> None:
    make, _, own, _ = KINDS[kind]
    name, path = NAMES.get(kind, kind), str(tmp_path)
    assert "config.json" in problem(
        lambda: make(**own, folder=path, device=CPU, profile=PROFILE), name
    )
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    problem(lambda: make(**own, folder=path, device=CPU, profile=PROFILE), name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_missing_processors_and_weights_are_reported(
    kind: str, place: Path, tmp_path: Path
) -> None:
    make, build, own, _ = KINDS[kind]
    name = NAMES.get(kind, kind)
    build(tmp_path / "eyeless")
    for path in (tmp_path / "eyeless").rglob("*processor*.json"):
        path.unlink()
    build(tmp_path / "hollow")
    for path in (tmp_path / "hollow").rglob("*.safetensors"):
        path.unlink()
    for place in ("eyeless", "hollow"):
        problem(
            lambda at=str(tmp_path / place): make(**own, folder=at, device=CPU, profile=PROFILE),
            name,
        )


def test_weights_that_lack_or_misfit_are_reported(tmp_path: Path) -> None:
    tiny.clip(tmp_path)
    weights = transformers_models.tensors(str(tmp_path))
    name = "visual_projection.weight"
    for wrong in (None, torch.zeros(3, 3)):
        transformers_models.network.cache_clear()
        changed = {k: v for k, v in weights.items() if k != name}
        if wrong is not None:
            changed[name] = wrong
        tiny.save_file(changed, tmp_path / "model.safetensors", metadata={"format": "pt"})
        assert name in problem(lambda: ClipScore("a", str(tmp_path), CPU, PROFILE), "clipscore")


def test_a_head_that_is_not_there_or_does_not_fit_is_reported(place: Path, tmp_path: Path) -> None:
    path = folder("clipscore", place)
    assert "layers.N.weight" in problem(lambda: Aesthetic(path, CPU, PROFILE), "aesthetic")
    tiny.clip(tmp_path)
    tiny.save_file(tiny.head(7, "layers."), tmp_path / "head.safetensors")
    problem(lambda: Aesthetic(str(tmp_path), CPU, PROFILE), "aesthetic")


def test_a_chat_model_without_a_template_is_reported(tmp_path: Path) -> None:
    tiny.llava(tmp_path)
    for path in tmp_path.glob("chat_template*"):
        path.unlink()
    problem(lambda: vqa_score("a", str(tmp_path), CPU, PROFILE), "vqascore")


def test_depth_in_metres_is_refused(tmp_path: Path) -> None:
    tiny.depth_anything(tmp_path, "metric")
    problem(lambda: DepthAgreement(DEPTH, str(tmp_path), CPU, PROFILE), "depth_agreement")


def test_grounding_dino_has_no_gradient(place: Path) -> None:
    problem(lambda: reward("grounding_dino", place, gradient=True), "detected")


def test_no_frames_are_refused(place: Path) -> None:
    with refused("P0307"):
        reward("clipscore", place, frames=0)


# In programs.


def test_kernels_follow_a_reward_that_is_asked_for_a_gradient() -> None:
    plans = {
        asked: planned(
            f'x : Image[3, 8, 8]\nx ~ Normal(0, 1) * exp(clipscore("a"{asked}))\n'
            "sample x by anneal(kernel = langevin(steps = 3))"
        )
        for asked in ("", ", gradient = false", ", gradient = true")
    }
    able, evaluations = {}, {}
    for asked, plan in plans.items():
        call = next(f.term for f in plan.factors if f.kind == "reward")
        assert isinstance(call, Apply)
        able[asked] = "gradient" in plan.capabilities(call)
        (cost,) = (c for c in costs(plan) if c.startswith("clipscore"))
        evaluations[asked] = int(cost.split()[1])
    assert able == {"": False, ", gradient = false": False, ", gradient = true": True}
    assert evaluations[""] == plans[""].stages + 1 < evaluations[", gradient = true"]


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ('input g : Bool\nx ~ flux("a") * exp(clipscore("a", gradient = g))', "P0302"),
        ('x ~ flux("a") * exp(clipscore("a", gradient = 1))', "P0302"),
        ('x ~ flux("a") * exp(clipscore("a", frames = 0))', "P0307"),
        ('x : Image[1, 8, 8]\nx ~ digits() * exp(clipscore("a"))', "P0302"),
        ('x : Video[2, 1, 8, 8]\nx ~ Normal(0, 1) * exp(clipscore("a"))', "P0302"),
    ],
)
def test_arguments_and_subjects_are_checked(program: str, code: str) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(program)
    assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["Image[3, 16, 16]", "Video[2, 3, 16, 16]"])
@pytest.mark.parametrize("gradient", [False, True])
def test_a_program_samples_what_a_reward_prefers(shape: str, gradient: bool, place: Path) -> None:
    path = json.dumps(folder("clipscore", place))
    asked = f'clipscore("a cat", model = {path}, gradient = {str(gradient).lower()})'
    program = f"x : {shape}\nx ~ Normal(0.5, 0.1) * exp({{}} * {asked})"
    means = []
    for factor in (0, 40):
        run = poedsl.compile(program.format(factor)).run(seed=1, particles=16, steps=8)
        pictures = run.particles["x"].clamp(0, 1)
        scores = reward("clipscore", place)(pictures)
        means.append(float((run.log_weights.exp() * scores).sum()))
    assert means[1] > means[0] + 0.01


CALLS = {
    "chat": 'vqascore("a cat", answer = "Y"',
    "imagereward": 'imagereward("a cat"',
    "siglip": 'siglip("a cat"',
    "aesthetic": "aesthetic(",
    "grounding_dino": 'detected("a cat", inside = box(0, 0, 0.5, 1)',
    "owlv2": "detected(part.text, inside = part.box, gradient = true",
    "depth": "depth_agreement(depth, gradient = true",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CALLS)
def test_every_reward_is_called_from_programs(kind: str, place: Path) -> None:
    path = json.dumps(folder(kind, place))
    call = f"{CALLS[kind]}, model = {path})".replace("(, ", "(")
    program = (
        "x : Image[3, 12, 10]\ninput depth : Depth\ninput layout : Layout\nx ~ Normal(0.5, 0.1)\n"
    )
    program += f"for part in layout:\n    x ~ exp({call})\n"
    layout = [{"box": [0, 0, 1, 0.5], "text": "a dog"}, {"box": [0.25, 0, 1, 1], "text": "a cat"}]
    plan = poedsl.compile(program).bind(depth=DEPTH, layout=layout)
    run = plan.run(particles=3, steps=3)
    x = run.particles["x"]
    for n, part in enumerate(layout):
        given: dict[str, Any] = {}
        if kind == "grounding_dino":
            given = {"inside": LEFT}
        elif kind == "owlv2":
            given = {"inside": tuple(map(float, part["box"])), "phrase": part["text"]}
        expected = reward(kind, place, **given)(x)
        name = next(k for k in run.log_values if k.endswith(f"[{n}]"))
        torch.testing.assert_close(run.log_values[name], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("siglip", 'liked("a cat")'),
        ("clipscore", 'liked("a cat")'),
        ("qwen2_5_vl", 'liked("a cat", answer = "Y")'),
        ("chat", 'liked("a cat", answer = "Y")'),
        ("instructblip", 'liked("a cat")'),
        ("clip_flant5", 'liked("a cat")'),
        ("owlv2", 'liked("a cat", box(0, 0, 0.5, 1))'),
        ("depth", "liked()"),
    ],
)
def test_a_folder_is_the_reward_of_its_model(kind: str, call: str, place: Path) -> None:
    path = json.dumps(folder(kind, place))
    program = (
        f"use liked from {path}\ninput depth : Depth\n"
        f"x : Image[3, 12, 10]\nx ~ Normal(0.5, 0.1) * exp({call})"
    )
    plan = poedsl.compile(program)
    assert poedsl.load(plan.to_json()).spec == plan.spec
    run = plan.bind(depth=DEPTH).run(particles=3, steps=3)
    expected = reward(kind, place)(run.particles["x"])
    torch.testing.assert_close(run.log_values["liked"], expected, rtol=1e-3, atol=1e-4)


def test_a_model_that_is_not_here_is_named_with_its_reward(tmp_path: Path) -> None:
    program = 'x : Image[3, 8, 8]\nx ~ Normal(0, 1) * exp(aesthetic(model = "no/where"))'
    with refused("P0701") as errors:
        poedsl.compile(program).run()
    assert "aesthetic" in quoted(errors[0])
