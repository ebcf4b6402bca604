"""Cursors over a snapshot: they agree with a sorted list, in both directions, and keep their edition."""

import bisect
import random

import pytest
import shmap

WORDS = {"a": "1", "c": "3", "e": "5"}


@pytest.fixture
def words():
    shmap.RbTree(WORDS).share("words")
    with shmap.Snapshot("words") as words:
        yield words


def test_a_cursor_rests_between_entries(words):
    cursor = words.cursor()
    assert cursor.rank == 0 and cursor.prev() is None and cursor.peek_prev() is None
    assert cursor.peek_next() == ("a", b"1") == cursor.next() and cursor.rank == 1
    assert cursor.seek("d") is False and cursor.rank == 2
    assert (cursor.peek_prev(), cursor.peek_next()) == (("c", b"3"), ("e", b"5"))
    assert cursor.prev() == ("c", b"3") and cursor.rank == 1
    assert cursor.seek("c") is True and cursor.next() == ("c", b"3")
    assert cursor.seek(b"e") is True and cursor.next() == ("e", b"5")
    assert cursor.next() is None and cursor.peek_next() is None and cursor.rank == 3
    assert cursor.seek("z") is False and cursor.rank == 3
    assert cursor.seek("") is False and cursor.rank == 0
    cursor.seek_rank(2)
    assert cursor.next() == ("e", b"5")
    cursor.seek_rank(100)
    assert cursor.rank == 3 and cursor.prev() == ("e", b"5")


def test_a_cursor_is_an_iterator(words):
    cursor = words.cursor()
    assert iter(cursor) is cursor
    cursor.seek("b")
    assert list(cursor) == [("c", b"3"), ("e", b"5")] and list(cursor) == [] and cursor.rank == 3
    assert next(cursor, None) is None and cursor.prev() == ("e", b"5") and next(cursor) == ("e", b"5")
    other = words.cursor()
    assert other.rank == 0 and next(other) == ("a", b"1")


def test_a_cursor_keeps_its_edition(words):
    cursor = words.cursor()
    cursor.next()
    shmap.RbTree({"b": "new"}).share("words", force=True)
    assert words.refresh() and list(words.cursor()) == [("b", b"new")]
    words.close()
    assert cursor.seek("c") and list(cursor) == [("c", b"3"), ("e", b"5")]
    with pytest.raises(shmap.ClosedError):
        words.cursor()


@pytest.mark.parametrize("hash_index", [True, False])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
def test_a_cursor_agrees_with_a_list(count, hash_index):
    draw = random.Random(count)
    model = {bytes(draw.choices(b"ab\0\xff", k=draw.randrange(9))): bytes([n % 251]) for n in range(count)}
    shmap.RbTree(model, keys=bytes).share("model", hash_index=hash_index)
    entries = sorted(model.items())
    keys = [key for key, _ in entries]
    with shmap.Snapshot("model", keys=bytes) as snapshot:
        cursor, rank = snapshot.cursor(), 0
        for _ in range(2000):
            step = draw.choice(["next", "prev", "seek", "seek_rank"])
            if step == "next":
                assert cursor.next() == (entries[rank] if rank < len(entries) else None)
                rank = min(rank + 1, len(entries))
            elif step == "prev":
                assert cursor.prev() == (entries[rank - 1] if rank else None)
                rank = max(rank - 1, 0)
            elif step == "seek":
                key = bytes(draw.choices(b"ab\0\xff", k=draw.randrange(9)))
                rank = bisect.bisect_left(keys, key)
                assert cursor.seek(key) is (key in model)
            else:
                rank = draw.randrange(len(entries) + 3)
                cursor.seek_rank(rank)
                rank = min(rank, len(entries))
            assert cursor.rank == rank
            assert cursor.peek_next() == (entries[rank] if rank < len(entries) else None)
            assert cursor.peek_prev() == (entries[rank - 1] if rank else None)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_cursor_over_numbers(bits):
    with shmap.Table("numbers", bits=bits) as table:
        table.update({-5: b"a", 0: b"b", 7: b"c"})
        table.freeze("numbers")
    with shmap.Snapshot("numbers", keys=int) as numbers:
        cursor = numbers.cursor()
        assert list(cursor) == [(-5, b"a"), (0, b"b"), (7, b"c")]
        assert cursor.seek(0) is True and cursor.next() == (0, b"b")
        assert cursor.seek(1) is False and cursor.rank == 2
        # Beyond all keys.
        assert cursor.seek(2**70) is False and cursor.rank == 3
        assert cursor.seek(-(2**70)) is False and cursor.rank == 0
        # The same for an object that has a number, and no order.
        for number, rank in ((2**70, 3), (-(2**70), 0), (1, 2)):
            key = type("Key", (), {"__index__": lambda self, number=number: number})()
            assert cursor.seek(key) is False and cursor.rank == rank == numbers.rank(key)


def test_what_a_cursor_refuses_does_not_move_it(words):
    cursor = words.cursor()
    cursor.next()
    for call in (lambda: cursor.seek(1), lambda: cursor.seek(None), lambda: cursor.seek_rank("1")):
        with pytest.raises(TypeError):
            call()
    for rank in (-1, 2**70):
        with pytest.raises(OverflowError):
            cursor.seek_rank(rank)
    with pytest.raises(UnicodeEncodeError):
        cursor.seek("\ud800")
    assert cursor.rank == 1
    for call in (type(cursor), lambda: setattr(cursor, "rank", 0)):
        with pytest.raises((TypeError, AttributeError)):
            call()
    shmap.RbTree({"a": "1", b"\xff!!": "2"}).share("raw")
    with shmap.Snapshot("raw") as raw:
        cursor = raw.cursor()
        assert cursor.next() == ("a", b"1")
        for call in (cursor.next, cursor.peek_next, lambda: next(cursor)):
            with pytest.raises(shmap.WrongKindError, match="is not text; open it with keys=bytes"):
                call()
        assert cursor.rank == 1
