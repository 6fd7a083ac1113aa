"""What the programs beside this file name with `use`."""

import poedsl


@poedsl.reward
def redness(x: poedsl.Image, amount: float = 1.0):
    """How red a picture is."""
    return amount * x[:, 0].mean((1, 2))


@poedsl.reward
def loose(x: poedsl.Image, amount=1.0):
    """A parameter without a type."""
    return amount * x[:, 0].mean((1, 2))


def plain(x):
    return x


@poedsl.reward
def near(x: poedsl.Image, ref: poedsl.Image):
    """How near a picture is to one of its size."""
    return -(x - ref).square().mean((1, 2, 3))


@poedsl.reward
def near_small(x: poedsl.Image, ref: poedsl.Image[3, 32, 32]):
    """How near a picture is to one of 32 x 32."""
    return -(x - ref).square().mean((1, 2, 3))


@poedsl.reward
def near_large(x: poedsl.Image, ref: poedsl.Image[3, 64, 64]):
    """How near a picture is to one of 64 x 64."""
    return -(x - ref).square().mean((1, 2, 3))
