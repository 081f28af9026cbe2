#!/usr/bin/env python3
"""Records what Optuna's TPE reaches, for test/sweep/search.test.ts.

Needs Optuna 4.1, NumPy and SciPy (Debian: python3-optuna python3-scipy). Usage:
    python3 test/search-bench/optuna_reference.py [branin hartmann6 … lstm-table values]
What is named is recorded anew in test/fixtures/search/optuna.json, all where nothing is named; the rest of the file is kept.

The problems are those of problems.ts; `checks` holds a few points with their values, so that the two cannot drift apart.
`values` are single numbers from SciPy, and main effects by numerical integration.
"""

import json
import math
import pathlib
import sys
import warnings

import numpy as np
import optuna
import scipy
from scipy.stats import norm, qmc

SEEDS = 30


def branin(t):
    x, y = t.suggest_float("x", -5, 10), t.suggest_float("y", 0, 15)
    b, c, s = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - s) * math.cos(x) + 10


A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P = [
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
]


def hartmann6(t):
    x = [t.suggest_float(f"x{i}", 0, 1) for i in range(6)]
    alpha = [1, 1.2, 3, 3.2]
    return -sum(
        alpha[k] * math.exp(-sum(A[k][i] * (x[i] - P[k][i] * 1e-4) ** 2 for i in range(6))) for k in range(4)
    )


def conditional(t):
    kind = t.suggest_categorical("optimizer", ["sgd", "adam", "rmsprop"])
    layers = t.suggest_int("layers", 1, 4)
    dropout = t.suggest_float("dropout", 0, 0.7) if layers > 1 else None
    if kind == "sgd":
        rate = math.log10(t.suggest_float("sgd.rate", 1e-4, 1, log=True))
        momentum = t.suggest_float("sgd.momentum", 0, 0.99)
        value = 0.1 + 0.3 * (rate + 1.5) ** 2 + 2 * (momentum - 0.9) ** 2
    elif kind == "adam":
        rate = math.log10(t.suggest_float("adam.rate", 1e-5, 1e-1, log=True))
        beta = t.suggest_float("adam.beta2", 0.9, 0.9999)
        value = 0.4 * (rate + 2.7 + 0.15 * (layers - 2)) ** 2 + 50 * (beta - 0.98) ** 2
    else:
        rate = math.log10(t.suggest_float("rmsprop.rate", 1e-5, 1e-1, log=True))
        value = 0.2 + 0.4 * (rate + 3) ** 2
    if layers == 1:
        return value + 0.15
    extra, best = {2: (0, 0.2), 3: (0.02, 0.35), 4: (0.08, 0.5)}[layers]
    return value + extra + 1.5 * (dropout - best) ** 2


def mixed(t):
    rate = math.log10(t.suggest_float("rate", 1e-5, 1, log=True))
    hidden = math.log2(t.suggest_int("hidden", 8, 512, log=True))
    layers = t.suggest_int("layers", 1, 6)
    batch = t.suggest_int("batch", 16, 256, step=16)
    cell = {"lstm": 0, "gru": 0.05, "rnn": 0.4}[t.suggest_categorical("cell", ["lstm", "gru", "rnn"])]
    schedule = {"none": 0.1, "step": 0.06, "cosine": 0, "linear": 0.03}[
        t.suggest_categorical("schedule", ["none", "step", "cosine", "linear"])
    ]
    dropout = t.suggest_float("dropout", 0, 0.8)
    return (
        0.5 * (rate + 2.3 - 0.3 * math.log2(batch / 64)) ** 2
        + 0.1 * (hidden - 7) ** 2
        + 0.03 * (layers - 2) ** 2
        + cell
        + schedule
        + 2 * (dropout - 0.1 * layers) ** 2
    )


