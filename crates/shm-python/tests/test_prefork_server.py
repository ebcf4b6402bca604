"""The example, driven by real requests."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from urllib.parse import quote

import pytest
import shmap

SERVER = pathlib.Path(__file__).parents[3] / "examples/python/prefork_server.py"


class Server:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, SERVER, "--port", "0", "--workers", "3"], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.port = int(line.rsplit(":", 1)[1])

    def ask(self, path, method="GET", body=None):
        """One request on its own connection, so that any worker may answer it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def until(self, what):
        """Asks until all three workers have reported, and `what` holds of them."""
        deadline = time.monotonic() + 60
        while True:
            _, workers = self.ask("/status")
            if len(workers) == 3 and what(workers):
                return workers
            assert time.monotonic() < deadline, workers
            time.sleep(0.01)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.process.terminate()
    server.process.wait()
    server.process.stdout.close()


def test_workers_share_a_table_and_a_dictionary(server, namespace):
    workers = server.until(lambda _: True)
    assert len({worker["pid"] for worker in workers.values()}) == 3

    assert server.ask("/words/rot")[1]["word"] == "red"
    assert server.ask("/words/" + quote("grün"))[1]["word"] == "green"
    code, answer = server.ask("/words/x")
    assert (code, answer["word"]) == (404, None)

    # What one worker publishes, every one serves from its next request on.
    assert server.ask("/words", "PUT", json.dumps({"rot": "scarlet"})) == (200, {"edition": 2})
    for _ in range(20):
        code, answer = server.ask("/words/rot")
        assert (code, answer["word"], answer["edition"]) == (200, "scarlet", 2)

    # What is no dictionary changes nothing.
    for wrong in ("[1, 2]", "nonsense", '{"a": 1}'):
        assert server.ask("/words", "PUT", wrong)[0] == 400
    assert server.ask("/words/rot")[1]["word"] == "scarlet"

    # The parent, and this process, see the same.
    served = {number: json.loads(line)["served"] for number, line in shmap.Table.open("workers").items()}
    assert sum(served.values()) >= 27


def test_a_killed_worker_is_replaced_and_hurts_nobody(server, namespace):
    workers = server.until(lambda _: True)
    for number in workers:
        os.kill(workers[number]["pid"], signal.SIGKILL)
        # The kernel may hand a last connection to the killed one; the next ones go to the others.
        killed = workers[number]["pid"]
        deadline = time.monotonic() + 60
        while True:
            try:
                current = server.ask("/status")[1]
                assert server.ask("/words/rot")[1]["word"] == "red"
                if len(current) == 3 and current[number]["pid"] != killed:
                    break
            except (ConnectionError, http.client.HTTPException):
                pass
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_it_leaves_nothing_behind(namespace):
    server = Server()
    server.until(lambda _: True)
    server.process.terminate()
    server.process.wait()
    server.process.stdout.close()
    assert os.listdir(namespace) == []
