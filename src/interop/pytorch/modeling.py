"""A recurrent network trained with cellrun, with all preparation of its data. Needs PyTorch alone.

    model = load()                      # config.json and model.safetensors beside this file
    model.predict(sequences)            # sequences as the data have them; see README.md
    model(**model.encode(sequences))    # outputs as tensors: logits, or values in the units of the data
"""
import json
# if numbers
import math
import re
# end
import struct
# if numbers
from datetime import datetime, timezone
from decimal import Decimal
# end
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


# if stepwise
# cells


class Stepwise(nn.Module):
    """Layers of a cell that torch.nn does not have, called like its own."""

    def __init__(self, cell, sizes, shapes, bidirectional):
        super().__init__()
        self.step, self.sizes, self.shapes, self.directions = globals()[cell], sizes, shapes, 1 + bidirectional
        for layer, of_layer in enumerate(shapes):
            for direction in range(self.directions):
                for name, shape in of_layer.items():
                    self.register_parameter(self.name(name, layer, direction), nn.Parameter(torch.empty(shape)))

    def name(self, name, layer, direction):
        return f"{name}_l{layer}" + ("_reverse" if direction else "")

    def forward(self, x, lengths, states=None):
        """Outputs [B, T, D], and the states after the last steps, [layers * directions, B, size] each."""
        inside = within(lengths, x)
        if states is None:
            states = [x.new_zeros(len(self.shapes) * self.directions, len(x), size) for size in self.sizes]
        ends = []
        for layer, shapes in enumerate(self.shapes):
            outputs = []
            for direction in range(self.directions):
                weights = {name: getattr(self, self.name(name, layer, direction)) for name in shapes}
                own = [state[len(ends)] for state in states]
                steps = list(range(x.shape[1]))
                out = {}
                for t in reversed(steps) if direction else steps:
                    after = self.step(weights, x[:, t], *own)
                    own = [torch.where(inside[:, t], new, old) for new, old in zip(after, own)]
                    out[t] = own[0]
                outputs.append(torch.stack([out[t] for t in steps], 1))
                ends.append(own)
            x = torch.cat(outputs, -1)
        return x, tuple(torch.stack(one) for one in zip(*ends))


# end
def recurrent(module=None, dropout=0, **settings):
    # if stepwise
    if module is None:
        return Stepwise(**settings)
    # end
    dropout = dropout if settings["num_layers"] > 1 else 0
    return getattr(nn, module)(batch_first=True, dropout=dropout, **settings)


def run(layers, x, lengths, states=None):
    """Outputs [B, T, D], and the states after the last step of each sequence."""
    # if stepwise
    if isinstance(layers, Stepwise):
        return layers(x, lengths, states)
    # end
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    outputs, states = layers(packed, states)
    return pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])[0], states


def lengths_of(sequences):
    lengths = torch.tensor([len(steps) for steps in sequences])
    if not lengths.all():
        raise ValueError("a sequence has no steps")
    return lengths


