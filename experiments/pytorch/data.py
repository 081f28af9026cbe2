"""Reads the data of a resolved config as tensors, with Python's own readers.

`read(config)` returns a dict: `train`, `test` and perhaps `validation`, each with `x` ([N, T, F] float or
[N, T] symbols), `y` ([N] or [N, T] classes, -100 = ignored; [N, C] or [N, T, C] values, NaN = ignored; or [N, S]
symbols of sequences, -100 after the end, with `input` [N]) and perhaps `lengths` [N]; besides `input_size` or
`num_symbols`, and `outputs`.
"""
import collections
import csv
import datetime
import gzip
import json
import math
import os
import re
import wave

import numpy as np
import torch


def read(config):
    kind = config["dataset"]["kind"]
    readers = {"mnist": pictures, "idx": pictures, "synthetic": synthetic, "jsonl": jsonl, "text": text, "forecast": forecast, "csv": table, "audio": recordings}
    if kind not in readers:
        raise SystemExit(f"dataset kind {kind}: not known")
    return readers[kind](config["dataset"], config)


def opened(path):
    return gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")


def held_out(n, share, labels=None):
    """Indices of `share` of `n` drawn at random, and of the others; `labels`: the same share of each class."""
    if labels is None:
        order = torch.randperm(n)
        count = min(n - 1, max(1, round(share * n)))
        return order[:count].sort().values, order[count:].sort().values
    parts = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    drawn = [part[torch.randperm(len(part))[: round(share * len(part))]] for part in parts]
    held = torch.cat(drawn).sort().values
    rest = torch.ones(n, dtype=torch.bool)
    rest[held] = False
    return held, rest.nonzero()[:, 0]


def with_validation(data, config):
    """Sets `dataset.validation` aside from the training split."""
    validation = config.get("validation")
    if validation is None:
        return data
    train = data["train"]
    n = len(train["y"])
    labels = train["y"] if validation.get("select") == "stratified" else None
    held, rest = held_out(n, validation.get("fraction", validation.get("count", 0) / n), labels)
    data["validation"] = {key: value[held] for key, value in train.items()}
    data["train"] = {key: value[rest] for key, value in train.items()}
    return data


def idx(path):
    with opened(path) as file:
        raw = file.read()
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape).copy())


def pictures(dataset, config):
    names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    if dataset["kind"] == "mnist":
        folder = dataset.get("path") or os.environ["MNIST_DATA"]
        paths = [os.path.join(folder, name) for name in names]
    else:
        paths = [dataset[key] for key in ("train_images", "train_labels", "test_images", "test_labels")]
    x, y, test_x, test_y = (idx(path) for path in paths)
    shape = {"rows": (-1, 28, 28), "pixels": (-1, 784, 1), "permuted_pixels": (-1, 784, 1)}[dataset["sequence"]]
    order = torch.arange(784)
    if dataset["sequence"] == "permuted_pixels":
        order = torch.randperm(784, generator=torch.Generator().manual_seed(0))

    def sequences(pixels):
        return (pixels.reshape(len(pixels), 784)[:, order].float() / 255).reshape(shape)

    data = {
        "train": {"x": sequences(x), "y": y.long()},
        "test": {"x": sequences(test_x), "y": test_y.long()},
        "input_size": shape[2],
        "outputs": 10,
    }
    return with_validation(data, dataset)


def synthetic(dataset, config):
    problem = dataset["problem"]
    if problem == "adding":
        return adding(dataset)
    if problem not in PAIRS:
        raise SystemExit(f"problem {problem}: not known")
    draw = PAIRS[problem]
    train = [draw(dataset, False) for _ in range(dataset["train_size"])]
    test = [draw(dataset, True) for _ in range(dataset["test_size"])]
    data = symbol_sequences({"train": train, "test": test}, 1, is_text=problem != "melody")
    return with_validation(data, dataset)


def adding(dataset):
    steps = dataset["sequence_length"]

    def generate(count):
        values = torch.rand(count, steps)
        markers = torch.zeros(count, steps)
        rows, half = torch.arange(count), steps // 2
        first, second = torch.randint(0, half, (count,)), torch.randint(half, steps, (count,))
        markers[rows, first] = markers[rows, second] = 1
        return {"x": torch.stack([values, markers], 2), "y": (values[rows, first] + values[rows, second])[:, None]}

    data = {"train": generate(dataset["train_size"]), "test": generate(dataset["test_size"]), "input_size": 2, "outputs": 1}
    return with_validation(data, dataset)


