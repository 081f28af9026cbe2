"""
Runs the model in a folder: reads inputs from standard input, a line of JSON each, and writes its outputs. Inputs are
tensors, or the cells of sequences, which the model encodes.
"""
import base64
import json
import sys

import torch

# before the module is imported: a module that fails is no lack of PyTorch
print(json.dumps(torch.__version__), flush=True)
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import modeling  # noqa: E402

torch.set_num_threads(1)
model = modeling.load()
states = {}
for line in sys.stdin:
    request = json.loads(line)
    inputs = {
        name: torch.frombuffer(bytearray(base64.b64decode(data)), dtype=getattr(torch, kind)).reshape(shape)
        for name, (kind, shape, data) in request["inputs"].items()
    }
    if "symbols" in inputs:
        inputs["x"] = inputs.pop("symbols")
    if "cells" in request:
        inputs |= model.encode(**request["cells"])
    if not request["continues"]:
        states = {}
    with torch.no_grad():
        outputs = model(**inputs, **states)
    if isinstance(outputs, tuple):
        outputs, ends = outputs
        states = {"states": ends}
    print(json.dumps(base64.b64encode(outputs.contiguous().numpy().tobytes()).decode()), flush=True)
