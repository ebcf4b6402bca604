import pickle
import struct
from collections.abc import MutableMapping

import pytest
import shmap


@pytest.fixture
def table():
    with shmap.Table("status") as table:
        yield table


def test_it_is_a_mutable_mapping(table):
    assert isinstance(table, MutableMapping)
    table[3325] = b"running"
    table[-1] = "text becomes UTF-8: ä"
    table[7] = bytearray(b"array")
    table[8] = memoryview(b"view")
    assert table[3325] == b"running"
    assert table.get(-1) == "text becomes UTF-8: ä".encode()
    assert table.get_str(-1) == "text becomes UTF-8: ä"
    assert (table[7], table[8]) == (b"array", b"view")
    assert len(table) == 4
    assert 3325 in table and 1 not in table
    assert set(table) == {3325, -1, 7, 8} == set(table.keys())
    assert dict(table) == dict(table.items()) == dict(table.entries())
    assert sorted(table.values()) == sorted(dict(table).values())
    assert table == dict(table)
    del table[7]
    assert table.pop(8) == b"view"
    assert table.pop(8, None) is None
    assert table.setdefault(8, b"new") == b"new"
    table.update({1: b"one", 2: b"two"})
    table.update([(2, "zwei")])
    assert table.get_many([1, 2, 3]) == [b"one", b"zwei", None]
    table.clear()
    assert len(table) == 0 and list(table) == []


def test_absent_keys(table):
    assert table.get(1) is None
    assert table.get(1, "default") == "default"
    assert table.get_str(1, "default") == "default"
    for absent in (1, 2**40, -(2**100)):
        assert absent not in table
        assert table.get(absent) is None
        with pytest.raises(KeyError) as caught:
            table[absent]
        assert caught.value.args == (absent,)
        with pytest.raises(KeyError):
            del table[absent]


def test_keys_may_be_strings():
    with shmap.Table("names", keys=str, key_size=16) as table:
        table["红"] = "32是"
        table[""] = b""
        assert table.get_str("红") == "32是"
        assert table[""] == b""
        assert "x" * 17 not in table and table.get("x" * 17) is None
        assert table.key_type is str and table.key_size == 16
        assert sorted(table) == ["", "红"]
        with shmap.Table.open("names") as again:
            assert again["红"] == "32是".encode()


def test_keys_may_have_64_bits():
    with shmap.Table("wide", bits=64) as table:
        table[2**40] = b"x"
        assert table[2**40] == b"x"
        assert shmap.Table.open("wide")[2**40] == b"x"
        assert shmap.Table.open("wide", keys=int)[2**40] == b"x"
        with pytest.raises(shmap.OutOfRangeError):
            table[2**63] = b"x"


def test_values_of_exactly_the_size_fit_and_any_bytes():
    with shmap.Table("exact", capacity=2, value_size=5) as table:
        table[1] = b"\0\xff\0ab"
        assert table[1] == b"\0\xff\0ab"
        assert (table.capacity, table.value_size) == (2, 5)


def test_exactly_the_capacity_fits():
    with shmap.Table("full", capacity=3) as table:
        for key in range(3):
            table[key] = b""
        with pytest.raises(shmap.FullError):
            table[3] = b""
        assert sorted(table) == [0, 1, 2]


def test_a_table_with_a_max_capacity_grows():
    with shmap.Table("growing", capacity=3, max_capacity=10) as table:
        reader = shmap.Table.open("growing", read_only=True)
        assert (table.capacity, table.max_capacity) == (3, 10)
        length = table.stats()["file_len"]
        for key in range(4):
            table[key] = b"x"
        assert reader.capacity == 6 and reader.max_capacity == 10
        table.update({key: b"y" for key in range(10)})
        with pytest.raises(shmap.FullError, match="all 10 entries"):
            table[10] = b""
        assert sorted(reader) == list(range(10)) and reader[9] == b"y"
        stats = reader.stats()
        assert (stats["capacity"], stats["max_capacity"], stats["file_len"]) == (10, 10, length)
        table.verify()
        assert repr(table) == '<Table "growing": 10 of 10 entries>'
        assert shmap.Table("growing", capacity=3, max_capacity=10) == table
        for other in ({"max_capacity": 11}, {}):
            with pytest.raises(shmap.MismatchError, match="max_capacity"):
                shmap.Table("growing", capacity=3, **other)
        with pytest.raises(shmap.InvalidOptionError, match="max_capacity is 2, it must be 3 to"):
            shmap.Table.create("less", capacity=3, max_capacity=2)