LETTERS = "abcdefghijklmnopqrstuvwxyz"
NOTES = "C C# D D# E F F# G G# A A# B".split()
FIRST_DAY = datetime.date(1950, 1, 1)


def draw(n):
    return int(torch.randint(0, n, ()))


def letters(dataset):
    longest = dataset["sequence_length"]
    shortest = dataset.get("min_length", longest)
    return [LETTERS[draw(26)] for _ in range(shortest + draw(longest - shortest + 1))]


def reverse(dataset, is_test):
    x = letters(dataset)
    return x, x[::-1]


def sort(dataset, is_test):
    x = letters(dataset)
    return x, sorted(x)


def melody(dataset, is_test):
    numbers = [draw(12), 1 + draw(11), 4 + draw(13)]
    notes = [NOTES[(numbers[0] + i * numbers[1]) % 12] for i in range(numbers[2])]
    return [[(n + 0.5 * float(torch.rand(())) - 0.25) / 12 for n in numbers]], notes


def dates(dataset, is_test):
    """Every tenth day, and every fourth format, is in the test split only."""
    while True:
        day = draw(36525)
        if (day % 10 == 0) == is_test:
            break
    date = FIRST_DAY + datetime.timedelta(days=day)
    while True:
        weekday, form, month, year, order = draw(3), draw(3), draw(3), draw(2), draw(2)
        if (is_test or (weekday + form + month + year + order) % 4 != 0) and not (form == 2 and month == 2):
            break
    suffix = "th" if 10 < date.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(date.day % 10, "th")
    a = ["", date.strftime("%a "), date.strftime("%A, ")][weekday]
    d = [str(date.day), f"{date.day:02}", f"{date.day}{suffix}"][form]
    m = date.strftime(["%B", "%b", "%m"][month])
    y = date.strftime(["%Y", "'%y"][year])
    numbered, named = [f"{d}.{m}.{y}", f"{m}/{d}/{y}"], [f"{d} {m} {y}", f"{m} {d}, {y}"]
    return list(a + (numbered if month == 2 else named)[order]), list(date.isoformat())


PAIRS = {"dates": dates, "reverse": reverse, "sort": sort, "melody": melody}


def vocabulary(sequences, min_count):
    """Numbers of the symbols that occur `min_count` times; 0 stands for all others."""
    counts = collections.Counter(symbol for sequence in sequences for symbol in sequence)
    kept = sorted(symbol for symbol, count in counts.items() if count >= min_count)
    return {symbol: i + 1 for i, symbol in enumerate(kept)}


def padded(sequences, fill):
    longest = max(len(sequence) for sequence in sequences)
    return torch.tensor([sequence + [fill] * (longest - len(sequence)) for sequence in sequences])


def symbol_sequences(pairs, min_count, is_text):
    """Splits of pairs of an input and the symbols of its target; equal inputs have the same number in `input`."""
    names = sorted({symbol for part in pairs.values() for _, target in part for symbol in target})
    number = {name: i for i, name in enumerate(names)}
    known = vocabulary([x for x, _ in pairs["train"]], min_count) if is_text else {}
    longest = max(len(target) for part in pairs.values() for _, target in part)
    inputs = {}

    def split(part):
        encoded = padded([[known.get(symbol, 0) for symbol in x] for x, _ in part], 0) if is_text else torch.tensor([x for x, _ in part])
        y = [[number[symbol] for symbol in target] + [-100] * (longest - len(target)) for _, target in part]
        same = [inputs.setdefault(json.dumps(x), len(inputs)) for x, _ in part]
        lengths = torch.tensor([len(x) for x, _ in part])
        return {"x": encoded, "y": torch.tensor(y), "lengths": lengths, "input": torch.tensor(same)}

    width = 0 if is_text else len(pairs["train"][0][0][0])
    sizes = {"input_size": width, "num_symbols": len(known) + 1, "outputs": len(names), "longest_target": longest}
    return {**{name: split(part) for name, part in pairs.items()}, **sizes}


