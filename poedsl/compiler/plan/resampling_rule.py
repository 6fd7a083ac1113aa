"""When a run resamples: the argument ``when`` of the option ``resample``."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term


@dataclass(frozen=True, slots=True)
class ResamplingRule:
    """When to resample: below a share of the population in ESS, at given stages, or always."""

    below: float = 0.0
    stages: frozenset[int] = frozenset()
    always: bool = False

    @classmethod
    def of(cls, resample: Term) -> ResamplingRule | None:
        """The rule of a value of the option; None where a run never resamples."""
        when = dict(resample.kwargs).get("when") if isinstance(resample, Apply) else None
        match when:
            case None:
                return None
            case Ref("always"):
                return cls(always=True)
            case Apply("at", args):
                return cls(stages=frozenset(map(_number, args)))
            case Apply("<", (_, Const(float() | int() as limit))):
                return cls(below=limit)
        raise ValueError(f"not a rule for resampling: {when}")

    def weighs(self, t: int) -> bool:
        """Whether black-box rewards weigh at a stage: where `at(...)` names some, only at those
        (Zhang et al., E.6).
        """
        return not self.stages or t in self.stages


def _number(term: Term) -> int:
    assert isinstance(term, Const) and isinstance(term.value, int)
    return term.value
