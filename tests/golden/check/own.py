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
