"""The reward `vqascore`: the probability that a model answers yes to "Does this show ...?".

Questions and answers of each model family are those of the authors' t2v_metrics.

Source: Lin et al., Evaluating Text-to-Visual Generation with Image-to-Text Generation (2024).
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.from_folder import transformers_network
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.transformers_models import model_type, network, processor, tensors
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor, pil
from poedsl.experts.rewards.learned_reward import LearnedReward

NAME = "vqascore"
QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def vqa_score(
    prompt: str,
    folder: str,
    device: torch.device,
    profile: Profile,
    gradient: bool = False,
    frames: int = 4,
) -> LearnedReward:
    """The reward of the model in a folder, by its ``model_type``.

    Args:
        prompt: the text that the image should show. folder: of CLIP-FlanT5, of InstructBLIP with
            T5, or of any chat model that transformers' ``AutoModelForImageTextToText`` loads.

    Raises:
        PoeError: the folder holds something else, or the library is missing.
    """
    kinds = {"clip_t5": ClipFlanT5VqaScore, "instructblip": InstructBlipVqaScore}
    kind = kinds.get(model_type(NAME, folder), ChatVqaScore)
    return kind(prompt, folder, device, profile, gradient, frames)


def answer_probability(
    logits: Float[Tensor, "N T V"], labels: Int[Tensor, "N T"]
) -> Float[Tensor, " N"]:
    """exp of the mean log probability of an answer's tokens, the end of the text among them."""
    logs = logits.float().log_softmax(-1).gather(-1, labels[..., None])[..., 0]
    return logs.mean(-1).exp()


class ProcessedVqaScore(LearnedReward):
    """The score of a model whose processor makes texts and images into its input.

    Attributes:
        preprocess: the processor's images in differentiable torch.
    """

    preprocess: ImagePreprocessor

    def network_input(self, x: Float[Tensor, "N 3 H W"], processed: Any) -> dict[str, Any]:
        """What the network takes, with pixels that are differentiable in ``x`` if this reward has
        a gradient.

        Args:
            processed: the output of the library's processor for ``x``.

        Raises:
            PoeError: `ImagePreprocessor` cannot reproduce the processor (P0206).
        """
        inputs = dict(processed.to(self.device))
        pixels = inputs["pixel_values"]
        if self.gradient:
            pixels = self.preprocess(x)
            if pixels.shape != inputs["pixel_values"].shape:
                reason = "its processor makes more of a picture than one that has a gradient"
                raise unfit(NAME, self.preprocess.folder, reason)
        return {**inputs, "pixel_values": pixels.to(self.dtype)}


