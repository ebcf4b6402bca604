"""A namespace of its own for each test, which goes away with it."""

import itertools
import os
import shutil
import subprocess
import sys

import pytest

_counter = itertools.count()


@pytest.fixture
def namespace(monkeypatch):
    root = "/dev/shm" if os.path.isdir("/dev/shm") else "/tmp"
    path = f"{root}/shmap-pytest-{os.getpid()}-{next(_counter)}"
    os.mkdir(path)
    os.chmod(path, 0o755)
    monkeypatch.setenv("SHMAP_DIR", path)
    yield path
    shutil.rmtree(path)


@pytest.fixture(autouse=True)
def _always_a_namespace(namespace):
    """No test may touch the default namespace."""


@pytest.fixture
def python():
    """Runs Python source in another process and returns what it prints."""

    def run(source, *arguments):
        command = [sys.executable, "-c", source, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def as_nobody():
    """Calls a function in a forked child as another user, and returns the name of what it raised, and of its bases."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")

    def run(call):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            outcome = "nothing was raised"
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                call()
            except BaseException as error:
                outcome = " ".join(cls.__name__ for cls in type(error).__mro__) + f" | {error}"
            os.write(writer, outcome.encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            outcome = pipe.read()
        os.waitpid(child, 0)
        return outcome

    return run
