"""Every argument of every public callable, given what it cannot be: an exception of Python's own, and nothing is changed.

An argument that has no row here fails.
"""

import datetime
import inspect
import sys

import callables
import pytest
import shmap
import shmap.sharedmap as sharedmap
from callables import shmap_dir, table_at_it
from faults import handle_of
from matrix import picture


class Kind:
    """What an argument is: a good value, and bad ones with the exceptions that they raise."""

    def __init__(self, good, *bad):
        self.good = good
        self.bad = [(value, error) for error, values in bad for value in values]


def at(good, kind, *fine):
    """A kind with another good value, which takes some of the bad ones, too."""
    return Kind(good, *((error, [value]) for value, error in kind.bad if value not in fine))


LONE = "lone \ud800"
_NO_BYTES = [None, 1.5, True, object(), [b"x"], ("x",), {}]
BYTES = (TypeError, [*_NO_BYTES, 1])
ANY = Kind(None)
NUMBER = Kind(1, (TypeError, [None, 1.5, "1", b"1", object(), [1], (1,)]))
#: To store under: no key of the table is larger.
NUMBER_TO_STORE = Kind(1, (TypeError, [None, 1.5, "1", b"1", object()]), (shmap.OutOfRangeError, [2**31, -(2**31) - 1, 2**70, 10**9999]))
TEXT = Kind("a", BYTES, (UnicodeEncodeError, [LONE]))
#: To look for: what is of another type is not there, as in a `dict`, unless it has no hash.
UNHASHABLE = (TypeError, [[1], [b"x"], {}, set()])
SOUGHT_NUMBER, SOUGHT_TEXT = Kind(1, UNHASHABLE), Kind("a", UNHASHABLE)
MISSING_NUMBER = Kind(1, UNHASHABLE, (shmap.KeyMissingError, [None, 1.5, "1", b"1", object(), (1,), LONE, 2**70, 1e300]))
MISSING_TEXT = Kind("a", UNHASHABLE, (shmap.KeyMissingError, [None, 1.5, 1, True, object(), ("x",), LONE]))
NOT_ITERABLE = [None, 1, 1.5, object()]
SOUGHT_NUMBERS = Kind([1], (TypeError, [*NOT_ITERABLE, [[1]], [1, {}]]))
SOUGHT_TEXTS = Kind(["a"], (TypeError, [*NOT_ITERABLE, [[1]], ["a", {}]]))
VALUE = Kind(b"x", BYTES, (UnicodeEncodeError, [LONE]))
#: Of a table: a number is a counter.
STORED = Kind(b"x", (TypeError, _NO_BYTES), (UnicodeEncodeError, [LONE]), (shmap.OutOfRangeError, [2**63, -(2**63) - 1]))
NUMBERS = Kind([1], (TypeError, [None, 1, 1.5, object(), [b"1"], [None], [1, "1"], [1, 1.5]]))
_PAIRS = [None, 1, 1.5, object(), [1], [None], ["x"], {1: None}, {None: b""}, {1.5: b""}, [(1, 2.5)], {1: True}]
_NO_PAIRS = [[(1,)], [(1, b"", b"")], [()]]
ENTRIES = Kind(
    {3: b"x"},
    (TypeError, [*_PAIRS, {"1": b""}, {3: b"x", 4: None}, {3: b"x", "4": b""}]),
    ((TypeError, ValueError), _NO_PAIRS),
    (shmap.OutOfRangeError, [{3: b"x", 2**31: b""}, {3: b"x", 4: 2**63}]),
    (UnicodeEncodeError, [{3: LONE}]),
)
WORDS = Kind(
    {"c": "x"},
    (TypeError, [*_PAIRS, {"c": "x", "d": None}, {"c": "x", 4: b""}]),
    ((TypeError, ValueError), [*_NO_PAIRS, [("a", "b", "c")]]),
    (UnicodeEncodeError, [{"c": LONE}, {LONE: "c"}]),
)
NAME = Kind(
    "new",
    (TypeError, [None, 1, 1.5, b"new", object(), ["new"]]),
    (UnicodeEncodeError, [LONE]),
    (shmap.InvalidNameError, ["", ".", "..", ".x", "a/b", "a\0b", "x" * 201]),
)
FLAG = Kind(True, (TypeError, [None, 1, 0, 1.5, "yes", b"", object()]))
SIZE = Kind(8, (TypeError, [None, 1.5, "8", b"8", object()]), (OverflowError, [-1, 2**70]), (shmap.InvalidOptionError, [2**60]))
CAPACITY = Kind(8, *[(TypeError, [None, 1.5, "8"]), (OverflowError, [-1, 2**70]), (shmap.InvalidOptionError, [0, 2**60])])
MAX_CAPACITY = Kind(8, *[(TypeError, [1.5, "8"]), (OverflowError, [-1, 2**70]), (shmap.InvalidOptionError, [7, 2**60])])
KEY_SIZE = Kind(8, *[(TypeError, [None, 1.5, "8"]), (OverflowError, [-1, 2**70]), (shmap.InvalidOptionError, [0, 2**60])])
MODE = Kind(
    0o600,
    (TypeError, [None, 1.5, "0600", object()]),
    (OverflowError, [-1, 2**32, 2**70]),
    (shmap.InvalidOptionError, [0o700, 0o4600, 0o044, 2**31]),
)
READ_MODE = Kind(
    0o400,
    (TypeError, [1.5, "0400", object()]),
    (OverflowError, [-1, 2**32, 2**70]),
    (shmap.InvalidOptionError, [0o600, 0o500, 0o044, 2**31]),
)
TIMEOUT = Kind(
    1,
    (TypeError, ["1", b"1", object(), [1]]),
    (shmap.InvalidOptionError, [-1, float("nan"), -float("inf")]),
    (OverflowError, [10**400]),
)
_NO_TTL = (TypeError, [True, "1", b"1", object(), [1], datetime.timedelta(1)])
_NAN, _INF = float("nan"), float("inf")
_BAD_TTL = [0, -1, -0.0, 1e-10, _NAN, -_INF, 1e300, 2**63, 5e9]
TTL = Kind(1, (TypeError, [None, *_NO_TTL[1]]), (shmap.InvalidOptionError, [*_BAD_TTL, _INF]), (OverflowError, [10**400]))
TTL_OR_NONE = Kind(1, _NO_TTL, (shmap.InvalidOptionError, [*_BAD_TTL, _INF]), (OverflowError, [10**400]))
#: Of a table: an infinite one is that of each entry.
DEFAULT_TTL = Kind(1, _NO_TTL, (shmap.InvalidOptionError, _BAD_TTL), (OverflowError, [10**400]))
COUNT = Kind(8, (TypeError, [None, 1.5, "8", b"8", object()]), (OverflowError, [-1, 2**70]))
FUNCTION = Kind(None, (TypeError, [1, 1.5, "print", object(), [print]]))
DIRECTORY = Kind(
    None,
    (TypeError, [1, 1.5, object(), ["x"]]),
    (UnicodeEncodeError, [LONE]),
    (FileNotFoundError, ["nowhere"]),
    (ValueError, ["a\0b"]),
)
PATH = Kind(None, (TypeError, [None, 1.5, object(), ["x"]]), (UnicodeEncodeError, [LONE]), (ValueError, ["a\0b"]))
TRUST = Kind(
    (),
    (TypeError, [None, 1, 1.5, object(), "x", [None], ["1"], [1.5]]),
    (OverflowError, [[-1], [2**32], [0, 2**70]]),
)
NEW_KEYS = Kind(int, (TypeError, [None, float, bytearray, bool, object, 1, "int"]))
TABLE_KEYS = Kind(None, (TypeError, [float, bytearray, bool, object, 1, "int"]))
BITS = Kind(None, (TypeError, ["32", 1.5, object(), 0, 16, 33]), (OverflowError, [-1, 2**70]))
MAP_KEYS = Kind(str, (TypeError, [None, float, bool, object, 1, "str"]))
#: `False` is for numbers, and these are of text.
SIGNED = Kind(True, (TypeError, [None, False, 0, 1, 1.5, "yes", object()]))
DELTA = Kind(1, (TypeError, [None, 1.5, "1", b"1", object()]), (shmap.OutOfRangeError, [2**63, -(2**63) - 1, 2**70]))
RANK = Kind(0, (TypeError, [None, 1.5, "1", b"1", object()]), (OverflowError, [2**63, 2**70]), (IndexError, [100, -101]))
SNAPSHOT = Kind(None, (TypeError, [None, 1, "it", {}, {1: b""}, shmap.RbTree(), b""]))
#: A value is no version, and the version of a table is none of a key.
SEEN = Kind(None, (TypeError, [None, 1, 1.5, "x" * 32, object(), [b"x"]]), (shmap.InvalidOptionError, [b"", b"value", b"x" * 24]))
SEEN_ANY = Kind(None, (TypeError, [None, 1, "x" * 24, object()]), (shmap.InvalidOptionError, [b"", b"value", b"x" * 32]))
BOUND = Kind(None, (TypeError, [1.5, 1, object(), ["a"]]), (UnicodeEncodeError, [LONE]))

