"""Models that write sequences of symbols (an encoder with a decoder, CTC), their decoding, and their metrics.

Symbols are 0 to C - 1. Symbol C is the boundary, which a decoder reads first and writes last, or CTC's blank.
Targets are padded with -100.
"""
import math

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class EncoderDecoder(nn.Module):
    """Attention of Luong et al. (2015), `general`, without input feeding; or none."""

    def __init__(self, config, data):
        super().__init__()
        own, both = config["decoder"], config.get("bidirectional", False)
        if own["attention"] not in ("general", "none"):
            raise SystemExit(f"attention {own['attention']}: not known")
        size, self.embedding, self.boundary = data["input_size"], None, data["outputs"]
        if "embedding" in config:
            size = config["embedding"]["size"]
            self.embedding = nn.Embedding(data["num_symbols"], size)
        self.encoder = CELLS[config["cell"]](
            size, config["hidden_size"], config["num_layers"], batch_first=True, bidirectional=both, dropout=config["dropout"]
        )
        width, hidden = config["hidden_size"] * (2 if both else 1), own["hidden_size"]
        self.previous = nn.Embedding(self.boundary + 1, own["embedding_size"])
        self.decoder = CELLS[own["cell"]](own["embedding_size"], hidden, own["num_layers"], batch_first=True, dropout=own["dropout"])
        self.states = 2 if own["cell"] == "lstm" else 1
        self.bridge = nn.Linear(width, own["num_layers"] * self.states * hidden)
        self.attends = own["attention"] == "general"
        if self.attends:
            self.attention = nn.Linear(hidden, width, bias=False)
            self.combine = nn.Linear(width + hidden, hidden, bias=False)
        self.fc = nn.Linear(hidden, self.boundary + 1)

    def encode(self, x, lengths):
        """The outputs of the encoder, which of them count, and the first states of the decoder."""
        x = x if self.embedding is None else self.embedding(x)
        out, state = self.encoder(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        out, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
        h = state[0] if isinstance(state, tuple) else state
        final = torch.cat(list(h[-2 if self.encoder.bidirectional else -1 :]), 1)
        parts = torch.tanh(self.bridge(final)).view(len(x), self.decoder.num_layers, self.states, -1).permute(2, 1, 0, 3).contiguous()
        first = (parts[0], parts[1]) if self.states == 2 else parts[0]
        return out, torch.arange(x.shape[1]) < lengths[:, None], first

    def write(self, previous, state, out, counts):
        """Outputs [N, S, C + 1] after the symbols `previous` [N, S], and the states after them."""
        h, state = self.decoder(self.previous(previous), state)
        if self.attends:
            scores = self.attention(h) @ out.transpose(1, 2)
            weights = scores.masked_fill(~counts[:, None], -torch.inf).softmax(-1)
            h = torch.tanh(self.combine(torch.cat([weights @ out, h], -1)))
        return self.fc(h), state

    def forward(self, x, lengths, state, y):
        """Outputs given the targets, and what they should be: the targets and the boundary."""
        out, counts, state = self.encode(x, lengths)
        first = torch.full((len(y), 1), self.boundary)
        previous = torch.cat([first, y.masked_fill(y < 0, self.boundary)], 1)
        goal = torch.cat([y, torch.full((len(y), 1), -100)], 1)
        goal[torch.arange(len(y)), (y >= 0).sum(1)] = self.boundary
        return self.write(previous, state, out, counts)[0], goal, None


@torch.no_grad()
def write_best(model, x, lengths, beam, limit):
    """Lists of symbols: of those that ended or reached the limit, the one with the highest mean log probability."""
    out, counts, state = model.encode(x, lengths)
    n, boundary = len(x), model.boundary
    rows = torch.arange(n).repeat_interleave(beam)
    out, counts = out[rows], counts[rows]
    pick = lambda state, at: tuple(part[:, at] for part in state) if isinstance(state, tuple) else state[:, at]
    state = pick(state, rows)
    scores = torch.full((n, beam), -torch.inf)
    scores[:, 0] = 0
    written = torch.zeros(n * beam, 0, dtype=torch.long)
    best, found = torch.full((n,), -torch.inf), [[] for _ in range(n)]
    previous = torch.full((n * beam, 1), boundary)
    for step in range(1, limit + 1):
        logits, state = model.write(previous, state, out, counts)
        total = scores[:, :, None] + logits[:, 0].log_softmax(-1).view(n, beam, -1)
        scores, at = total.view(n, -1).topk(beam)
        parents = (torch.arange(n)[:, None] * beam + at // (boundary + 1)).view(-1)
        symbols = (at % (boundary + 1)).view(-1)
        state, written = pick(state, parents), torch.cat([written[parents], symbols[:, None]], 1)
        ends = (symbols == boundary).view(n, beam) | (step == limit)
        for row, i in (ends & (scores > -torch.inf)).nonzero().tolist():
            if scores[row, i] / step > best[row]:
                best[row] = scores[row, i] / step
                found[row] = [symbol for symbol in written[row * beam + i].tolist() if symbol != boundary]
        scores = scores.masked_fill(ends, -torch.inf)
        if not (scores > -torch.inf).any():
            break
        previous = symbols[:, None]
    return found


def add(a, b):
    """log(exp(a) + exp(b))"""
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def best_labeling(log_probs, beam):
    """Prefix beam search (Hannun et al., 2014) over rows of log probabilities, the blank last."""
    blank = len(log_probs[0]) - 1
    prefixes = {(): (0.0, -math.inf)}  # log probability of the paths that end in a blank, and of the others
    for row in log_probs:
        found = {}

        def reach(prefix, ends_in_blank, score):
            before = found.get(prefix, (-math.inf, -math.inf))
            found[prefix] = (add(before[0], score), before[1]) if ends_in_blank else (before[0], add(before[1], score))

        for prefix, (in_blank, in_symbol) in prefixes.items():
            reach(prefix, True, add(in_blank, in_symbol) + row[blank])
            for symbol in range(blank):
                repeats = bool(prefix) and prefix[-1] == symbol
                if repeats:
                    reach(prefix, False, in_symbol + row[symbol])
                reach(prefix + (symbol,), False, (in_blank if repeats else add(in_blank, in_symbol)) + row[symbol])
        prefixes = dict(sorted(found.items(), key=lambda one: -add(*one[1]))[:beam])
    return list(max(prefixes.items(), key=lambda one: add(*one[1]))[0])


@torch.no_grad()
def read_best(model, x, lengths, beam):
    """Lists of symbols: of the best path, or with a beam of the best of its labelings."""
    log_probs = model(x, lengths)[0].log_softmax(-1)
    steps = model.read(lengths).tolist()
    if beam > 1:
        return [best_labeling(row[:n], beam) for row, n in zip(log_probs.tolist(), steps)]
    paths = [row[:n] for row, n in zip(log_probs.argmax(-1).tolist(), steps)]
    blank = log_probs.shape[-1] - 1
    return [[b for a, b in zip([blank, *path], path) if b != a and b != blank] for path in paths]


def edit_distance(a, b):
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
        before = row
    return before[-1]


def sequence_metrics(predicted, targets, inputs):
    """Rows with equal inputs are alternatives: an input counts once, with the target that is nearest."""
    alternatives = {}
    for one, target, key in zip(predicted, targets, inputs):
        alternatives.setdefault(key, (one, []))[1].append(target)
    errors, symbols, right = 0, 0, 0
    for one, all_targets in alternatives.values():
        distances = [edit_distance(one, target) for target in all_targets]
        nearest = distances.index(min(distances))
        errors, symbols, right = errors + distances[nearest], symbols + len(all_targets[nearest]), right + (distances[nearest] == 0)
    return {"token_error_rate": errors / symbols, "sequence_accuracy": right / len(alternatives)}
