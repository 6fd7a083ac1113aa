"""Signatures of the models in folders and on the hub, from their configuration files."""

from __future__ import annotations

import re
from pathlib import Path

from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.folder_files import read_json, unsupported, with_model
from poedsl.catalog.hub_cache import cached_folder
from poedsl.catalog.network_folders import model_signature
from poedsl.catalog.pipeline_folders import by_its_call, dedicated_signature
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Required, Signature
from poedsl.catalog.single_files import configurations, single_file
from poedsl.catalog.weights import file_notes, model_folder, single_files
from poedsl.grammar.errors import PoeError
from poedsl.grammar.program_files import is_file, is_folder

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def read_folder(place: str, base: Path, *, as_pipeline: bool = False) -> Signature:
    """The signature of the model in a folder, or of a model of the hub that an expert uses.

    Args:
        place: a path relative to ``base``, a model that comes with the package, or the id of a
            model of the hub; or a single file with the weights of a model.
        as_pipeline: whether the call of its pipeline is meant even where an expert has its weights.

    Raises:
        DefinitionError: there is no such folder, or no expert can use its model (P0206, P0211); or
            diffusers, which describes it, is not installed (P0703).
    """
    folder = _folder(place, base)
    if folder is None and not as_pipeline and place in (hub := _hub_signatures()):
        return with_model(hub[place], place)
    folder = folder or cached_folder(place)
    if folder is None:
        raise _not_here(place, base)
    if is_file(folder / "model_index.json"):
        index = read_json(folder / "model_index.json")
        if not as_pipeline and (dedicated := dedicated_signature(place, folder, index)):
            return dedicated
        try:
            return by_its_call(place, folder, index)
        except DefinitionError as error:
            if not (expert := dedicated_expert(place, base)):
                raise
            note = f'`{expert}(..., model = "{place}")` is the expert for the model in it'
            raise DefinitionError(error.code, error.message, note, *error.notes) from None
    if is_file(folder / "modular_model_index.json"):
        message = f'the folder "{place}" holds a modular pipeline, of which no expert is made'
        raise DefinitionError("P0211", message, "pipelines with a model_index.json are read")
    if is_file(folder / "config.json"):
        return model_signature(place, read_json(folder / "config.json"))
    if any(folder.glob("*.gguf")):
        return with_model(SIGNATURES["lm"], place)
    message = f'the folder "{place}" has no model_index.json and no config.json'
    raise unsupported(message, *single_files(folder))


def dedicated_expert(place: str, base: Path) -> str:
    """The expert of the language for the pipeline in a folder; empty where there is none."""
    folder = _folder(place, base)
    if folder is None or not is_file(folder / "model_index.json"):
        return ""
    try:
        signature = dedicated_signature(place, folder, read_json(folder / "model_index.json"))
    except DefinitionError:
        return ""
    return "" if signature is None else signature.name


def model_place(signature: Signature, base: Path) -> str:
    """The folder of a signature's weights, as its implementation takes it.

    Args:
        base: the folder of the program, to which the folders of ``use`` statements are relative.
    """
    if signature.name in SIGNATURES:
        return signature.model
    folder = single_file(signature.model, base) or _below(base, signature.model)
    return signature.model if folder is None else str(folder)


def _folder(place: str, base: Path) -> Path | None:
    if (file := single_file(place, base)) is not None:
        try:
            return configurations(file)
        except PoeError as error:
            (diagnostic,) = error.diagnostics
            raise DefinitionError(diagnostic.code, diagnostic.message, *diagnostic.notes) from None
    beside_program = _below(base, place)
    if beside_program is not None or not place:
        return beside_program
    try:
        return model_folder(place)
    except (PoeError, OSError, ValueError):
        return None


def _below(base: Path, place: str) -> Path | None:
    return base / place if place and is_folder(base / place) else None


def _hub_signatures() -> dict[str, Signature]:
    """The first expert whose default weights a model of the hub is, by its id."""
    out: dict[str, Signature] = {}
    for signature in SIGNATURES.values():
        model = signature.parameter("model")
        if model is not None and model.default and not isinstance(model.default, Required):
            out.setdefault(str(model.default), signature)
    return out


def _not_here(place: str, base: Path) -> DefinitionError:
    """The error for a model that is neither a folder nor one of the hub that was downloaded."""
    if place.endswith(".py"):
        message = f'"{place}" does not say which of its functions is meant'
        return DefinitionError(
            "P0206", message, f'a function is named after a colon: "{place}:NAME"'
        )
    notes = file_notes(base / place)
    if notes or not _HUB_ID.fullmatch(place):
        what = f'"{place}" is no folder' if notes else f'there is no folder "{place}"'
        return unsupported(what, *notes)
    return unsupported(
        f'"{place}" is neither a folder nor a model of the hub that an expert has',
        f"what a model of the hub is can be seen only where it is fetched: `hf download {place}`",
        f'or name the expert: `flux(model = "{place}")`',
    )
