"""Real processes: fork, spawn, forkserver, kill."""

import ctypes
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
import shmap
import shmap.sharedmap as sharedmap

METHODS = ["fork", "spawn", "forkserver"]


def count_up(table, key, times):
    for _ in range(times):
        table.fetch_add(key)


def look(snapshot, drop_in, queue):
    queue.put((snapshot["rot"], snapshot.edition, drop_in.get("rot"), len(snapshot)))


@pytest.mark.parametrize("method", METHODS)
def test_a_table_goes_through_multiprocessing(method):
    context = multiprocessing.get_context(method)
    with shmap.Table("counters") as table:
        table[1] = bytes(8)
        workers = [context.Process(target=count_up, args=(table, 1, 500)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 4
        assert table.fetch_add(1, 0) == 2000


@pytest.mark.parametrize("method", METHODS)
def test_snapshots_go_through_multiprocessing(method):
    shmap.RbTree({"rot": "red", "blau": "blue"}).share("words")
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    arguments = (shmap.Snapshot("words"), sharedmap.sharedmap("words"), queue)
    worker = context.Process(target=look, args=arguments)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert queue.get() == (b"red", 1, "red", 2)


def write_twice(name):
    with shmap.Table.open(name) as table:
        table[1] = b"theirs"
        table[1] = b"theirs"


def test_who_writes_is_told():
    with shmap.Table("written", value_size=16) as table:
        assert table.writers() == []
        table[1] = b"ours"
        table[1] = b"ours"
        [own] = table.writers()
        assert own["pid"] == os.getpid() and own["thread"] == threading.get_native_id() and own["alive"]
        assert own["command"] and own["writes"] >= 1
        child = multiprocessing.get_context("spawn").Process(target=write_twice, args=("written",))
        child.start()
        child.join()
        assert child.exitcode == 0
        with shmap.Table.open("written", read_only=True) as reader:
            ended = [writer for writer in reader.writers() if writer["pid"] == child.pid]
            assert [(writer["alive"], writer["command"]) for writer in ended] == [(False, None)]


def test_growths_are_counted():
    with shmap.Table("growing", capacity=4, max_capacity=100) as table:
        assert table.stats()["growths"] == 0
        table.update({key: "x" for key in range(100)})
        stats = table.stats()
        assert stats["growths"] > 0 and stats["capacity"] == 100


def test_a_pool_may_be_given_a_table():
    with shmap.Table("pool") as table, multiprocessing.get_context("fork").Pool(2) as pool:
        pool.starmap(table.__setitem__, [(n, str(n)) for n in range(20)])
        assert dict(table) == {n: str(n).encode() for n in range(20)}


def test_nothing_is_registered_with_the_resource_tracker(python):
    source = """
import shmap
from multiprocessing import resource_tracker
seen = []
resource_tracker.register = lambda *what: seen.append(what)
table = shmap.Table("tracked"); table[1] = b"a"
shmap.RbTree({"a": "b"}).share("tracked"); shmap.Snapshot("tracked").refresh(); shmap.remove("tracked")
assert not seen and resource_tracker._resource_tracker._fd is None
print("shared_memory" in __import__("sys").modules)
"""
    assert python(source) == "False"
    # What a process made outlives it.
    assert shmap.Table("tracked")[1] == b"a"


def test_a_forked_childs_handles_work_after_the_parents_are_closed():
    table = shmap.Table("inherited")
    table[1] = b"of the parent"
    shmap.RbTree({"a": "b"}).share("inherited")
    snapshot = shmap.Snapshot("inherited")
    go_on, wait = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(wait)
            os.read(go_on, 1)
            table[2] = table[1] + b", changed"
            code = 0 if snapshot.refresh() and snapshot["a"] == b"c" else 2
        finally:
            os._exit(code)
    table.close()
    snapshot.close()
    shmap.RbTree({"a": "c"}).share("inherited", force=True)
    os.close(wait)
    _, status = os.waitpid(child, 0)
    os.close(go_on)
    assert status == 0
    assert shmap.Table("inherited")[2] == b"of the parent, changed"


WRITER = """
import math, shmap, sys
table = shmap.Table("killed", ttl=math.inf)
batches = [[(key, bytes([value]) * 200) for key in range(1000)] for value in (1, 2)]
table.update(batches[0])
print("ready", flush=True)
while True:
    for batch in batches:
        table.upsert_many(batch)
"""


def start_writer():
    writer = subprocess.Popen([sys.executable, "-c", WRITER], stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"ready\n"
    return writer


def end(writer):
    writer.kill()
    writer.wait()
    writer.stdout.close()


def has_staged(table, key):
    """A batch that holds the lock has staged the key, so that a write of it waits."""
    try:
        table.compare_exchange(key, b"another value", b"never")
    except shmap.LockTimeoutError:
        return True
    return False


def stop_while_it_writes(writer):
    """Stops the process at a moment at which it holds the lock and has staged the key 7."""
    impatient = shmap.Table.open("killed", timeout=0.05)
    draw = random.Random(7)
    for _ in range(5000):
        os.kill(writer.pid, signal.SIGSTOP)
        # Until it has stopped: a signal is not heard at once.
        os.waitpid(writer.pid, os.WUNTRACED)
        try:
            impatient[5000] = b"probe"
        except shmap.LockTimeoutError as error:
            assert isinstance(error, TimeoutError) and error.errno == 110
            assert error.filename == str(impatient.path)
            if has_staged(impatient, 7):
                return
        else:
            del impatient[5000]
        # It goes on for at least a batch, and then for some part of one.
        writes = impatient.stats()["writes"]
        os.kill(writer.pid, signal.SIGCONT)
        while impatient.stats()["writes"] == writes:
            time.sleep(0)
        time.sleep(draw.uniform(0, 0.002))
    pytest.fail("the writer was never stopped in a write")


def whole(table):
    """The batch in the table: all of its thousand entries are of one batch."""
    values = {value for key, value in table.entries() if key < 1000}
    assert values in ({b"\1" * 200}, {b"\2" * 200})
    return values.pop()


def test_a_writer_stopped_and_killed_in_a_write_hurts_no_reader():
    writer = start_writer()
    try:
        readers = [shmap.Table.open("killed", read_only=True), shmap.Table.open("killed")]
        stop_while_it_writes(writer)
        before = [whole(reader) for reader in readers]
        assert [reader[7] for reader in readers] == before
    finally:
        end(writer)
    # Nobody has repaired anything yet.
    after = [whole(reader) for reader in readers]
    assert after == before and [reader[7] for reader in readers] == before
    table = shmap.Table.open("killed")
    recoveries = table.stats()["recoveries"]
    table[2000] = b"the next write repairs"
    assert table.stats()["recoveries"] == recoveries + 1
    table.verify()
    whole(table)


def test_readers_see_whole_batches_while_writers_are_killed():
    for _ in range(15):
        writer = start_writer()
        reader = shmap.Table.open("killed", read_only=True)
        for _ in range(5):
            try:
                whole(reader)
            except shmap.LockTimeoutError:
                # A reader without permission to lock gives up when writes always come between.
                assert len({reader[7], reader[7]} - {b"\1" * 200, b"\2" * 200}) == 0
        end(writer)
        whole(reader)
    table = shmap.Table.open("killed")
    table[1] = b"\0"
    table.verify()


PUBLISHER = """
import shmap
maps = [shmap.RbTree({str(key): value * 100 for key in range(300)}) for value in "ab"]
maps[0].share("killed", force=True)
print("ready", flush=True)
while True:
    for each in maps:
        each.share("killed", force=True)
"""


def test_readers_see_whole_maps_while_publishers_are_killed():
    for _ in range(15):
        publisher = subprocess.Popen([sys.executable, "-c", PUBLISHER], stdout=subprocess.PIPE)
        assert publisher.stdout.readline() == b"ready\n"
        with shmap.Snapshot("killed") as snapshot:
            for _ in range(20):
                snapshot.refresh()
                assert len(set(snapshot.values())) == 1 and len(snapshot) == 300
            end(publisher)
            snapshot.refresh()
            snapshot.verify()
            assert len(set(snapshot.values())) == 1
    edition = shmap.RbTree({"the": "next"}).share("killed", force=True)
    with shmap.Snapshot("killed") as snapshot:
        assert snapshot.edition == edition and dict(snapshot) == {"the": b"next"}
    shmap.prune()
    assert shmap.names() == [("killed", "snapshot")]


def while_counting(call):
    """Calls, and returns how far another thread counted meanwhile."""
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    while counted[0] == 0:
        time.sleep(0)
    before = counted[0]
    try:
        call()
    finally:
        after = counted[0]
        done.set()
        thread.join()
    return after - before


BUSY = """
import shmap, sys
table = shmap.Table("busy", capacity=20000, timeout=None)
print("ready", flush=True)
while True:
    for key in range(20000):
        table[key] = sys.argv[1]
"""


def test_all_entries_beside_writers_that_do_not_pause():
    """Who may write never fails for them; who may not can do without one moment."""
    with shmap.Table("busy", capacity=20000) as table:
        table.update({key: "a" for key in range(20000)})
        writers = [subprocess.Popen([sys.executable, "-c", BUSY, value], stdout=subprocess.PIPE) for value in "ab"]
        try:
            for writer in writers:
                assert writer.stdout.readline() == b"ready\n"
            reader = shmap.Table.open("busy", read_only=True)
            for _ in range(3):
                for entries in (table.entries(), list(table.items()), reader.entries(one_moment=False)):
                    assert len(entries) == 20000 and {value for _, value in entries} <= {b"a", b"b"}
                assert len(list(table)) == 20000
                assert table.freeze("frozen", force=True) > 0
        finally:
            for writer in writers:
                end(writer)


def test_waiting_for_the_lock_lets_other_threads_run():
    writer = start_writer()
    try:
        stop_while_it_writes(writer)
        patient = shmap.Table.open("killed", timeout=0.5)

        def write():
            with pytest.raises(shmap.LockTimeoutError):
                patient[7] = b"x"

        assert while_counting(write) > 100
    finally:
        end(writer)


def test_waiting_for_an_update_lets_other_threads_run():
    shmap.RbTree({"a": "1"}).share("awaited")
    with shmap.Snapshot("awaited") as snapshot:

        def wait():
            assert snapshot.wait_for_update(0.5) is False

        assert while_counting(wait) > 100


def test_a_wait_ends_when_another_process_publishes(python):
    shmap.RbTree({"a": "1"}).share("awaited")
    with shmap.Snapshot("awaited") as snapshot:
        seen = []

        def wait():
            seen.append((snapshot.wait_for_update(100), snapshot["a"]))

        thread = threading.Thread(target=wait)
        thread.start()
        # Reads and refreshes by other threads go on while one sleeps.
        assert snapshot["a"] == b"1" and not snapshot.refresh()
        python("import shmap; shmap.RbTree({'a': '2'}).share('awaited', force=True)")
        thread.join()
        assert seen == [(True, b"2")]
        # Also with the iterators of an old edition alive.
        old = iter(snapshot)
        python("import shmap; shmap.RbTree({'b': '3'}).share('awaited', force=True)")
        assert snapshot.wait_for_update() is True
        assert list(snapshot) == ["b"] and list(old) == ["a"]


@pytest.mark.parametrize("call", ["snapshot.wait_for_update()", "table.__setitem__(7, b'x')"])
def test_ctrl_c_ends_a_wait(call):
    writer = start_writer()
    try:
        stop_while_it_writes(writer)
        shmap.RbTree({"a": "1"}).share("awaited")
        source = f"""
import signal
import shmap
# A shell that starts the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
snapshot, table = shmap.Snapshot("awaited"), shmap.Table.open("killed", timeout=None)
try:
    print("ready", flush=True)
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""
        waiter = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
        try:
            assert waiter.stdout.readline() == b"ready\n"
            # If it is not asleep yet, the signal finds it on its way there.
            time.sleep(0.3)
            waiter.send_signal(signal.SIGINT)
            assert waiter.communicate(timeout=120)[0] == b"interrupted\n"
        finally:
            waiter.kill()
            waiter.wait()
    finally:
        end(writer)


def test_many_threads_share_a_handle():
    with shmap.Table("threads") as table:
        table[1] = bytes(8)

        def work(mine):
            for n in range(300):
                table.fetch_add(1)
                table[mine] = str(n)
                assert table[mine] == str(n).encode()

        threads = [threading.Thread(target=work, args=(key,)) for key in range(10, 14)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert table.fetch_add(1, 0) == 1200 and len(table) == 5


def test_a_tree_may_change_while_it_is_being_published():
    tree = shmap.RbTree({str(n): "a" for n in range(20000)})
    threads = [threading.Thread(target=tree.share, args=(f"changing-{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for n in range(300):
        tree[str(n)] = "b"
    for thread in threads:
        thread.join()
    for n in range(3):
        with shmap.Snapshot(f"changing-{n}") as snapshot:
            snapshot.verify()
            assert len(snapshot) == 20000
    assert tree["0"] == b"b"


def test_what_is_larger_than_huge_pages_is_whole_in_another_process(python):
    entries = {f"key {number}": f"{number} ".encode() * 20 for number in range(30_000)}
    assert shmap.RbTree(entries).share("large") == 1
    with shmap.Table("large", keys=str, capacity=len(entries), value_size=140) as table:
        table.upsert_many(entries)
        assert table.stats()["file_len"] > 4 << 20
        script = """
import shmap
table, snapshot = shmap.Table.open("large", read_only=True), shmap.Snapshot("large")
assert len(snapshot.dump()) > 4 << 20
snapshot.verify()
for map in (table, snapshot):
    for number in range(30_000):
        assert map[f"key {number}"] == f"{number} ".encode() * 20, number
    assert len(map) == 30_000
print("whole")
"""
        assert python(script) == "whole"
        table.unlink()


def test_a_limit_on_locked_memory_need_be_no_larger_than_the_file(as_nobody):
    with shmap.Table("large", keys=int, capacity=1100, value_size=1024, mode=0o644) as table:
        table[1] = "one"
        size = os.stat(table.path).st_size
        assert size > 2 << 20
        hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        if hard != resource.RLIM_INFINITY and hard < size + (1 << 20):
            pytest.skip(f"no more than {hard} bytes may be locked here")
        os.chmod(table.namespace, 0o755)
        libc, outcomes = ctypes.CDLL(None), []
        for limit in (size - (1 << 20), size + (1 << 20)):

            def look(limit=limit):
                resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
                MCL_FUTURE = 2
                assert libc.mlockall(MCL_FUTURE) == 0
                with shmap.Table.open("large", read_only=True, namespace=table.namespace) as locked:
                    assert locked[1] == b"one"

            outcomes.append(as_nobody(look))
        table.unlink()
    assert "Error" in outcomes[0], outcomes
    assert outcomes[1] == "nothing was raised", outcomes
