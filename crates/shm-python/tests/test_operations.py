"""Every operation of the Rust table is here, under the same name or the one that Python has for it."""

import pathlib
import re

import shmap

SOURCES = pathlib.Path(__file__).parents[2] / "slotmap-shm/src"
#: Where the names differ.
NAMES = {
    "create": "create",
    "create_with_kind": "create",
    "open": "open",
    "open_read_only": "open",
    "open_or_create": "__new__",
    "open_or_create_with_kind": "__new__",
    "segment": "path",
    "key_kind": "key_type",
    "geometry": "key_size",
    "contains_key": "__contains__",
    "get_into": "get",
    "len": "__len__",
    "is_empty": "__len__",
    "update": "replace",
    "update_many": "replace_many",
    "upsert": "__setitem__",
    "upsert_for": "set",
    "remove": "__delitem__",
    "listing": "entries",
    "entries_one_by_one": "entries",
    "iter": "__iter__",
    "put": "add",
    "put_many": "add_many",
    "wait_for_change": "wait",
    "wait_for_any_change": "wait_any",
}
#: What Python does without, and why.
NOT_HERE = {
    "into_typed": "it is what a handle does by itself",
    "update_with": "`compare_exchange` in a loop: no Python code runs inside of a change",
    "damage": "`verify` and the warnings of `entries` tell",
    "read_retries": "a figure of tests",
    "flush": "for tables on a disk",
    "lock_address": "for debuggers",
    "reopen_if_orphaned": "`is_orphaned`, then `Table.open`",
}


def operations():
    """The public functions of `Table`, read from its sources."""
    found = set()
    for file in SOURCES.rglob("*.rs"):
        text = file.read_text(encoding="utf-8")
        for block in re.findall(r"^impl\b[^{;]* Table<[^{;]*\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            found |= set(re.findall(r"^    pub fn (\w+)", block, re.MULTILINE))
    return found


def test_no_operation_of_the_table_is_missing():
    found = operations()
    assert len(found) > 30, found
    for name in sorted(found - NOT_HERE.keys()):
        assert hasattr(shmap.Table, NAMES.get(name, name)), f"`{name}` is not in Python, nor said not to be"
    assert (NAMES.keys() | NOT_HERE.keys()) <= found, "gone from the table"
