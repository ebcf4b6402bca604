"""A pre-fork web server whose workers share a status table and a dictionary.

    pip wheel ./crates/shm-python && pip install shmap-*.whl
    python examples/python/prefork_server.py --port 8080 --workers 4

The parent listens, forks the workers, and replaces those that die. Each worker writes what it does into one
table, under its number; any worker can show what all are doing, and a killed one blocks nobody. The dictionary is
published whole: `PUT /words` replaces it for all workers at once, and each takes the new one at its next request.

    curl localhost:8080/words/rot
    curl -X PUT --data '{"rot": "scarlet"}' localhost:8080/words
    curl localhost:8080/status
"""

import argparse
import http.server
import json
import os
import signal
import socket
from urllib.parse import unquote

import shmap

WORDS = {"rot": "red", "blau": "blue", "grün": "green"}


class Handler(http.server.BaseHTTPRequestHandler):
    """One request. The class attributes are set by the worker."""

    status: "shmap.Table[int]"
    words: "shmap.Snapshot[str]"
    number: int
    served = 0

    def do_GET(self):
        self.count()
        if self.path == "/status":
            workers = {number: json.loads(line) for number, line in self.status.entries()}
            self.answer(200, workers)
        elif self.path.startswith("/words/"):
            # One load when nothing new was published.
            self.words.refresh()
            key = unquote(self.path[len("/words/") :])
            word = self.words.get_str(key)
            found = {"word": word, "edition": self.words.edition, "pid": os.getpid()}
            self.answer(404 if word is None else 200, found)
        else:
            self.answer(404, {"error": "try /status or /words/rot"})

    def do_PUT(self):
        self.count()
        try:
            length = int(self.headers.get("Content-Length", 0))
            words = shmap.RbTree(json.loads(self.rfile.read(length)))
        except (ValueError, TypeError, AttributeError, shmap.Error) as error:
            self.answer(400, {"error": str(error)})
            return
        self.answer(200, {"edition": words.share("words", force=True)})

    def count(self):
        type(self).served += 1
        report(self.status, self.number, self.served, self.path)

    def answer(self, code, what):
        body = json.dumps(what, ensure_ascii=False).encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def report(status, number, served, doing):
    line = {"pid": os.getpid(), "served": served, "doing": doing[:100]}
    status[number] = json.dumps(line)


def work(listener, status, number):
    """What a worker does until it is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server = http.server.HTTPServer(listener.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    # The table was opened before the fork; its handle works here, too.
    Handler.status, Handler.words, Handler.number = status, shmap.Snapshot("words"), number
    report(status, number, 0, "waiting")
    server.serve_forever()


def fork(listener, status, number):
    pid = os.fork()
    if pid == 0:
        try:
            work(listener, status, number)
        finally:
            os._exit(1)
    return pid


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--port", type=int, default=8080, help="0 for any that is free")
    arguments.add_argument("--workers", type=int, default=4)
    arguments = arguments.parse_args()

    listener = socket.create_server(("127.0.0.1", arguments.port), backlog=64)
    shmap.RbTree(WORDS).share("words", force=True)
    with shmap.Table("workers", value_size=512) as status:
        status.clear()
        workers = {fork(listener, status, number): number for number in range(arguments.workers)}

        def stop(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        try:
            while True:
                pid, _ = os.wait()
                number = workers.pop(pid)
                workers[fork(listener, status, number)] = number
        except KeyboardInterrupt:
            pass
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            for pid in workers:
                os.waitpid(pid, 0)
            status.unlink()
            shmap.remove("words")


if __name__ == "__main__":
    main()
