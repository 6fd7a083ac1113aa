"""NUTS of NumPyro on the data of `regression.py`, which runs this by an interpreter that has it.

    python regression_numpyro.py data.npz gaussian|logistic

prints the seconds without compilation, those with it, and the fewest bulk effective draws.
"""

from __future__ import annotations

import json
import sys
import time

import jax
import numpy as np
import numpyro
from numpyro import distributions as dist
from numpyro.diagnostics import effective_sample_size
from numpyro.infer import MCMC, NUTS

DRAWS = 1000


def gaussian(x, y):
    a = numpyro.sample("a", dist.Normal(0, 5))
    b = numpyro.sample("b", dist.Normal(0, 2.5).expand([x.shape[1]]))
    s = numpyro.sample("s", dist.HalfNormal(5))
    numpyro.sample("y", dist.Normal(a + x @ b, s), obs=y)


def logistic(x, y):
    a = numpyro.sample("a", dist.Normal(0, 5))
    b = numpyro.sample("b", dist.Normal(0, 2.5).expand([x.shape[1]]))
    numpyro.sample("y", dist.Bernoulli(logits=a + x @ b), obs=y)


def main() -> None:
    numpyro.enable_x64()
    data = np.load(sys.argv[1])
    model = {"gaussian": gaussian, "logistic": logistic}[sys.argv[2]]
    seconds = []
    for seed in (0, 1):
        chain = MCMC(NUTS(model), num_warmup=DRAWS, num_samples=DRAWS, progress_bar=False)
        clock = time.perf_counter()
        chain.run(jax.random.PRNGKey(seed), data["X"], data["y"])
        draws = chain.get_samples(group_by_chain=True)
        jax.block_until_ready(draws)
        seconds.append(time.perf_counter() - clock)
    ess = min(float(np.min(effective_sample_size(np.asarray(d)))) for d in draws.values())
    means = {name: np.asarray(d[0]).mean(0).tolist() for name, d in draws.items()}
    print(json.dumps({"seconds": seconds[1], "first": seconds[0], "ess": ess, "means": means}))


main()
