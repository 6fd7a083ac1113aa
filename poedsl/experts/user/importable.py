"""Whether another process can import what a plan was compiled with."""

from __future__ import annotations

import pickle

from poedsl.experts.user.registry import UserCode


def require_importable(code: UserCode) -> None:
    """See that pickling finds a decorated object again by its module and name.

    Raises:
        PicklingError: it does not, and the message says why.
    """
    try:
        pickle.dumps(code.target)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise pickle.PicklingError(
            f"the plan cannot go to another process, which would have to import {code}: {error}; "
            "decorate a function or class at the top level of a module"
        ) from error
    try:
        pickle.dumps((code.args, dict(code.kwargs)))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise pickle.PicklingError(
            f"the plan cannot go to another process, since an argument of {code} cannot: {error}"
        ) from error
