"""The reward `vqascore`: the probability that a model answers yes to "Does this show ...?".

Questions and answers of each model family are those of the authors' t2v_metrics.

Source: Lin et al., Evaluating Text-to-Visual Generation with Image-to-Text Generation (2024).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.transformers_models import (
    model_type,
    network,
    picture_processor,
    processor,
)
from poedsl.experts.rewards.clip_flant5 import LAYOUT, clip_flant5, squared
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor, pil
from poedsl.experts.rewards.learned_reward import LearnedReward
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

NAME = "vqascore"
QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
#: Inputs of networks that are 0 for tokens of text.
_KINDS = ("mm_token_type_ids", "token_type_ids")


def vqa_score(
    prompt: str,
    folder: str,
    device: torch.device,
    profile: Profile,
    question: str | None = None,
    answer: str | None = None,
    gradient: bool = False,
    frames: int = 4,
) -> LearnedReward:
    """The reward of the model in a folder, by its ``model_type``.

    Args:
        prompt: the text that the image should show. folder: of CLIP-FlanT5, of InstructBLIP with
            T5, or of any chat model that transformers' ``AutoModelForImageTextToText`` loads.
        question: what is asked, with ``{}`` in the place of the prompt; None for that of the
            authors. answer: None for yes.

    Raises:
        PoeError: the folder holds something else, the library is missing, the question has no
            place for the prompt, or the answer is empty (P0307).
    """
    question_text = QUESTION if question is None else question
    if "{}" not in question_text:
        message = f"`question` of `{NAME}` has {{}} in the place of the prompt, and this has none"
        raise PoeError((Diagnostic("P0307", message),))
    if answer is not None and not answer.strip():
        raise PoeError((Diagnostic("P0307", f"`answer` of `{NAME}` is a text, and this is empty"),))
    kinds: dict[str, tuple[Callable[..., LearnedReward], str]] = {
        "clip_t5": (ClipFlanT5VqaScore, "Yes"),
        "instructblip": (InstructBlipVqaScore, "yes"),
    }
    kind, yes = kinds.get(model_type(NAME, folder), (ChatVqaScore, "Yes"))
    question_text = question_text.replace("{}", prompt)
    return kind(question_text, answer or yes, folder, device, profile, gradient, frames)


def answer_logs(logits: Float[Tensor, "N T V"], answer: Int[Tensor, " T"]) -> Float[Tensor, "N T"]:
    """The log probability of each token of an answer."""
    logs = logits.float().log_softmax(-1)
    return logs.gather(-1, answer.expand(len(logs), -1)[..., None])[..., 0]


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
    """Probability that the model's reply begins with the answer: the product over its tokens.

    All images of a batch are of one size and asked one question, so that nothing is padded.
    """

    def __init__(
        self,
        question: str,
        answer: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool,
        frames: int,
    ) -> None:
        super().__init__(NAME, folder, device, profile, gradient, frames)
        with loading(NAME, folder):
            self.net = network("AutoModelForImageTextToText", folder, self.device, self.dtype)
            self.processor = picture_processor(folder)
            tokenizer = getattr(self.processor, "tokenizer", None)
            if tokenizer is None or not getattr(self.processor, "chat_template", None):
                raise ValueError("it has no processor with a chat template")
            if self.net.config.is_encoder_decoder:
                raise ValueError("it is an encoder and a decoder, of no family that is known")
            tokens = tokenizer.encode(answer, add_special_tokens=False)
            self.answer = torch.tensor(tokens, dtype=torch.long, device=self.device)
            self.net.config.get_text_config().use_cache = False
        self.preprocess = ImagePreprocessor(NAME, folder, self.processor.image_processor)
        self.question = question
        takes = inspect.signature(self.net.forward).parameters
        self.last = {"logits_to_keep": len(tokens)} if "logits_to_keep" in takes else {}

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
        inputs = followed_by(self.inputs(x), self.answer[:-1])
        logits: Tensor = self.net(**inputs, **self.last).logits[:, -len(self.answer) :]
        return answer_logs(logits, self.answer).sum(-1).exp()


def followed_by(inputs: dict[str, Any], tokens: Int[Tensor, " T"]) -> dict[str, Any]:
    """The input of a network with further tokens of text after each row."""
    rows = len(inputs["input_ids"])
    ends = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    ends |= dict.fromkeys(_KINDS, torch.zeros_like(tokens))
    longer = {
        name: torch.cat([inputs[name], end.expand(rows, -1)], 1)
        for name, end in ends.items()
        if name in inputs
    }
    return {**inputs, **longer}


class InstructBlipVqaScore(ProcessedVqaScore):
    """InstructBLIP over T5: how surely it gives the answer, by the answer's tokens and the end of
    the text.
    """

    def __init__(
        self,
        question: str,
        answer: str,
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
            tokens = self.processor.tokenizer(answer, return_tensors="pt").input_ids
        self.answer = tokens[0].to(self.device)
        self.preprocess = ImagePreprocessor(NAME, folder, self.processor.image_processor)
        self.question = f"Question: {question}"

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        texts = [self.question] * len(x)
        processed = self.processor(images=pil(x), text=texts, return_tensors="pt")
        inputs = self.network_input(x, processed)
        labels = self.answer.expand(len(x), -1).contiguous()
        return answer_logs(self.net(**inputs, labels=labels).logits, self.answer).mean(-1).exp()


class ClipFlanT5VqaScore(LearnedReward):
    """CLIP-FlanT5: how surely it gives the answer, by the answer's tokens and the end of the text.

    The score is exp of their mean log probability; for "Yes", sqrt(P(Yes) P(end | Yes)).
    """

    def __init__(
        self,
        question: str,
        answer: str,
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
            texts = (f"{SYSTEM} USER: ", f"\n{question} ASSISTANT: ", answer)
            self.before, self.after, self.answer = (
                torch.tensor(tokenizer(t).input_ids, device=self.device) for t in texts
            )
        self.preprocess = ImagePreprocessor(NAME, folder, image_processor)
        mean = self.preprocess.of_channels("image_mean").to(self.device)
        self.margin = (mean * 255).floor()[None] / 255

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        pixels = self.preprocess(squared(x, self.margin)).to(self.dtype)
        labels = self.answer.expand(len(x), -1).contiguous()
        logits = self.net.logits(pixels, self.before, self.after, labels)
        return answer_logs(logits, self.answer).mean(-1).exp()
