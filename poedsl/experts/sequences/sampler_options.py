"""Options in the folder of a language model that are for the library's own sampler."""

from __future__ import annotations

import json
from pathlib import Path

from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.weight_files import read_config

FILE = "generation_config.json"
#: Options that change probabilities, with the values at which they do not.
_PLAIN: dict[str, tuple[object, ...]] = {
    "temperature": (1.0,),
    "top_k": (0, 50),  # the latter is the library's own default, for runs that draw
    "top_p": (1.0,),
    "min_p": (0.0,),
    "typical_p": (1.0,),
    "epsilon_cutoff": (0.0,),
    "eta_cutoff": (0.0,),
    "repetition_penalty": (1.0,),
    "no_repeat_ngram_size": (0,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "bad_words_ids": ([],),
    "suppress_tokens": ([],),
    "begin_suppress_tokens": ([],),
    "sequence_bias": ({}, []),
    "forced_bos_token_id": (),
    "forced_eos_token_id": (),
    "guidance_scale": (1.0,),
}


def warn_of_sampler_options(folder: str) -> None:
    """Warn (P1023) of options that make the library's sampler draw from another distribution than
    that of the model.

    Raises:
        PoeError: the file with them cannot be read (P0206).
    """
    file = Path(folder) / FILE
    if not file.is_file():
        return
    written = read_config(folder, FILE)
    others = [name for name, plain in _PLAIN.items() if written.get(name) not in (None, *plain)]
    if others:
        shown = ", ".join(f"`{name} = {json.dumps(written[name])[:40]}`" for name in others)
        message = f"an expert has the probabilities of its model, without {shown} in {file}"
        warn("P1023", message, file=str(file), options=others)