def spoken(dataset):
    """Texts and the words of their targets, with a test split of its own and validation by groups."""
    if not (dataset["target_level"] == "word" and dataset["level"] == "character" and "group" in dataset["validation"]):
        raise SystemExit("sequences of symbols: only with level: character, target_level: word and validation.group")

    def records(path):
        with opened(path) as file:
            return [json.loads(line) for line in file]

    train = records(dataset["path"])
    groups = sorted({record[dataset["validation"]["group"]] for record in train})
    held = math.ceil(len(groups) * dataset["validation"]["fraction"])
    drawn = {groups[i] for i in torch.randperm(len(groups))[:held]}
    is_held = [record[dataset["validation"]["group"]] in drawn for record in train]
    parts = {
        "train": [record for record, one in zip(train, is_held) if not one],
        "validation": [record for record, one in zip(train, is_held) if one],
        "test": records(dataset["test_path"]),
    }
    pairs = {name: [(list(one[dataset["input"]]), one[dataset["target"]].split()) for one in part] for name, part in parts.items()}
    return symbol_sequences(pairs, dataset["min_count"], is_text=True)


def jsonl(dataset, config):
    if dataset["target_kind"] == "sequence":
        return spoken(dataset)
    with opened(dataset["path"]) as file:
        records = [json.loads(line) for line in file]
    inputs = [list(record[dataset["input"]]) for record in records]
    labels = [record[dataset["target"]] for record in records]
    per_step = dataset["per_step"]
    names = sorted({label for one in labels for label in (one if per_step else [one])})
    number = {name: i for i, name in enumerate(names)}
    test, train = held_out(len(records), dataset.get("test_fraction") or dataset["test"]["fraction"])
    y = torch.tensor([number[label] for label in labels]) if not per_step else None
    validation = dataset.get("validation")
    held = torch.tensor([], dtype=torch.long)
    if validation:
        stratified = validation.get("select") == "stratified"
        held, rest = held_out(len(train), validation["fraction"], y[train] if stratified else None)
        held, train = train[held], train[rest]
    known = vocabulary([inputs[i] for i in train], dataset["min_count"])

    def split(rows):
        chosen = [[known.get(symbol, 0) for symbol in inputs[i]] for i in rows]
        target = padded([[number[tag] for tag in labels[i]] for i in rows], -100) if per_step else y[rows]
        return {"x": padded(chosen, 0), "y": target, "lengths": torch.tensor([len(one) for one in chosen])}

    parts = {"train": split(train), "test": split(test), **({"validation": split(held)} if validation else {})}
    return {**parts, "input_size": 0, "num_symbols": len(known) + 1, "outputs": len(names)}


def recordings(dataset, config):
    """16-bit WAV files with a class each, as features of torchaudio."""
    if dataset["target_kind"] == "sequence":
        return transcribed(dataset)
    import torchaudio.functional as F

    features = dataset["features"]
    if features["kind"] != "log_mel" or features["deltas"] or dataset["target_kind"] != "class":
        raise SystemExit("of recordings, only classes from log_mel without deltas are implemented here")
    pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(dataset["pattern"])))
    names = sorted(name for name in os.listdir(dataset["path"]) if name.endswith(".wav"))
    fields = [pattern.fullmatch(name[:-4]).groupdict() for name in names]
    x = [log_mel(F, os.path.join(dataset["path"], name), features) for name in names]
    labels = sorted({one[dataset["target"]] for one in fields})
    y = torch.tensor([labels.index(one[dataset["target"]]) for one in fields])
    held = {str(value) for value in np.atleast_1d(dataset["test"]["is"])}
    is_test = torch.tensor([one[dataset["test"]["column"]] in held for one in fields])
    test, rest = is_test.nonzero()[:, 0], (~is_test).nonzero()[:, 0]
    if dataset.get("validation"):
        validation, train = held_out(len(rest), dataset["validation"]["fraction"], y[rest])
        rows = {"train": rest[train], "validation": rest[validation], "test": test}
    else:
        rows = {"train": rest, "test": test}
    per = dataset.get("normalize_per")
    # the recordings that each one is scaled over, by a number
    scaled = {"recording": range(len(x)), None: [0] * len(x)}.get(per) or [one[per] for one in fields]
    over = {key: [] for key in scaled}
    for i in range(len(x)) if per else rows["train"].tolist():
        over[scaled[i]].append(x[i])
    scales = {key: torch.std_mean(torch.cat(own), 0, correction=0) for key, own in over.items()}

    def split(rows):
        chosen = [(x[i] - scales[scaled[i]][1]) / scales[scaled[i]][0] for i in rows.tolist()]
        lengths = torch.tensor([len(one) for one in chosen])
        return {"x": torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True), "y": y[rows], "lengths": lengths}

    return {**{name: split(part) for name, part in rows.items()}, "input_size": features["bands"], "outputs": len(labels)}


