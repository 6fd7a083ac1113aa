"""The objects behind calls: learned experts, rewards and sources, loaded when a run needs them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poedsl.catalog.adapters import find_loras
from poedsl.catalog.folder_signatures import model_place
from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.catalog.signatures import Required, Signature, SignatureParameter
from poedsl.catalog.weights import find_model, model_folder
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.experts.flows.autoencoder_folders import has_codec, native_size
from poedsl.experts.flows.latents import LatentSpace
from poedsl.experts.flows.pipeline_codec import film_space, latent_space
from poedsl.experts.loading.libraries import missing_extra
from poedsl.experts.protocol import Sited
from poedsl.experts.user.build import build_user
from poedsl.experts.user.load import load_user
from poedsl.experts.user.registry import UserCode
from poedsl.grammar.types import BOOL, INT, REAL, Type
from poedsl.runtime.core.devices import find_device
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.warnings import WarningLog, of_factors
from poedsl.runtime.inputs.remarks import warn_of_mask
from poedsl.runtime.terms.evaluate import Environment, region, tensor, value_of
from poedsl.runtime.terms.refusals import factor_at, naming, refused


@contextmanager
def requiring(signature: Signature) -> Iterator[None]:
    """Report a library that is missing as one that the expert needs.

    Raises:
        PoeError: one is (P0703).
    """
    try:
        yield
    except ImportError as error:
        raise missing_extra(signature.name, signature.requires, error) from error


@dataclass(slots=True)
class Models:
    """The objects behind calls of experts, rewards and sources, each made once.

    Attributes:
        base: the folder that files and `use` statements are relative to.
        allow_code: whether Python that the program names may run.
        profile: which weights experts have, and how they run.
        code: the Python that the program was compiled with, by name.
        warnings: where masks among the arguments that are the same everywhere are reported.
    """

    plan: PlanSpec
    device: torch.device
    base: Path
    allow_code: bool
    profile: Profile = DEFAULT
    code: Mapping[str, UserCode] = field(default_factory=dict)
    warnings: WarningLog = field(default_factory=WarningLog)
    built: dict[tuple[Term, tuple[int, ...] | None], Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: PlanSpec,
        settings: RunSettings,
        warnings: WarningLog | None = None,
    ) -> Models:
        """The models of a plan under the settings of a run.

        Raises:
            PoeError: there is no such device (P0702).
        """
        return cls(
            plan,
            find_device(settings.device),
            settings.folder,
            settings.allow_code,
            settings.profile,
            settings.code,
            warnings or WarningLog(),
        )

    def model(
        self,
        call: Apply,
        env: Environment,
        factor: FactorSpec,
        shape: tuple[int, ...] | None = None,
    ) -> Any:
        """The object behind a call of an expert over a shape, or of a reward; equal calls share it.

        Raises:
            PoeError: a library, a folder or permission to run code is missing, or there is no such
                class.
        """
        if (call, shape) not in self.built:
            signature = self.plan.signature(call.function)
            arguments = self.arguments(call, signature, env, factor)
            with naming(factor):
                self.built[call, shape] = self.build(signature, arguments, shape)
        return self.built[call, shape]

    def build(
        self, signature: Signature, arguments: dict[str, Any], shape: tuple[int, ...] | None
    ) -> Any:
        if signature.is_code:
            return build_user(self.user(signature), arguments, shape, self.device)
        over: dict[str, Any] = {} if shape is None else {"shape": shape}
        kind = self.implementation(signature)
        if signature.parameter("model") is not None:
            chosen = self.chosen(signature, arguments.pop("model", None))
            over["folder"] = str(find_model(signature.name, chosen, self.base))
            over["profile"] = self.profile
            for p in signature.parameters:
                if p.role == "weights" and arguments.get(p.name) is not None:
                    place = find_model(signature.name, arguments[p.name], self.base, p.name)
                    arguments[p.name] = str(place)
            if (lora := arguments.pop("lora", None)) is not None:
                over["loras"] = find_loras(signature.name, lora, self.base)
        elif signature.model:
            over["folder"] = model_place(signature, self.base)
        with requiring(signature):
            return kind(**arguments, **over, device=self.device)

    def folder(self, call: Apply) -> str:
        """Where the weights behind a call are; empty where it has none of its own."""
        signature = self.plan.signature(call.function)
        if signature.parameter("model") is not None:
            chosen = self.chosen(signature, dict(call.kwargs).get("model"))
            return str(find_model(signature.name, chosen, self.base))
        if signature.model:
            return str(model_folder(model_place(signature, self.base)))
        return ""

    def codec(self, call: Apply) -> LatentSpace | None:
        """The autoencoder in whose latent space a model lives, where it has one."""
        folder = self.folder(call)
        if not folder or not has_codec(folder):
            return None
        signature = self.plan.signature(call.function)
        films = signature.domain is not None and signature.domain.name == "Video"
        with requiring(signature):
            opened = film_space if films else latent_space
            return opened(folder, self.device, self.profile)

    def native(self, call: Apply) -> tuple[int, int] | None:
        """Height and width of the pictures that a model was trained on, where its folder says."""
        folder = self.folder(call)
        return native_size(folder) if folder else None

    def length(self, factor: FactorSpec, env: Environment) -> int | None:
        """How many components a density of the program's own is over, where it says."""
        call = factor.term
        if not isinstance(call, Apply) or not self.plan.signature(call.function).is_code:
            return None
        model = self.model(call, env, factor)
        return model.size if isinstance(model, Sited) else None

    def chosen(self, signature: Signature, model: Term | str | None) -> str:
        """Whose weights an expert has: what the program says, the profile, or its own."""
        parameter = signature.parameter("model")
        assert parameter is not None
        default = "" if isinstance(parameter.default, Required) else str(parameter.default or "")
        requested = model.value if isinstance(model, Const) else model
        if isinstance(requested, str) and requested not in ("", default):
            return requested
        return self.profile.models.get(signature.name, default)

    def weights(
        self, signature: Signature, arguments: Mapping[str, Term]
    ) -> Iterator[tuple[str, str]]:
        """What each file or folder with weights is called in a call, with the parameter for it."""
        for parameter in signature.parameters:
            name, term = parameter.name, arguments.get(parameter.name)
            beside = parameter.role == "weights" or name == "lora"
            if name == "model":
                yield name, self.chosen(signature, term)
            elif beside and isinstance(term, Const) and term.value:
                yield name, str(term.value)

    def user(self, signature: Signature) -> UserCode:
        """The Python that a program brings along.

        Raises:
            PoeError: running it is not permitted, or it is not there.
        """
        if signature.name in self.code:
            return self.code[signature.name]
        place = next(u.place for u in self.plan.uses if u.name == signature.name)
        return load_user(signature, place, self.base, self.allow_code)

    def source(self, call: Apply, env: Environment) -> Any:
        """What a source returns."""
        signature = self.plan.signature(call.function)
        return self.build(signature, self.arguments(call, signature, env), None)

    def implementation(self, signature: Signature) -> Any:
        module, _, name = signature.implementation.partition(":")
        with requiring(signature):
            return getattr(importlib.import_module(module), name)

    def arguments(
        self,
        call: Apply,
        signature: Signature,
        env: Environment,
        factor: FactorSpec | None = None,
    ) -> dict[str, Any]:
        """The arguments of a call as its parameters take them, without the subject of a reward."""
        terms = dict(call.kwargs)
        out: dict[str, Any] = {}
        for parameter in signature.parameters:
            if parameter.name not in terms:
                continue
            term = terms[parameter.name]
            if parameter.type == Type("Region") and term != Const(None):
                out[parameter.name] = region(term, env)
                continue
            value = self.argument(value_of(term, env), parameter, env.dtype)
            if reason := parameter.no_label(value):
                name = f"`{parameter.name}` of `{signature.name}`"
                raise refused("P0307", f"{name} {reason}", factor=factor)
            self.warn_of_constant_mask(value, parameter, signature, factor)
            out[parameter.name] = value
        return out

    def warn_of_constant_mask(
        self,
        value: Any,
        parameter: SignatureParameter,
        signature: Signature,
        factor: FactorSpec | None,
    ) -> None:
        """Warn of an argument that is a mask and all zero or all one."""
        if parameter.type is None or parameter.type.name != "Mask":
            return
        if isinstance(value, Tensor):
            place = "" if factor is None else f", in {factor_at(factor)},"
            subject = f"`{parameter.name}` of `{signature.name}`{place}"
            data = {} if factor is None else of_factors([(factor.name, factor.place)])
            data |= {"expert": signature.name, "parameter": parameter.name}
            warn_of_mask(self.warnings, subject, value, **data)

    def argument(self, value: Any, parameter: SignatureParameter, dtype: torch.dtype) -> Any:
        """Numbers as Python's where single ones are wanted, else as tensors without a row."""
        kind = parameter.type
        if kind is not None and kind.name == "File":
            return str(self.base / value)
        if kind is not None and kind.name in ("Text", "Layout"):
            return value
        if isinstance(value, tuple):
            value = tensor(value, self.device, dtype)
        if not isinstance(value, Tensor):
            return value
        unbatched = value[0]
        if kind is not None and kind.name == "Int" and kind.sizes:
            return tuple(int(v) for v in unbatched.tolist())
        if kind == INT:
            return int(unbatched)
        if kind == BOOL:
            return bool(unbatched)
        return float(unbatched) if kind == REAL or not unbatched.dim() else unbatched