_GEOMETRY = {
    "keys": NEW_KEYS, "bits": BITS, "capacity": CAPACITY, "max_capacity": MAX_CAPACITY, "value_size": SIZE,
    "key_size": KEY_SIZE, "ttl": DEFAULT_TTL, "evict": FLAG, "on_evict": FUNCTION,
    "mode": MODE,
}  # fmt: skip
_OPENING = {"namespace": DIRECTORY, "timeout": TIMEOUT, "trust": TRUST, "shared_writers": FLAG}
_MAP = {"name": NAME, "keys": MAP_KEYS, "signed": SIGNED, "namespace": DIRECTORY, "trust": TRUST}
_PUT = {"key": NUMBER_TO_STORE, "value": STORED}
_SET = {"key": TEXT, "value": VALUE}
_LOOK, _LOOK_UP = {"key": SOUGHT_NUMBER, "default": ANY}, {"key": SOUGHT_TEXT, "default": ANY}

ARGUMENTS = {
    "names": {"namespace": DIRECTORY},
    "prune": {"namespace": DIRECTORY, "dry_run": FLAG},
    "remove": {"name": NAME, "namespace": DIRECTORY, "timeout": TIMEOUT},
    "Table.__new__": {"name": NAME, **_GEOMETRY, **_OPENING},
    "Table.create": {"name": NAME, **_GEOMETRY, **_OPENING},
    "Table.open": {"name": NAME, "keys": TABLE_KEYS, "bits": BITS, "read_only": ANY, "on_evict": FUNCTION, **_OPENING},
    "Table.__contains__": {"key": SOUGHT_NUMBER},
    "Table.__delitem__": {"key": NUMBER},
    "Table.__getitem__": {"key": MISSING_NUMBER},
    "Table.__setitem__": _PUT,
    "Table.__eq__": {"other": ANY},
    "Table.__exit__": {"exception": ANY},
    "Table.add": _PUT,
    "Table.add_ephemeral": _PUT,
    "Table.add_many": {"entries": ENTRIES},
    "Table.compare_exchange": {"key": NUMBER_TO_STORE, "expected": STORED, "new": STORED},
    "Table.entries": {"one_moment": FLAG},
    "Table.expire": {"max_visited": COUNT},
    "Table.fetch_add": {"key": at(2, NUMBER_TO_STORE), "delta": DELTA},
    "Table.freeze": {"name": NAME, "force": FLAG, "hash_index": FLAG, "mode": READ_MODE, "allow_empty": FLAG},
    "Table.get": _LOOK,
    "Table.get_int": _LOOK,
    "Table.get_many": {"keys": SOUGHT_NUMBERS},
    "Table.get_stale": _LOOK,
    "Table.get_str": _LOOK,
    "Table.get_with_version": {"key": NUMBER_TO_STORE},
    "Table.increment": {"key": at(2, NUMBER_TO_STORE), "by": DELTA, "initial": DELTA},
    "Table.load": {"snapshot": SNAPSHOT},
    "Table.pop": {"key": MISSING_NUMBER, "default": ANY},
    "Table.remove_many": {"keys": NUMBERS},
    "Table.replace": _PUT,
    "Table.replace_many": {"entries": ENTRIES},
    "Table.set": {**_PUT, "ttl": TTL_OR_NONE},
    "Table.setdefault": {"key": at(3, NUMBER_TO_STORE), "default": STORED},
    "Table.touch": {"key": NUMBER_TO_STORE, "ttl": TTL},
    "Table.ttl": {"key": SOUGHT_NUMBER},
    "Table.update": {"entries": ENTRIES, "more": ANY},
    "Table.upsert_many": {"entries": ENTRIES},
    "Table.version": {"key": NUMBER_TO_STORE},
    "Table.wait": {"key": NUMBER_TO_STORE, "seen": SEEN, "timeout": TIMEOUT},
    "Table.wait_any": {"seen": SEEN_ANY, "timeout": TIMEOUT},
    "Snapshot.__new__": _MAP,
    "Snapshot.open_file": {"path": PATH, "keys": MAP_KEYS, "signed": SIGNED, "trust": TRUST},
    "Snapshot.__contains__": {"key": SOUGHT_TEXT},
    "Snapshot.__eq__": {"other": ANY},
    "Snapshot.__exit__": {"exception": ANY},
    "Snapshot.__getitem__": {"key": MISSING_TEXT},
    "Snapshot.get": _LOOK_UP,
    "Snapshot.get_many": {"keys": SOUGHT_TEXTS},
    "Snapshot.get_str": _LOOK_UP,
    "Snapshot.nth": {"rank": RANK},
    "Snapshot.prefix": {"prefix": TEXT},
    "Snapshot.range": {"start": BOUND, "stop": BOUND, "inclusive": FLAG},
    "Snapshot.rank": {"key": TEXT},
    "Snapshot.save": {"path": PATH},
    "Snapshot.wait_for_update": {"timeout": TIMEOUT},
    "Cursor.seek": {"key": TEXT},
    "Cursor.seek_rank": {"rank": COUNT},
    "RbTree.__new__": {"entries": at({"c": "x"}, WORDS, None), "keys": MAP_KEYS},
    "RbTree.__contains__": {"key": SOUGHT_TEXT},
    "RbTree.__delitem__": {"key": TEXT},
    "RbTree.__eq__": {"other": ANY},
    "RbTree.__getitem__": {"key": MISSING_TEXT},
    "RbTree.__setitem__": _SET,
    "RbTree.dump": {"hash_index": FLAG},
    "RbTree.get": _LOOK_UP,
    "RbTree.get_str": _LOOK_UP,
    "RbTree.pop": {"key": MISSING_TEXT, "default": ANY},
    "RbTree.remove": {"key": TEXT},
    "RbTree.set": _SET,
    "RbTree.set_many": {"entries": WORDS},
    "RbTree.setdefault": {"key": at("c", TEXT), "default": VALUE},
    "RbTree.share": {
        "name": NAME, "force": FLAG, "hash_index": FLAG, "namespace": DIRECTORY, "mode": READ_MODE, "timeout": TIMEOUT,
        "allow_empty": FLAG,
    },
    "RbTree.update": {"entries": WORDS, "more": ANY},
    "rbtree.get": {"key": TEXT},
    "rbtree.remove": {"name": NAME},
    "rbtree.set": {"key": TEXT, "val": VALUE},
    "rbtree.share": {"name": NAME, "force": ANY},
    "sharedmap.__new__": {"name": NAME, "namespace": DIRECTORY},
    "sharedmap.get": {"key": TEXT},
}  # fmt: skip


