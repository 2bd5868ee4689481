"""Records what scipy and statsmodels say of intervals and tests, for eval's statistics.

    python record.py        # writes expected.json

Pinned: scipy==1.17.1, statsmodels==0.15.0, numpy==2.4.6.

The bootstrap is widened as eval widens it: the level handed to scipy is that of the reach
sqrt(n / (n - 1)) t. Its draws are other draws, so its ends agree up to noise only; everything else is exact.
"""

import json
from math import comb
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

assert (scipy.__version__, statsmodels.__version__, np.__version__) == ("1.17.1", "0.15.0", "2.4.6")
HERE = Path(__file__).parent
RNG = np.random.default_rng(20260101)


def wilson():
    cases = [(0, 1), (1, 1), (0, 17), (17, 17), (39, 50), (30, 40), (1, 400), (63, 400), (75, 400), (12345, 1000000)]
    return [[k, n, *proportion_confint(k, n, alpha=0.05, method="wilson")] for k, n in cases]


def mcnemars():
    cases = [(0, 0), (1, 0), (3, 0), (5, 5), (10, 3), (31, 19), (60, 30), (1000, 900), (40000, 39000)]
    return [[b, c, float(mcnemar([[7, b], [c, 11]], exact=True).pvalue)] for b, c in cases]


def holms():
    cases = [[0.01], [0.01, 0.04, 0.03], [0.5, 0.001, 0.02, 0.02, 1.0], list(RNG.uniform(size=12) ** 3)]
    return [{"p": p, "adjusted": list(multipletests(p, method="holm")[1])} for p in cases]


def quantiles():
    normal = [[p, float(stats.norm.ppf(p))] for p in (1e-12, 0.001, 0.025, 0.2, 0.5, 0.8, 0.975, 0.999999)]
    freedom = (1, 2, 3, 4, 7, 29, 99, 200, 201, 1000, 100000)
    student = [[p, f, float(stats.t.ppf(p, f))] for f in freedom for p in (0.025, 0.8, 0.975, 0.999)]
    return {"normal": normal, "student": student}


def sign_flips():
    cases = [[0.5, 0], [0.25, -0.25, 0.5, 0, 0], [1, 1, 1, -1, 1, 1, 0, 1], list(np.round(RNG.normal(0.3, 1, 12), 3))]
    found = []
    for differences in cases:
        test = stats.permutation_test(
            (np.array(differences),), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        )
        found.append({"differences": differences, "p": float(test.pvalue)})
    long = list(np.round(RNG.normal(0.2, 1, 80), 3))
    test = stats.permutation_test((np.array(long),), np.mean, permutation_type="samples", n_resamples=400000, rng=RNG)
    return {"exact": found, "drawn": {"differences": long, "p": float(test.pvalue)}}


def bootstraps():
    samples = [
        list(RNG.binomial(5, RNG.beta(0.4, 1.5, 60)) / 5),
        list(RNG.binomial(10, RNG.beta(0.2, 3, 200)) / 10),
        list(np.round(RNG.lognormal(0, 1, 25), 3)),
        list(np.round(RNG.normal(2, 3, 12), 3)),
    ]
    found = []
    for values in samples:
        n = len(values)
        reach = np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1)
        level = 1 - 2 * stats.norm.cdf(-reach)
        interval = stats.bootstrap(
            (np.array(values),), np.mean, confidence_level=level, n_resamples=200000, batch=1000, method="BCa", rng=RNG
        ).confidence_interval
        found.append({"values": values, "low": float(interval.low), "high": float(interval.high)})
    return found


def pass_at_k():
    cases = [(10, 3, 5), (200, 1, 100), (200, 57, 10), (1000, 3, 500), (16, 0, 16), (1000, 999, 1)]
    return [[n, c, k, float(1 - comb(n - c, k) / comb(n, k))] for n, c, k in cases]


expected = {
    "wilson": wilson(), "mcnemar": mcnemars(), "holm": holms(), "quantiles": quantiles(),
    "sign_flip": sign_flips(), "bootstrap": bootstraps(), "pass_at_k": pass_at_k(),
}  # fmt: skip
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
