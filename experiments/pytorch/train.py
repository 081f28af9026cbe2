"""Trains a config of cellrun with PyTorch, on the CPU: the same data, model, optimizer and metrics.

  ./run config show CONFIG --json | /usr/bin/python3 experiments/pytorch/train.py - [--threads 1]
  /usr/bin/python3 experiments/pytorch/train.py RESOLVED.json

Reads the resolved config and the files that it names, and nothing else of cellrun. Random numbers
(initial weights, batches, random splits) are PyTorch's, drawn from `seed`. Prints progress on
stderr and one JSON object on stdout: the metrics of the test split after the last step, or with
`checkpoint.final: best` those of the best epoch.

Needs PyTorch and scikit-learn (Debian: python3-torch, python3-sklearn). It knows the keys that the configs
of the results table use, and refuses others.
"""
import argparse
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from data import read
from sequences import CELLS, EncoderDecoder, read_best, sequence_metrics, write_best

# What this script computes, by section: keys that it reads, and values that change nothing.
READ = {
    "dataset": "kind path test_path validation_path train_images train_labels test_images test_labels sequence "
    "sequence_length min_length problem seed train_size test_size test_fraction test validation level min_count input input_kind "
    "target target_kind target_level features normalize normalize_per per_step id input_steps horizon stride season time calendar known relative_to pattern "
    "path_column",
    "model": "cell hidden_size num_layers dropout bidirectional embedding",
    "model.steps": "repeat stack",
    "model.head": "from",
    "model.decoder": "cell hidden_size num_layers embedding_size attention dropout",
    "decode": "beam",
    "loss": "kind positive_weights label_smoothing on_impossible",
    "optimizer": "kind learning_rate betas eps weight_decay",
    "optimizer.schedule": "kind",
    "training": "num_epochs batch_size eval_batch_size shuffle bucket_by_length carry_state gradient_clip_norm",
    "training.average": "kind decay",
    "training.early_stopping": "metric patience",
    "checkpoint": "metric final",
}
NEUTRAL = {
    "dataset": {"delimiter": ",", "channel": "mix"},
    "model": {"layer_norm": False, "nonlinearity": "tanh"},
    "model.head": {"activation": "relu", "dropout": 0, "hidden_sizes": []},
    "loss": {"ignored_index": -100},
    "optimizer": {"amsgrad": False, "weight_decay_on": "all"},
    "optimizer.schedule": {"min_learning_rate": 0},
    "training": {"last_batch": "train"},
    "training.early_stopping": {"min_delta": 0},
}
# Of reports and of our own implementation.
UNUSED = {"dataset.obtain", "training.metrics", "training.log_every", "training.max_skipped_batches"} | {
    "checkpoint.every", "checkpoint.keep", "checkpoint.mode"
}
HEADS = ("last", "every", "final", "mean")


class Model(nn.Module):
    def __init__(self, config, data, blanks=0):
        super().__init__()
        self.source = config["head"]["from"]
        steps = config.get("steps", {})
        self.repeat, self.stack = steps.get("repeat", 1), steps.get("stack", 1)
        size = data["input_size"] * self.stack
        self.embedding = None
        if "embedding" in config:
            self.embedding = nn.Embedding(data["num_symbols"], config["embedding"]["size"])
            size = config["embedding"]["size"]
        both = config.get("bidirectional", False)
        self.cell = CELLS[config["cell"]](
            size, config["hidden_size"], config["num_layers"], batch_first=True, bidirectional=both, dropout=config["dropout"]
        )
        self.fc = nn.Linear(config["hidden_size"] * (2 if both else 1), data["outputs"] + blanks)

    def read(self, lengths):
        """Steps that are read of so many steps of the data."""
        return -(-lengths // self.stack) * self.repeat

    def forward(self, x, lengths=None, state=None, y=None):
        """Outputs, what they should be, and the states after them."""
        if self.embedding is not None:
            x = self.embedding(x)
        if self.repeat > 1:
            x = x.repeat_interleave(self.repeat, 1)
        if self.stack > 1:
            x = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % self.stack)).reshape(len(x), -1, self.stack * x.shape[2])
        if lengths is not None:
            lengths = self.read(lengths)
        if lengths is None:
            out, state = self.cell(x, state)
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            out, state = self.cell(packed)
            out, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
        if self.source == "every":
            return self.fc(out), y, state
        if self.source == "mean":  # packed steps after the end are 0
            return self.fc(out.sum(1) / (out.shape[1] if lengths is None else lengths[:, None])), y, state
        if self.source == "final" or lengths is not None:  # the last state of each direction
            h = state[0] if isinstance(state, tuple) else state
            directions = 2 if self.cell.bidirectional else 1
            return self.fc(torch.cat(list(h[-directions:]), 1)), y, state
        return self.fc(out[:, -1]), y, state


