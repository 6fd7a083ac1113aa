"""What each expert takes, is and can do: one table of plain data that needs no model and no torch.

Checking, planning, ``poe experts`` and the documentation all read it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from poedsl.grammar.types import (
    BOOL,
    INT,
    REAL,
    TEXT,
    Type,
    open_type,
    type_from_json,
    type_to_json,
    whole,
)

#: What a parameter is for. ``gradient``: a constant that, when true, gives the capability of that
#: name; ``frames``: how many of a film a judge of pictures looks at.
Role = Literal[
    "location",
    "positive",
    "number",
    "matrix",
    "table",
    "condition",
    "label",
    "prompt",
    "gradient",
    "frames",
]
Family = Literal["density", "flow", "reward", "tokens", "source"]
Capability = Literal["log_prob", "noised", "score", "sample", "extend", "reward", "gradient"]


@dataclass(frozen=True, slots=True)
class Required:
    """No default: the argument must be given, or is taken from the program's input of its name."""


REQUIRED = Required()
Default = Required | float | int | str | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        type: what it takes; None for numbers that broadcast to the variable's domain.
        default: what it is when left out.
        alternative: parameters of one group exclude each other, and one of them is needed.
        classes: for labels, how many there are; 0 where that is not known.
        aligned: whether its last two sizes are the height and width of what the expert is over.
    """

    name: str
    type: Type | None
    role: Role
    default: Default = REQUIRED
    summary: str = ""
    alternative: str = ""
    classes: int = 0
    aligned: bool = False

    def no_label(self, value: object) -> str:
        """What keeps a value from being one of the classes; empty where nothing does."""
        if not self.classes or value is None or value in range(self.classes):
            return ""
        return f"is a class from 0 to {self.classes - 1}, and this is {value}"

    @property
    def required(self) -> bool:
        return isinstance(self.default, Required) and not self.alternative

    @property
    def ambient(self) -> bool:
        """Whether a call may leave it to the program's input of its name: numbers are given."""
        return self.required and self.type is not None

    def __str__(self) -> str:
        kind = "numbers" if self.type is None else str(self.type)
        default = "" if isinstance(self.default, Required) else f" = {_show(self.default)}"
        return f"{self.name}: {kind}{default}"


def _show(value: Default) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a source returns: under an attribute, or as a whole where the name is empty.

    Attributes:
        sizes: numbers, None where open, or the argument that says: ``frames``, ``size.0`` for the
            first element of ``size``.
    """

    name: str
    type: str
    sizes: tuple[int | str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Support:
    """Where a density is above zero: everywhere, between two ends, or on the simplex.

    Attributes:
        low, high: a number, or the parameter that says it; None where there is no end.
        simplex: whether the vectors of an event sum to one.
    """

    low: float | str | None = None
    high: float | str | None = None
    simplex: bool = False

    @property
    def constrained(self) -> bool:
        return self != REALS

    def __str__(self) -> str:
        if self.simplex:
            return "shares that sum to one"
        low, high = (f"{e:.6g}" if isinstance(e, float) else e for e in (self.low, self.high))
        if low is None:
            return "all numbers"
        return f"above {low}" if high is None else f"from {low} to {high}"


REALS = Support()


@dataclass(frozen=True, slots=True)
class Signature:
    """An expert, a reward, a density or a source of inputs as the compiler knows it.

    Attributes:
        domain: the type of what it judges; open sizes are the variable's; None: any tensor of
            reals. event_rank: for densities, how many trailing sizes belong to one event. cost:
            milliseconds of one evaluation of one particle on the hardware it is meant for, to an
            order of magnitude.
        implementation: ``module:class`` that runs it, loaded when a run needs it; empty where this
            release knows the signature alone; ``code:PLACE`` for Python that a program brings.
        space: the latent space its noised marginals live in; empty for the variable's own.
        returns: for sources, what they return.
        requires: the extra that must be installed to run it.
        support: of the language's densities; what a program brings is over all numbers.
    """

    name: str
    family: Family
    summary: str
    parameters: tuple[Parameter, ...]
    domain: Type | None = None
    event_rank: int = 0
    capabilities: frozenset[Capability] = frozenset()
    cost: float = 0.0
    citation: str = ""
    implementation: str = ""
    requires: str = ""
    model: str = ""
    space: str = ""
    returns: tuple[Returned, ...] = ()
    support: Support = REALS

    @property
    def is_code(self) -> bool:
        """Whether it is Python that a program names, and that runs only with leave."""
        return self.implementation.startswith("code:")

    def __str__(self) -> str:
        takes = ", ".join(str(p) for p in self.parameters)
        if self.family == "source":
            gives = ", ".join(f".{r.name}: {r.type}" if r.name else r.type for r in self.returns)
            return f"{self.name}({takes}) -> {gives}"
        if self.family == "reward":
            return f"{self.name}({takes}) judges {self.judged}"
        return f"{self.name}({takes}) -> {self.domain or 'numbers'}"

    def parameter(self, name: str) -> Parameter | None:
        return next((p for p in self.parameters if p.name == name), None)

    @property
    def domains(self) -> tuple[Type, ...]:
        """What it judges; one that looks at some of a film's frames judges films too."""
        if self.domain is None:
            return ()
        if all(p.role != "frames" for p in self.parameters):
            return (self.domain,)
        return (self.domain, Type("Video", (None, *self.domain.sizes)))

    @property
    def judged(self) -> str:
        """What it judges, in words."""
        return " or ".join(map(str, self.domains)) or "numbers"


