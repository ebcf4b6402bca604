"""Forks while other threads use the handles: a child has the forking thread only, and every handle.

Whatever lock or borrow another thread held at the fork is held in the child for ever; so none may be.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import pytest
import shmap
import shmap.sharedmap as sharedmap


# Of forks beside threads, which is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def in_child(call, seconds=60):
    """Calls in a forked child; None, or what went wrong there. One that hangs is killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            call()
        except BaseException:
            text = traceback.format_exc()
        os.write(writer, text.encode()[-4000:])
        os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)
            return "it hangs"
        time.sleep(0.001)
    with os.fdopen(reader) as pipe:
        return pipe.read() or None


class Threads:
    """Threads that repeat something until the block ends."""

    def __init__(self, *calls):
        self.ended, self.errors = threading.Event(), []
        self.threads = [threading.Thread(target=self.repeat, args=(call,)) for call in calls]

    def repeat(self, call):
        try:
            while not self.ended.is_set():
                call()
        except BaseException as error:
            self.errors.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors


def test_the_watchdog_sees_a_child_that_hangs():
    lock = threading.Lock()
    with lock:
        assert in_child(lock.acquire, seconds=0.3) == "it hangs"
    assert in_child(lock.acquire) is None
    assert "ZeroDivisionError" in in_child(lambda: 1 / 0)


def test_a_child_waits_by_a_handle_that_the_parent_waits_by():
    shmap.RbTree({"a": "1"}).share("awaited")
    with shmap.Snapshot("awaited") as snapshot:
        waiter = threading.Thread(target=snapshot.wait_for_update)
        waiter.start()
        # Until it sleeps; if it is not there yet, the test sees less.
        time.sleep(0.3)

        def child():
            assert snapshot.wait_for_update(timeout=0.05) is False
            shmap.RbTree({"a": "2"}).share("awaited", force=True)
            assert snapshot.wait_for_update() is True and snapshot["a"] == b"2"
            snapshot.close()

        assert in_child(child) is None
        waiter.join()
        assert snapshot["a"] == b"2"


def follow(snapshot, ready, queue):
    ready.release()
    queue.put((snapshot.wait_for_update(60), snapshot.refresh(), snapshot["a"]))