def refuse_unknown(config):
    """Exits if the config has a key that would be ignored, so that no comparison is silently wrong."""
    for section, read in READ.items():
        values = config
        for name in section.split("."):
            values = values.get(name, {})
        for key, value in values.items():
            path = f"{section}.{key}"
            if key in read.split() or path in READ or path in UNUSED:
                continue
            if key not in NEUTRAL[section] or NEUTRAL[section][key] != value:
                raise SystemExit(f"{path}: {json.dumps(value)} is not implemented here")
    if config["model"]["head"]["from"] not in HEADS:
        raise SystemExit(f"model.head.from: {config['model']['head']['from']} is not implemented here")


def loss_function(config, data):
    """Of outputs [N, C] and targets [N] or [N, C] that count."""
    kind = config["kind"]
    if kind == "cross_entropy":
        return nn.CrossEntropyLoss(label_smoothing=config["label_smoothing"])
    if kind == "binary_cross_entropy":
        weights = config.get("positive_weights")
        if weights == "balanced":
            y = data["train"]["y"]
            y = y[~torch.isnan(y)]
            weights = [float((y == 0).sum() / (y == 1).sum())]
        return nn.BCEWithLogitsLoss(pos_weight=None if weights is None else torch.tensor(weights))
    return {"mse": nn.MSELoss, "mae": nn.L1Loss}[kind]()


def counted(outputs, y):
    """The predictions that have a target, and these targets."""
    if y.dtype == torch.long:
        outputs, y = outputs.reshape(-1, outputs.shape[-1]), y.reshape(-1)
        keep = y != -100
    elif y.dim() == 3:  # values per step
        outputs, y = outputs.reshape(-1, outputs.shape[-1]), y.reshape(-1, y.shape[-1])
        keep = ~torch.isnan(y[:, 0])
    else:
        return outputs, y
    return outputs[keep], y[keep]


def batches(split, training, shuffle):
    """Indices of each batch of an epoch."""
    n, size = len(split["y"]), training["batch_size"]
    order = torch.randperm(n) if shuffle else torch.arange(n)
    if not (shuffle and training["bucket_by_length"]):
        return list(order.split(size))
    pools = [pool[split["lengths"][pool].argsort(stable=True)] for pool in order.split(50 * size)]
    found = [batch for pool in pools for batch in pool.split(size)]
    return [found[i] for i in torch.randperm(len(found))]


def skip_impossible(data, read):
    """Leaves out sequences that have fewer steps than symbols and repetitions, which need a blank between."""
    for name in ("train", "validation", "test"):
        split = data[name]
        y = split["y"]
        needed = (y >= 0).sum(1) + ((y[:, 1:] == y[:, :-1]) & (y[:, 1:] >= 0)).sum(1)
        possible = needed <= read(split["lengths"])
        print(f"{name}: {int((~possible).sum())} impossible sequences left out", file=sys.stderr)
        data[name] = {key: value[possible] for key, value in split.items()}


