"""Every public callable, and every fault that it can meet: a clear exception, and nothing is changed.

What comes of each is in `columns.py`. A column that leaves out a callable, or has one that is not there, fails.
"""

import math
import os

import callables
import faults
import pytest
import shmap
import shmap.sharedmap as sharedmap
from callables import METHODS, OPENERS
from columns import COLUMNS
from faults import call_of, handle_of
from matrix import Not, cell, check, picture

LONG_VALUE = b"x" * 257
#: With too long a value.
VALUE_CALLS = {
    "Table.__setitem__": lambda t: t.__setitem__(1, LONG_VALUE),
    "Table.add": lambda t: t.add(3, LONG_VALUE),
    "Table.add_ephemeral": lambda t: t.add_ephemeral(3, LONG_VALUE),
    "Table.add_many": lambda t: t.add_many({3: b"", 4: LONG_VALUE}),
    "Table.compare_exchange": lambda t: t.compare_exchange(1, b"value", LONG_VALUE),
    "Table.fetch_add": lambda t: t.fetch_add(2, 2**63),
    "Table.increment": lambda t: t.increment(2, 2**63),
    "Table.load": lambda t: t.load(published({5: b"", 6: LONG_VALUE}, int)),
    "Table.replace": lambda t: t.replace(1, LONG_VALUE),
    "Table.replace_many": lambda t: t.replace_many({2: b"", 1: LONG_VALUE}),
    "Table.set": lambda t: t.set(3, LONG_VALUE, 60),
    "Table.setdefault": lambda t: t.setdefault(3, LONG_VALUE),
    "Table.update": lambda t: t.update({3: b"", 1: LONG_VALUE}),
    "Table.upsert_many": lambda t: t.upsert_many([(3, b""), (1, LONG_VALUE)]),
}
#: With too long a key, for a table of keys of up to 8 bytes or a map.
KEY_CALLS = {
    "Table.__contains__": lambda t, key: key in t or None,
    "Table.__delitem__": lambda t, key: t.__delitem__(key),
    "Table.__eq__": lambda t, key: (t == {key: b""}) or None,
    "Table.__getitem__": lambda t, key: t[key],
    "Table.__setitem__": lambda t, key: t.__setitem__(key, b""),
    "Table.add": lambda t, key: t.add(key, b""),
    "Table.add_ephemeral": lambda t, key: t.add_ephemeral(key, b""),
    "Table.add_many": lambda t, key: t.add_many({"new": b"", key: b""}),
    "Table.compare_exchange": lambda t, key: t.compare_exchange(key, b"", b""),
    "Table.fetch_add": lambda t, key: t.fetch_add(key),
    "Table.get": lambda t, key: t.get(key),
    "Table.get_int": lambda t, key: t.get_int(key),
    "Table.get_many": lambda t, key: t.get_many([key]) == [None] or t,
    "Table.get_stale": lambda t, key: t.get_stale(key),
    "Table.get_str": lambda t, key: t.get_str(key),
    "Table.get_with_version": lambda t, key: t.get_with_version(key),
    "Table.increment": lambda t, key: t.increment(key),
    "Table.load": lambda t, key: t.load(published({"a": b"", key: b""}, str)),
    "Table.pop": lambda t, key: t.pop(key),
    "Table.remove_many": lambda t, key: t.remove_many(["a", key]),
    "Table.replace": lambda t, key: t.replace(key, b""),
    "Table.replace_many": lambda t, key: t.replace_many({"a": b"", key: b""}),
    "Table.set": lambda t, key: t.set(key, b"", 60),
    "Table.setdefault": lambda t, key: t.setdefault(key, b""),
    "Table.touch": lambda t, key: t.touch(key, 60),
    "Table.ttl": lambda t, key: t.ttl(key),
    "Table.update": lambda t, key: t.update({"a": b"", key: b""}),
    "Table.upsert_many": lambda t, key: t.upsert_many({"a": b"", key: b""}),
    "Table.version": lambda t, key: t.version(key),
    "Table.wait": lambda t, key: t.wait(key, t.version("a"), 0),
    "Snapshot.__contains__": lambda s, key: key in s or None,
    "Snapshot.__eq__": lambda s, key: (s == {key: b""}) or None,
    "Snapshot.__getitem__": lambda s, key: s[key],
    "Snapshot.get": lambda s, key: s.get(key),
    "Snapshot.get_many": lambda s, key: s.get_many([key]),
    "Snapshot.get_str": lambda s, key: s.get_str(key),
    "Snapshot.prefix": lambda s, key: list(s.prefix(key)),
    "Snapshot.range": lambda s, key: list(s.range(key)),
    "Snapshot.rank": lambda s, key: s.rank(key),
    "Cursor.seek": lambda c, key: c.seek(key),
    "RbTree.__contains__": lambda t, key: key in t,
    "RbTree.__delitem__": lambda t, key: t.__delitem__(key),
    "RbTree.__eq__": lambda t, key: t == {key: b""},
    "RbTree.__getitem__": lambda t, key: t[key],
    "RbTree.__new__": lambda _, key: shmap.RbTree({"b": "", key: ""}),
    "RbTree.__setitem__": lambda t, key: t.__setitem__(key, b""),
    "RbTree.get": lambda t, key: t.get(key),
    "RbTree.get_str": lambda t, key: t.get_str(key),
    "RbTree.pop": lambda t, key: t.pop(key),
    "RbTree.remove": lambda t, key: t.remove(key),
    "RbTree.set": lambda t, key: t.set(key, b""),
    "RbTree.set_many": lambda t, key: t.set_many({"b": b"", key: b""}),
    "RbTree.setdefault": lambda t, key: t.setdefault(key, b""),
    "RbTree.update": lambda t, key: t.update({"b": b"", key: b""}),
    "rbtree.get": lambda t, key: t.get(key),
    "rbtree.set": lambda t, key: t.set(key, b""),
    "sharedmap.get": lambda s, key: s.get(key),
}