def parameters(name):
    """The parameters of a callable, but for the handle."""
    if "." not in name:
        target = callables.functions()[name]
    else:
        cls, member = name.split(".")
        target = callables.classes()[cls] if member == "__new__" else getattr(callables.classes()[cls], member)
    if not callable(target):
        return {}
    if target is sharedmap.rbtree:
        return {}
    if target is sharedmap.sharedmap and sys.version_info < (3, 10):
        # `inspect` finds none there.
        target = lambda name, *, namespace=None: None  # noqa: E731
    found = dict(inspect.signature(target).parameters)
    found.pop("self", None)
    return found


VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
CASES = [(name, argument) for name, arguments in ARGUMENTS.items() for argument in arguments]


def good(name, argument, kind):
    """A value that the call would take."""
    if argument == "path":
        return f"{shmap_dir()}/saved"
    if argument == "seen":
        with shmap.Table.open("it", read_only=True) as table:
            return table.version(1) if kind is SEEN else table.table_version()
    return callables.loadable() if argument == "snapshot" else kind.good


def target_of(name, handle):
    cls, _, member = name.rpartition(".")
    if not cls:
        return callables.functions()[name]
    if member == "__new__":
        return callables.classes()[cls]
    return getattr(callables.classes()[cls] if handle is None else handle, member)


