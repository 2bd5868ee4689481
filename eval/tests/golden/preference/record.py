"""Records length-controlled win rates by scikit-learn, and their intervals by numpy, in fits.json.

    pip install scikit-learn==1.9.1 && python3 record.py

A tie counts as half a win and half a loss, by sample weights. The interval is sigmoid(b +- 1.96 se),
with se from the inverse of the penalised information matrix.
"""

import json

import numpy as np
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(0)


def case(n, bias, effect, ties, spread):
    longer = rng.normal(20, spread, n).round()
    chance = 1 / (1 + np.exp(-(bias + effect * np.tanh(longer / max(longer.std(ddof=1), 1e-9)))))
    score = np.where(rng.random(n) < ties, 0.5, (rng.random(n) < chance).astype(float))
    return score, longer


def fit(score, longer):
    x = np.tanh(longer / longer.std(ddof=1)).reshape(-1, 1)
    both, weights = np.concatenate([x, x]), np.concatenate([score, 1 - score])
    label = np.concatenate([np.ones(len(x)), np.zeros(len(x))])
    keep = weights > 0
    model = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    model.fit(both[keep], label[keep], sample_weight=weights[keep])
    b, w = model.intercept_[0], model.coef_[0, 0]
    p = 1 / (1 + np.exp(-(b + w * x[:, 0])))
    design = np.column_stack([np.ones(len(x)), x])
    information = design.T @ (design * (p * (1 - p))[:, None]) + np.diag([0.0, 1.0])
    error = np.sqrt(np.linalg.inv(information)[0, 0])
    sigmoid = lambda v: float(1 / (1 + np.exp(-v)))
    z = 1.959963984540054
    return {"rate": sigmoid(b), "length_effect": float(w), "interval": [sigmoid(b - z * error), sigmoid(b + z * error)]}


cases = [(12, 0.0, 1.0, 0.0, 50), (40, 0.5, 0.0, 0.2, 100), (60, -1.0, 3.0, 0.1, 400), (60, 2.0, -1.0, 0.3, 10), (80, 0.2, 8.0, 0.0, 200)]
recorded = []
for settings in cases:
    score, longer = case(*settings)
    comparisons = [{"score": float(s), "longer_by": float(l)} for s, l in zip(score, longer)]
    recorded.append({"comparisons": comparisons, **fit(score, longer)})
with open("fits.json", "w") as out:
    json.dump(recorded, out)
