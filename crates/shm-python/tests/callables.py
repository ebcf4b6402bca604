"""Every public callable of the package, found by looking, and a good call of each.

Not a test. A callable without a call here has no row in the matrices of bad input, and they fail.
"""

import inspect
import math
import os
import pickle

import shmap
import shmap.sharedmap as sharedmap

WORDS = {str(number): str(number) * 3 for number in range(100)}
COUNTER = (5).to_bytes(8, "little")
#: Methods that `abc` and `types.GenericAlias` make, and annotations.
NOT_OURS = {"__class_getitem__", "__subclasshook__", "__annotate__", "__annotate_func__"}


def classes():
    """The public classes, by name, but for the exceptions."""
    found = {name: getattr(module, name) for module in (shmap, sharedmap) for name in module.__all__}
    found = {name: cls for name, cls in found.items() if inspect.isclass(cls) and not issubclass(cls, Exception)}
    return {**found, "Entries": shmap._shmap.Entries, "Cursor": shmap._shmap.Cursor}


def functions():
    found = {name: getattr(module, name) for module in (shmap, sharedmap) for name in module.__all__}
    return {name: function for name, function in found.items() if inspect.isroutine(function)}


def members(cls):
    """Methods and properties of a class: what is public, and the protocols that it implements."""
    for name in dir(cls):
        special = name.startswith("__") and name.endswith("__") and callable(getattr(cls, name))
        inherited = inspect.getattr_static(cls, name) is inspect.getattr_static(object, name, None)
        if name not in NOT_OURS and not inherited and (special or not name.startswith("_")):
            yield name


def public():
    """All names: `function` or `Class.member`."""
    methods = [f"{name}.{member}" for name, cls in classes().items() for member in members(cls)]
    # Iterators and cursors are made by methods of `Snapshot` alone.
    return [*functions(), *(name for name in methods if name not in ("Entries.__new__", "Cursor.__new__"))]


def drop_in():
    tree = sharedmap.rbtree()
    tree.set("new", "x")
    return tree


def loadable():
    """A snapshot whose keys are numbers, in a name of its own."""
    if ("loadable", "snapshot") not in shmap.names():
        shmap.RbTree({7: "seven"}, keys=int).share("loadable", mode=0o444)
    return shmap.Snapshot("loadable", keys=int)


def table_at_it():
    with shmap.Table("it") as table:
        table.update({1: b"value", 2: COUNTER})


def expiring_at_it():
    """As `table_at_it`, but its entries may expire."""
    with shmap.Table("it", ttl=math.inf) as table:
        table.update({1: b"value", 2: COUNTER})


def snapshot_at_it():
    shmap.RbTree(WORDS).share("it")


EXPIRING = (expiring_at_it, lambda: shmap.Table("it", ttl=math.inf))
#: What a call needs: files at the name, and a handle. By class, or by name.
SUBJECTS = {
    "Table.add_ephemeral": EXPIRING,
    "Table.expire": EXPIRING,
    "Table.set": EXPIRING,
    "Table.touch": EXPIRING,
    "Table": (table_at_it, lambda: shmap.Table("it")),
    "Snapshot": (snapshot_at_it, lambda: shmap.Snapshot("it")),
    "sharedmap": (snapshot_at_it, lambda: sharedmap.sharedmap("it")),
    "Entries": (snapshot_at_it, lambda: iter(shmap.Snapshot("it").items())),
    "Cursor": (snapshot_at_it, lambda: shmap.Snapshot("it").cursor()),
    "RbTree": (lambda: None, lambda: shmap.RbTree({"a": "b"})),
    "rbtree": (lambda: None, drop_in),
}

#: Without a handle.
OPENERS = {
    "names": lambda: shmap.names(),
    "prune": lambda: shmap.prune(),
    "remove": lambda: shmap.remove("it"),
    "Table.__new__": lambda: shmap.Table("it"),
    "Table.create": lambda: shmap.Table.create("it"),
    "Table.open": lambda: shmap.Table.open("it"),
    "Snapshot.__new__": lambda: shmap.Snapshot("it"),
    "Snapshot.open_file": lambda: shmap.Snapshot.open_file(f"{shmap_dir()}/saved"),
    "RbTree.__new__": lambda: shmap.RbTree({"a": "b"}),
    "rbtree.__new__": lambda: sharedmap.rbtree(),
    "rbtree.remove": lambda: sharedmap.rbtree.remove("it"),
    "sharedmap.__new__": lambda: sharedmap.sharedmap("it"),
}