def table_problem():
    """The nearest recorded training of the same choices, as lstmTable of problems.ts."""
    table = json.loads((FIXTURES / "schedule/lstm-table.json").read_text())
    epochs = table["config"]["training"]["num_epochs"]
    rows = table["trainings"]
    errors = [1 - row["accuracy"][-1] if len(row["accuracy"]) == epochs else 1 for row in rows]
    parameters = table["space"]["parameters"]

    def suggested(t, name, d):
        if d["kind"] == "choice":
            return t.suggest_categorical(name, d["values"])
        suggest = t.suggest_int if d["kind"].endswith("int") else t.suggest_float
        return suggest(name, d["low"], d["high"], log=d["kind"].startswith("log"))

    def distance(row, point):
        total = 0
        for p in parameters:
            name, d = p["name"], p["distribution"]
            a, b = row["point"].get(name), point.get(name)
            if d["kind"] == "choice":
                if a != b:
                    return math.inf
            elif b is not None:
                scale = math.log if d["kind"].startswith("log") else float
                total += ((scale(a) - scale(b)) / (scale(d["high"]) - scale(d["low"]))) ** 2
        return total

    def value(t):
        point = {}
        for p in parameters:
            condition = p.get("condition")
            if condition is None or point.get(condition["name"]) in condition["values"]:
                point[p["name"]] = suggested(t, p["name"], p["distribution"])
        distances = [distance(row, point) for row in rows]
        return errors[distances.index(min(distances))]

    return value, 60, len(rows)


FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
PROBLEMS = {
    "branin": (branin, 60),
    "hartmann6": (hartmann6, 120),
    "conditional": (conditional, 100),
    "mixed": (mixed, 100),
}


def best_of(objective, budget, seed):
    sampler = optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=budget)
    return study.best_value


def random_study(objective, count, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.optimize(objective, n_trials=count)
    return study


def recorded(objective, budget):
    checks = [{"point": t.params, "value": t.value} for t in random_study(objective, 10, 0).trials]
    return {"budget": budget, "best": [best_of(objective, budget, seed) for seed in range(SEEDS)], "checks": checks}


def main_effects(objective):
    """Each parameter's share of the main effects: the variance, over its quantiles, of the mean over points drawn for all others."""
    drawn = lambda count, seed: [t.params for t in random_study(lambda t: objective(t) * 0, count, seed).trials]
    value = lambda point: objective(optuna.trial.FixedTrial(point))
    own, others = drawn(5000, 11), drawn(300, 12)
    effects = {}
    for name in own[0]:
        quantiles = sorted(point[name] for point in own)[50::100]
        effects[name] = np.var([np.mean([value({**point, name: q}) for point in others]) for q in quantiles])
    total = sum(effects.values())
    return {name: effect / total for name, effect in effects.items()}


def single_values():
    intervals = [(-1, 2), (-0.01, 0.02), (3, 3.5), (-9, -8.5), (5, 30), (-40, 0), (20, 20.1), (3.53, 3.54)]
    return {
        "main_effects": {
            "trials": [{"point": t.params, "value": t.value} for t in random_study(mixed, 300, 1).trials],
            "shares": main_effects(mixed),
        },
        # on the side where nothing cancels
        "normal_mass": [[a, b, float(norm.cdf(b) - norm.cdf(a) if a <= 0 else norm.sf(a) - norm.sf(b))] for a, b in intervals],
        "sobol": qmc.Sobol(d=64, scramble=False).random(64).tolist(),
    }


def main():
    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    file = FIXTURES / "search/optuna.json"
    known = json.loads(file.read_text()) if file.exists() else {"problems": {}}
    known["versions"] = {"optuna": optuna.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
    for name in sys.argv[1:] or [*PROBLEMS, "lstm-table", "values"]:
        if name == "values":
            known["values"] = single_values()
        elif name == "lstm-table":
            objective, budget, rows = table_problem()
            known["problems"][name] = {**recorded(objective, budget), "rows": rows}
        else:
            known["problems"][name] = recorded(*PROBLEMS[name])
        file.write_text(json.dumps(known) + "\n")


if __name__ == "__main__":
    main()
