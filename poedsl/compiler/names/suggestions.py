"""Corrections of unknown names: every similar-name suggestion of the compiler comes from here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from poedsl.grammar.diagnostics import Edit, Fix
from poedsl.grammar.source import Span

#: What parameters are called elsewhere.
PARAMETERS = {
    **dict.fromkeys(("mu", "mean", "location", "center"), ("loc",)),
    **dict.fromkeys(("sigma", "std", "sd", "stddev", "b", "s"), ("scale",)),
    **dict.fromkeys(("cov", "covariance", "Sigma"), ("covariance_matrix",)),
    **dict.fromkeys(("precision", "tau"), ("precision_matrix",)),
    **dict.fromkeys(("nu", "dof"), ("df",)),
    **dict.fromkeys(("alpha", "a", "shape"), ("concentration", "concentration1")),
    **dict.fromkeys(("beta", "lam", "lambda_"), ("rate", "concentration0")),
    **dict.fromkeys(("min", "lower"), ("low",)),
    **dict.fromkeys(("max", "upper"), ("high",)),
}


#: What the calls of pipelines of diffusers take, and programs say elsewhere.
SAID_ELSEWHERE = {
    "num_inference_steps": "`sample x by anneal(steps = 30)` sets the number of steps",
    "num_images_per_prompt": "`sample x by anneal(particles = 4)` sets the number of pictures",
    **dict.fromkeys(("height", "width"), "the type of the variable says its size"),
    **dict.fromkeys(("generator", "seed"), "`poe run --seed 1` sets the seed"),
}


#: What functions and densities are called elsewhere.
CALLED = {
    **dict.fromkeys(("Gaussian", "gaussian", "N", "norm_pdf"), "Normal"),
    **dict.fromkeys(("MvNormal", "MultiNormal", "multi_normal"), "MultivariateNormal"),
    **dict.fromkeys(("clip", "bound"), "clamp"),
    **dict.fromkeys(("minimum", "fmin"), "min"),
    **dict.fromkeys(("maximum", "fmax"), "max"),
    **dict.fromkeys(("cat", "concatenate", "append"), "concat"),
    **dict.fromkeys(("inner", "dot_product"), "dot"),
    **{"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2"},
    **{"log_sum_exp": "logsumexp", "log1p_exp": "softplus", "logsigmoid": "log_sigmoid"},
    **{"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"},
    **dict.fromkeys(("betaln", "log_beta"), "lbeta"),
    **dict.fromkeys(("lbinom", "log_binomial", "binomial_coefficient_log"), "lchoose"),
    **{"log_inv_logit": "log_sigmoid", "rint": "round", "log_add_exp": "logaddexp"},
    **dict.fromkeys(("Phi", "ndtr", "std_normal_cdf", "norm_cdf"), "normal_cdf"),
    **dict.fromkeys(("inv_Phi", "ndtri", "std_normal_qf", "norm_ppf", "probit"), "normal_icdf"),
    **dict.fromkeys(("log_ndtr", "std_normal_lcdf"), "log_normal_cdf"),
    **dict.fromkeys(("inv", "pinv", "inverse_spd"), "inverse"),
    **dict.fromkeys(("log_determinant", "log_det", "slogdet"), "logdet"),
    **dict.fromkeys(("cholesky_decompose", "chol"), "cholesky"),
    **dict.fromkeys(("mdivide_left", "mdivide_left_spd", "lstsq"), "solve"),
    **dict.fromkeys(("diagonal", "diag_matrix", "diag_embed"), "diag"),
    **dict.fromkeys(("eye", "identity_matrix"), "identity"),
    **dict.fromkeys(("cumulative_sum", "accumulate"), "cumsum"),
    **dict.fromkeys(("cumulative_prod", "cumulative_product"), "cumprod"),
    **dict.fromkeys(("remainder", "modulo"), "mod"),
    **{"determinant": "det", "inv_erf": "erfinv", "erf_inv": "erfinv"},
    **dict.fromkeys(("psi", "polygamma"), "digamma"),
    **dict.fromkeys(("if_else", "ifelse", "select"), "where"),
    **dict.fromkeys(("sort_asc", "sorted"), "sort"),
    **{"arange": "range", "absolute": "abs", "fabs": "abs", "ln": "log", "inv_logit": "sigmoid"},
    **dict.fromkeys(("gammaln", "loggamma", "log_gamma"), "lgamma"),
    **{"expit": "sigmoid", "crop_box": "crop", "StudentsT": "StudentT", "Mixture": "mixture"},
}


#: How what other languages call a function is written.
WRITTEN = {
    "len": "a vector has the length that its type says; `length(y)` is that of a text",
    **dict.fromkeys(("array", "tensor", "vector"), "a list is a vector: `[1, 2]`"),
    **dict.fromkeys(("pow", "power"), "powers are written `x^2`"),
    **dict.fromkeys(("fmod", "modulus"), "the remainder with the sign of y is `mod(x, y)`"),
    "percentile": "the order of a quantile is from 0 to 1: `quantile(x, 0.5)`",
    **dict.fromkeys(("matmul", "mm", "bmm"), "a product of matrices is written `a @ b`"),
    **dict.fromkeys(("stack", "vstack", "rep_matrix"), "a list of vectors is a matrix: `[a, b]`"),
    **dict.fromkeys(
        ("scan", "fold", "reduce"),
        "a recursion is written `scan(v = start: next value of v for t in list)`",
    ),
    **dict.fromkeys(("factor", "observe"), "what raises or lowers the target is `exp(...)`"),
    "full": "a number stands for as many as are needed",
}


def similar_name(name: str, candidates: Iterable[str]) -> str | None:
    """The name in scope closest to ``name``; None if all exceed the maximal edit distance."""
    matches = difflib.get_close_matches(name, sorted(candidates), n=1, cutoff=0.75)
    return matches[0] if matches else None


def similar_name_fix(
    name: str, span: Span, candidates: Iterable[str], noun: str
) -> tuple[Fix, ...]:
    """A fix that replaces ``name`` at ``span`` by the closest known name, if there is one.

    Args:
        noun: the kind of thing that is named, for the message: "a parameter", "an option".
    """
    suggestion = similar_name(name, candidates)
    if suggestion is None or suggestion == name:
        return ()
    return (Fix(f"there is {noun} with a similar name: `{suggestion}`", (Edit(span, suggestion),)),)


def equivalent_name_fix(span: Span, equivalent: str) -> Fix:
    """A fix for a name that other libraries use for what is called ``equivalent`` here."""
    return Fix(f"here it is called `{equivalent}`", (Edit(span, equivalent),))


def is_typo(a: str, b: str) -> bool:
    """Whether two names differ by one letter omitted, added, changed or by two swapped letters.

    Names that differ in a digit are taken as different on purpose.
    """
    short, long = sorted((a, b), key=len)
    if len(short) < 4 or len(long) - len(short) > 1 or a == b:
        return False
    start = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), len(short))
    rest, other = short[start:], long[start:]
    if not (other[:1] + rest[:1]).replace("_", "a").isalpha():
        return False
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return (
        other[1:] in (rest, rest[1:])
        if len(short) < len(long)
        else (other[1:] == rest[1:] or other == swapped)
    )
