"""Calls that wait for others: signals are heard, and the caller's limit is that of the whole call."""

import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time

import pytest
import shmap
import shmap.sharedmap as sharedmap
from columns import T_CARE, T_INSERTING, T_REMOVING, T_REPLACING
from test_processes import end, start_writer, stop_while_it_writes

#: Within what a signal must be heard, and a limit kept, in seconds. Far more than it takes, far less than the five
#: seconds that some calls wait of themselves.
PROMPT = 3

PUBLISHER = """
import shmap
tree = shmap.RbTree({"a": "b"})
tree.share("held", force=True)
print("ready", flush=True)
while True:
    tree.share("held", force=True)
"""


class Heard(Exception):
    """Raised by the handler of a signal."""


class Signals:
    """Signals to the main thread, one after the other, until the block ends. `handle` is called for each from `arm` on,
    until it raises."""

    def __init__(self, handle):
        self.handle, self.armed, self.ended, self.count = handle, False, threading.Event(), 0

    def __enter__(self):
        self.before = signal.signal(signal.SIGUSR1, self.run)
        self.thread = threading.Thread(target=self.send, args=(threading.main_thread().ident,))
        self.thread.start()
        return self

    def arm(self):
        self.armed = True

    def run(self, *_):
        if not self.armed:
            return
        self.count += 1
        try:
            self.handle()
        except BaseException:
            self.armed = False
            raise

    def send(self, main):
        while not self.ended.wait(0.05):
            signal.pthread_kill(main, signal.SIGUSR1)

    def __exit__(self, *exception):
        self.armed = False
        self.ended.set()
        self.thread.join()
        signal.signal(signal.SIGUSR1, self.before)


def raise_heard():
    raise Heard


@pytest.fixture
def held():
    """A process that is stopped while it holds the lock of the published name `held`."""
    publisher = subprocess.Popen([sys.executable, "-c", PUBLISHER], stdout=subprocess.PIPE)
    try:
        assert publisher.stdout.readline() == b"ready\n"
        draw, tree = random.Random(7), shmap.RbTree({"a": "b"})
        for _ in range(5000):
            os.kill(publisher.pid, signal.SIGSTOP)
            os.waitpid(publisher.pid, os.WUNTRACED)
            try:
                tree.share("held", force=True, timeout=0.02)
            except shmap.LockTimeoutError as error:
                # Else it was stopped while it opened the segment.
                if f"by process {publisher.pid} (" in str(error):
                    file = "shmap.held.control"
                    assert error.filename.endswith(file) and str(error).count(file) == 1, error
                    break
            os.kill(publisher.pid, signal.SIGCONT)
            time.sleep(draw.uniform(0, 0.002))
        else:
            pytest.fail("the publisher was never stopped while it held the lock")
        yield
    finally:
        end(publisher)


@pytest.fixture
def killed():
    """A process that is stopped while it holds the lock of the table `killed`."""
    writer = start_writer()
    try:
        stop_while_it_writes(writer)
        yield
    finally:
        end(writer)


@pytest.fixture
def settled():
    """Somebody settles the table and the control segment of the name `settled`, and does not end."""
    shmap.Table("settled").close()
    shmap.RbTree({"a": "b"}).share("settled")
    files = []
    for kind in ("table", "control"):
        path = f"{os.environ['SHMAP_DIR']}/shmap.settled.{kind}"
        file = os.open(path, os.O_RDWR)
        # The lock of all writers: `struct flock` of the first byte.
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
        fcntl.fcntl(file, getattr(fcntl, "F_OFD_SETLK", 37), lock)
        files.append(file)
    yield
    for file in files:
        os.close(file)


def dropin():
    tree = sharedmap.rbtree()
    tree.set("a", "b")
    return tree


def frozen(timeout, name):
    table = shmap.Table("of its own", timeout=timeout)
    table[1] = b"x"
    return table.freeze(name, force=True)


def loaded(table):
    shmap.RbTree({7: "seven"}, keys=int).share("loadable", force=True)
    return table.load(shmap.Snapshot("loadable", keys=int))


