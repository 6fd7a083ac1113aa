"""Rewards: networks that score images."""

from __future__ import annotations

from poedsl.catalog.parameters import PROMPT, RGB_IMAGE, map_parameter, model_parameter
from poedsl.catalog.signatures import REQUIRED, Signature, SignatureParameter
from poedsl.grammar.types import BOOL, INT, TEXT, Type, open_type


def _image_reward(
    name: str,
    summary: str,
    implementation: str,
    model: str,
    cost: float,
    citation: str,
    *parameters: SignatureParameter,
) -> Signature:
    """A network that scores images, and videos by some of their frames."""
    return Signature(
        name,
        "reward",
        summary,
        (
            *parameters,
            model_parameter(model),
            SignatureParameter(
                "gradient", BOOL, "gradient", False, "whether kernels follow its gradient"
            ),
            SignatureParameter("frames", INT, "frames", 4, "how many of a film it looks at"),
        ),
        domain=RGB_IMAGE,
        capabilities=frozenset({"reward"}),
        cost=cost,
        citation=citation,
        implementation=f"poedsl.experts.rewards.{implementation}",
        requires="diffusers",
    )


REWARDS = (
    Signature(
        "digit_score",
        "reward",
        "log-probability of a digit's class by a small classifier trained on the UCI digits",
        (SignatureParameter("label", INT, "label", REQUIRED, "class 0 to 9", classes=10),),
        domain=Type("Image", (1, 8, 8)),
        capabilities=frozenset({"reward", "gradient"}),
        cost=0.2,
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998)",
        implementation="poedsl.experts.rewards.classifier:ClassifierScore",
        requires="diffusers",
        model="digit_score",
    ),
    _image_reward(
        "vqascore",
        'probability that the answer to "Does this figure show ...?" is yes; in [0, 1]',
        "vqa_score:vqa_score",
        "zhiqiulin/clip-flant5-xxl",
        100.0,
        "Lin et al., Evaluating Text-to-Visual Generation (ECCV 2024)",
        PROMPT,
        SignatureParameter(
            "question", TEXT, "prompt", None, "another question, with {} in the place of the prompt"
        ),
        SignatureParameter("answer", TEXT, "prompt", None, "another answer than yes"),
    ),
    _image_reward(
        "clipscore",
        "cosine similarity of picture and prompt under CLIP; in [-1, 1]",
        "clip:ClipScore",
        "openai/clip-vit-large-patch14",
        10.0,
        "Hessel et al., CLIPScore (EMNLP 2021)",
        PROMPT,
    ),
    _image_reward(
        "pickscore",
        "preference for a picture given a prompt, in log-odds; about 15 to 25",
        "clip:PickScore",
        "yuvalkirstain/PickScore_v1",
        20.0,
        "Kirstain et al., Pick-a-Pic (NeurIPS 2023)",
        PROMPT,
    ),
    _image_reward(
        "siglip",
        "log-probability that picture and prompt belong together under SigLIP; below 0",
        "siglip:SiglipScore",
        "google/siglip2-so400m-patch14-384",
        20.0,
        "Zhai et al., Sigmoid Loss for Language Image Pre-Training (ICCV 2023)",
        PROMPT,
    ),
    _image_reward(
        "aesthetic",
        "how pleasing a picture is, from CLIP's features; about 0 to 10",
        "clip:Aesthetic",
        "shunk031/aesthetics-predictor-v2-sac-logos-ava1-l14-linearMSE",
        10.0,
        "Schuhmann et al., LAION-5B (NeurIPS 2022)",
    ),
    _image_reward(
        "imagereward",
        "human preference for a picture given a prompt; about -2 to 2",
        "image_reward:ImageReward",
        "THUDM/ImageReward",
        30.0,
        "Xu et al., ImageReward (NeurIPS 2023)",
        PROMPT,
    ),
    _image_reward(
        "detected",
        "how surely a detector finds a phrase, inside a box where one is given; in [0, 1]",
        "detected:Detected",
        "IDEA-Research/grounding-dino-base",
        50.0,
        "Liu et al., Grounding DINO (ECCV 2024)",
        SignatureParameter("phrase", TEXT, "prompt", REQUIRED, "what to find"),
        SignatureParameter("inside", Type("Region"), "condition", None, "where; none: anywhere"),
    ),
    _image_reward(
        "depth_agreement",
        "correlation of a picture's estimated depth with a given one; in [-1, 1]",
        "depth_agreement:DepthAgreement",
        "depth-anything/Depth-Anything-V2-Large-hf",
        30.0,
        "Yang et al., Depth Anything V2 (NeurIPS 2024)",
        map_parameter("depth", open_type("Depth"), "relative inverse depth"),
    ),
)
