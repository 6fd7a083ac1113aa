"""Coordinates in which kernels take their steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.kernel import StageTarget


@runtime_checkable
class ChangeOfCoordinates(Protocol):
    """A change of coordinates; kernels leave a target invariant in whatever coordinates they step,
    as long as its density is that of the same distribution there.
    """

    def into(self, point: Point) -> Point:
        """A point in these coordinates, with its density and scores there."""
        ...

    def out_of(self, point: Point) -> Point:
        """The point that has these coordinates, with its density and scores outside."""
        ...

    def target(self, target: StageTarget) -> StageTarget:
        """A stage's target as kernels see it in these coordinates."""
        ...


def into(changes: Sequence[ChangeOfCoordinates], point: Point) -> Point:
    """A point after changes of coordinates, one after another."""
    for change in changes:
        point = change.into(point)
    return point


def out_of(changes: Sequence[ChangeOfCoordinates], point: Point) -> Point:
    """The point before changes of coordinates."""
    for change in reversed(changes):
        point = change.out_of(point)
    return point


def target_in(changes: Sequence[ChangeOfCoordinates], target: StageTarget) -> StageTarget:
    """A stage's target after changes of coordinates."""
    for change in changes:
        target = change.target(target)
    return target