def within(lengths, x):
    """[B, T, 1]: whether a step is before the end of its sequence."""
    return (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[..., None]


# if features
def prepared(part, x):
    """Features [B, T, F] of columns [B, T, C], and the symbols of embedded columns, [B, T] each."""
    columns, features = part["columns"], part["features"]
    missing = x.isnan()
    fill = x.new_tensor([column.get("fill", {}).get("value", math.nan) for column in columns])
    forward = x.new_tensor([column.get("fill", {}).get("forward", False) for column in columns]) > 0
    time = next((i for i, column in enumerate(columns) if column.get("time")), None)
    since = torch.zeros_like(x[:, 0])
    filled, elapsed = [], []
    for t in range(x.shape[1]):
        filled.append(torch.where(missing[:, t], fill, x[:, t]))
        fill = torch.where(forward, filled[t], fill)
        passed = 1 if time is None else x[:, t, time, None]
        elapsed.append(since + passed if t > 0 else since)
        since = torch.where(missing[:, t], elapsed[t], 0)
    # a missing value may be a category of its own, the empty text
    categories = [column.get("categories") or [] for column in columns]
    holes = x.new_tensor([known.index("") if "" in known else -1 for known in categories])
    category = torch.where(missing, holes, x)
    given = {"value": torch.stack(filled, 1), "missing": missing.to(x.dtype), "elapsed": torch.stack(elapsed, 1)}
    numbers, symbols = [x[..., :0]], []
    for feature in features:
        kind, column = feature["kind"], feature["column"]
        if kind == "number":
            symbols.append(category[..., column].long() + 1)
        elif kind == "category":
            numbers.append((category[..., column, None] == feature["category"]).to(x.dtype))
        else:
            numbers.append(given[kind][..., column, None])
    return torch.cat(numbers, -1), symbols


# end
# if scaling
def scaling(part, x):
    """Offset and scale as float64, in which training scaled."""
    return (torch.tensor(part[one], dtype=torch.float64, device=x.device) for one in ("offset", "scale"))


# end
# if decoder
class Decoder(nn.Module):
    """Writes symbols one by one, each from the one before."""

    def __init__(self, config, encoded):
        super().__init__()
        size = config["hidden_size"]
        self.config = config
        self.embedding = nn.Embedding(config["symbols"], config["embedding_size"])
        setattr(self, config["module"], recurrent(**config["layers"]))
        self.bridge = nn.Linear(encoded, config["states"])
        # if attention
        self.combine = nn.Linear(encoded + size, size, bias=False)
        shapes = {
            "dot": {},
            "general": {"weight": (encoded, size)},
            "additive": {"weight_h": (size, size), "weight_e": (size, encoded), "v": (size,)},
        }[config["attention"]]
        weights = {name: nn.Parameter(torch.empty(shape)) for name, shape in shapes.items()}
        self.attention = nn.ParameterDict(weights)
        # end

    def start(self, final):
        """The first states, from the encoder's final outputs [B, D]."""
        states = self.bridge(final).tanh().unflatten(-1, (self.config["num_layers"], -1, self.config["hidden_size"]))
        states = tuple(states.permute(2, 1, 0, 3).contiguous())
        return states if len(states) > 1 else states[0]

    def forward(self, previous, states, memory, inside):
        """Outputs [B, S, H] after the symbols [B, S], and the next states."""
        h, states = getattr(self, self.config["module"])(self.embedding(previous), states)
        # if attention
        weights, kind = self.attention, self.config["attention"]
        if kind == "additive":
            keys = memory @ weights["weight_e"].T
            scores = ((h @ weights["weight_h"].T)[:, :, None] + keys[:, None]).tanh() @ weights["v"]
        else:
            query = h @ weights["weight"].T if kind == "general" else h
            scores = query @ memory.transpose(1, 2)
        alpha = scores.masked_fill(~inside.transpose(1, 2), -1e30).softmax(-1)
        h = self.combine(torch.cat([alpha @ memory, h], -1)).tanh()
        # end
        return h, states


# end
class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        # if text
        self.embedding = nn.Embedding(*config["embedding"])
        # end
        # if numbers
        parts = [part for part in ("steps", "static") if part in config]
        self.columns = {part: [Column(**column) for column in config[part]["columns"]] for part in parts}
        # end
        # if embedded
        self.embeddings = nn.ModuleList([nn.Embedding(*shape) for shape in config["embeddings"]])
        # end
        layers = [recurrent(**layer) for layer in config["layers"]]
        setattr(self, config["module"], nn.ModuleList(layers) if config["module"] == "layers" else layers[0])
        # if decoder
        self.decoder = Decoder(config["decoder"], config["encoded_size"])
        # end
        sizes = [config["head_size"], *config["head"]["hidden_sizes"], config["output_size"]]
        dense = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
        self.fc = nn.ModuleList(dense) if len(dense) > 1 else dense[0]

    # if decoder
    def forward(self, x, lengths, previous, static=None):
        """
        Logits [B, S, C] of the symbols that follow `previous` [B, S], which begins with the boundary,
        the last symbol.

        x, lengths, static: as returned by `encode`
        """
        memory, final, lengths, _ = self.read(x, lengths)
        read, _ = self.decoder(previous, self.decoder.start(final), memory, within(lengths, memory))
        return self.head(read, static)

    # end
    # if not decoder
    def forward(self, x, lengths, static=None, states=None):
        """
        Outputs [B, C], or [B, T, C] of each step: logits, or values in the units of the data.

        # if numbers
        x: columns [B, T, C] with NaN for missing values; lengths [B]
        # end
        # if text
        x: numbers of symbols [B, T]; lengths [B]
        # end
        # if static
        static: columns with one value per sequence [B, C]
        # end
        # if carried
        Also returns the last states, which are `states` of a batch whose rows continue those of this one.
        # end
        """
        outputs, final, lengths, ends = self.read(x, lengths, states)
        z = self.head(self.pooled(outputs, final, lengths), static)
        # if carried
        return z, ends
        # end
        # if not carried
        return z
        # end

    # end
    def read(self, x, lengths, states=None):
        """Outputs [B, T, D] of the top layer, its last ones [B, D], their lengths, and all last states."""
        config = self.config
        # if text
        x = self.embedding(x)
        # end
        # if numbers
        x = self.inputs("steps", x)
        # end
        # if stack
        k = config["stack"]
        x = torch.where(within(lengths, x), x, 0)
        x = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % k)).unflatten(1, (-1, k)).flatten(2)
        lengths = (lengths + k - 1) // k
        # end
        # if repeat
        x, lengths = x.repeat_interleave(config["repeat"], 1), lengths * config["repeat"]
        # end
        module = getattr(self, config["module"])
        ends = []
        for i, layers in enumerate(module if config["module"] == "layers" else [module]):
            x = dropout(x, config["dropout"], self.training and i > 0)
            x, end = run(layers, x, lengths, states and states[i])
            ends.append(end)
        h = ends[-1][0] if isinstance(ends[-1], tuple) else ends[-1]
        final = h[-1 - config["layers"][-1]["bidirectional"] :].transpose(0, 1).flatten(1)
        return x, final, lengths, ends

    # if numbers
    def inputs(self, part, x):
        """What the model reads of the columns of `steps` or `static`, as fitted on the training data."""
        part = self.config[part]
        # if features
        x, symbols = prepared(part, x)
        # end
        # if input_scaling
        offset, scale = scaling(part["scaling"], x)
        x = ((x.double() - offset) / scale).to(x.dtype)
        # end
        # if embedded
        x = torch.cat([x, *(self.embeddings[i](one) for i, one in zip(part["embeddings"], symbols))], -1)
        # end
        return x

    # end
    # if not decoder
    def pooled(self, outputs, final, lengths):
        """What the head reads."""
        kind = self.config["head"]["from"]
        inside = within(lengths, outputs)
        return {
            "every": lambda: outputs,
            "final": lambda: final,
            "last": lambda: outputs[torch.arange(len(outputs)), lengths - 1],
            "max": lambda: outputs.masked_fill(~inside, -1e30).amax(1),
            "mean": lambda: torch.where(inside, outputs, 0).sum(1) / lengths[:, None],
        }[kind]()

    # end
    def head(self, z, static=None):
        config = self.config["head"]
        # if static
        facts = self.inputs("static", static[:, None])
        z = torch.cat([z, facts.expand(-1, z.shape[1], -1) if z.ndim == 3 else facts[:, 0]], -1)
        # end
        layers = list(self.fc) if isinstance(self.fc, nn.ModuleList) else [self.fc]
        for layer in layers[:-1]:
            z = dropout(getattr(torch, config["activation"])(layer(z)), config["dropout"], self.training)
        z = layers[-1](z)
        # if output_scaling
        offset, scale = scaling(self.config["output_scaling"], z)
        z = (z.double() * scale + offset).to(z.dtype)
        # end
        return z

    # if text
    def encode(self, sequences):
        """Tensors of texts, or of lists of symbols."""
        config = self.config
        split = {"character": list, "byte": lambda text: text.encode().decode("latin1"), "word": str.split}
        lists = [split[config["level"]](one) if isinstance(one, str) else one for one in sequences]
        if "vocabulary" in config:
            numbers = {symbol: number for number, symbol in enumerate(config["vocabulary"])}
            unknown = {symbol for symbols in lists for symbol in symbols if symbol not in numbers}
            if unknown and not config["has_unknown"]:
                raise ValueError(f"symbols that do not occur in the training split: {sorted(unknown, key=str)}")
            lists = [[numbers.get(symbol, 0) for symbol in symbols] for symbols in lists]
        lengths = lengths_of(lists)
        x = torch.zeros(len(lists), int(lengths.max()), dtype=torch.long)
        for row, symbols in zip(x, lists):
            row[: len(symbols)] = torch.tensor(symbols)
        return {"x": x, "lengths": lengths}

    # end
    # if numbers
    def encode(self, sequences, static=None):
        """
        Tensors of sequences, which are lists of steps: mappings by column, or lists of numbers.
        # if static
        static: a mapping of each sequence, unless its first step has these columns too.
        # end
        """
        lengths = lengths_of(sequences)
        x = torch.zeros(len(sequences), int(lengths.max()), len(self.columns["steps"]))
        for row, steps in zip(x, sequences):
            row[: len(steps)] = torch.tensor([self.cells("steps", steps, t) for t in range(len(steps))])
        # if static
        if static is None:
            facts = [self.facts(steps) for steps in sequences]
        else:
            facts = [self.cells("static", [one], 0) for one in static]
        return {"x": x, "lengths": lengths, "static": torch.tensor(facts)}
        # end
        return {"x": x, "lengths": lengths}

    def cells(self, part, steps, t):
        step, columns = steps[t], self.columns[part]
        if not hasattr(step, "keys"):
            values = step if hasattr(step, "__len__") and not isinstance(step, str) else [step]
            if len(values) != len(columns):
                raise ValueError(f"step {t} has {len(values)} values, not {len(columns)}")
            return [column.read(value) for value, column in zip(values, columns)]
        return [column.read(self.cell(steps, t, column)) for column in columns]

    def cell(self, steps, t, column):
        """The value of a column in a step, which may also have the time or the word that it is made of."""
        step, name = steps[t], column.name
        if name in step:
            return step[name]
        if column.is_elapsed:
            times = (column.seconds(steps[i][name.removesuffix(" elapsed")]) for i in range(t, -1, -1))
            now = next(times)
            before = next((time for time in times if not math.isnan(time)), now)
            return now - before
        return step[name.removesuffix(" suffix") if column.suffix else name]

    # if static
    def facts(self, steps):
        """The values of the static columns, which any step may have."""
        if not hasattr(steps[0], "keys"):
            return self.cells("static", steps, 0)
        found = []
        for column in self.columns["static"]:
            values = [step[column.name] for step in steps if column.name in step] or [self.cell(steps, 0, column)]
            given = [value for value in values if not column.is_missing(text_of(value))]
            numbers = {column.read(value) for value in given or values[:1]}
            if len(numbers) > 1:
                raise ValueError(f"{column.name} changes: a static column has one value per sequence")
            found.extend(numbers)
        return found

    # end
    # end
    @torch.no_grad()
    def predict(self, sequences, **more):
        """A prediction of each sequence, or a list of those at its steps."""
        inputs = self.encode(sequences, **more)
        # if decoder
        outputs, final, lengths, _ = self.read(inputs["x"], inputs["lengths"])
        static = inputs.get("static")
        rows = [slice(i, i + 1) for i in range(len(sequences))]
        return [self.written(outputs[i], final[i], lengths[i], static if static is None else static[i]) for i in rows]
        # end
        # if not decoder
        outputs = self(**inputs)
        # if carried
        outputs, _ = outputs
        # end
        # if single
        return [self.prediction(one) for one in outputs]
        # end
        # if each
        lengths = inputs["lengths"]
        # if stack
        lengths = -(-lengths // self.config["stack"])
        # end
        # if repeat
        lengths = lengths * self.config["repeat"]
        # end
        inside = [one[:length] for one, length in zip(outputs, lengths)]
        # if ctc
        return [self.labelling(one) for one in inside]
        # end
        # if not ctc
        return [[self.prediction(step, t) for t, step in enumerate(one)] for one in inside]
        # end
        # end
        # end

    # if classes
    def prediction(self, logits, t=0):
        probabilities = logits.double().softmax(-1).tolist()
        best = int(logits.argmax())
        # if intervals
        width = self.config["intervals"]["widths"][0][0]
        inside = [k for k, p in enumerate(probabilities) if k == best or 1 - p <= width]
        # end
        # if thresholds
        best = int(probabilities[1] >= self.config["thresholds"][0])
        # end
        names = self.config.get("class_names") or list(range(len(probabilities)))
        of_all = dict(zip(names, probabilities))
        found = {"class": names[best], "probability": probabilities[best], "probabilities": of_all}
        # if intervals
        found["set"] = [names[k] for k in inside]
        # end
        return found

    # end
    # if values
    def prediction(self, outputs, t=0):
        # if labels
        outputs = outputs.sigmoid()
        # end
        # if quantiles
        outputs = outputs.unflatten(-1, (-1, len(self.config["quantiles"])))
        # end
        names = self.config.get("target_names", [])
        named = lambda values: dict(zip(names, values)) if len(names) == len(values) else values
        # if thresholds
        applies = [p >= threshold for p, threshold in zip(outputs.tolist(), self.config["thresholds"])]
        return {"probabilities": named(outputs.tolist()), "applies": named(applies)}
        # end
        # if intervals
        low, high = outputs, outputs
        # if quantiles
        levels = self.config["quantiles"]
        order = sorted(range(len(levels)), key=lambda k: levels[k])
        middle = min(range(len(levels)), key=lambda k: abs(levels[k] - 0.5))
        ends = (order[0], order[-1]) if self.config["intervals"]["method"] == "quantile" else (middle, middle)
        low, high = (outputs[..., k] for k in ends)
        # end
        widths = self.config["intervals"]["widths"]
        far = outputs.new_tensor(widths[min(max(0, t - self.config["intervals"].get("first_step", 0)), len(widths) - 1)])
        lower, upper = torch.minimum(low - far, high + far), torch.maximum(low - far, high + far)
        return {"values": named(outputs.tolist()), "lower": named(lower.tolist()), "upper": named(upper.tolist())}
        # end
        return named(outputs.tolist())

    # end
    # if ctc
    def labelling(self, logits):
        """The symbols of the likeliest path. The last class is the blank."""
        path = torch.unique_consecutive(logits.argmax(-1)).tolist()
        return self.symbols([symbol for symbol in path if symbol < logits.shape[-1] - 1])

    # end
    # if decoder
    def written(self, memory, final, length, static):
        """Beam search of one sequence; outputs are ranked by the mean log probability of a symbol."""
        beam, limit = self.config["beam"], self.config["limit"]
        boundary = self.config["output_size"] - 1
        inside = within(length, memory)
        states = self.decoder.start(final)
        live, ended = [([], 0.0)], []
        for _ in range(limit):
            if not live:
                break
            previous = torch.tensor([[symbols[-1] if symbols else boundary] for symbols, _ in live])
            count = len(live)
            read, states = self.decoder(previous, states, memory.expand(count, -1, -1), inside.expand(count, -1, -1))
            logits = self.head(read, static if static is None else static.expand(count, -1))[:, 0]
            scores = logits.double().log_softmax(-1) + torch.tensor([[score] for _, score in live])
            best = scores.flatten().topk(min(beam, scores.numel()))
            kept, before, live = [], live, []
            for score, place in zip(best.values.tolist(), best.indices.tolist()):
                row, symbol = divmod(place, boundary + 1)
                if symbol == boundary:
                    ended.append((before[row][0], score))
                else:
                    live.append((before[row][0] + [symbol], score))
                    kept.append(row)
            states = tuple(one[:, kept] for one in states) if isinstance(states, tuple) else states[:, kept]
        symbols, _ = max(ended + live, key=lambda one: one[1] / min(len(one[0]) + 1, limit))
        return self.symbols(symbols)

    # end
    # if sequences
    def symbols(self, numbers):
        names = self.config.get("class_names")
        return [names[number] for number in numbers] if names else numbers

    # end

# if numbers
# what `trim` of JavaScript removes, not what `strip` of Python does
SPACES = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# numbers from here on are infinite in float32
INFINITE = 2.0**128 - 2.0**103


class Column:
    """Reads the cells of a column as `cellrun predict` reads those of a file."""

    def __init__(self, name="a column", encode=None, categories=None, suffix=None, markers=None, fill=None, **_):
        self.name, self.suffix, self.fills = name, suffix, fill is not None or categories is not None
        # the cells of these are dates, and numbers are made of them
        self.is_elapsed, self.is_made = encode == "elapsed", encode in ("elapsed", "calendar")
        # the values of arrays are numbers, and those of embedded columns may be words such as None
        self.has_texts, self.has_markers = categories is not None or markers is not None, markers is not None
        self.markers = set(markers or ())
        self.marked_numbers = {float(marker) for marker in self.markers if NUMBER.fullmatch(marker)}
        self.positions = {text: float(i) for i, text in enumerate(categories)} if categories is not None else None

    def read(self, value):
        """A cell as a number: NaN if it is missing; a category as its position, -1 if it is unknown."""
        is_number = type(value) in (float, int) and self.positions is None and value not in self.marked_numbers
        if is_number and abs(value) < INFINITE:
            return float(value)
        text = text_of(value)
        if isinstance(value, str) and not self.has_texts:
            raise ValueError(f"{value!r} of {self.name} is not a number")
        if text == "" if self.is_made else self.is_missing(text):
            if not self.fills:
                raise ValueError(f"a value of {self.name} is missing, and the model fills none")
            return math.nan
        if self.positions is not None:
            return self.positions.get(text[-self.suffix :] if self.suffix else category(text), -1.0)
        number = float(text) if NUMBER.fullmatch(text) else math.nan
        if abs(number) < INFINITE:
            return number
        raise ValueError(f"{value!r} of {self.name} is not a finite float32 number")

    def is_missing(self, text):
        if text == "" or self.has_markers and (text.lower() == "nan" or text in self.markers):
            return True
        return bool(self.marked_numbers) and NUMBER.fullmatch(text) is not None and float(text) in self.marked_numbers

    def seconds(self, value):
        """A time as a number: of a date in ISO 8601, seconds; NaN if it is missing."""
        text = text_of(value)
        if self.is_missing(text):
            return math.nan
        if NUMBER.fullmatch(text):
            return float(text)
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()


def text_of(value):
    """The text of a value in a table: empty if it is missing, also in NumPy and pandas."""
    if isinstance(value, str):
        return value.strip(SPACES)
    text = str(value.item() if isinstance(value, torch.Tensor) else value)
    if text in ("None", "nan", "NaT", "<NA>"):
        return ""
    if text in ("True", "False"):
        return text.lower()
    return written(float(text)) if NUMBER.fullmatch(text) and not text.lstrip("-").isdigit() else text


def category(text):
    """The text of a category: numbers are compared by value, truth values without regard to case."""
    if NUMBER.fullmatch(text) and (abs(float(text)) < 2**53 or re.search("[.eE]", text)):
        return written(float(text))
    return text.lower() if text.lower() in ("true", "false") else text


def written(number):
    """A number as JavaScript writes it, like the categories of the data."""
    if number != 0 and not 1e-6 <= abs(number) < 1e21:
        return re.sub("e([+-])0", r"e\1", repr(number))
    return format(Decimal(repr(number + 0.0)).normalize(), "f")


# end
def load(folder=Path(__file__).parent):
    """The trained model, ready to predict."""
    folder = Path(folder)
    model = Model(json.loads((folder / "config.json").read_text()))
    model.load_state_dict(tensors(folder / "model.safetensors"))
    return model.eval()


def tensors(path):
    """The tensors of a safetensors file, by name."""
    content = bytearray(Path(path).read_bytes())
    start = 8 + struct.unpack("<Q", content[:8])[0]
    found = {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            values = torch.frombuffer(content, dtype=torch.float32, count=(end - first) // 4, offset=start + first)
            found[name] = values.reshape(entry["shape"])
    return found