def batch_of(split, rows):
    x, y = split["x"][rows], split["y"][rows]
    lengths = split["lengths"][rows] if "lengths" in split else None
    if lengths is not None:
        longest = int(lengths.max())
        x = x[:, :longest]
        if "input" in split:  # sequences of symbols
            y = y[:, : int((y >= 0).sum(1).max())]
        elif y.dim() > 1:
            y = y[:, :longest]
    return x, y, lengths


def evaluate(model, split, training, loss_of, carry):
    """Loss, and all outputs and targets that count, with the sequence of each."""
    model.eval()
    kept, state = [], None
    with torch.no_grad():
        for rows in torch.arange(len(split["y"])).split(training["eval_batch_size"]):
            x, y, lengths = batch_of(split, rows)
            if state is not None and len(rows) != previous:
                state = None
            outputs, y, after = model(x, lengths, state, y)
            state, previous = (after, len(rows)) if carry else (None, 0)
            owner = rows if y.dim() == 1 or (y.dim() == 2 and y.dtype != torch.long) else rows[:, None].expand(y.shape[:2])
            out, target = counted(outputs, y)
            if owner.dim() > 1:
                owner = owner[(y != -100) if y.dtype == torch.long else ~torch.isnan(y[..., 0])]
            kept.append((out, target, owner))
    model.train()
    out, target, owner = (torch.cat(parts) for parts in zip(*kept))
    return float(loss_of(out, target)), out, target, owner


def ctc_loss(outputs, y, lengths):
    """Of outputs [N, T, C + 1] and targets [N, S]."""
    log_probs, blank = outputs.log_softmax(-1).transpose(0, 1), outputs.shape[-1] - 1
    return nn.functional.ctc_loss(log_probs, y.clamp(min=0), lengths, (y >= 0).sum(1), blank=blank)


def evaluate_sequences(model, split, training, decode):
    """The metrics of decoded sequences."""
    model.eval()
    predicted = []
    for rows in torch.arange(len(split["y"])).split(training["eval_batch_size"]):
        x, _, lengths = batch_of(split, rows)
        predicted += decode(x, lengths)
    model.train()
    targets = [[symbol for symbol in row if symbol >= 0] for row in split["y"].tolist()]
    return sequence_metrics(predicted, targets, split["input"].tolist())


def metrics(task, split, loss, out, target, owner):
    found = {"loss": loss}
    if task == "cross_entropy":
        found["accuracy"] = float((out.argmax(1) == target).double().mean())
        found["bits_per_symbol"] = float(nn.functional.cross_entropy(out.double(), target)) / math.log(2)
    elif task == "binary_cross_entropy":
        from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

        truth, score = target[:, 0].numpy(), out[:, 0].numpy()
        found["auroc"] = float(roc_auc_score(truth, score))
        found["average_precision"] = float(average_precision_score(truth, score))
        found["f1"] = float(f1_score(truth, score >= 0))
    else:
        error = (out - target).double().abs()
        if "scale" in split:
            error = error * split["scale"][owner][:, None]  # back to the units of the data
        found["mean_absolute_error"] = float(error.mean())
        if "naive_error" in split:
            found["mase"] = float((error / split["naive_error"]).mean())
    return found