def published(entries, keys):
    """A snapshot of a name that the pictures leave out."""
    shmap.RbTree(entries, keys=keys).share("other", force=True)
    return shmap.Snapshot("other", keys=keys)


def rows(fault):
    """The callables that a fault can meet."""
    return [name for name, outcome in COLUMNS[fault].items() if not isinstance(outcome, Not)]


def contents(handle):
    """What a handle of a table or tree has."""
    if isinstance(handle, (shmap.Table, shmap.RbTree)):
        return dict(handle.entries())
    return handle.dump() if hasattr(handle, "dump") else None


def still_works(handle):
    """Reading, and writing where that was possible."""
    if isinstance(handle, shmap.Table):
        handle.get(2), handle.entries()
        if not handle.read_only:
            handle[9] = b"works"
            handle.verify()
            assert handle[9] == b"works" == handle.pop(9)
    elif isinstance(handle, shmap.Snapshot):
        assert handle["7"] == b"777"
        handle.verify()
    elif isinstance(handle, shmap._shmap.Cursor):
        assert handle.seek("7") and handle.next() == ("7", b"777")
    elif isinstance(handle, shmap.RbTree):
        handle["works"] = b"works"
        assert handle.pop("works") == b"works"
    elif hasattr(handle, "set"):
        assert handle.set("works", "works") and handle.get("works") == "works"
    elif isinstance(handle, sharedmap.sharedmap):
        assert handle.get("7") == "777"
    elif handle is not None:
        list(handle)


def test_no_callable_is_left_out():
    public = set(callables.public())
    assert public == {*METHODS, *OPENERS}
    for fault, outcomes in COLUMNS.items():
        assert public - outcomes.keys() == set(), f"{fault}: no row"
        assert outcomes.keys() - public == set(), f"{fault}: no such callable"
    assert set(rows("value_too_long")) == VALUE_CALLS.keys()
    assert set(rows("key_too_long")) == KEY_CALLS.keys()