def call(name, handle, argument, value):
    """Calls with good arguments, but for one."""
    positional, named = [], {}
    for parameter in parameters(name).values():
        if parameter.name == argument:
            given = value
        elif parameter.default is parameter.empty and parameter.kind not in VARIABLE:
            given = good(name, parameter.name, ARGUMENTS[name][parameter.name])
        else:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(given)
        else:
            named[parameter.name] = given
    return target_of(name, handle)(*positional, **named)


def contents(handle):
    if isinstance(handle, (shmap.Table, shmap.RbTree)):
        return dict(handle.entries())
    return handle.dump() if hasattr(handle, "dump") else None


def test_no_argument_is_left_out():
    for name in callables.public():
        assert parameters(name).keys() == ARGUMENTS.get(name, {}).keys(), name
    assert ARGUMENTS.keys() <= set(callables.public())


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_what_an_argument_cannot_be(namespace, name, argument):
    handle = handle_of(name)
    if name == "Table.load":
        callables.loadable()
    before, had = picture(namespace), contents(handle)
    for value, error in ARGUMENTS[name][argument].bad:
        with pytest.raises(error) as caught:
            call(name, handle, argument, value)
        assert str(caught.value), repr(caught.value)
        assert contents(handle) == had, f"{value!r} changed it"
        assert picture(namespace).keys() == before.keys(), value
    after = picture(namespace)
    for file, was in before.items():
        # What was staged and dropped lies where no reader looks.
        assert after[file] == was or file == "shmap.it.table"