def better(metric, found, best):
    """True if the metrics `found` are better than `best` by `metric`, such as validation.loss."""
    name = metric.removeprefix("validation.")
    if best is None:
        return True
    lower = name in ("loss", "mean_absolute_error", "mase", "bits_per_symbol", "token_error_rate")
    return found[name] < best[name] if lower else found[name] > best[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a resolved config as JSON, or - for stdin")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    with sys.stdin if args.config == "-" else open(args.config, encoding="utf-8") as file:
        config = json.load(file)
    refuse_unknown(config)
    torch.set_num_threads(args.threads)
    # gradients over hundreds of steps become denormal, which makes a step take three times as long
    torch.set_flush_denormal(True)
    torch.manual_seed(config["seed"])
    training, optimizer = config["training"], config["optimizer"]
    training.setdefault("eval_batch_size", training["batch_size"])
    data = read(config)
    task = config["loss"]["kind"]
    writes, aligns = "decoder" in config["model"], task == "ctc"
    model = EncoderDecoder(config["model"], data) if writes else Model(config["model"], data, blanks=int(aligns))
    loss_of = None if aligns else loss_function(config["loss"], data)
    if config["loss"].get("on_impossible") == "skip":
        skip_impossible(data, model.read)
    decay = training.get("average", {}).get("decay")
    average = decay and torch.optim.swa_utils.AveragedModel(model, avg_fn=lambda mean, new, _: decay * mean + (1 - decay) * new)
    used = average.module if average else model  # what is evaluated
    if optimizer["kind"] != "adam":
        raise SystemExit(f"optimizer {optimizer['kind']}: not known")
    step_rule = torch.optim.Adam(
        model.parameters(), lr=optimizer["learning_rate"], betas=optimizer["betas"], eps=optimizer["eps"], weight_decay=optimizer["weight_decay"]
    )
    carry = training["carry_state"]

    def measured(split):
        beam = config.get("decode", {}).get("beam", 1)
        if writes:
            return evaluate_sequences(used, split, training, lambda x, n: write_best(used, x, n, beam, 2 * data["longest_target"]))
        if aligns:
            return evaluate_sequences(used, split, training, lambda x, n: read_best(used, x, n, beam))
        return metrics(task, split, *evaluate(used, split, training, loss_of, carry))

    epochs = training["num_epochs"]
    steps = epochs * len(batches(data["train"], training, False))
    schedule = None
    kind = optimizer.get("schedule", {}).get("kind")
    if kind == "cosine":
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(step_rule, steps)
    elif kind is not None:
        raise SystemExit(f"schedule {kind}: not known")
    stopping = training.get("early_stopping")
    selects = config["checkpoint"]["metric"] if config["checkpoint"]["final"] == "best" else None
    best, best_weights, watched, since, times = None, None, None, 0, []
    started = time.perf_counter()
    done = 0
    for epoch in range(1, epochs + 1):
        state = None
        for rows in batches(data["train"], training, training["shuffle"]):
            began = time.perf_counter()
            x, y, lengths = batch_of(data["train"], rows)
            step_rule.zero_grad()
            if state is not None:  # truncated backpropagation
                state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
            outputs, y, after = model(x, lengths, state, y)
            state = after if carry else None
            loss = ctc_loss(outputs, y, model.read(lengths)) if aligns else loss_of(*counted(outputs, y))
            loss.backward()
            if "gradient_clip_norm" in training:
                nn.utils.clip_grad_norm_(model.parameters(), training["gradient_clip_norm"])
            step_rule.step()
            if average:
                average.update_parameters(model)
            if schedule:
                schedule.step()
            times.append(time.perf_counter() - began)
            done += 1
        if "validation" in data:
            found = measured(data["validation"])
            print(f"epoch {epoch}/{epochs} {found}", file=sys.stderr, flush=True)
        if selects and better(selects, found, best):
            best = found
            best_weights = {key: value.clone() for key, value in used.state_dict().items()}
        if stopping:
            watched, since = (found, 0) if better(stopping["metric"], found, watched) else (watched, since + 1)
            if since >= stopping["patience"]:
                break
    if selects:
        used.load_state_dict(best_weights)
    found = measured(data["test"])
    result = {
        "torch": torch.__version__,
        "name": config["name"],
        "seed": config["seed"],
        "threads": args.threads,
        "steps": done,
        "parameters": sum(p.numel() for p in model.parameters()),
        "train_sequences": len(data["train"]["y"]),
        "test_sequences": len(data["test"]["y"]),
        "metrics": {"test": found, **({"validation": measured(data["validation"])} if "validation" in data else {})},
        "ms_per_step": 1000 * sorted(times)[len(times) // 2],
        "duration_s": time.perf_counter() - started,
    }
    print(json.dumps(result))


main()