class ChatVqaScore(ProcessedVqaScore):
    """Probability that the first token of the answer is "Yes", among all tokens.

    All images of a batch are of one size and asked one question, so that nothing is padded.
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool,
        frames: int,
    ) -> None:
        super().__init__(NAME, folder, device, profile, gradient, frames)
        with loading(NAME, folder):
            self.net = network("AutoModelForImageTextToText", folder, self.device, self.dtype)
            self.processor = processor("AutoProcessor", folder)
            tokenizer = getattr(self.processor, "tokenizer", None)
            if tokenizer is None or not getattr(self.processor, "chat_template", None):
                raise ValueError("it has no processor with a chat template")
            if self.net.config.is_encoder_decoder:
                raise ValueError("it is an encoder and a decoder, of no family that is known")
            self.yes = tokenizer.encode("Yes", add_special_tokens=False)[0]
            self.net.config.get_text_config().use_cache = False
        self.preprocess = ImagePreprocessor(NAME, folder, self.processor.image_processor)
        self.question = QUESTION.format(prompt)
        takes = inspect.signature(self.net.forward).parameters
        self.last = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    def inputs(self, x: Float[Tensor, "N 3 H W"]) -> dict[str, Any]:
        """The question about each image, as the model takes it."""
        question = {"type": "text", "text": self.question}
        chats = [
            [{"role": "user", "content": [{"type": "image", "image": image}, question]}]
            for image in pil(x)
        ]
        processed = self.processor.apply_chat_template(
            chats,
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )
        return self.network_input(x, processed)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        last: Tensor = self.net(**self.inputs(x), **self.last).logits[:, -1]
        return last.float().softmax(-1)[:, self.yes]


class InstructBlipVqaScore(ProcessedVqaScore):
    """InstructBLIP over T5: how surely it answers "yes", by all tokens of the answer."""

    def __init__(
        self,
        prompt: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool,
        frames: int,
    ) -> None:
        super().__init__(NAME, folder, device, profile, gradient, frames)
        with loading(NAME, folder):
            kind = "InstructBlipForConditionalGeneration"
            self.net = network(kind, folder, self.device, self.dtype)
            self.processor = processor("InstructBlipProcessor", folder)
            if not self.net.config.text_config.is_encoder_decoder:
                raise ValueError("it is an InstructBLIP over another language model than T5")
            answer = self.processor.tokenizer("yes", return_tensors="pt").input_ids
        self.answer = answer.to(self.device)
        self.preprocess = ImagePreprocessor(NAME, folder, self.processor.image_processor)
        self.question = f"Question: {QUESTION.format(prompt)}"

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        texts = [self.question] * len(x)
        processed = self.processor(images=pil(x), text=texts, return_tensors="pt")
        inputs = self.network_input(x, processed)
        labels = self.answer.expand(len(x), -1).contiguous()
        return answer_probability(self.net(**inputs, labels=labels).logits, labels)


# CLIP-FlanT5.

LAYOUT = (
    "CLIP-FlanT5 is T5's config.json with model_type clip_t5, its tokenizer, and safetensors files "
    "with the checkpoint's own names",
    "beside them vision/ holds the CLIPVisionModel openai/clip-vit-large-patch14-336 with its "
    "image processor",
)


class ClipFlanT5:
    """T5 that reads a text, then the patches of an image as tokens, then another text.

    Attributes:
        t5, vision: networks of transformers. layers: weights and biases of the two linear layers,
            with a GELU between them, from CLIP's patches of the last layer but one to T5's tokens.
    """

    def __init__(self, folder: str, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import T5Config

        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        t5_config = T5Config(**{k: v for k, v in config.items() if k != "model_type"})
        self.t5 = transformers_network(
            "T5ForConditionalGeneration",
            folder,
            dtype,
            elsewhere=("mm_projector.",),
            config=t5_config,
        ).to(device)
        self.vision = network("CLIPVisionModel", str(Path(folder) / "vision"), device, dtype)
        projector = tensors(folder, "mm_projector.")
        self.layers = [
            tuple(
                projector[f"mm_projector.{n}.{part}"].to(device, dtype)
                for part in ("weight", "bias")
            )
            for n in (0, 2)
        ]

    def logits(
        self,
        pixels: Float[Tensor, "N 3 h w"],
        before: Int[Tensor, " S"],
        after: Int[Tensor, " R"],
        labels: Int[Tensor, "N T"],
    ) -> Float[Tensor, "N T V"]:
        """Of each token of an answer, after those before it."""
        patches = self.vision(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        (first, shift), (second, offset) = self.layers
        tokens = F.linear(F.gelu(F.linear(patches, first, shift)), second, offset)
        embed = self.t5.get_input_embeddings()
        texts = (embed(t).expand(len(pixels), -1, -1) for t in (before, after))
        read = torch.cat([next(texts), tokens, next(texts)], 1)
        logits: Tensor = self.t5(inputs_embeds=read, labels=labels).logits
        return logits


@cached_by_folder(maxsize=2)
def clip_flant5(folder: str, device: torch.device, dtype: torch.dtype) -> ClipFlanT5:
    return ClipFlanT5(folder, device, dtype)


class ClipFlanT5VqaScore(LearnedReward):
    """CLIP-FlanT5: how surely it answers "Yes", by that token and the end of the text.

    The score is exp of their mean log probability, sqrt(P(Yes) P(end | Yes)).
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool,
        frames: int,
    ) -> None:
        super().__init__(NAME, folder, device, profile, gradient, frames)
        with loading(NAME, folder, *LAYOUT):
            self.net = clip_flant5(folder, self.device, self.dtype)
            tokenizer = processor("T5TokenizerFast", folder)
            image_processor = processor("AutoImageProcessor", str(Path(folder) / "vision"))
            texts = (f"{SYSTEM} USER: ", f"\n{QUESTION.format(prompt)} ASSISTANT: ", "Yes")
            self.before, self.after, self.answer = (
                torch.tensor(tokenizer(t).input_ids, device=self.device) for t in texts
            )
        self.preprocess = ImagePreprocessor(NAME, folder, image_processor)
        mean = torch.tensor(image_processor.image_mean, device=self.device)
        self.margin = (mean * 255).floor().view(1, 3, 1, 1) / 255

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        pixels = self.preprocess(squared(x, self.margin)).to(self.dtype)
        labels = self.answer.expand(len(x), -1).contiguous()
        return answer_probability(self.net.logits(pixels, self.before, self.after, labels), labels)


def squared(
    x: Float[Tensor, "N 3 H W"], colour: Float[Tensor, "1 3 1 1"]
) -> Float[Tensor, "N 3 S S"]:
    """Pictures in the middle of squares of a colour."""
    height, width = x.shape[-2:]
    side = max(height, width)
    whole = colour.to(x).expand(len(x), 3, side, side).clone()
    top, left = (side - height) // 2, (side - width) // 2
    whole[..., top : top + height, left : left + width] = x
    return whole