@pytest.mark.parametrize(
    "call",
    [
        lambda table: table.update(name=b"x"),
        lambda table: table.update({3: b"x"}, name=b"x"),
        lambda table: table.update({3: b"x"}, {4: b"x"}),
        lambda table: table.get(),
        lambda table: table.add(3),
        lambda table: table.freeze(),
        lambda table: table.open(),
        lambda table: shmap.RbTree({"a": "b"}).update({"c": "d"}, e=1),
        lambda table: sharedmap.rbtree("what"),
    ],
)
def test_arguments_that_are_missing_or_too_many(namespace, call):
    table_at_it()
    table = shmap.Table("it")
    before = dict(table)
    with pytest.raises(TypeError):
        call(table)
    assert dict(table) == before


def test_what_a_key_compares_to_is_not_asked(namespace):
    """No method of a key's or value's own class runs but the conversion that Python has for the type."""

    class Odd(str):
        def __eq__(self, other):
            raise AssertionError("asked")

        __hash__ = str.__hash__

    tree = shmap.RbTree()
    tree.set(Odd("a"), Odd("b"))
    assert tree["a"] == b"b" and Odd("a") in tree


def test_an_iterable_that_fails_changes_nothing(namespace):
    table_at_it()
    table, tree = shmap.Table("it"), shmap.RbTree({"a": "b"})
    before = dict(table)

    def entries(key):
        yield key, b"x"
        raise ZeroDivisionError

    for call in (table.update, table.add_many, table.replace_many, table.upsert_many):
        with pytest.raises(ZeroDivisionError):
            call(entries(1))
    for call in (table.remove_many, table.get_many):
        with pytest.raises(ZeroDivisionError):
            call(key for key, _ in entries(1))
    for call in (tree.update, tree.set_many, shmap.RbTree):
        with pytest.raises(ZeroDivisionError):
            call(entries("c"))
    assert dict(table) == before and dict(tree) == {"a": b"b"}