#: Each change of a table. It is given the table, of a lock that is held.
CHANGES = {
    "__delitem__": lambda table: table.__delitem__(7),
    "__setitem__": lambda table: table.__setitem__(7, b"x"),
    "add": lambda table: table.add(-1, b"x"),
    "add_ephemeral": lambda table: table.add_ephemeral(-1, b"x"),
    "add_many": lambda table: table.add_many({-1: b"x"}),
    "clear": lambda table: table.clear(),
    "compare_exchange": lambda table: table.compare_exchange(7, b"x", b"y"),
    "expire": lambda table: table.expire(100),
    "fetch_add": lambda table: table.fetch_add(7),
    "increment": lambda table: table.increment(7),
    "load": loaded,
    "pop": lambda table: table.pop(7),
    "popitem": lambda table: table.popitem(),
    "recover": lambda table: table.recover(),
    "remove_many": lambda table: table.remove_many([7]),
    "replace": lambda table: table.replace(7, b"x"),
    "replace_many": lambda table: table.replace_many({7: b"x"}),
    "set": lambda table: table.set(7, b"x", 60),
    "setdefault": lambda table: table.setdefault(-1, b"x"),
    "touch": lambda table: table.touch(7, 60),
    "update": lambda table: table.update({7: b"x"}),
    "upsert_many": lambda table: table.upsert_many({7: b"x"}),
    "verify": lambda table: table.verify(),
}
#: Each call that waits for the lock of a published name, or for who settles it. It is given a timeout, which the drop-in
#: has no argument for, and the name.
PUBLICATIONS = {
    "RbTree.share": lambda timeout, name: shmap.RbTree({"a": "c"}).share(name, force=True, timeout=timeout),
    "Table.freeze": frozen,
    "remove": lambda timeout, name: shmap.remove(name, timeout=timeout),
    "rbtree.share": lambda timeout, name: dropin().share(name, force=True),
    "rbtree.remove": lambda timeout, name: sharedmap.rbtree.remove(name),
}
OPENINGS = {
    "Table.__new__": lambda timeout, name: shmap.Table(name, timeout=timeout),
    "Table.open": lambda timeout, name: shmap.Table.open(name, timeout=timeout),
}
IN_TIME = [name for name in PUBLICATIONS if not name.startswith("rbtree")]


def hears(call):
    """The handler's exception comes out of the call, soon."""
    with Signals(raise_heard) as signals:
        start = time.monotonic()
        with pytest.raises(Heard):
            signals.arm()
            call()
        took = time.monotonic() - start
    assert took < PROMPT


def lasts(call, timeout):
    """Handlers that return do not end the call, which takes as long as it was told to."""
    with Signals(lambda: None) as signals:
        signals.arm()
        start = time.monotonic()
        with pytest.raises(shmap.LockTimeoutError):
            call()
        took = time.monotonic() - start
    assert timeout <= took < PROMPT and signals.count > 0


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_table_hears_signals(killed, change):
    with shmap.Table.open("killed", timeout=None) as table:
        hears(lambda: CHANGES[change](table))
    with shmap.Table.open("killed", timeout=0.3) as table:
        lasts(lambda: CHANGES[change](table), 0.3)


@pytest.mark.parametrize("call", PUBLICATIONS)
def test_a_publication_hears_signals(held, call):
    hears(lambda: PUBLICATIONS[call](None, "held"))
    if call in IN_TIME:
        lasts(lambda: PUBLICATIONS[call](0.3, "held"), 0.3)


@pytest.mark.parametrize("call", [*PUBLICATIONS, *OPENINGS])
def test_waiting_for_who_settles_hears_signals_and_ends_in_time(settled, call):
    run = {**PUBLICATIONS, **OPENINGS}[call]
    hears(lambda: run(None, "settled"))
    if call in (*IN_TIME, *OPENINGS):
        lasts(lambda: run(0.3, "settled"), 0.3)


def test_waiting_for_an_update_hears_signals():
    shmap.RbTree({"a": "b"}).share("awaited")
    with shmap.Snapshot("awaited") as snapshot:
        hears(snapshot.wait_for_update)
        with Signals(lambda: None) as signals:
            signals.arm()
            start = time.monotonic()
            assert snapshot.wait_for_update(0.5) is False
            assert time.monotonic() - start >= 0.5 and signals.count > 0


def test_a_handler_may_use_the_handle_that_is_waited_by(killed):
    shmap.RbTree({"a": "b"}).share("awaited")
    seen = []

    def use():
        seen.append((snapshot["a"], snapshot.refresh(), len(table), table.get(7) is not None))
        if len(seen) == 3:
            snapshot.close()
            table.close()
            raise Heard

    for call in ("wait_for_update", "__setitem__"):
        snapshot, table = shmap.Snapshot("awaited"), shmap.Table.open("killed", timeout=None)
        seen.clear()
        with Signals(use) as signals, pytest.raises(Heard):
            signals.arm()
            snapshot.wait_for_update() if call == "wait_for_update" else table.__setitem__(7, b"x")
        assert seen == [(b"b", False, 1000, True)] * 3 and snapshot.closed and table.closed


def test_other_threads_wait_on_when_the_main_thread_hears(killed):
    """Python runs handlers in its main thread only."""
    table = shmap.Table.open("killed", timeout=0.6)
    outcome = []

    def wait():
        try:
            table[7] = b"x"
        except shmap.LockTimeoutError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    with shmap.Table.open("killed", timeout=None) as other:
        hears(lambda: other.__setitem__(7, b"x"))
    thread.join()
    assert len(outcome) == 1


def test_no_change_of_a_table_is_left_out():
    groups = (T_INSERTING, T_REMOVING, T_REPLACING, T_CARE)
    assert CHANGES.keys() == {name for group in groups for name in group.split()[1:]}