def test_add_and_replace(table):
    table.add(1, b"a")
    with pytest.raises(shmap.KeyExistsError):
        table.add(1, b"b")
    with pytest.raises(shmap.KeyMissingError):
        table.replace(2, b"b")
    table.replace(1, b"c")
    assert dict(table) == {1: b"c"}


def test_batches_are_all_or_nothing(table):
    table.update({1: b"a", 2: b"b"})
    before = dict(table)
    for call in (
        lambda: table.add_many([(3, b""), (1, b"")]),
        lambda: table.replace_many({1: b"x", 3: b""}),
        lambda: table.remove_many([1, 2, 3]),
        lambda: table.update({4: b"x", 5: b"x" * 257}),
    ):
        with pytest.raises(shmap.Error) as caught:
            call()
        assert "batch member" in str(caught.value)
        assert dict(table) == before
    table.add_many({3: b"c"})
    table.replace_many([(1, b"A"), (3, b"C")])
    table.remove_many([2])
    assert dict(table) == {1: b"A", 3: b"C"}


def test_compare_exchange_and_counters(table):
    table[1] = b"old"
    assert not table.compare_exchange(1, b"other", b"new")
    assert table.compare_exchange(1, b"old", b"new")
    assert table[1] == b"new"
    table[2] = struct.pack("<q", 40)
    assert table.fetch_add(2) == 40
    assert table.fetch_add(2, -11) == 41
    assert struct.unpack("<q", table[2]) == (30,)
    with pytest.raises(shmap.MismatchError):
        table.fetch_add(1)
    for call in (lambda: table.compare_exchange(9, b"", b""), lambda: table.fetch_add(9)):
        with pytest.raises(KeyError):
            call()


def test_keys_and_values_of_other_types_are_type_errors(table):
    for call in (
        lambda: table.__delitem__("x"),
        lambda: table.remove_many(["x"]),
        lambda: table.add(1.5, b""),
        lambda: table.fetch_add("x"),
        lambda: table.compare_exchange("x", b"", b""),
        lambda: table.__setitem__("x", b""),
        lambda: table.__setitem__(1, 5.0),
        lambda: table.__setitem__(1, True),
        lambda: table.__setitem__(1, None),
        lambda: table.update({1: 5.0}),
        lambda: table.increment("x"),
    ):
        with pytest.raises(TypeError):
            call()
    assert len(table) == 0
    with shmap.Table("s", keys=str) as strings:
        for call in (lambda: strings.add(b"x", b""), lambda: strings.__setitem__(1, b"")):
            with pytest.raises(TypeError):
                call()
        with pytest.raises(UnicodeError):
            strings["\ud800"] = b""
    with pytest.raises(TypeError):
        shmap.Table("t", keys=float)


def test_text_that_is_none_is_a_unicode_error(table):
    table[1] = b"\xff"
    with pytest.raises(shmap.NotTextError) as caught:
        table.get_str(1)
    assert isinstance(caught.value, UnicodeDecodeError) and caught.value.object == b"\xff"


def test_it_pickles_by_name(table):
    table[1] = b"a"
    copy = pickle.loads(pickle.dumps(table))
    copy[2] = b"b"
    assert dict(table) == {1: b"a", 2: b"b"}
    assert (copy.name, copy.namespace, copy.timeout) == (table.name, table.namespace, table.timeout)
    reader = pickle.loads(pickle.dumps(shmap.Table.open("status", read_only=True)))
    assert reader.read_only and reader[2] == b"b"


def test_a_reader_does_not_write(table):
    table[1] = b"a"
    reader = shmap.Table.open("status", read_only=True)
    assert reader[1] == b"a" and dict(reader) == {1: b"a"}
    for call in (
        lambda: reader.__setitem__(1, b"b"),
        lambda: reader.__delitem__(1),
        reader.clear,
        lambda: reader.add(2, b""),
        lambda: reader.update({1: b"b"}),
        lambda: reader.fetch_add(1),
        lambda: reader.increment(1),
        reader.verify,
    ):
        with pytest.raises(PermissionError) as caught:
            call()
        assert isinstance(caught.value, shmap.ReadOnlyError)
    assert dict(table) == {1: b"a"}


def test_a_closed_handle_says_so(table):
    table[1] = b"a"
    other = shmap.Table("status")
    with other:
        assert not other.closed
    assert other.closed
    for call in (lambda: other[1], lambda: len(other), lambda: other.get(1), other.clear, lambda: list(other)):
        with pytest.raises(shmap.ClosedError):
            call()
    other.close()
    assert "closed" in repr(other)
    assert table[1] == b"a"


