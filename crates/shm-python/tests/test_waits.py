"""Waiting for a change of a key, or of anything: who waits is woken, by whichever process, and by signals."""

import asyncio
import multiprocessing
import pickle
import threading
import time

import pytest
import shmap
from test_interrupts import PROMPT, Heard, Signals, hears

#: Longer than a wait sleeps at a time.
AWAY = 0.25
CHANGES = 300
WATCHDOG = 60


@pytest.fixture(params=[int, str, bytes])
def keyed(request):
    """A table, and a key of it that is absent."""
    table = shmap.Table("waited", keys=request.param, value_size=16)
    yield table, {int: 1, str: "one", bytes: b"one"}[request.param]
    table.close()


@pytest.fixture(params=[False, True], ids=["writer", "reader"])
def handle(request):
    """A table, and a handle to wait by."""
    with shmap.Table("waited", value_size=16) as table:
        with shmap.Table.open("waited", read_only=request.param) as handle:
            yield table, handle


def test_a_version_changes_with_the_entry(keyed):
    table, key = keyed
    value, absent = table.get_with_version(key)
    assert value is None and absent == table.version(key) and table.wait(key, absent, 0) is None
    table[key] = b"first"
    present = table.version(key)
    assert present != absent and table.wait(key, absent) == present
    assert table.get_with_version(key) == (b"first", present)
    table[key] = b"first"
    again = table.wait(key, present)
    assert again is not None and again not in (absent, present) and hash(again) is not None
    assert pickle.loads(pickle.dumps(again)) == table.version(key)
    del table[key]
    assert table.wait(key, again) == absent
    assert table.wait(key, absent, timeout=0.01) is None


def test_the_version_of_a_table_changes_with_every_write(handle):
    table, handle = handle
    seen = handle.table_version()
    assert handle.wait_any(seen, 0.01) is None
    for write in (lambda: table.add(1, b"x"), lambda: table.replace(1, b"x"), lambda: table.__delitem__(1), table.clear):
        write()
        now = handle.wait_any(seen)
        assert now is not None and now != seen
        seen = handle.table_version()
    assert handle.wait_any(seen, 0.01) is None


def test_a_thread_waits_while_others_run(handle):
    table, handle = handle
    seen, heard = handle.version(1), []
    thread = threading.Thread(target=lambda: heard.append((handle.wait(1, seen), handle.get(1))))
    thread.start()
    time.sleep(AWAY)
    assert not heard
    table[1] = b"x"
    thread.join(WATCHDOG)
    assert heard == [(table.version(1), b"x")]


def test_a_wait_lasts_as_long_as_it_was_told_to(handle):
    _, handle = handle
    start = time.monotonic()
    assert handle.wait(1, handle.version(1), timeout=AWAY) is None
    assert handle.wait_any(handle.table_version(), timeout=AWAY) is None
    assert 2 * AWAY <= time.monotonic() - start < PROMPT


def follow(name, read_only, queue):
    """Follows a counter until its last value; skips some, but never goes back."""
    table = shmap.Table.open(name, read_only=read_only)
    value, seen = table.get_with_version(1)
    before = int.from_bytes(value, "little")
    queue.put("ready")
    while before < CHANGES:
        assert table.wait(1, seen, WATCHDOG) is not None
        value, seen = table.get_with_version(1)
        now = int.from_bytes(value, "little")
        assert now > before
        before = now
    queue.put("done")


def test_other_processes_wake_who_waits():
    with shmap.Table("waited", value_size=16) as table:
        table[1] = 0
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        followers = [context.Process(target=follow, args=("waited", read_only, queue)) for read_only in (False, True)]
        for follower in followers:
            follower.start()
        assert [queue.get(timeout=WATCHDOG) for _ in followers] == ["ready"] * 2
        for _ in range(CHANGES):
            table.increment(1)
        assert [queue.get(timeout=WATCHDOG) for _ in followers] == ["done"] * 2
        for follower in followers:
            follower.join(WATCHDOG)
            assert follower.exitcode == 0


def test_signals_end_a_wait(handle):
    _, handle = handle
    seen, whole = handle.version(1), handle.table_version()
    hears(lambda: handle.wait(1, seen))
    hears(lambda: handle.wait_any(whole))
    with Signals(lambda: None) as signals:
        signals.arm()
        start = time.monotonic()
        assert handle.wait(1, seen, 0.5) is None
        assert time.monotonic() - start >= 0.5 and signals.count > 0


def test_a_handler_may_close_the_handle_that_waits(handle):
    _, handle = handle
    seen = []

    def close():
        seen.append(handle.get(1))
        if len(seen) == 3:
            handle.close()
            raise Heard

    with Signals(close) as signals, pytest.raises(Heard):
        version = handle.version(1)
        signals.arm()
        handle.wait(1, version)
    assert seen == [None] * 3 and handle.closed


def test_closing_the_handle_ends_a_wait(handle):
    _, handle = handle
    raised = []

    def wait(call):
        try:
            call()
        except shmap.ClosedError as error:
            raised.append(error)

    seen, whole = handle.version(1), handle.table_version()
    calls = [lambda: handle.wait(1, seen), lambda: handle.wait_any(whole)]
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    time.sleep(AWAY)
    handle.close()
    for thread in threads:
        thread.join(WATCHDOG)
    assert len(raised) == 2


def test_what_is_no_version_of_this_table(handle):
    _, handle = handle
    with shmap.Table("other") as other:
        theirs, all_of_theirs = other.version(1), other.table_version()
    for call in (lambda: handle.wait(1, theirs), lambda: handle.wait_any(all_of_theirs)):
        with pytest.raises(shmap.MismatchError, match="the version is of the table with id"):
            call()
    with pytest.raises(shmap.InvalidOptionError, match="seen is 24 bytes long, which is not the version of a key"):
        handle.wait(1, handle.table_version())
    # Of the table that had the name before.
    seen = handle.version(1)
    with shmap.Table.open("waited") as table:
        table.unlink()
    with shmap.Table("waited") as anew, pytest.raises(shmap.MismatchError):
        anew.wait(1, seen)


def test_a_coroutine_waits_in_a_thread():
    async def changed(table, seen):
        return await asyncio.to_thread(table.wait, 1, seen, WATCHDOG)

    async def both():
        with shmap.Table("waited") as table:
            waiting = asyncio.ensure_future(changed(table, table.version(1)))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            table[1] = b"x"
            assert await waiting == table.version(1)

    asyncio.run(both())
