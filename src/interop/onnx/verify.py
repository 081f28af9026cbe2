"""Runs the graphs in a folder: reads inputs from standard input, a line of JSON each, and writes their outputs."""
import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

print(json.dumps(onnxruntime.__version__), flush=True)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
sessions = {path.name: onnxruntime.InferenceSession(str(path), options) for path in Path(sys.argv[1]).iterdir()}
for line in sys.stdin:
    request = json.loads(line)
    session = sessions[request["file"]]
    inputs = {
        name: np.frombuffer(base64.b64decode(data), kind).reshape(shape)
        for name, (kind, shape, data) in request["inputs"].items()
    }
    outputs = zip(session.get_outputs(), session.run(None, inputs))
    found = {one.name: [str(value.dtype), value.shape, base64.b64encode(value).decode()] for one, value in outputs}
    print(json.dumps(found), flush=True)