def shmap_dir():
    return os.environ["SHMAP_DIR"]


def reopened(handle):
    return pickle.loads(pickle.dumps(handle))


_CALLS = {
    "Table": {
        "__contains__": lambda t: 1 in t,
        "__delitem__": lambda t: t.__delitem__(1),
        "__enter__": lambda t: t.__enter__(),
        "__eq__": lambda t: t == {1: b"value"},
        "__exit__": lambda t: t.__exit__(None, None, None),
        "__getitem__": lambda t: t[1],
        "__iter__": lambda t: list(t),
        "__len__": lambda t: len(t),
        "__reduce__": reopened,
        "__repr__": lambda t: repr(t),
        "__setitem__": lambda t: t.__setitem__(3, b"new"),
        "add": lambda t: t.add(3, b"new"),
        "add_ephemeral": lambda t: t.add_ephemeral(3, b"new"),
        "add_many": lambda t: t.add_many({3: b"new"}),
        "capacity": lambda t: t.capacity,
        "clear": lambda t: t.clear(),
        "close": lambda t: t.close(),
        "closed": lambda t: t.closed,
        "compare_exchange": lambda t: t.compare_exchange(1, b"value", b"new"),
        "default_ttl": lambda t: t.default_ttl,
        "entries": lambda t: t.entries(),
        "evicts": lambda t: t.evicts,
        "expire": lambda t: t.expire(100),
        "fetch_add": lambda t: t.fetch_add(2),
        "freeze": lambda t: t.freeze("frozen"),
        "get": lambda t: t.get(1),
        "get_int": lambda t: t.get_int(2),
        "get_many": lambda t: t.get_many([1, 2]),
        "get_stale": lambda t: t.get_stale(1),
        "get_str": lambda t: t.get_str(1),
        "get_with_version": lambda t: t.get_with_version(1),
        "increment": lambda t: t.increment(2),
        "is_orphaned": lambda t: t.is_orphaned(),
        "items": lambda t: list(t.items()),
        "key_size": lambda t: t.key_size,
        "key_type": lambda t: t.key_type,
        "keys": lambda t: list(t.keys()),
        "load": lambda t: t.load(loadable()),
        "max_capacity": lambda t: t.max_capacity,
        "name": lambda t: t.name,
        "namespace": lambda t: t.namespace,
        "path": lambda t: t.path,
        "pop": lambda t: t.pop(1),
        "popitem": lambda t: t.popitem(),
        "read_only": lambda t: t.read_only,
        "recover": lambda t: t.recover(),
        "remove_many": lambda t: t.remove_many([1]),
        "replace": lambda t: t.replace(1, b"new"),
        "replace_many": lambda t: t.replace_many({1: b"new"}),
        "set": lambda t: t.set(3, b"new", 60),
        "setdefault": lambda t: t.setdefault(3, b"new"),
        "signed": lambda t: t.signed,
        "stats": lambda t: t.stats(),
        "table_version": lambda t: t.table_version(),
        "timeout": lambda t: t.timeout,
        "touch": lambda t: t.touch(1, 60),
        "ttl": lambda t: t.ttl(1),
        "unlink": lambda t: t.unlink(),
        "update": lambda t: t.update({3: b"new"}),
        "upsert_many": lambda t: t.upsert_many({3: b"new"}),
        "value_size": lambda t: t.value_size,
        "values": lambda t: list(t.values()),
        "verify": lambda t: t.verify(),
        "version": lambda t: t.version(1),
        "wait": lambda t: t.wait(1, t.version(1), 0),
        "wait_any": lambda t: t.wait_any(t.table_version(), 0),
        "writers": lambda t: t.writers(),
    },
    "Snapshot": {
        "__contains__": lambda s: "7" in s,
        "__enter__": lambda s: s.__enter__(),
        "__eq__": lambda s: s == {"7": b"777"},
        "__exit__": lambda s: s.__exit__(None, None, None),
        "__getitem__": lambda s: s["7"],
        "__iter__": lambda s: list(s),
        "__len__": lambda s: len(s),
        "__reduce__": reopened,
        "__repr__": lambda s: repr(s),
        "__reversed__": lambda s: list(reversed(s)),
        "close": lambda s: s.close(),
        "closed": lambda s: s.closed,
        "cursor": lambda s: s.cursor(),
        "dump": lambda s: s.dump(),
        "edition": lambda s: s.edition,
        "get": lambda s: s.get("7"),
        "get_many": lambda s: s.get_many(["7", "8"]),
        "get_str": lambda s: s.get_str("7"),
        "has_hash_index": lambda s: s.has_hash_index,
        "is_removed": lambda s: s.is_removed(),
        "items": lambda s: (list(s.items()), list(reversed(s.items()))),
        "key_type": lambda s: s.key_type,
        "keys": lambda s: list(s.keys()),
        "name": lambda s: s.name,
        "namespace": lambda s: s.namespace,
        "nth": lambda s: s.nth(5),
        "path": lambda s: s.path,
        "prefix": lambda s: list(s.prefix("7")),
        "range": lambda s: list(s.range("3", "5")),
        "rank": lambda s: s.rank("7"),
        "refresh": lambda s: s.refresh(),
        "save": lambda s: s.save(f"{shmap_dir()}/saved"),
        "values": lambda s: (list(s.values()), list(reversed(s.values()))),
        "verify": lambda s: s.verify(),
        "wait_for_update": lambda s: s.wait_for_update(0),
    },
    "Entries": {
        "__iter__": lambda i: list(i),
        "__len__": lambda i: len(i),
        "__next__": lambda i: next(i),
        "__reversed__": lambda i: list(reversed(i)),
    },
    "Cursor": {
        "__iter__": lambda c: list(c),
        "__next__": lambda c: next(c),
        "next": lambda c: c.next(),
        "peek_next": lambda c: c.peek_next(),
        "peek_prev": lambda c: c.peek_prev(),
        "prev": lambda c: c.prev(),
        "rank": lambda c: c.rank,
        "seek": lambda c: c.seek("7"),
        "seek_rank": lambda c: c.seek_rank(5),
    },
    "RbTree": {
        "__contains__": lambda t: "a" in t,
        "__delitem__": lambda t: t.__delitem__("a"),
        "__eq__": lambda t: t == {"a": b"b"},
        "__getitem__": lambda t: t["a"],
        "__iter__": lambda t: list(t),
        "__len__": lambda t: len(t),
        "__reduce__": reopened,
        "__repr__": lambda t: repr(t),
        "__setitem__": lambda t: t.__setitem__("c", "d"),
        "clear": lambda t: t.clear(),
        "dump": lambda t: t.dump(),
        "entries": lambda t: t.entries(),
        "get": lambda t: t.get("a"),
        "get_str": lambda t: t.get_str("a"),
        "items": lambda t: list(t.items()),
        "key_type": lambda t: t.key_type,
        "keys": lambda t: list(t.keys()),
        "pop": lambda t: t.pop("a"),
        "popitem": lambda t: t.popitem(),
        "remove": lambda t: t.remove("a"),
        "set": lambda t: t.set("c", "d"),
        "set_many": lambda t: t.set_many({"c": "d"}),
        "setdefault": lambda t: t.setdefault("c", b"d"),
        "share": lambda t: t.share("it", force=True),
        "update": lambda t: t.update({"c": "d"}),
        "values": lambda t: list(t.values()),
    },
    "rbtree": {
        "__reduce__": reopened,
        "dump": lambda t: t.dump(),
        "get": lambda t: t.get("new"),
        "set": lambda t: t.set("c", "d"),
        "share": lambda t: t.share("it", force=True),
    },
    "sharedmap": {
        "__reduce__": reopened,
        "__repr__": lambda s: repr(s),
        "get": lambda s: s.get("7"),
    },
}

#: With a handle.
METHODS = {f"{cls}.{name}": call for cls, calls in _CALLS.items() for name, call in calls.items()}
