"""Entries that expire, entries that go with their writer, and full tables that remove the oldest entries."""

import datetime
import gc
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest
import shmap

SHORT, LONG = 0.02, 3600
WATCHDOG = 60
REFUSED = {"match": "entries of this table do not expire: it was created without expiry; a table made with ttl="}


def until(condition):
    """Waits for what is to come in the end."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < WATCHDOG, "it never came"
        time.sleep(0.001)


@pytest.fixture
def each():
    """A table whose entries have times of their own."""
    with shmap.Table("leases", capacity=8, value_size=16, ttl=math.inf) as table:
        yield table


@pytest.fixture
def reader(each):
    with shmap.Table.open("leases", read_only=True) as reader:
        yield reader


def expired(table, key, value=b"x"):
    """An entry that has expired."""
    table.set(key, value, SHORT)
    until(lambda: key not in table)


@pytest.mark.parametrize("keys", [int, str, bytes])
def test_an_entry_expires(keys):
    one, two = {int: (1, 2), str: ("one", "two"), bytes: (b"one", b"two")}[keys]
    with shmap.Table("leases", keys=keys, ttl=math.inf) as table:
        reader = shmap.Table.open("leases", keys=keys, read_only=True)
        assert table.set(one, "first", LONG) is False
        assert table.set(one, "second", ttl=SHORT) is True
        left = table.ttl(one)
        assert left is None or 0 <= left <= SHORT
        table[two] = b"stays"
        until(lambda: one not in table)
        for handle in (table, reader):
            assert handle.get(one) is None and handle.ttl(one) is None and one not in handle
            assert handle.get_many([one, two]) == [None, b"stays"]
            assert dict(handle) == dict(handle.entries()) == {two: b"stays"}
            assert handle.get_stale(one) == b"second" == handle.get_stale(one, None)
            assert handle.get_stale(two) == b"stays" and handle.ttl(two) == math.inf
            with pytest.raises(KeyError):
                handle[one]
            # Nobody has taken its slot.
            assert len(handle) == 2 and handle.stats()["expired"] == 0
        for call in (
            lambda: table.replace(one, b"x"),
            lambda: table.touch(one, LONG),
            lambda: table.compare_exchange(one, b"second", b"x"),
            lambda: table.fetch_add(one),
            lambda: table.__delitem__(one),
            lambda: table.pop(one),
        ):
            with pytest.raises(shmap.KeyMissingError):
                call()
        assert table.get_stale(one) == b"second"
        table.add(one, b"third")
        assert table.ttl(one) == math.inf and table.stats()["expired"] == 1
        expired(table, one, b"fourth")
        assert table.set(one, b"fifth") is False and table[one] == b"fifth"
        table.verify()


def test_what_is_absent_has_no_time(each, reader):
    expired(each, 3)
    for handle in (each, reader):
        for absent in (1, 3, 2**40, "one", None, 1.5):
            assert handle.ttl(absent) is None
        for absent in (1, 2**40, "one", None, 1.5):
            assert handle.get_stale(absent) is None and handle.get_stale(absent, "default") == "default"
        for call in (handle.ttl, handle.get_stale):
            with pytest.raises(TypeError):
                call([])


def test_what_changes_a_value_leaves_its_time(each):
    each.set(1, 7, LONG)
    for change in (
        lambda: each.replace(1, 8),
        lambda: each.fetch_add(1),
        lambda: each.increment(1),
        lambda: each.compare_exchange(1, 10, b"text"),
        lambda: each.replace_many({1: b"batch"}),
    ):
        change()
        assert LONG / 2 < each.ttl(1) <= LONG
    for change in (lambda: each.__setitem__(1, b"x"), lambda: each.update({1: b"x"}), lambda: each.set(1, b"x")):
        each.touch(1, LONG)
        assert each.ttl(1) <= LONG
        change()
        assert each.ttl(1) == math.inf


def test_a_touch_changes_the_time_alone(each):
    each[1] = b"value"
    version = each.version(1)
    each.touch(1, LONG)
    assert LONG / 2 < each.ttl(1) <= LONG
    each.touch(1, 2 * LONG)
    assert LONG < each.ttl(1) <= 2 * LONG
    assert each.get_with_version(1) == (b"value", version)
    each.touch(1, SHORT)
    until(lambda: 1 not in each)
    with pytest.raises(shmap.KeyMissingError):
        each.touch(2, LONG)


def test_a_table_has_a_default():
    with shmap.Table("leases", ttl=SHORT) as table:
        assert table.default_ttl == SHORT and shmap.Table.open("leases", read_only=True).default_ttl == SHORT
        table[1] = b"x"
        table.add(2, b"x")
        table.update({3: b"x", 4: b"x"})
        table.increment(5)
        table.set(6, b"x")
        table.setdefault(7, b"x")
        table.set(8, b"x", LONG)
        until(lambda: list(table) == [8])
        assert len(table) == 8 and table.expire(2**62) == 1024 and len(table) == 1
        assert table.stats()["expired"] == 7


def test_what_a_table_was_made_with(each):
    plain = shmap.Table("plain")
    assert (plain.default_ttl, plain.evicts) == (None, False)
    assert (each.default_ttl, each.evicts) == (math.inf, False)
    with shmap.Table("both", ttl=2, evict=True) as both:
        assert (both.default_ttl, both.evicts) == (2.0, True) and type(both.default_ttl) is float
        assert shmap.Table("both", ttl=both.default_ttl, evict=both.evicts) == both
        for other in ({}, {"ttl": 2}, {"evict": True}, {"ttl": 3, "evict": True}, {"ttl": math.inf, "evict": True}):
            with pytest.raises(shmap.MismatchError, match="entries of .* are evicted differently than asked|expire differently than asked"):
                shmap.Table("both", **other)
    with pytest.raises(shmap.MismatchError, match="expire differently than asked: each after a time of its own, not after 5s"):
        shmap.Table("leases", capacity=8, value_size=16, ttl=5)
    with pytest.raises(shmap.MismatchError, match="evicted differently than asked: never, not the least recently written first"):
        shmap.Table("plain", evict=True)


@pytest.mark.parametrize(
    ("made_with", "asked", "advice"),
    [
        ({}, {"ttl": 5}, "ttl=None"),
        ({"ttl": 1800}, {}, "ttl=1800"),
        ({"ttl": 0.25}, {"ttl": math.inf}, "ttl=0.25"),
        ({"ttl": math.inf}, {}, "ttl=math.inf"),
        ({}, {"evict": True}, "evict=False"),
        ({"evict": True}, {}, "evict=True"),
        ({"capacity": 8}, {}, "capacity=8"),
        ({"capacity": 8, "max_capacity": 64}, {"capacity": 8}, "max_capacity=64"),
        ({"value_size": 8}, {}, "value_size=8"),
        ({"keys": str, "key_size": 9}, {"keys": str}, "key_size=9"),
    ],
)
def test_a_table_that_differs_says_how_to_open_it(made_with, asked, advice):
    with shmap.Table.create("differs", **made_with) as table:
        with pytest.raises(shmap.MismatchError) as caught:
            shmap.Table("differs", **asked)
        _, _, how = str(caught.value).partition("; open it with ")
        assert how == f"{advice}, or with Table.open, which takes it as it is"
        argument, _, value = advice.partition("=")
        value = eval(value, {"math": math})
        assert shmap.Table("differs", **{**asked, argument: value}) == shmap.Table.open("differs") == table


def test_a_table_without_expiry_refuses_times():
    with shmap.Table("plain") as table:
        table[1] = b"x"
        before = table.version(1), table.table_version()
        for call in (
            lambda: table.set(1, b"y", LONG),
            lambda: table.set(2, b"y", LONG),
            lambda: table.touch(1, LONG),
            lambda: table.touch(2, LONG),
            lambda: table.add_ephemeral(2, b"y"),
        ):
            with pytest.raises(shmap.InvalidOptionError, **REFUSED):
                call()
        assert before == (table.version(1), table.table_version()) and dict(table) == {1: b"x"}
        assert table.ttl(1) == math.inf and table.ttl(2) is None
        assert table.get_stale(1) == b"x" and table.get_stale(2) is None
        assert table.expire(100) == 0
        assert table.set(1, b"y") is True and table.set(2, b"z") is False
        assert dict(table) == {1: b"y", 2: b"z"}


@pytest.mark.parametrize("ttl", [0, -1, -0.0, 1e-10, math.nan, -math.inf, 1e300, 2**63, 5e9])
def test_times_that_are_not_possible(each, ttl):
    each.set(1, b"x", LONG)
    version = each.table_version()
    for call in (
        lambda: each.set(1, b"y", ttl),
        lambda: each.set(2, b"y", ttl),
        lambda: each.touch(1, ttl),
        lambda: shmap.Table("new", ttl=ttl),
        lambda: shmap.Table.create("new", ttl=ttl),
    ):
        with pytest.raises(shmap.InvalidOptionError, match="^ttl is |^the time to live is .*, it must be more than 0"):
            call()
    assert each.table_version() == version and dict(each) == {1: b"x"} and each.ttl(1) <= LONG
    assert shmap.names() == [("leases", "table")]


def test_the_longest_and_the_shortest_time(each):
    longest = 4.6e9
    each.set(1, b"x", longest)
    assert longest - LONG < each.ttl(1) <= longest
    each.set(2, b"x", 1e-9)
    until(lambda: 2 not in each)
    # No entry can be told to stay: `each[key] = value` does that.
    for call in (lambda: each.set(1, b"y", math.inf), lambda: each.touch(1, math.inf)):
        with pytest.raises(shmap.InvalidOptionError, match="ttl is inf, it must be more than 0 and at most 4611686018 seconds"):
            call()
    assert each[1] == b"x"


@pytest.mark.parametrize("ttl", [True, False, "1", b"1", [1], object(), datetime.timedelta(seconds=1)])
def test_a_time_is_a_number_of_seconds(each, ttl):
    each[1] = b"x"
    for call in (lambda: each.set(1, b"y", ttl), lambda: each.touch(1, ttl), lambda: shmap.Table("new", ttl=ttl)):
        with pytest.raises(TypeError, match="argument 'ttl': "):
            call()
    assert each[1] == b"x" and each.ttl(1) == math.inf and shmap.names() == [("leases", "table")]


def test_a_reader_and_a_closed_handle_refuse(each, reader):
    each[1] = b"x"
    calls = (
        lambda table: table.set(1, b"y"),
        lambda table: table.set(1, b"y", LONG),
        lambda table: table.touch(1, LONG),
        lambda table: table.add_ephemeral(2, b"y"),
        lambda table: table.expire(1),
    )
    for call in calls:
        with pytest.raises(shmap.ReadOnlyError):
            call(reader)
    assert dict(each) == {1: b"x"} and each.ttl(1) == math.inf
    reader.close()
    for call in (*calls, lambda table: table.ttl(1), lambda table: table.get_stale(1), lambda table: table.evicts):
        with pytest.raises(shmap.ClosedError):
            call(reader)


def test_sweeps_are_bounded_and_go_on():
    with shmap.Table("leases", capacity=100, ttl=math.inf) as table:
        for key in range(100):
            table.set(key, b"x", SHORT if key % 2 else LONG)
        until(lambda: len(list(table)) == 50)
        assert len(table) == 100 and table.expire(0) == 0 and len(table) == 100
        assert [table.expire(10) for _ in range(5)] == [10] * 5
        assert 50 < len(table) < 100
        for _ in range(5):
            table.expire(10)
        assert len(table) == 50 and table.stats()["expired"] == 50
        table.verify()


def test_slots_of_what_has_expired_are_taken(each):
    for key in range(8):
        each.set(key, b"x", SHORT)
    until(lambda: list(each) == [])
    for key in range(10, 18):
        each[key] = b"x"
    with pytest.raises(shmap.FullError):
        each[18] = b"x"
    assert len(each) == 8 and each.stats()["expired"] == 8 and each.get_stale(1) is None


def test_an_ephemeral_entry_goes_with_its_thread(each, reader):
    there, may_end = threading.Event(), threading.Event()

    def work():
        each.add_ephemeral(1, "here")
        there.set()
        may_end.wait(WATCHDOG)

    thread = threading.Thread(target=work)
    thread.start()
    assert there.wait(WATCHDOG)
    for handle in (each, reader):
        assert handle.get_str(1) == "here" and handle.ttl(1) == "ephemeral"
    with pytest.raises(shmap.KeyExistsError):
        each.add_ephemeral(1, b"x")
    may_end.set()
    thread.join(WATCHDOG)
    until(lambda: 1 not in each and 1 not in reader)
    assert reader.ttl(1) is None and reader.get_stale(1) == b"here"
    each.add_ephemeral(1, b"anew")
    assert reader[1] == b"anew"


CHILD = """
import math, shmap, sys
table = shmap.Table.open("leases")
table.add_ephemeral(1, "here")
table.add_ephemeral(2, "here")
table.add_ephemeral(3, "here")
table.set(2, "stays")
table.touch(3, 3600)
print("ready", flush=True)
sys.stdin.read()
"""


def test_an_ephemeral_entry_goes_with_a_process_that_is_killed(each, reader):
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        try:
            assert child.stdout.readline() == b"ready\n"
            assert reader.ttl(1) == each.ttl(1) == "ephemeral" and each[1] == b"here"
            assert each.ttl(2) == math.inf and each.ttl(3) <= LONG
        finally:
            os.kill(child.pid, signal.SIGKILL)
        child.wait(WATCHDOG)
    assert 1 not in reader and 1 not in each
    assert dict(each) == dict(reader) == {2: b"stays", 3: b"here"}
    each.add(1, b"x")
    assert each.stats()["expired"] == 1


def test_an_ephemeral_entry_goes_when_its_thread_closes_the_handle(each):
    with shmap.Table.open("leases") as other:
        other.add_ephemeral(1, b"x")
        assert each[1] == b"x"
    assert 1 not in each


def test_an_ephemeral_entry_goes_when_its_thread_forks(each):
    each.add_ephemeral(1, b"x")
    if sys.version_info >= (3, 10):
        # By `vfork`.
        subprocess.run([sys.executable, "-c", ""], check=True)
        assert each[1] == b"x"
    child = os.fork()
    if child == 0:
        os._exit(1 in each)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0 and 1 not in each


def test_a_wait_notices_that_an_entry_is_over(each, reader):
    absent = each.version(1)
    for handle in (each, reader):
        each.set(1, b"x", SHORT)
        seen = handle.version(1)
        if seen != absent:
            assert handle.wait(1, seen, WATCHDOG) == absent
        assert handle.get_with_version(1) == (None, absent)
        # Nobody has written.
        whole = handle.table_version()
        assert handle.wait_any(whole, 0.01) is None
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout.readline() == b"ready\n"
        seen = reader.version(1)
        assert seen != absent and reader.wait(1, seen, 0.01) is None
        child.kill()
    assert reader.wait(1, seen, WATCHDOG) == absent


def test_more_threads_than_records():
    with shmap.Table("leases", ttl=math.inf) as table:
        refused, done, may_end = [], threading.Semaphore(0), threading.Event()

        def work(key):
            try:
                table.add_ephemeral(key, b"x")
            except shmap.FullError as error:
                refused.append((key, str(error)))
            done.release()
            may_end.wait(WATCHDOG)

        threads = [threading.Thread(target=work, args=(key,)) for key in range(150)]
        for thread in threads:
            thread.start()
        try:
            for _ in threads:
                assert done.acquire(timeout=WATCHDOG)
            assert 0 < len(refused) < 100
            assert {text for _, text in refused} == {"this thread cannot be registered as a writer: no record is free"}
            assert set(table) == set(range(150)) - {key for key, _ in refused}
        finally:
            may_end.set()
            for thread in threads:
                thread.join()
        until(lambda: not list(table))
        table.add_ephemeral(1, b"x")
        table.verify()


def evicting(**more):
    return shmap.Table("evicts", **{"capacity": 3, "value_size": 16, "evict": True, **more})


def written(table, entries):
    """One after the other: what one batch writes is of one age."""
    for key, value in entries.items():
        table[key] = value
    return table


def test_a_full_table_evicts_what_was_written_longest_ago():
    with evicting() as table:
        for key in (1, 2, 3):
            table[key] = b"x"
        table[1] = b"again"
        # Reading makes nothing younger.
        assert table[2] == b"x" and 2 in table and table.get_many([2]) == [b"x"]
        table.add(4, b"x")
        assert sorted(table) == [1, 3, 4]
        table.update({5: b"x", 1: b"x"})
        assert sorted(table) == [1, 4, 5]
        assert table.increment(6) == 1 and sorted(table) == [1, 5, 6]
        stats = table.stats()
        assert (stats["evicted"], stats["expired"], stats["len"]) == (3, 0, 3)
        with pytest.raises(shmap.FullError):
            table.update({key: b"x" for key in range(10, 14)})
        assert sorted(table) == [1, 5, 6] and table.stats()["evicted"] == 3
        with pytest.raises(shmap.KeyExistsError):
            table.add(1, b"x")
        with pytest.raises(shmap.ValueTooLongError):
            table[7] = b"x" * 17
        assert sorted(table) == [1, 5, 6]
        table.verify()


def test_what_has_expired_goes_before_what_is_old():
    with evicting(ttl=math.inf) as table:
        table[1] = b"old"
        table[2] = b"x"
        table.touch(1, LONG)
        expired(table, 3)
        table[4] = b"x"
        assert sorted(table) == [1, 2, 4]
        # A touch is a write.
        table[5] = b"x"
        assert sorted(table) == [1, 4, 5]
        assert (table.stats()["evicted"], table.stats()["expired"]) == (1, 1)


def test_a_table_grows_before_it_evicts():
    with evicting(max_capacity=6) as table:
        for key in range(6):
            table[key] = b"x"
        assert sorted(table) == list(range(6)) and table.stats()["evicted"] == 0
        table[6] = b"x"
        assert sorted(table) == list(range(1, 7)) and table.capacity == 6


@pytest.mark.parametrize("keys", [int, str, bytes])
def test_who_evicts_is_told(keys):
    one, two, three, four, five = {int: range(1, 6), str: "12345", bytes: (b"1", b"2", b"3", b"4", b"5")}[keys]
    gone = []

    def on_evict(key, value):
        # The call is over, and the handle may be used.
        assert key not in table
        gone.append((key, value))

    with evicting(keys=keys, on_evict=on_evict) as table:
        written(table, {one: b"1", two: b"2", three: b"3"})
        assert gone == []
        table[four] = b"4"
        assert gone == [(one, b"1")]
        table.add(one, b"5")
        assert table.set(two, b"6") is False
        assert table.increment(three) == 1
        assert gone[1:] == [(two, b"2"), (three, b"3"), (four, b"4")]
        table.upsert_many({two: b"7", four: b"8"})
        assert gone[4:] == [(one, b"5")]
        with evicting(keys=keys) as other:
            # Its own handle is told nothing, and nobody else is.
            other[one] = b"9"
        assert len(gone) == 5 and table.stats()["evicted"] == 6
        with shmap.Table.open("evicts", on_evict=lambda key, value: gone.append(key)) as opened:
            opened[three] = b"x"
        assert len(gone) == 6
        again = pickle.loads(pickle.dumps(table))
        again[five] = b"y"
        assert len(gone) == 6 and again.stats()["evicted"] == 8


def test_what_is_loaded_and_what_is_ephemeral_evicts_too():
    shmap.RbTree({8: "8", 9: "9"}, keys=int).share("loadable")
    gone = []
    with evicting(ttl=math.inf, on_evict=lambda *entry: gone.append(entry)) as table:
        written(table, {1: b"1", 2: b"2", 3: b"3"})
        assert table.load(shmap.Snapshot("loadable", keys=int)) == 2
        assert sorted(gone) == [(1, b"1"), (2, b"2")]
        table.add_ephemeral(4, b"4")
        assert gone[2:] == [(3, b"3")] and table.ttl(4) == "ephemeral"


def test_a_function_that_fails_is_heard(monkeypatch):
    told, unraisable = [], []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    def fail(key, value):
        told.append(key)
        raise ZeroDivisionError(key)

    with evicting(on_evict=fail) as table:
        written(table, {1: b"", 2: b"", 3: b""})
        with pytest.raises(ZeroDivisionError, match="^1$"):
            table[4] = b"written"
        assert table[4] == b"written" and told == [1]
        with pytest.raises(ZeroDivisionError, match="^2$"):
            table.update({5: b"", 6: b""})
        # All are told, and only one exception can be raised.
        assert sorted(table) == [4, 5, 6] and told == [1, 2, 3]
        assert [type(each.exc_value) for each in unraisable] == [ZeroDivisionError]
        table[4] = b"present"
        assert table[4] == b"present"


def test_a_function_may_write_to_the_table_and_close_it():
    second = shmap.Table("second")

    def move(key, value):
        second[key] = value
        if key == 2:
            table.close()
        elif len(second) == 1:
            table[9] = b"from within"

    table = evicting(on_evict=move)
    written(table, {1: b"1", 2: b"2", 3: b"3"})
    table[4] = b"4"
    assert table.closed and dict(second) == {1: b"1", 2: b"2"}
    assert sorted(shmap.Table.open("evicts")) == [3, 4, 9]


def test_a_handle_and_its_owner_are_collected():
    class Owner:
        def __init__(self):
            self.table = evicting(on_evict=self.gone)

        def gone(self, key, value):
            pass

    owner = Owner()
    for key in range(5):
        owner.table[key] = b"x"
    seen = weakref.ref(owner)
    del owner
    gc.collect()
    assert seen() is None