def test_unlinked_tables_are_orphaned(table):
    assert not table.is_orphaned()
    assert table.unlink()
    assert table.is_orphaned()
    assert not table.unlink()
    table[1] = b"still works"
    assert 1 not in shmap.Table("status")


def test_frozen_and_loaded(table):
    table.update({-5: b"minus", 3: b"three", 256: b"more"})
    assert table.freeze("frozen") == 1
    with pytest.raises(FileExistsError):
        table.freeze("frozen")
    table[3] = b"changed"
    with shmap.Snapshot("frozen", keys=int) as frozen:
        assert list(frozen.items()) == [(-5, b"minus"), (3, b"three"), (256, b"more")]
        assert frozen[-5] == b"minus" and 4 not in frozen and 2**40 not in frozen
        assert frozen.rank(3) == 1 and frozen.rank(2**40) == 3 and frozen.rank(-(2**40)) == 0
        assert list(frozen.range(0)) == [(3, b"three"), (256, b"more")]
        assert table.load(frozen) == 3
        assert table[3] == b"three"
        small = shmap.Table("small", capacity=2)
        with pytest.raises(shmap.FullError):
            small.load(frozen)
        assert len(small) == 0
    shmap.RbTree({"not a number": "x"}).share("words")
    before = dict(table)
    with pytest.raises(shmap.WrongKindError):
        table.load(shmap.Snapshot("words"))
    assert dict(table) == before


def test_keys_of_64_bits_are_frozen_and_loaded(table):
    numbers = {-(2**63): b"least", -1: b"minus", 0: b"", 2**31: b"wide", 2**63 - 1: b"most"}
    wide = shmap.Table("wide", bits=64)
    wide.update(numbers)
    wide.freeze("wide")
    with shmap.Snapshot("wide", keys=int) as frozen:
        assert list(frozen.items()) == sorted(numbers.items())
        assert frozen[2**31] == b"wide" and 5 not in frozen and 2**64 not in frozen
        assert frozen.get_many([-1, 2**64, 0]) == [b"minus", None, b""]
        assert frozen.rank(0) == 2 and frozen.rank(2**64) == 5 and frozen.rank(-(2**64)) == 0
        assert list(frozen.range(0, 2**31, inclusive=True)) == [(0, b""), (2**31, b"wide")]
        wide.clear()
        assert wide.load(frozen) == 5 and dict(wide) == numbers
        with pytest.raises(shmap.OutOfRangeError):
            table.load(frozen)
        assert len(table) == 0
        # The next edition may have narrower keys, and the one after it wider ones again.
        table[7] = b"narrow"
        table.freeze("wide", force=True)
        assert frozen.refresh() and dict(frozen) == {7: b"narrow"} and frozen[7] == b"narrow"
        assert wide.load(frozen) == 1 and wide[7] == b"narrow"
        iterator = iter(frozen)
        wide.freeze("wide", force=True)
        assert frozen.refresh() and frozen[2**31] == b"wide" and frozen[7] == b"narrow"
        assert list(iterator) == [7]


def test_keys_that_no_table_can_have_are_not_there(table):
    table[1] = b"x"
    names = shmap.Table("names", keys=str, key_size=4)
    names["a"] = b"x"
    for some, key, impossible in ((table, 1, 2**70), (names, "a", "too long")):
        assert some.get(impossible) is None and impossible not in some
        assert some.get_many([impossible, key, impossible]) == [None, b"x", None]
        for call in (lambda: some[impossible], lambda: some.__delitem__(impossible), lambda: some.pop(impossible)):
            with pytest.raises(shmap.KeyMissingError):
                call()
        with pytest.raises(shmap.KeyMissingError) as caught:
            some.remove_many([key, impossible])
        assert caught.value.args == (impossible,) and some[key] == b"x"


def test_figures(table):
    table[1] = b"a"
    stats = table.stats()
    assert (stats["len"], stats["capacity"], stats["max_capacity"], stats["value_size"]) == (1, 1024, 1024, 256)
    table.verify()
    table.recover()
    assert repr(table) == '<Table "status": 1 of 1024 entries>'
    assert table.path == table.namespace / "shmap.status.table"
    assert shmap.names() == [("status", "table")]


def test_subscripts_for_annotations():
    assert shmap.Table[int] and shmap.Snapshot[str] and shmap.RbTree[bytes]
