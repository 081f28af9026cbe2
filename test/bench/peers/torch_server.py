"""A minimal server of an exported PyTorch model: `POST /predict` with {"steps": [...]}.

  /usr/bin/python3 torch_server.py FOLDER [--processes 2]

FOLDER is what `export --format pytorch` writes. Prints its address, and serves until it is stopped.
"""
import argparse, http.server, json, os, sys


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self):
        steps = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["steps"]
        body = json.dumps(self.server.predict(steps)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--processes", type=int, default=2)
    a = p.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    # each process accepts connections of the same socket
    for _ in range(a.processes - 1):
        if os.fork() == 0:
            break
    else:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    sys.path.insert(0, a.folder)
    import torch
    import modeling
    torch.set_num_threads(1)
    model = modeling.load()
    def predict(steps):
        with torch.inference_mode():
            return model.predict([steps])[0]
    server.predict = predict
    server.serve_forever()


main()