def _location(default: Default = REQUIRED) -> Parameter:
    return Parameter("loc", None, "location", default, "where it is centred")


def _scale(default: Default = REQUIRED) -> Parameter:
    return Parameter("scale", None, "positive", default, "standard deviation or spread")


_CLOSED: frozenset[Capability] = frozenset({"log_prob", "noised", "score", "sample", "gradient"})
_DENSITY: frozenset[Capability] = frozenset({"log_prob", "sample", "gradient"})
_FLOW: frozenset[Capability] = frozenset({"score", "sample", "gradient"})
_PYRO = "poedsl.experts.densities.gaussian_mixtures:PyroDensity"


def _positive(name: str, summary: str) -> Parameter:
    return Parameter(name, None, "positive", REQUIRED, summary)


def _constrained(
    name: str,
    summary: str,
    parameters: tuple[Parameter, ...],
    support: Support,
    event_rank: int = 0,
) -> Signature:
    """A density of Pyro's that is zero somewhere."""
    return Signature(
        name,
        "density",
        summary,
        parameters,
        event_rank=event_rank,
        capabilities=_DENSITY,
        implementation=_PYRO,
        support=support,
    )


_POSITIVE = Support(low=0.0)
_UNIT = Support(low=0.0, high=1.0)
_CONCENTRATION = _positive("concentration", "shape")
_RATE = _positive("rate", "inverse of the scale")

_MATRICES = tuple(
    Parameter(name, None, "matrix", None, summary, alternative="covariance")
    for name, summary in (
        ("covariance_matrix", "positive definite"),
        ("precision_matrix", "positive definite"),
        ("scale_tril", "lower triangular, positive diagonal"),
    )
)

