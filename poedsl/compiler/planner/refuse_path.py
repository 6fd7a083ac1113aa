"""What the experts cannot do on the path that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from poedsl.catalog.signatures import EVENTS
from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.plan.option_forms import KernelRow
from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec
from poedsl.compiler.plan.terms import Const, Term
from poedsl.compiler.planner.factors import capabilities, section_experts

#: What every generative expert must be capable of, by the path.
NEEDS = {"flow": "score", "prefix": "extend", "temper": "log_prob"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An option that cannot have its value, and why."""

    option: str
    message: str
    notes: tuple[str, ...] = ()


def refuse_path(spec: PlanSpec, options: Mapping[str, Term]) -> Iterator[Refusal]:
    path = form_name(options["path"])
    if path not in NEEDS:
        return
    symbols = next((f for f in spec.factors if f.kind == "tokens"), None)
    if symbols is not None and path != "prefix":
        note = f"`{symbols.name}` at {symbols.place} is an expert of symbols"
        message = f"symbols grow by `path = prefix()` alone, not by {path}()"
        yield Refusal("path", message, (note,))
        return
    experts = section_experts(spec) if path == "prefix" else []
    refused = _incapable(spec, path, experts) or _on_events(spec, path)
    if refused is not None:
        yield refused
        return
    if experts:
        yield from _refuse_sections(spec, experts, options)
    if path != "flow" and form_name(options["move"]) != "none":
        message = f"`path = {path}()` moves by its kernel alone: `move = none()`"
        yield Refusal("move", message)
    yield from _wrong_kernel(form_name(options["kernel"]), symbols)


def _incapable(spec: PlanSpec, path: str, experts: list[FactorSpec]) -> Refusal | None:
    """An expert that lacks what the path needs of every expert."""
    for factor in spec.factors:
        if factor.kind not in GENERATIVE or (factor.kind == "gaussian" and experts):
            continue
        offered = capabilities(factor, spec)
        if NEEDS[path] not in offered:
            note = f"`{factor.name}` at {factor.place} offers {', '.join(sorted(offered))}"
            message = f"`path = {path}()` needs `{NEEDS[path]}` of every expert"
            return Refusal("path", message, (note,))
    return None


def _on_events(spec: PlanSpec, path: str) -> Refusal | None:
    for factor in spec.factors if path == "flow" else ():
        event = ends(factor.term, spec.signature).event if factor.kind == "density" else ""
        if event:
            note = f"`{factor.name}` at {factor.place} is a density over them"
            message = f"`path = flow()` leaves the {EVENTS[event]}"
            return Refusal("path", message, (note,))
    return None


def _wrong_kernel(name: str, symbols: FactorSpec | None) -> Iterator[Refusal]:
    kernel = OPTIONS["kernel"].form(name)
    assert isinstance(kernel, KernelRow)
    if kernel.moves == "symbols" and symbols is None:
        yield Refusal("kernel", f"`kernel = {name}()` revisits tokens, and there are none")
    if kernel.moves == "numbers" and symbols is not None:
        message = f"`kernel = {name}()` moves numbers, and these are symbols"
        yield Refusal("kernel", message, ("`gibbs()` redraws blocks of symbols",))


def _refuse_sections(
    spec: PlanSpec, experts: list[FactorSpec], options: Mapping[str, Term]
) -> Iterator[Refusal]:
    """What experts that extend a variable by sections cannot do."""
    if len(spec.variables) > 1:
        note = "these are " + " and ".join(f"`{v.name}`" for v in spec.variables)
        yield Refusal("path", "`path = prefix()` over sections grows one variable alone", (note,))
        return
    if not spec.variables[0].type.sizes:
        message = "`path = prefix()` grows a variable along its first size, and it has none"
        yield Refusal("path", message)
        return
    for factor in experts:
        if obstacle := _section_obstacle(factor):
            note = f"`{factor.name}` at {factor.place} has {obstacle}"
            message = (
                "an expert of sections covers the whole variable, and its exponent is one number"
            )
            yield Refusal("path", message, (note,))
            return
    kernel = form_name(options["kernel"])
    for number, factor in enumerate(experts):
        offered = capabilities(factor, spec)
        if "log_prob" in offered:
            continue
        note = f"`{factor.name}` at {factor.place} has no `log_prob(self, prefix)`"
        if number or factor.exponent != Const(1):
            message = (
                "sections are proposed by the first expert, whose exponent is one, and weighted by "
                "the densities of the others"
            )
            yield Refusal("path", message, (note,))
            return
        if kernel != "none" and "score" not in offered:
            message = f"`kernel = {kernel}()` revisits prefixes by their density"
            yield Refusal("kernel", message, (note,))


def _section_obstacle(factor: FactorSpec) -> str:
    """What an expert of sections has and cannot have; empty where there is nothing."""
    if factor.part:
        return "a part"
    if factor.loops:
        return "a loop"
    if factor.given:
        return "parents"
    return "a mask" if factor.mask else ""