def test_workers_that_were_forked_from_a_waiting_parent_see_new_editions():
    """As a pre-fork server that loads its program first: the parent has threads before it forks."""
    shmap.RbTree({"a": "1"}).share("awaited")
    context = multiprocessing.get_context("fork")
    with shmap.Snapshot("awaited") as snapshot, Threads(lambda: snapshot.wait_for_update(0.2)):
        ready, queue = context.Semaphore(0), context.SimpleQueue()
        workers = [context.Process(target=follow, args=(snapshot, ready, queue)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for _ in workers:
            assert ready.acquire(timeout=60)
        shmap.RbTree({"a": "2"}).share("awaited", force=True)
        for worker in workers:
            worker.join(60)
            alive = worker.is_alive()
            worker.kill()
            assert not alive, "a worker hangs"
        # One that came to wait after the publication may have found the edition by that.
        assert [queue.get() for _ in workers] == [(True, False, b"2")] * 4


def test_waits_by_one_handle_do_not_wait_for_each_other():
    shmap.RbTree({"a": "1"}).share("awaited")
    with shmap.Snapshot("awaited") as snapshot:
        for count in (10, 40):
            took = []

            def wait(took=took):
                start = time.monotonic()
                assert snapshot.wait_for_update(0.05) is False
                took.append(time.monotonic() - start)

            threads = [threading.Thread(target=wait) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(took) == count and min(took) >= 0.05
            # One after the other they would take `count` times as long, and longer. A busy machine delays some.
            assert sorted(took)[count // 2] < 0.05 * count / 2, took


def test_a_short_wait_is_short_beside_long_ones():
    shmap.RbTree({"a": "1"}).share("awaited")
    with shmap.Snapshot("awaited") as snapshot, Threads(*[lambda: snapshot.wait_for_update(0.3)] * 16):
        took = []
        for _ in range(11):
            start = time.monotonic()
            assert snapshot.wait_for_update(0.01) is False
            took.append(time.monotonic() - start)
        assert max(took) < 1, took


def test_all_who_wait_by_one_handle_hear_of_an_edition():
    shmap.RbTree({"a": "1"}).share("awaited")
    with shmap.Snapshot("awaited") as snapshot:
        asleep, heard = threading.Barrier(6), []

        def wait():
            asleep.wait()
            heard.append((snapshot.wait_for_update(60), snapshot["a"]))

        threads = [threading.Thread(target=wait) for _ in range(5)]
        for thread in threads:
            thread.start()
        asleep.wait()
        time.sleep(0.3)
        shmap.RbTree({"a": "2"}).share("awaited", force=True)
        for thread in threads:
            thread.join()
        assert heard == [(True, b"2")] * 5


def test_a_handle_may_be_closed_under_a_wait():
    shmap.RbTree({"a": "1"}).share("awaited")
    snapshot, raised = shmap.Snapshot("awaited"), []

    def wait():
        try:
            snapshot.wait_for_update()
        except shmap.ClosedError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    snapshot.close()
    thread.join()
    assert len(raised) == 1


class Slow:
    """A key whose conversion is Python code that lets other threads run, until it is told to go on."""

    def __init__(self):
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __index__(self):
        self.reached.set()
        assert self.go_on.wait(60)
        return 1


class Last(str):
    """A value whose end is Python code that lets other threads run."""

    reached, go_on = threading.Event(), threading.Event()

    def __del__(self):
        self.reached.set()
        assert self.go_on.wait(60)


def a_table():
    table = shmap.Table("numbers")
    table[1] = b"one"

    def use():
        assert table[1] == table.get(1) == b"one" and 1 in table
        table[2] = b"two"
        table.close()

    return table, use


def a_snapshot():
    shmap.RbTree({1: "one"}, keys=int).share("numbers", force=True)
    snapshot = shmap.Snapshot("numbers", keys=int)

    def use():
        assert snapshot[1] == snapshot.get(1) == b"one" and 1 in snapshot
        assert not snapshot.refresh() and not snapshot.wait_for_update(0)
        shmap.RbTree({2: "two"}, keys=int).share("numbers", force=True)
        assert snapshot.refresh() and list(snapshot) == [2]
        snapshot.close()

    return snapshot, use


def a_cursor():
    shmap.RbTree({1: "one", 2: "two"}, keys=int).share("numbers", force=True)
    cursor = shmap.Snapshot("numbers", keys=int).cursor()

    def use():
        cursor.seek_rank(0)
        assert cursor.next() == (1, b"one") and cursor.seek(2) and list(cursor) == [(2, b"two")] and cursor.rank == 2

    return cursor, use


def a_tree():
    tree = shmap.RbTree({1: "one"}, keys=int)

    def use():
        assert tree[1] == tree.get(1) == b"one" and 1 in tree
        tree[2] = b"two"
        del tree[1]
        tree.update({3: "three"})
        assert list(tree) == [2, 3] and len(tree.dump()) > 0
        tree.clear()

    return tree, use


def a_dropin():
    tree = sharedmap.rbtree()
    tree.set("a", Last("b"))

    def use():
        assert tree.get("a") == "b" and tree.set("c", "d") and tree.get("c") == "d"

    return tree, use


LOOKUPS = ["__contains__", "__getitem__", "get", "get_str"]
#: Calls that are in Python code in the midst of an access.
SLOW_CALLS = [
    *((a_table, name, lambda key: (key,)) for name in LOOKUPS),
    *((a_snapshot, name, lambda key: (key,)) for name in [*LOOKUPS, "range", "rank"]),
    (a_cursor, "seek", lambda key: (key,)),
    *((a_tree, name, lambda key: (key,)) for name in [*LOOKUPS, "remove"]),
    (a_table, "add", lambda key: (key, b"one")),
    (a_table, "fetch_add", lambda key: (key,)),
    (a_table, "get_stale", lambda key: (key,)),
    (a_table, "set", lambda key: (key, b"one")),
    (a_table, "ttl", lambda key: (key,)),
    (a_tree, "set", lambda key: (key, b"one")),
    (a_tree, "set_many", lambda key: ([(key, b"one")],)),
    (a_dropin, "get", None),
]


@pytest.fixture(params=SLOW_CALLS, ids=lambda case: f"{case[0].__name__[2:]}.{case[1]}")
def others_use(request):
    """While another thread is in the midst of an access: what others do with the handle."""
    make, name, arguments = request.param
    handle, use = make()
    if arguments is None:
        Last.reached.clear(), Last.go_on.clear()
        slow, given = Last, ("a",)
    else:
        slow = Slow()
        given = arguments(slow)
    outcome = []

    def call():
        try:
            outcome.append(getattr(handle, name)(*given))
        except (KeyError, shmap.Error) as error:
            # As others made of the handle what they wanted.
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        assert slow.reached.wait(60)
        yield use
    finally:
        slow.go_on.set()
        thread.join()
    assert len(outcome) == 1


def test_a_fork_in_the_midst_of_an_access_leaves_no_handle_in_use(others_use):
    assert in_child(others_use) is None


def test_other_threads_use_a_handle_in_the_midst_of_an_access(others_use):
    others_use()


def test_forks_at_any_moment_leave_every_handle_usable():
    entries = {str(number): str(number) for number in range(200)}
    shmap.RbTree(entries).share("busy")
    table, snapshot, tree = shmap.Table("busy", keys=str), shmap.Snapshot("busy"), shmap.RbTree(entries)
    dropin, reader = sharedmap.rbtree(), sharedmap.sharedmap("busy")
    iterators = [iter(snapshot.items())]

    def read():
        for key in entries:
            assert snapshot.get(key) == tree.get_str(key, "").encode()
            table.get(key)

    def write():
        table.update(entries)
        table["counter"] = bytes(8)
        table.fetch_add("counter")

    def fail():
        for call in (lambda: table["missing"], lambda: snapshot.range(1.5), lambda: snapshot.nth(1000), lambda: tree["x"]):
            with pytest.raises((KeyError, TypeError, IndexError)):
                call()
        repr((table.path, snapshot.path, table, snapshot, tree))

    def grow():
        tree.set("7", "7")
        dropin.set("a", "b")
        assert dropin.get("a") == "b"
        next(iterators[0], None)
        iterators[0] = iter(snapshot.items())

    def child():
        assert table.get("7") in (b"7", None) and snapshot["7"] == b"7" and tree["7"] == b"7" and reader.get("7") == "7"
        table["of the child"] = b"x"
        assert not snapshot.wait_for_update(0.001) and not snapshot.refresh()
        list(iterators[0]), list(tree), list(snapshot), dropin.get("a"), dropin.dump()
        tree.set("7", "8")
        with pytest.raises(KeyError):
            table["missing"]
        table.close()
        snapshot.close()

    calls = [read, write, fail, grow, lambda: snapshot.wait_for_update(0.01), snapshot.refresh]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with Threads(*calls, lambda: snapshot.wait_for_update(0.3)):
            for number in range(150):
                assert in_child(child) is None, number
    finally:
        sys.setswitchinterval(interval)
    table.verify()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_waiting_handle_goes_to_workers_of_other_start_methods(method):
    shmap.RbTree({"a": "1"}).share("awaited")
    context = multiprocessing.get_context(method)
    with shmap.Snapshot("awaited") as snapshot, Threads(lambda: snapshot.wait_for_update(0.2)):
        ready, queue = context.Semaphore(0), context.SimpleQueue()
        worker = context.Process(target=follow, args=(snapshot, ready, queue))
        worker.start()
        assert ready.acquire(timeout=60)
        shmap.RbTree({"a": "2"}).share("awaited", force=True)
        worker.join()
        assert worker.exitcode == 0 and queue.get() == (True, False, b"2")


def test_the_interpreter_ends_beside_threads_that_wait():
    script = """
import os, shmap, sys, threading, time
shmap.RbTree({"a": "1"}).share("awaited", force=True)
snapshot, table = shmap.Snapshot("awaited"), shmap.Table("awaited")
def use():
    while True:
        snapshot.wait_for_update(0.001)
        table[threading.get_native_id() % 100] = b"x"
for call in [snapshot.wait_for_update, snapshot.wait_for_update, use, use]:
    threading.Thread(target=call, daemon=True).start()
time.sleep(0.2)
print("end", flush=True)
"""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