@pytest.mark.parametrize("name", rows("missing"))
def test_a_missing_name(namespace, name):
    handle = handle_of(name)
    faults.missing(name, namespace)
    cell(namespace, COLUMNS["missing"][name], call_of(name, handle))
    if not getattr(handle, "closed", False):
        still_works(handle)


@pytest.mark.parametrize("name", rows("closed"))
def test_a_closed_handle(namespace, name):
    handle = handle_of(name)
    if hasattr(handle, "close"):
        handle.close()
    cell(namespace, COLUMNS["closed"][name], call_of(name, handle))
    if name.startswith(("Table", "Snapshot")):
        assert handle.closed
        if name != "Table.unlink":
            still_works(shmap.Table.open("it") if name.startswith("Table") else shmap.Snapshot("it"))


@pytest.mark.parametrize("name", rows("wrong_kind"))
def test_a_file_of_the_wrong_kind(namespace, name):
    handle = handle_of(name)
    faults.wrong_kind(name, namespace)
    call = (lambda: handle.load(handle)) if name == "Table.load" else call_of(name, handle)
    cell(namespace, COLUMNS["wrong_kind"][name], call)
    if not getattr(handle, "closed", False):
        still_works(handle)


@pytest.mark.parametrize("name", rows("other_kind"))
def test_a_name_of_the_other_kind(namespace, name):
    handle = handle_of(name)
    faults.other_kind(name, namespace)
    cell(namespace, COLUMNS["other_kind"][name], call_of(name, handle))
    if not getattr(handle, "closed", False):
        still_works(handle)


@pytest.mark.parametrize("name", rows("damaged"))
def test_a_damaged_file(namespace, name):
    handle = handle_of(name)
    before = picture(namespace)
    faults.damaged(name, namespace)
    cell(namespace, COLUMNS["damaged"][name], call_of(name, handle))
    for file, (_, whole) in before.items():
        if os.path.exists(f"{namespace}/{file}") and name not in ("Snapshot.refresh", "Snapshot.wait_for_update"):
            faults.write(f"{namespace}/{file}", 0, whole)
    if not getattr(handle, "closed", False) and name != "Table.unlink":
        still_works(handle)


@pytest.mark.parametrize("name", rows("not_permitted"))
def test_what_another_user_may_not(namespace, as_nobody, name):
    handle = handle_of(name)
    faults.not_permitted(name, namespace)

    def in_the_child(outcome, call):
        def checked():
            check(outcome, call)
            raise KeyboardInterrupt("as it should be")

        told = as_nobody(checked)
        assert told.endswith("| as it should be"), told

    cell(namespace, COLUMNS["not_permitted"][name], call_of(name, handle), in_the_child)
    still_works(handle)


@pytest.mark.parametrize("name", rows("read_only"))
def test_a_handle_for_reading_only(namespace, name):
    handle_of(name).close()
    handle = shmap.Table.open("it", read_only=True)
    cell(namespace, COLUMNS["read_only"][name], call_of(name, handle))
    if not handle.closed:
        still_works(handle)


@pytest.mark.parametrize("name", rows("value_too_long"))
def test_a_value_too_long(namespace, name):
    handle = handle_of(name)
    before = contents(handle)
    cell(namespace, COLUMNS["value_too_long"][name], lambda: VALUE_CALLS[name](handle))
    assert contents(handle) == before
    still_works(handle)


@pytest.mark.parametrize("name", rows("key_too_long"))
def test_a_key_too_long(namespace, name):
    if name.startswith("Table"):
        handle, key = shmap.Table("names", keys=str, key_size=8, ttl=math.inf), "x" * 9
        handle["a"] = b"value"
    else:
        handle, key = handle_of(name), "x" * 2**20
    before = contents(handle)
    cell(namespace, COLUMNS["key_too_long"][name], lambda: KEY_CALLS[name](handle, key))
    assert contents(handle) == before
    if not name.startswith("Table"):
        still_works(handle)
