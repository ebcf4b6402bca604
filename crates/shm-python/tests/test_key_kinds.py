"""Tables of every kind of keys, also of those that other languages make; keys out of range."""

import pickle
import struct
import zlib

import pytest
import shmap

#: Of `docs/format.md`.
KINDS = {
    "i8": (0x101, -(2**7), 2**7 - 1),
    "i16": (0x102, -(2**15), 2**15 - 1),
    "i32": (0x104, -(2**31), 2**31 - 1),
    "i64": (0x108, -(2**63), 2**63 - 1),
    "u8": (0x201, 0, 2**8 - 1),
    "u16": (0x202, 0, 2**16 - 1),
    "u32": (0x204, 0, 2**32 - 1),
    "u64": (0x208, 0, 2**64 - 1),
}


def made(namespace, kind):
    """An empty table of integers of a kind, as another language makes it."""
    shmap.Table.create("it").close()
    with open(f"{namespace}/shmap.it.table", "r+b") as file:
        header = bytearray(file.read(256))
        header[96:104] = struct.pack("<Q", KINDS[kind][0])
        header[248:] = bytes(8)
        crc = zlib.crc32(header)
        header[248:] = struct.pack("<II", crc, crc ^ 0xFFFFFFFF)
        file.seek(0)
        file.write(header)
    return shmap.Table.open("it")


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind(namespace, kind):
    _, least, most = KINDS[kind]
    table = made(namespace, kind)
    assert table.key_type is int
    table.update({least: b"least", most: b"most"})
    table[1] = "one"
    model = {least: b"least", most: b"most", 1: b"one"}
    assert dict(table) == model and sorted(table) == sorted(model)
    assert table.get_many([most, least, most + 1, least - 1, 2]) == [b"most", b"least", None, None, None]
    assert most in table and float(1) in table and most + 1 not in table and "x" not in table
    assert table.get_str(least) == "least" and table.increment(5, initial=2**40) == 2**40 + 1
    del table[1]
    assert table.pop(5) and len(table) == 2
    table.verify()
    for number in (least - 1, most + 1, 2**70):
        with pytest.raises(shmap.KeyMissingError):
            del table[number]
        with pytest.raises(shmap.OutOfRangeError) as caught:
            table[number] = b""
        assert f"the keys of this table are {least} to {most}" in str(caught.value)
        assert ("bits=64" in str(caught.value)) is (not kind.endswith("64"))
    reader = shmap.Table.open("it", keys=int, read_only=True)
    assert reader[least] == b"least" and pickle.loads(pickle.dumps(reader))[most] == b"most"
    with pytest.raises(TypeError):
        table["x"] = b""


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_are_frozen_in_their_order(namespace, kind):
    _, least, most = KINDS[kind]
    table = made(namespace, kind)
    assert table.signed is kind.startswith("i")
    model = {number: str(number).encode() for number in {least, least + 1, 0, 1, 100, 127, most - 1, most}}
    table.update(model)
    table.freeze("frozen", hash_index=False)
    frozen = shmap.Snapshot("frozen", keys=table.key_type, signed=table.signed)
    assert list(frozen.items()) == sorted(model.items()) and list(reversed(frozen)) == sorted(model)[::-1]
    assert all(frozen[number] == value and number in frozen for number, value in model.items())
    assert frozen.get_many([most, 77, least]) == [model[most], None, model[least]]
    assert frozen.get(most + 1) is frozen.get(least - 1) is frozen.get("1") is frozen.get(2**70) is None
    assert frozen[1.0] == b"1" and frozen.rank(100) == sorted(model).index(100)
    assert frozen.rank(least - 1) == 0 and frozen.rank(most + 1) == frozen.rank(2**70) == len(model)
    between = [number for number in sorted(model) if 1 <= number <= 127]
    assert [number for number, _ in frozen.range(1, 127, inclusive=True)] == between
    with pytest.raises(shmap.OutOfRangeError, match=f"keys of this map have {kind[1:]} bits, {least} to {most}"):
        frozen.range(most + 1)
    copy = pickle.loads(pickle.dumps(frozen))
    assert dict(copy) == model
    frozen.save(f"{namespace}/saved")
    saved = shmap.Snapshot.open_file(f"{namespace}/saved", keys=int, signed=table.signed)
    assert dict(pickle.loads(pickle.dumps(saved))) == model
    table.clear()
    # Also by a handle that was opened for text.
    for source in (frozen, shmap.Snapshot("frozen")):
        assert table.load(source) == len(model) and dict(table) == model


@pytest.mark.parametrize("kind", ["i16", "u32", "u64"])
def test_a_table_takes_the_numbers_of_another_kind_that_it_can_have(namespace, kind):
    table = made(namespace, kind)
    table[1] = b"one"
    shmap.RbTree({7: "seven"}, keys=int).share("numbers")
    numbers = shmap.Snapshot("numbers", keys=int)
    assert table.load(numbers) == 1 and table[7] == b"seven"
    shmap.RbTree({8: "eight", 2**31 - 1: "most", -(2**31): "least"}, keys=int).share("numbers", force=True)
    assert numbers.refresh()
    with pytest.raises(shmap.OutOfRangeError, match="^batch member 0: key -2147483648 is out of range"):
        table.load(numbers)
    assert dict(table) == {1: b"one", 7: b"seven"}