def transcribed(dataset):
    """Recordings that tables list, with the characters of a column as targets."""
    import torchaudio.functional as F

    features = dataset["features"]
    if features["kind"] != "log_mel" or features["deltas"] or dataset["target_level"] != "character" or dataset["normalize"] != "standard":
        raise SystemExit("of recordings with sequences of symbols, only characters from scaled log_mel without deltas are implemented here")

    def rows(path):
        with open(path, encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        files = [os.path.join(os.path.dirname(path), row[dataset["path_column"]]) for row in found]
        return [log_mel(F, file, features) for file in files], [list(row[dataset["target"]]) for row in found]

    parts = {"train": rows(dataset["path"]), "validation": rows(dataset["validation_path"]), "test": rows(dataset["test_path"])}
    frames = torch.cat(parts["train"][0])
    mean, deviation = frames.mean(0), frames.std(0, correction=0)
    names = sorted({symbol for _, targets in parts.values() for target in targets for symbol in target})
    longest = max(len(target) for _, targets in parts.values() for target in targets)

    def split(x, targets):
        chosen = [(one - mean) / deviation for one in x]
        y = [[names.index(symbol) for symbol in target] + [-100] * (longest - len(target)) for target in targets]
        lengths = torch.tensor([len(one) for one in chosen])
        padded = torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True)
        return {"x": padded, "y": torch.tensor(y), "lengths": lengths, "input": torch.arange(len(y))}

    sizes = {"input_size": features["bands"], "outputs": len(names), "longest_target": longest}
    return {**{name: split(*part) for name, part in parts.items()}, **sizes}


