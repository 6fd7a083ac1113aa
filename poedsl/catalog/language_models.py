"""Experts over sequences of tokens: language models, Markov chains and automata."""

from __future__ import annotations

from poedsl.catalog.discrete_densities import CATEGORIES, shares
from poedsl.catalog.parameters import model_parameter
from poedsl.catalog.signatures import REQUIRED, Capability, Signature, SignatureParameter, Support
from poedsl.grammar.types import TEXT, Type

_TOKENS: frozenset[Capability] = frozenset({"log_prob", "extend", "sample"})

LANGUAGE_MODELS = (
    Signature(
        "lm",
        "tokens",
        "a causal language model, continuing a prompt or answering in a chat",
        (
            model_parameter(""),
            SignatureParameter(
                "prompt",
                TEXT,
                "prompt",
                "",
                "what comes before the sequence; in a chat, in the answer",
            ),
            SignatureParameter(
                "chat", TEXT, "prompt", None, "a message, in the chat template of the tokenizer"
            ),
            SignatureParameter(
                "system",
                TEXT,
                "prompt",
                None,
                "the system message before that of the chat",
                needs="chat",
            ),
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
            SignatureParameter(
                "initial", None, "table", REQUIRED, "probabilities of the first, (V,)"
            ),
            SignatureParameter(
                "transition", None, "table", REQUIRED, "a row for each symbol, (V, V)"
            ),
        ),
        domain=Type("Tokens", (None,)),
        capabilities=_TOKENS,
        implementation="poedsl.experts.sequences.markov:Markov",
    ),
    Signature(
        "Categorical",
        "tokens",
        "independent symbols 0 to V - 1",
        shares(trailing=1),
        domain=Type("Tokens", (None,)),
        capabilities=_TOKENS,
        implementation="poedsl.experts.sequences.markov:Categorical",
        support=Support(low=0.0, high=CATEGORIES, whole=True),
    ),
    Signature(
        "Automaton",
        "tokens",
        "sequences that match a regular expression as a whole, all equally probable",
        (
            SignatureParameter("pattern", TEXT, "prompt", REQUIRED, "as Python's"),
            SignatureParameter(
                "symbols", TEXT, "label", REQUIRED, "the characters that symbols stand for"
            ),
        ),
        domain=Type("Tokens", (None,)),
        capabilities=_TOKENS,
        implementation="poedsl.experts.sequences.acceptor:PatternExpert",
    ),
)
