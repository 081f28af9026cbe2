"""PyTorch as a contender of `npm run bench`: answers JSON requests, one a line (see ../protocol.ts).

  python3 torch_peer.py THREADS [--no-onednn] [--compile] [--cuda]

Each benchmark does what cellrun does: the same sizes, batches gathered from memory, the optimizer step included.
"""
import argparse
import json
import platform
import sys
import time

from blas import fast_blas
import torch

WARM_UP_S = 0.5


# the module of each model of a case, and its directions
MODELS = {
    "lstm": (torch.nn.LSTM, 1),
    "gru": (torch.nn.GRU, 1),
    "rnn": (torch.nn.RNN, 1),
    "bilstm": (torch.nn.LSTM, 2),
    "ctc": (torch.nn.LSTM, 2),
    "decoder": (torch.nn.LSTM, 1),
}


class Classifier(torch.nn.Module):
    def __init__(self, model, features, hidden, layers, classes):
        super().__init__()
        module, directions = MODELS[model]
        self.each_step = model == "ctc"
        self.recurrent = module(features, hidden, layers, batch_first=True, bidirectional=directions == 2)
        self.fc = torch.nn.Linear(directions * hidden, classes)

    def forward(self, x):
        output, state = self.recurrent(x)
        if self.each_step:
            return self.fc(output)
        if not self.recurrent.bidirectional:
            return self.fc(output[:, -1])
        h = state[0]
        return self.fc(torch.cat((h[-2], h[-1]), 1))


class Translator(torch.nn.Module):
    """Encoder and decoder with general attention (Luong et al., 2015), without input feeding."""

    def __init__(self, features, hidden, layers, classes):
        super().__init__()
        self.layers = layers
        self.encoder = torch.nn.LSTM(features, hidden, layers, batch_first=True)
        self.embedding = torch.nn.Embedding(classes, hidden)
        self.bridge = torch.nn.Linear(hidden, layers * 2 * hidden)
        self.decoder = torch.nn.LSTM(hidden, hidden, layers, batch_first=True)
        self.query = torch.nn.Linear(hidden, hidden, bias=False)
        self.combine = torch.nn.Linear(2 * hidden, hidden, bias=False)
        self.fc = torch.nn.Linear(hidden, classes)

    def forward(self, x, previous):
        e, (final, _) = self.encoder(x)
        states = torch.tanh(self.bridge(final[-1])).view(len(x), self.layers, 2, -1).permute(2, 1, 0, 3).contiguous()
        h, _ = self.decoder(self.embedding(previous), (states[0], states[1]))
        alpha = torch.softmax(self.query(h) @ e.transpose(1, 2), -1)
        return self.fc(torch.tanh(self.combine(torch.cat((alpha @ e, h), -1))))


def matmul(case):
    b, h, repeats = case["batch_size"], case["hidden_size"], case["repeats"]
    xs, weight = torch.rand(repeats, b, 2 * h), torch.rand(2 * h, 4 * h)

    def call():
        for x in xs:
            x @ weight

    return call


def gates(case):
    b, h, repeats = case["batch_size"], case["hidden_size"], case["repeats"]
    inputs, states = torch.rand(repeats, b, h), torch.rand(repeats, b, h)
    weight_ih, weight_hh = torch.rand(4 * h, h), torch.rand(4 * h, h)
    bias_ih, bias_hh = torch.rand(4 * h), torch.rand(4 * h)

    def call():
        for x, state in zip(inputs, states):
            linear = torch.nn.functional.linear
            i, f, g, o = (linear(x, weight_ih, bias_ih) + linear(state, weight_hh, bias_hh)).chunk(4, 1)
            torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)

    def without_gradient():
        with torch.no_grad():
            call()

    return without_gradient