def log_mel(F, path, features):
    """[frames, bands]"""
    with wave.open(path) as file:
        rate = file.getframerate()
        samples = torch.frombuffer(bytearray(file.readframes(file.getnframes())), dtype=torch.int16) / 2**15
    window, hop = (round(rate * features[key] / 1000) for key in ("window", "hop"))
    size = features.get("fft_size", 2 ** math.ceil(math.log2(window)))
    samples = torch.nn.functional.pad(samples, (0, max(0, window - len(samples))))
    left = (size - window) // 2  # torch centres the window in the samples of the FFT
    power = F.spectrogram(
        torch.nn.functional.pad(samples, (left, size - window - left)), pad=0, window=torch.hann_window(window), n_fft=size,
        hop_length=hop, win_length=window, power=2.0, normalized=False, center=False)
    high = features.get("max_frequency", rate / 2)
    matrix = F.melscale_fbanks(size // 2 + 1, features["min_frequency"], high, features["bands"], rate, mel_scale=features["scale"])
    return torch.log(torch.clamp(power.T @ matrix, min=features["floor"]))


def text(dataset, config):
    if dataset["level"] != "character":
        raise SystemExit(f"level {dataset['level']}: not known")
    with open(dataset["path"], encoding="utf-8", newline="") as file:
        symbols = list(file.read())
    n = len(symbols)
    tests = min(n - 1, max(1, round(n * dataset["test_fraction"])))
    before = n - tests
    held = min(before - 1, max(1, round(before * dataset["validation"]["fraction"])))
    streams = {"train": symbols[: before - held], "validation": symbols[before - held : before], "test": symbols[before:]}
    known = vocabulary([streams["train"]], dataset["min_count"])
    steps = dataset["sequence_length"]
    training = config["training"]

    def split(stream, rows):
        """Row b of each batch continues row b of the batch before it."""
        numbers = torch.tensor([known.get(symbol, 0) for symbol in stream])
        targets = len(numbers) - 1
        length = math.ceil(targets / rows)
        x = torch.zeros(rows, math.ceil(length / steps) * steps, dtype=torch.long)
        y = torch.full_like(x, -100)
        for b in range(rows):
            until = min((b + 1) * length, targets)
            if until > b * length:
                x[b, : until - b * length] = numbers[b * length : until]
                y[b, : until - b * length] = numbers[b * length + 1 : until + 1]
        cut = lambda whole: whole.reshape(rows, -1, steps).transpose(0, 1).reshape(-1, steps)
        return {"x": cut(x), "y": cut(y)}

    carries = training["carry_state"]
    sizes = {"train": training["batch_size"], "validation": training["eval_batch_size"], "test": training["eval_batch_size"]}
    parts = {name: split(stream, sizes[name] if carries else 1) for name, stream in streams.items()}
    return {**parts, "input_size": 0, "num_symbols": len(known) + 1, "outputs": len(known) + 1}


CYCLES = {
    "day_of_week": lambda day: day.weekday() / 7,
    "day_of_year": lambda day: (day.timetuple().tm_yday - 1) / 365.2425,
    "month": lambda day: (day.month - 1) / 12,
}


def forecast(dataset, config):
    """Windows over one series, in the form of `per_step: true` and `relative_to: season`."""
    if not (dataset["per_step"] and dataset.get("relative_to") == "season" and "series" not in dataset and "features" not in dataset):
        raise SystemExit("forecast: only with per_step, relative_to: season and one series")
    with open(dataset["path"], encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row[dataset["time"]])
    known = dataset.get("known", [])
    y = np.array([float(row[dataset["target"]]) for row in rows])
    columns = np.array([[float(row[name]) for name in known] for row in rows]).reshape(len(rows), len(known))
    days = [datetime.date.fromisoformat(row[dataset["time"]]) for row in rows]
    angles = [[2 * math.pi * CYCLES[name](day) for name in dataset.get("calendar", [])] for day in days]
    calendar = np.array([[f(angle) for angle in one for f in (math.sin, math.cos)] for one in angles]).reshape(len(rows), -1)
    n, reads, horizon, season = len(rows), dataset["input_steps"], dataset["horizon"], dataset["season"]
    tests = max(1, math.floor(n * dataset["test_fraction"] + 0.5))
    validation = dataset["validation"]
    held = validation.get("count") or max(1, math.floor((n - tests) * validation["fraction"] + 0.5))
    end, test = n - tests - held, n - tests
    count = reads // season

    def levels(steps, origin):
        places = y[origin - count * season : origin].reshape(count, season).mean(0)
        return places[(steps - origin) % season]

    moves = [y[t] - levels(t, t) for t in range(count * season, end)]
    scale = np.std(moves)
    columns = (columns - columns[:end].mean(0)) / np.where(columns[:end].std(0) == 0, 1, columns[:end].std(0))
    naive_error = np.abs(y[season:end] - y[: end - season]).mean()

    def split(first, last):
        xs, ys = [], []
        for origin in range(max(first, reads), last - horizon + 1, dataset["stride"]):
            steps = np.arange(origin - reads, origin + horizon)
            own = (y[steps] - levels(steps, origin)) / scale
            future = (steps >= origin).astype(float)
            xs.append(np.column_stack([np.where(future, 0, own), columns[steps], calendar[steps], future]))
            ys.append(np.where(future, own, np.nan)[:, None])
        return {
            "x": torch.tensor(np.array(xs), dtype=torch.float32),
            "y": torch.tensor(np.array(ys), dtype=torch.float32),
            "scale": torch.full((len(xs),), scale, dtype=torch.float64),
            "naive_error": naive_error,
        }

    parts = {"train": split(0, end), "validation": split(end, test), "test": split(test, n)}
    return {**parts, "input_size": parts["train"]["x"].shape[2], "outputs": 1}


def table(dataset, config):
    """Rows grouped into sequences, with a number as the target of each row."""
    sequence = dataset["sequence"]
    if not (sequence["per_step"] and dataset["target_kind"] == "value" and dataset["normalize"] == "standard"):
        raise SystemExit("csv: only with per_step, target_kind: value and normalize: standard")

    def groups(path):
        found = collections.defaultdict(list)
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found[row[sequence["group"]]].append(row)
        ordered = [sorted(rows, key=lambda row: float(row[sequence["order"]])) for rows in found.values()]
        x = [np.array([[float(row[name]) for name in dataset["features"]] for row in rows]) for rows in ordered]
        y = [np.array([float(row[dataset["target"]]) for row in rows]) for rows in ordered]
        return x, y

    train = groups(dataset["path"])
    rows = np.concatenate(train[0])
    mean, deviation = rows.mean(0), rows.std(0)

    def split(x, y):
        longest = max(len(one) for one in x)
        features = np.zeros((len(x), longest, len(mean)), np.float32)
        targets = np.full((len(x), longest, 1), np.nan, np.float32)
        for i, (one, labels) in enumerate(zip(x, y)):
            features[i, : len(one)] = (one - mean) / deviation
            targets[i, : len(one), 0] = labels
        return {"x": torch.tensor(features), "y": torch.tensor(targets), "lengths": torch.tensor([len(one) for one in x])}

    parts = {"train": split(*train), "validation": split(*groups(dataset["validation_path"])), "test": split(*groups(dataset["test_path"]))}
    return {**parts, "input_size": len(mean), "outputs": 1}
