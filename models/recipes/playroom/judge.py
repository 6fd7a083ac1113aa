"""A small vision-language model that says whether a picture shows what a sentence says.

A LLaVA of transformers' own: CLIP's vision transformer, a projection, and a causal language model
that answers `Does this figure show "..."?` by Yes or No.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playroom.scenes import COLOURS, KINDS, SIZE, caption

QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
WORDS = (
    *("a", "an", "and", "empty", "room", "in", "the", "on", "floor", "with"),
    *("Does", "this", "figure", "show", "Please", "answer", "yes", "or", "no", "Yes", "No"),
    *('"', "?", ".", ",", ":", "user", "assistant"),
    *KINDS,
    *COLOURS,
)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
PATCH, WIDTH = 8, 128
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {% for c in m.content %}"
    "{% if c.type == 'image' %}<image>{% else %}{{ c.text }}{% endif %}{% endfor %} "
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def build_tokenizer() -> Any:
    """A token for every word of a question; other words are unknown."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *dict.fromkeys(WORDS)]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"<image>|\w+|[^\w\s]"), "isolated"),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
    )


def build_judge() -> tuple[nn.Module, Any]:
    """The model and its processor."""
    import transformers as tf

    tokenizer = build_tokenizer()
    model = tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(
            vision_config=tf.CLIPVisionConfig(
                hidden_size=96,
                intermediate_size=192,
                num_hidden_layers=3,
                num_attention_heads=4,
                image_size=SIZE,
                patch_size=PATCH,
                attention_dropout=0.0,
            ),
            text_config=tf.LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=2 * WIDTH,
                num_hidden_layers=3,
                num_attention_heads=4,
                num_key_value_heads=4,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                max_position_embeddings=256,
            ),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_layer=-1,
            vision_feature_select_strategy="default",
            image_seq_length=(SIZE // PATCH) ** 2,
        )
    )
    pictures = getattr(tf, "CLIPImageProcessorPil", tf.CLIPImageProcessor)(
        size={"height": SIZE, "width": SIZE},
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    processor = tf.LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    return model, processor


class Judging:
    """Questions about scenes, half of them to be denied.

    What its language model is shown of a picture is first taught to tell what is in each patch
    (`sight`), and goes on being asked for it beside the answers and captions (`loss`): from answers
    alone it stays at guessing for long.
    """

    def __init__(self) -> None:
        self.model, self.processor = build_judge()
        self.patches = nn.Linear(WIDTH, 1 + len(KINDS) * len(COLOURS))
        self.module = nn.ModuleDict({"judge": self.model, "patches": self.patches})
        self.tokenizer = self.processor.tokenizer
        self.yes, self.no = (self.tokenizer.convert_tokens_to_ids(w) for w in ("Yes", "No"))
        self.known: dict[str, list[int]] = {}
        self.start = self.tokens("user:") + self.tokens("<image>") * (SIZE // PATCH) ** 2

    def tokens(self, text: str) -> list[int]:
        if text not in self.known:
            self.known[text] = self.tokenizer(text)["input_ids"]
        return self.known[text]

    def asked(self, prompt: str) -> list[int]:
        return [*self.start, *self.tokens(f"{QUESTION.format(prompt)} assistant:")]

    def chances(self, pictures: Tensor, prompts: list[str]) -> Tensor:
        """Log probability of Yes, (N,); pictures (N, 3, 64, 64) in [-1, 1]."""
        rows = [torch.tensor(self.asked(p)) for p in prompts]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left")
        out = self.model(
            pixel_values=pictures, input_ids=ids, attention_mask=(ids != 0).long(), logits_to_keep=1
        )
        return out.logits[:, -1].float().log_softmax(-1)[:, self.yes]

    def sight(self, pictures: Tensor, classes: Tensor) -> Tensor:
        """How badly patches tell what is in them.

        Args:
            pictures: (N, 3, 64, 64) in [-1, 1].
            classes: of each pixel, (N, 64, 64); 0 is the room.
        """
        found = self.model.get_image_features(pixel_values=pictures, return_dict=True)
        return self.unlike(torch.stack(list(found.pooler_output)), classes)

    def unlike(self, features: Tensor, classes: Tensor) -> Tensor:
        shown = self.patches(features.float().reshape(-1, WIDTH))
        shares = F.one_hot(classes.long(), self.patches.out_features).float().permute(0, 3, 1, 2)
        shares = F.avg_pool2d(shares, PATCH).flatten(2).transpose(1, 2).flatten(0, 1)
        return F.cross_entropy(shown, shares)

    def loss(
        self,
        pictures: Tensor,
        scenes: list[list[str]],
        classes: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Of answers, of captions, and of what is in each patch."""
        read, said = zip(*(self.spoken(things, rng) for things in scenes), strict=True)
        rows = [torch.tensor([*a, *b]) for a, b in zip(read, said, strict=True)]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = ids != 0
        start = torch.tensor([len(a) for a in read])
        answered = ((torch.arange(ids.shape[1]) >= start[:, None]) & mask)[:, 1:].float()
        out = self.model(pixel_values=pictures, input_ids=ids, attention_mask=mask.long())
        logs = F.cross_entropy(
            out.logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
        )
        each = (logs.view(answered.shape) * answered).sum(1) / answered.sum(1)
        return each.mean() + self.unlike(out.image_hidden_states, classes)

    def spoken(self, things: list[str], rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """What the model reads, and what it is to say: a caption, or an answer."""
        if rng.random() < 0.35:
            said = self.tokens(f"{caption(things)}</s>")
            return [*self.start, *self.tokens("assistant:")], said
        asked, shown = question(things, rng)
        return self.asked(asked), [self.yes if shown else self.no]


def question(things: list[str], rng: np.random.Generator) -> tuple[str, bool]:
    """What to ask of a scene, and whether it is so: some of its things, or one of them changed in
    colour, kind or both, or one too many, or an empty room.
    """
    if not things or rng.random() < 0.04:
        empty = rng.random() < 0.5
        return ("an empty room" if empty else thing(rng)), empty and not things
    count = 1 if rng.random() < 0.6 else int(rng.integers(1, len(things) + 1))
    chosen = [things[k] for k in sorted(rng.choice(len(things), count, replace=False))]
    if rng.random() < 0.5:
        return caption(chosen), True
    number = int(rng.integers(len(chosen)))
    for _ in range(20):
        changed = list(chosen)
        if rng.random() < 0.2:
            changed.append(thing(rng))
        else:
            changed[number] = other(chosen[number], rng)
        if not contained(changed, things):
            return caption(changed), False
    return caption(chosen), True


def contained(asked: list[str], things: list[str]) -> bool:
    """Whether all that is asked for is there, each in as many copies."""
    return all(asked.count(a) <= things.count(a) for a in asked)


def thing(rng: np.random.Generator) -> str:
    colour, kind = str(rng.choice(list(COLOURS))), str(rng.choice(KINDS))
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {kind}"


def other(text: str, rng: np.random.Generator) -> str:
    """The same in another colour, or another kind of solid, or both."""
    _, colour, kind = re.split(r"\s+", text)
    way = rng.random()
    if way < 0.6:
        colour = str(rng.choice([c for c in COLOURS if c != colour]))
    if way > 0.4:
        kind = str(rng.choice([k for k in KINDS if k != kind]))
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {kind}"