def ctc_loss(case):
    steps, symbols = (torch.full((case["batch_size"],), case[n]) for n in ("sequence_length", "target_length"))
    loss = torch.nn.CTCLoss(blank=case["num_classes"] - 1)
    return lambda z, y: loss(torch.log_softmax(z, 2).transpose(0, 1), y, steps, symbols)


def translator(case):
    n, boundary = max(case["sequences"], case["drawn_from"]), case["num_classes"] - 1
    x = torch.rand(n, case["sequence_length"], case["input_size"])
    y = torch.randint(0, boundary, (n, case["target_length"]))
    ends = torch.full((n, 1), boundary)
    previous, target = torch.cat((ends, y), 1), torch.cat((y, ends), 1)
    net = Translator(*(case[size] for size in ("input_size", "hidden_size", "num_layers", "num_classes")))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    def train_step():
        rows = torch.randint(0, n, (case["batch_size"],))
        optimizer.zero_grad()
        z = net(x[rows], previous[rows])
        torch.nn.functional.cross_entropy(z.flatten(0, 1), target[rows].flatten()).backward()
        optimizer.step()

    return train_step


def model(case):
    if case["model"] == "decoder":
        return translator(case)
    size, n = case["batch_size"], max(case["sequences"], case["drawn_from"])
    x = torch.randint(0, 256, (n, case["sequence_length"], case["input_size"])).float() / 255
    is_ctc = case["model"] == "ctc"
    y = torch.randint(0, case["num_classes"] - is_ctc, (n, case["target_length"]) if is_ctc else (n,))
    sizes = [case[size] for size in ("input_size", "hidden_size", "num_layers", "num_classes")]
    net = Classifier(case["model"], *sizes).to(device)
    x, y = x.to(device), y.to(device)
    # recurrent layers stay as they are: torch.compile leaves them to their own kernels
    run = torch.compile(net) if options.compile else net
    loss_of = ctc_loss(case) if is_ctc else torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

    def train_step():
        rows = torch.randint(0, n, (size,))
        optimizer.zero_grad()
        loss_of(run(x[rows]), y[rows]).backward()
        optimizer.step()

    def evaluate():
        loss, hits = 0.0, 0
        with torch.no_grad():
            for i in range(0, n, size):
                prediction, target = run(x[i:i + size]), y[i:i + size]
                loss += loss_of(prediction, target).item() * len(target)
                hits += (prediction.argmax(1) == target).sum().item()

    return train_step if case["benchmark"] == "train_step" else evaluate


def prepare(case):
    torch.manual_seed(0)
    began = time.perf_counter()
    call = {"matmul": matmul, "gates": gates}.get(case["benchmark"], model)(case)
    call()
    measure(call, WARM_UP_S, float("inf"))
    return call, time.perf_counter() - began


def measure(call, budget, most):
    times, end = [], time.perf_counter() + budget
    while True:
        began = time.perf_counter()
        call()
        if options.cuda:
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - began))
        if time.perf_counter() >= end or len(times) >= most:
            return times


def say(**message):
    print(json.dumps(message), flush=True)


def main():
    torch.set_num_threads(options.threads)
    torch.backends.mkldnn.enabled = not options.no_onednn
    versions = {
        "torch": torch.__version__,
        "BLAS of torch": fast_blas(torch),
        "python": platform.python_version(),
    }
    say(versions=versions, threads=torch.get_num_threads(), models=list(MODELS))
    call = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["op"] == "prepare":
                call, seconds = prepare(request["case"])
                say(seconds=seconds)
            else:
                say(times_ms=measure(call, request["budget_s"], request["most"]))
        except Exception as error:
            say(error=f"{type(error).__name__}: {error}")



parser = argparse.ArgumentParser()
parser.add_argument("threads", type=int)
parser.add_argument("--no-onednn", action="store_true")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--cuda", action="store_true")
options = parser.parse_args()
if options.cuda and not torch.cuda.is_available():
    sys.exit("PyTorch finds no CUDA device")
device = "cuda" if options.cuda else "cpu"
main()