_DENSITIES = (
    Signature(
        "Normal",
        "density",
        "Gaussian, independent in each component",
        (_location(), _scale()),
        capabilities=_CLOSED,
        implementation="poedsl.experts.densities.gaussian_mixtures:Gaussian",
    ),
    Signature(
        "MultivariateNormal",
        "density",
        "Gaussian with a full covariance",
        (_location(), *_MATRICES),
        event_rank=1,
        capabilities=_CLOSED,
        implementation="poedsl.experts.densities.gaussian_mixtures:Gaussian",
    ),
    Signature(
        "StudentT",
        "density",
        "Student's t, independent in each component",
        (
            Parameter("df", None, "positive", REQUIRED, "degrees of freedom"),
            _location(0),
            _scale(1),
        ),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    Signature(
        "Laplace",
        "density",
        "Laplace, independent in each component",
        (_location(), _scale()),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    Signature(
        "Cauchy",
        "density",
        "Cauchy, independent in each component",
        (_location(), _scale()),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    Signature(
        "Gumbel",
        "density",
        "Gumbel, independent in each component",
        (_location(), _scale()),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    _constrained(
        "LogNormal",
        "log-normal: its logarithm is Gaussian",
        (_location(), _scale()),
        _POSITIVE,
    ),
    _constrained("Exponential", "exponential, above zero", (_RATE,), _POSITIVE),
    _constrained("Gamma", "gamma, above zero", (_CONCENTRATION, _RATE), _POSITIVE),
    _constrained(
        "InverseGamma",
        "inverse gamma: its inverse is a gamma",
        (_CONCENTRATION, _positive("rate", "rate of that gamma")),
        _POSITIVE,
    ),
    _constrained("Chi2", "chi-squared", (_positive("df", "degrees of freedom"),), _POSITIVE),
    _constrained("HalfNormal", "upper half of a Gaussian around zero", (_scale(),), _POSITIVE),
    _constrained("HalfCauchy", "upper half of a Cauchy around zero", (_scale(),), _POSITIVE),
    _constrained("Weibull", "Weibull, above zero", (_scale(), _CONCENTRATION), _POSITIVE),
    _constrained(
        "Pareto",
        "Pareto, a power law above its scale",
        (_positive("scale", "where it begins"), _positive("alpha", "power of the tail")),
        Support(low="scale"),
    ),
    _constrained(
        "Beta",
        "beta, between zero and one",
        (
            _positive("concentration1", "weight towards one"),
            _positive("concentration0", "weight towards zero"),
        ),
        _UNIT,
    ),
    _constrained(
        "Uniform",
        "the same between two ends",
        (
            Parameter("low", None, "location", REQUIRED, "lower end"),
            Parameter("high", None, "location", REQUIRED, "upper end"),
        ),
        Support(low="low", high="high"),
    ),
    _constrained(
        "VonMises",
        "von Mises, an angle from -pi to pi",
        (_location(), _positive("concentration", "sharpness about its centre")),
        Support(low=-math.pi, high=math.pi),
    ),
    _constrained(
        "Dirichlet",
        "Dirichlet, over vectors of shares that sum to one",
        (_positive("concentration", "weight of each share"),),
        Support(low=0.0, high=1.0, simplex=True),
        event_rank=1,
    ),
)

_PROMPT = Parameter("prompt", TEXT, "prompt", REQUIRED, "what the picture shows, in words")
_FRAME = Parameter("image", open_type("Image"), "condition", REQUIRED, "the first frame")
_PICTURE = Type("Image", (3, None, None))
_FILM = Type("Video", (None, 3, None, None))
_FLUX = "Black Forest Labs, FLUX.1 (2024)"
_WAN = "Wan Team, Wan: Open and Advanced Large-Scale Video Generative Models (2025)"


def _map(name: str, type_: Type, summary: str) -> Parameter:
    """A condition as high and wide as what the expert is over."""
    return Parameter(name, type_, "condition", REQUIRED, summary, aligned=True)


def _guidance(default: float) -> Parameter:
    return Parameter("guidance", REAL, "number", default, "distilled guidance scale")


def _model(default: str | Required) -> Parameter:
    return Parameter("model", TEXT, "label", default, "hub id or folder of the weights")


def _flux(name: str, summary: str, *parameters: Parameter) -> Signature:
    return Signature(
        name,
        "flow",
        summary,
        parameters,
        domain=_PICTURE,
        capabilities=_FLOW,
        cost=300.0,
        citation=_FLUX,
        implementation="poedsl.experts.flows.flux:FluxFlow",
        requires="diffusers",
        space="FLUX.1",
    )


def _video(name: str, summary: str, *parameters: Parameter) -> Signature:
    return Signature(
        name,
        "flow",
        summary,
        parameters,
        domain=_FILM,
        capabilities=_FLOW,
        cost=10_000.0,
        citation=_WAN,
        requires="diffusers",
        space="Wan2.1",
    )


_FLOWS = (
    Signature(
        "digits",
        "flow",
        "handwritten digits of 8x8 pixels, a flow trained on the UCI digits",
        (Parameter("label", INT, "label", None, "class 0 to 9; none: unconditional", classes=10),),
        domain=Type("Image", (1, 8, 8)),
        capabilities=_FLOW,
        cost=0.5,
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998)",
        implementation="poedsl.experts.flows.unet:UNetFlow",
        requires="diffusers",
        model="digits",
    ),
    Signature(
        "checkerboard",
        "flow",
        "points on the dark squares of an 8x8 board on [-4, 4]^2, a flow for each column of it",
        (
            Parameter(
                "column", INT, "label", None, "column 0 to 7; none: the whole board", classes=8
            ),
        ),
        domain=Type("Real", (2,)),
        capabilities=_FLOW,
        cost=0.1,
        citation="Zhang et al., Product of Experts for Visual Generation, G.2 (ICLR 2026)",
        implementation="poedsl.experts.flows.points:PointFlow",
        model="checkerboard",
    ),
    Signature(
        "room",
        "flow",
        "rooms by what is in them, a class-conditional UNet with v-prediction",
        (
            Parameter("contents", TEXT, "label", None, '"empty", "couch", "painting" or "both"'),
            _model("playroom/rooms"),
        ),
        domain=_PICTURE,
        capabilities=_FLOW,
        cost=20.0,
        citation="Soiffer et al., Catastrophic Compositional Generation, 5.3",
        implementation="poedsl.experts.flows.unet:VariancePreservingUNet",
        requires="diffusers",
    ),
    Signature(
        "unet",
        "flow",
        "pictures of a class, by a UNet with v-prediction",
        (
            Parameter("label", INT, "label", None, "class; none: unconditional"),
            _model(REQUIRED),
        ),
        domain=_PICTURE,
        capabilities=_FLOW,
        cost=20.0,
        citation="Salimans and Ho, Progressive Distillation (ICLR 2022)",
        implementation="poedsl.experts.flows.unet:VariancePreservingUNet",
        requires="diffusers",
    ),
    _flux(
        "flux",
        "text to image",
        _PROMPT,
        _guidance(3.5),
        _model("black-forest-labs/FLUX.1-dev"),
    ),
    _flux(
        "flux_schnell",
        "text to image in few steps",
        _PROMPT,
        _model("black-forest-labs/FLUX.1-schnell"),
    ),
    _flux(
        "flux_depth",
        "text and depth to image",
        _map("depth", open_type("Depth"), "relative inverse depth"),
        _PROMPT,
        _guidance(10.0),
        _model("black-forest-labs/FLUX.1-Depth-dev"),
    ),
    _flux(
        "flux_fill",
        "inpainting: keeps the image outside the mask, repaints inside",
        _map("mask", open_type("Mask"), "1 where it repaints"),
        _map("image", open_type("Image"), "the picture to fill in"),
        _PROMPT,
        _guidance(30.0),
        _model("black-forest-labs/FLUX.1-Fill-dev"),
    ),
    _video(
        "wan_i2v",
        "text and a first frame to video",
        _FRAME,
        _PROMPT,
        Parameter("guidance", REAL, "number", 5.0, "classifier-free guidance scale"),
        _model("Wan-AI/Wan2.1-I2V-14B-480P-Diffusers"),
    ),
    _video(
        "wan_depth",
        "text and the depth of every frame to video",
        _map("depth", Type("Depth", (None, None, None)), "relative inverse depth, a frame each"),
        _PROMPT,
        Parameter("guidance", REAL, "number", 5.0, "classifier-free guidance scale"),
        _model("alibaba-pai/Wan2.1-Fun-14B-Control"),
    ),
    Signature(
        "framepack",
        "flow",
        "text and a first frame to video, one section after the other",
        (_FRAME, _PROMPT, _guidance(10.0), _model("lllyasviel/FramePackI2V_HY")),
        domain=_FILM,
        capabilities=frozenset({"extend", "score", "sample", "gradient"}),
        cost=5_000.0,
        citation="Zhang and Agrawala, Packing Input Frame Contexts in Next-Frame Prediction (2025)",
        requires="diffusers",
        space="HunyuanVideo",
    ),
)

_TOKENS: frozenset[Capability] = frozenset({"log_prob", "extend", "sample"})

_SEQUENCES = (
    Signature(
        "lm",
        "tokens",
        "a causal language model, continuing a prompt",
        (
            _model(""),
            Parameter("prompt", TEXT, "prompt", "", "what comes before the sequence"),
        ),
        domain=Type("Tokens", (None,)),
        capabilities=_TOKENS,
        cost=20.0,
        implementation="poedsl.experts.sequences.language_model:LanguageModel",
        requires="diffusers",
    ),
    Signature(
        "Markov",
        "tokens",
        "a Markov chain over symbols 0 to V - 1",
        (
            Parameter("initial", None, "table", REQUIRED, "probabilities of the first, (V,)"),
            Parameter("transition", None, "table", REQUIRED, "a row for each symbol, (V, V)"),
        ),
        domain=Type("Tokens", (None,)),
        capabilities=_TOKENS,
        implementation="poedsl.experts.sequences.markov:Markov",
    ),
    Signature(
        "Categorical",
        "tokens",
        "independent symbols 0 to V - 1",
        (
            Parameter(
                "probs", None, "table", REQUIRED, "probabilities, (V,), or a row a place, (n, V)"
            ),
        ),
        domain=Type("Tokens", (None,)),
        capabilities=_TOKENS,
        implementation="poedsl.experts.sequences.markov:Categorical",
    ),
    Signature(
        "Automaton",
        "tokens",
        "sequences that match a regular expression as a whole, all equally probable",
        (
            Parameter("pattern", TEXT, "prompt", REQUIRED, "as Python's"),
            Parameter("symbols", TEXT, "label", REQUIRED, "the characters that symbols stand for"),
        ),
        domain=Type("Tokens", (None,)),
        capabilities=_TOKENS,
        implementation="poedsl.experts.sequences.vocabulary:Pattern",
    ),
)

_SOURCES = (
    Signature(
        "mujoco",
        "source",
        "renders a physical scene: colours, relative inverse depth, and a mask of what moves",
        (
            Parameter("scene", open_type("File"), "label", REQUIRED, "an MJCF file"),
            Parameter("frames", INT, "number", 1, "how many"),
            Parameter("size", Type("Int", (2,)), "number", REQUIRED, "height and width"),
        ),
        cost=50.0,
        citation="Todorov, Erez and Tassa, MuJoCo (IROS 2012)",
        returns=(
            Returned("rgb", "Video", ("frames", 3, "size.0", "size.1")),
            Returned("depth", "Depth", ("frames", "size.0", "size.1")),
            Returned("mask", "Mask", ("frames", "size.0", "size.1")),
        ),
    ),
    Signature(
        "layout_of",
        "source",
        "a layout for a prompt, by a language model that can only answer with one",
        (
            _PROMPT,
            Parameter("model", TEXT, "label", "Qwen/Qwen2.5-7B-Instruct", "hub id or folder"),
        ),
        cost=5_000.0,
        citation="Zhang et al., Product of Experts for Visual Generation, F.5 (ICLR 2026)",
        implementation="poedsl.experts.sequences.layouts:layout_of",
        requires="diffusers",
        returns=(Returned("", "Layout"),),
    ),
)


def _judge(
    name: str,
    summary: str,
    implementation: str,
    model: str,
    cost: float,
    citation: str,
    *parameters: Parameter,
) -> Signature:
    """A network that scores pictures, and films by some of their frames."""
    return Signature(
        name,
        "reward",
        summary,
        (
            *parameters,
            _model(model),
            Parameter("gradient", BOOL, "gradient", False, "whether kernels follow its gradient"),
            Parameter("frames", INT, "frames", 4, "how many of a film it looks at"),
        ),
        domain=_PICTURE,
        capabilities=frozenset({"reward"}),
        cost=cost,
        citation=citation,
        implementation=f"poedsl.experts.rewards.{implementation}",
        requires="diffusers",
    )


_REWARDS = (
    Signature(
        "digit_score",
        "reward",
        "log-probability of a digit's class by a small classifier trained on the UCI digits",
        (Parameter("label", INT, "label", REQUIRED, "class 0 to 9", classes=10),),
        domain=Type("Image", (1, 8, 8)),
        capabilities=frozenset({"reward", "gradient"}),
        cost=0.2,
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998)",
        implementation="poedsl.experts.rewards.classifier:ClassifierScore",
        requires="diffusers",
        model="digit_score",
    ),
    _judge(
        "vqascore",
        'probability that the answer to "Does this figure show ...?" is yes; in [0, 1]',
        "vqa_score:vqa_score",
        "zhiqiulin/clip-flant5-xxl",
        100.0,
        "Lin et al., Evaluating Text-to-Visual Generation (ECCV 2024)",
        _PROMPT,
    ),
    _judge(
        "clipscore",
        "cosine similarity of picture and prompt under CLIP; in [-1, 1]",
        "clip:ClipScore",
        "openai/clip-vit-large-patch14",
        10.0,
        "Hessel et al., CLIPScore (EMNLP 2021)",
        _PROMPT,
    ),
    _judge(
        "aesthetic",
        "how pleasing a picture is, from CLIP's features; about 0 to 10",
        "clip:Aesthetic",
        "shunk031/aesthetics-predictor-v2-sac-logos-ava1-l14-linearMSE",
        10.0,
        "Schuhmann et al., LAION-5B (NeurIPS 2022)",
    ),
    _judge(
        "imagereward",
        "human preference for a picture given a prompt; about -2 to 2",
        "image_reward:ImageReward",
        "THUDM/ImageReward",
        30.0,
        "Xu et al., ImageReward (NeurIPS 2023)",
        _PROMPT,
    ),
    _judge(
        "detected",
        "how surely a detector finds a phrase, inside a box where one is given; in [0, 1]",
        "scene:Detected",
        "IDEA-Research/grounding-dino-base",
        50.0,
        "Liu et al., Grounding DINO (ECCV 2024)",
        Parameter("phrase", TEXT, "prompt", REQUIRED, "what to find"),
        Parameter("inside", Type("Region"), "condition", None, "where; none: anywhere"),
    ),
    _judge(
        "depth_agreement",
        "correlation of a picture's estimated depth with a given one; in [-1, 1]",
        "scene:DepthAgreement",
        "depth-anything/Depth-Anything-V2-Large-hf",
        30.0,
        "Yang et al., Depth Anything V2 (NeurIPS 2024)",
        _map("depth", open_type("Depth"), "relative inverse depth"),
    ),
)

SIGNATURES: dict[str, Signature] = {
    s.name: s for s in (*_DENSITIES, *_FLOWS, *_SEQUENCES, *_REWARDS, *_SOURCES)
}


def signature_to_json(signature: Signature) -> dict[str, Any]:
    """A signature as plain data, for plans that bring their own."""
    s = signature
    return {
        "name": s.name,
        "family": s.family,
        "summary": s.summary,
        "parameters": [_parameter_to_json(p) for p in s.parameters],
        "domain": None if s.domain is None else type_to_json(s.domain),
        "event_rank": s.event_rank,
        "capabilities": sorted(s.capabilities),
        "cost": s.cost,
        "citation": s.citation,
        "implementation": s.implementation,
        "requires": s.requires,
        "model": s.model,
        "space": s.space,
        "returns": [{"name": r.name, "type": r.type, "sizes": list(r.sizes)} for r in s.returns],
    }


def signature_from_json(data: dict[str, Any]) -> Signature:
    """The inverse of `signature_to_json`.

    Raises:
        KeyError, TypeError, ValueError: the data are no signature.
    """
    known = {"family": get_args(Family), "capabilities": get_args(Capability)}
    given = {"family": [data["family"]], "capabilities": data["capabilities"]}
    for key, values in given.items():
        if unknown := sorted(set(values) - set(known[key])):
            raise ValueError(f"{unknown[0]!r} is not one of {', '.join(known[key])}")
    plain = {k: data[k] for k in ("name", "family", "summary", "cost", "citation")}
    more = {k: data[k] for k in ("implementation", "requires", "model", "space")}
    return Signature(
        **plain,
        **more,
        event_rank=whole(data["event_rank"]),
        parameters=tuple(map(_parameter_from_json, data["parameters"])),
        domain=None if data["domain"] is None else type_from_json(data["domain"]),
        capabilities=frozenset(data["capabilities"]),
        returns=tuple(
            Returned(r["name"], r["type"], tuple(map(whole, r["sizes"]))) for r in data["returns"]
        ),
    )


def _parameter_to_json(p: Parameter) -> dict[str, Any]:
    default = {} if isinstance(p.default, Required) else {"default": p.default}
    return {
        "name": p.name,
        "type": None if p.type is None else type_to_json(p.type),
        "role": p.role,
        **default,
        "summary": p.summary,
        "alternative": p.alternative,
        "classes": p.classes,
        "aligned": p.aligned,
    }


def _parameter_from_json(data: dict[str, Any]) -> Parameter:
    return Parameter(
        data["name"],
        None if data["type"] is None else type_from_json(data["type"]),
        data["role"],
        data.get("default", REQUIRED),
        data["summary"],
        data["alternative"],
        whole(data["classes"]),
        data["aligned"],
    )
