"""Models of Pyro's that programs use; tests read them and run them."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro import sample

import poedsl

Y = torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
SIGMA = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def eight_schools(y, sigma, scale=5.0):
    """Effects of coaching in eight schools (Rubin 1981)."""
    mu = pyro.sample("mu", dist.Normal(0, scale))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("schools", len(y)):
        z = pyro.sample("z", dist.Normal(0, 1))
        theta = pyro.deterministic("theta", mu + tau * z)
        pyro.sample("y", dist.Normal(theta, sigma), obs=y)


def supports():
    """Every kind of support, one that depends on another site, a factor and a mask."""
    low = sample("low", dist.Normal(0.0, 1.0))
    sample("between", dist.Uniform(low, low + 2.0))
    sample("shares", dist.Dirichlet(torch.tensor([2.0, 1.0, 3.0])))
    sample("matrix", dist.LKJCholesky(3, torch.tensor(2.0)))
    with pyro.plate("rows", 2, dim=-2), pyro.plate("columns", 3, dim=-1):
        sample("table", dist.Gamma(2.0, 3.0))
    pyro.factor("reward_factor", -0.5 * low**2)


def branches():
    """What torch cannot run on many points at once."""
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    if a.item() > 0:
        a = 2 * a
    pyro.sample("b", dist.Normal(a, 1.0))


def wanders():
    """A site that is there only sometimes."""
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    if a.item() < -1:
        pyro.sample("c", dist.Normal(0.0, 1.0))


def inner():
    return pyro.sample("a", dist.Gamma(2.0, 1.0))


@poedsl.model(cost=0.1)
def decorated():
    """Samples by another function."""
    return inner()


def nested():
    def inside():
        return pyro.sample("a", dist.Normal(0.0, 1.0))

    inside()


def coin():
    k = pyro.sample("k", dist.Bernoulli(0.5))
    pyro.sample("a", dist.Normal(k, 1.0))


def observed():
    pyro.sample("a", dist.Normal(0.0, 1.0), obs=torch.tensor(1.0))


def partly():
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    with pyro.plate("data", 8, subsample_size=4) as seen:
        pyro.sample("y", dist.Normal(a, 1.0), obs=Y[seen])


def fails():
    pyro.sample("a", dist.Normal(0.0, 1.0))
    raise ValueError("no data")


def backwards():
    pyro.sample("a", dist.Normal(0.0, -1.0))


def plain(y):
    return y


def correlated():
    """A covariance that is positive definite for |r| < 1 only."""
    r = pyro.sample("r", dist.Normal(0.0, 1.0))
    one = torch.ones(())
    rows = torch.stack([torch.stack([one, r]), torch.stack([r, one])])
    pyro.sample("z", dist.MultivariateNormal(torch.zeros(2), covariance_matrix=rows))