def test_numbers_that_no_table_has(namespace):
    shmap.RbTree({"a word": "x"}).share("words")
    with shmap.Table("numbers") as table:
        with pytest.raises(shmap.WrongKindError, match=r'key at rank 0 \("a word"\) is no key of this table, whose keys are '):
            table.load(shmap.Snapshot("words"))
        expected = "^argument 'snapshot': expected the Snapshot to copy from, opened, not str$"
        with pytest.raises(TypeError, match=expected):
            table.load("words")
    with pytest.raises(TypeError, match="signed=False is for keys=int alone"):
        shmap.Snapshot("words", signed=False)


@pytest.mark.parametrize("kind", ["u32", "i8"])
def test_a_table_of_other_keys_is_refused(namespace, kind):
    made(namespace, kind).close()
    for call in (
        lambda: shmap.Table("it"),
        lambda: shmap.Table("it", bits=64),
        lambda: shmap.Table.open("it", keys=str),
        lambda: shmap.Table.open("it", keys=bytes, read_only=True),
        lambda: shmap.Table.open("it", keys=int, bits=64),
    ):
        with pytest.raises(shmap.WrongKindError, match=f"has keys of type {kind}, not "):
            call()


def test_other_keys_are_refused_with_the_remedy(namespace):
    with shmap.Table("it") as table:
        expected = "^the keys of this table are int, not str; a table made with keys=str has text keys$"
        for call in (lambda: table.add("a", b""), lambda: table.__setitem__("a", b""), lambda: table.update({"a": b""})):
            with pytest.raises(TypeError, match=expected):
                call()
    for other in ({"keys": str}, {"bits": 64}):
        with pytest.raises(shmap.WrongKindError, match="; open it with keys=int, bits=32, or with Table.open"):
            shmap.Table("it", **other)
    for call in (shmap.Table("it", keys=int, bits=32), shmap.Table.open("it")):
        call.close()


def test_a_table_that_everybody_may_write_needs_trust(namespace):
    for make in (shmap.Table, shmap.Table.create):
        with pytest.raises(shmap.PermissionDeniedError, match="shared_writers=True"):
            make("it", mode=0o666)
        assert not list(shmap.names())
    shmap.Table.create("it", mode=0o666, shared_writers=True).close()


def test_keys_may_be_bytes():
    with shmap.Table("raw", keys=bytes, key_size=4) as table:
        table[b"\xff\0"] = b"x"
        table[bytearray(b"")] = b"empty"
        table["ä"] = "text is its UTF-8, as in a snapshot"
        assert dict(table).keys() == {b"\xff\0", b"", "ä".encode()}
        assert table.key_type is bytes and b"long!" not in table and 1 not in table
        assert table.get_many([b"", b"long!", "ä"])[:2] == [b"empty", None]
        assert table.increment(b"n") == 1
        with pytest.raises(shmap.KeyTooLongError):
            table[b"long!"] = b""
        with pytest.raises(TypeError, match="the keys of this table are str or bytes, not int; a table made with keys=int has numbers as keys"):
            table[1] = b""
        again = shmap.Table.open("raw")
        assert again.key_type is bytes and again[b"\xff\0"] == b"x"
        table.freeze("raw")
        frozen = shmap.Snapshot("raw", keys=bytes)
        assert list(frozen) == sorted(table)
        table.clear()
        assert table.load(frozen) == 4 and table.get_int(b"n") == 1
        with pytest.raises(shmap.WrongKindError):
            shmap.Table("raw", keys=str, key_size=4)
        with pytest.raises(TypeError):
            shmap.Table("other", keys=bytes, bits=32)


def test_a_number_too_large_says_the_range_and_what_to_do():
    with shmap.Table("status") as table:
        with pytest.raises(shmap.OutOfRangeError) as caught:
            table[2**40] = b"x"
        assert isinstance(caught.value, (shmap.Error, OverflowError))
        assert str(caught.value) == (
            "key 1099511627776 is out of range: the keys of this table are -2147483648 to 2147483647; "
            "a table made with bits=64 has larger ones"
        )
        with pytest.raises(shmap.OutOfRangeError, match="^batch member 1: key 1099511627776 is out of range"):
            table.update({1: b"", 2**40: b"x"})
        with pytest.raises(shmap.OutOfRangeError, match="^key a number of more than 64 bits is out of range"):
            table[10**9999] = b"x"
        for call in (table.increment, table.fetch_add):
            with pytest.raises(shmap.OutOfRangeError):
                call(2**40)
        # To look for it is to find nothing, as in a `dict`.
        assert table.get(2**40) is None and 2**40 not in table and len(table) == 0
        with pytest.raises(shmap.KeyMissingError):
            table[2**40]
