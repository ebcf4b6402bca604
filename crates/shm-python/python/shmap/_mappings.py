"""The public classes: those of the extension module, made mappings.

Signatures are repeated in `__init__.pyi`, with types and documentation.
"""

import os
from collections.abc import ItemsView, Mapping, MutableMapping, ValuesView
from types import GenericAlias
from typing import Any

from ._shmap import (
    SnapshotBase,
    TableBase,
    TreeBase,
    table_add_ephemeral,
    table_default_ttl,
    table_evicts,
    table_expire,
    table_get_stale,
    table_get_with_version,
    table_set,
    table_touch,
    table_ttl,
    table_version_of,
    table_wait,
    table_wait_any,
    table_whole_version,
    table_writers,
)


class _Items(ItemsView):
    __slots__ = ()

    def __contains__(self, item):
        # The mixin fails for what is no pair.
        return isinstance(item, tuple) and len(item) == 2 and super().__contains__(item)


class _EntriesItems(_Items):
    """Items of one moment, where the mixin would look up one key after the other."""

    __slots__ = ()

    def __iter__(self):
        return iter(self._mapping.entries())


class _EntriesValues(ValuesView):
    __slots__ = ()

    def __iter__(self):
        return iter([value for _, value in self._mapping.entries()])


class _SnapshotItems(_Items):
    """Items of one edition, in key order."""

    __slots__ = ()

    def __iter__(self):
        return self._mapping._items()

    def __reversed__(self):
        return reversed(self._mapping._items())


class _SnapshotValues(ValuesView):
    __slots__ = ()

    def __iter__(self):
        return self._mapping._values()

    def __reversed__(self):
        return reversed(self._mapping._values())


class _Mode(int):
    """Permission bits, which `help` shows as `ls` and `chmod` do."""

    __slots__ = ()

    def __repr__(self):
        return oct(self)


_OWNER_ONLY = _Mode(0o600)


class Table(TableBase, MutableMapping):
    """A table of live status: any process writes, every process reads.

    Readers take no lock and never wait. Each change, and each batch, takes effect as a whole or not
    at all, even if the writer is killed. A table holds exactly `capacity` entries, with values of
    up to `value_size` bytes; with a `max_capacity`, it grows when it is full. Entries may expire,
    and a full table may evict the oldest ones. A handle works after a fork, can be pickled (by its
    name), is a context manager, and may be used by many threads. A value that is an `int` is a
    counter.

    >>> with Table("workers", capacity=100, value_size=32) as table:
    ...     table[3325] = "running"
    ...     table.update({3325: "stopped", 4711: "running"})
    ...     table[3325], len(table), table.get(1)
    ...     table.increment(9), table.increment(9, by=2), table.get_int(9)
    (b'stopped', 2, None)
    (1, 3, 3)
    """

    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)

    def __new__(
        cls,
        name,
        *,
        keys=int,
        bits=None,
        capacity=1024,
        max_capacity=None,
        value_size=256,
        key_size=64,
        ttl=None,
        evict=False,
        on_evict=None,
        namespace=None,
        mode=_OWNER_ONLY,
        timeout=5.0,
        trust=(),
        shared_writers=False,
    ):
        """Opens the table, or creates it with `capacity` entries of up to `value_size` bytes.

        `keys` is the type of the keys: `int`, of 32 `bits` by default, or `str` or `bytes`, of up
        to `key_size` bytes (of UTF-8). `capacity` is at most 2**28, `value_size` 2**24 and
        `key_size` 256. The memory for `capacity` entries is allocated at once. With a
        `max_capacity`, memory for twice as many entries is allocated each time that the table is
        full, up to `max_capacity` entries; the file has the length for all of them from the
        beginning.

        With a `ttl`, an entry expires that many seconds after it was set, unless `set` or `touch`
        gives it another time. With `ttl=math.inf`, only those entries expire that `set` or `touch`
        gives a time. If `evict` is true, a table that is full and cannot grow makes room for others
        by removing the entries that were written longest ago. `on_evict` is then called with the
        key and the value of each entry that a call of this handle has removed, after the call is
        over. If it raises an exception, so does the call, which has changed the table nonetheless.
        A handle is pickled without it.

        `mode` is the permission bits, by default 0o600; the umask has no effect. A write waits for
        the lock for up to `timeout` seconds. `trust` lists further user ids whose tables may be
        opened. `shared_writers` also accepts tables that the group or others may write to, and a
        `mode` that lets them. Raises `MismatchError` if the table exists with another geometry,
        `ttl` or `evict`, `WrongKindError` if it has keys of another type, `InvalidOptionError` for
        an argument that is not possible, `CorruptError`, `PermissionDeniedError`, `NoSpaceError` or
        `InvalidNameError`.
        """
        geometry = (capacity, max_capacity, value_size, key_size, ttl, evict, on_evict)
        return TableBase.__new__(
            cls, name, "open_or_create", keys, bits, *geometry, namespace, mode, timeout, list(trust), shared_writers
        )

    @classmethod
    def create(
        cls,
        name,
        *,
        keys=int,
        bits=None,
        capacity=1024,
        max_capacity=None,
        value_size=256,
        key_size=64,
        ttl=None,
        evict=False,
        on_evict=None,
        namespace=None,
        mode=_OWNER_ONLY,
        timeout=5.0,
        trust=(),
        shared_writers=False,
    ):
        """Creates the table. The arguments are those of `Table`.

        Raises `AlreadyExistsError`, and whatever `Table` raises.
        """
        geometry = (capacity, max_capacity, value_size, key_size, ttl, evict, on_evict)
        return TableBase.__new__(
            cls, name, "create", keys, bits, *geometry, namespace, mode, timeout, list(trust), shared_writers
        )

    @classmethod
    def open(
        cls,
        name,
        *,
        keys=None,
        bits=None,
        read_only=False,
        on_evict=None,
        namespace=None,
        timeout=5.0,
        trust=(),
        shared_writers=False,
    ):
        """Opens an existing table of any geometry and, without `keys`, of any type of keys. O(1).

        A `read_only` handle needs no write permission, and works from another pid namespace. Raises
        `NotFoundError`, and whatever `Table` raises.
        """
        how = "read" if read_only else "open"
        anything = (1, None, 0, 1, None, False, on_evict)
        return TableBase.__new__(
            cls, name, how, keys, bits, *anything, namespace, _OWNER_ONLY, timeout, list(trust), shared_writers
        )

    def update(self, entries=(), /, **more):
        """As `upsert_many`."""
        if more:
            entries = {**dict(entries), **more}
        self.upsert_many(entries)

    def set(self, key, value, ttl=None):
        """Sets the value of a key, and lets it expire in `ttl` seconds, from now. Without `ttl`, this
        is `table[key] = value`: the entry has the `default_ttl` of the table. Returns whether the
        key was present. O(1).

        `replace`, `compare_exchange`, `increment` and `fetch_add` leave an entry the time that it
        has. Time during which the machine is suspended counts, and setting the clock has no effect.
        After a reboot, every entry that had a time has expired. Raises `InvalidOptionError` for a
        time that is not possible, and for any time if the table was made without `ttl`; and
        whatever `add` raises, except for `KeyExistsError`.
        """
        return table_set(self, key, value, ttl)

    def touch(self, key, ttl):
        """Lets the entry of a key expire in `ttl` seconds, from now. Its value and its version stay as
        they are. O(1).

        Raises `KeyMissingError`, also if the entry has expired, and `InvalidOptionError` as `set`
        does.
        """
        table_touch(self, key, ttl)

    def ttl(self, key):
        """In how many seconds the entry of a key expires; `math.inf` if it stays, `"ephemeral"` if it
        goes with its writer, and `None` if the key is absent. O(1). Takes no lock.

        Raises `CorruptError`.
        """
        return table_ttl(self, key)

    def get_stale(self, key, default=None):
        """As `get`, but also finds an entry that has expired, until something else takes its slot."""
        found = table_get_stale(self, key)
        return default if found is None else found

    def add_ephemeral(self, key, value):
        """Adds an entry that goes with this thread: it is absent as soon as the thread has ended, even
        if the process is killed. O(1).

        It also goes when this thread closes the handle, or forks. `table[key] = value`, `set` and
        `touch` make it an entry like others. The table must have been made with a `ttl`, which may
        be `math.inf`; otherwise this raises `InvalidOptionError`. Raises `FullError` also if too
        many threads write, and whatever `add` raises.
        """
        table_add_ephemeral(self, key, value)

    def expire(self, max_visited):
        """Removes the entries that have expired among the next `max_visited` slots. Returns how many
        slots were visited. O(max_visited).

        Nobody has to call it: an entry that has expired is absent in any case, and an insertion
        into a full table takes its slot. Each call goes on where the last one of any process
        stopped.
        """
        return table_expire(self, max_visited)

    def get_with_version(self, key):
        """The value, or `None`, and the version of the key at that moment, for `wait`. O(1).

        A version is opaque bytes, to compare and to pass on. It changes when the entry is added,
        replaced or removed, and when it expires. Takes no lock. Raises `CorruptError`, and for what
        cannot be a key of this table `TypeError`, `KeyTooLongError` or `OutOfRangeError`.
        """
        return table_get_with_version(self, key)

    def version(self, key):
        """The version of a key, which may be absent. O(1). Takes no lock.

        Raises whatever `get_with_version` raises.
        """
        return table_version_of(self, key)

    def wait(self, key, seen, timeout=None):
        """Sleeps until the key has another version than `seen`, and returns it, or `None` if the time
        runs out first.

        `timeout` is in seconds; `None` waits for ever. Other threads run meanwhile, and may use
        this handle, wait through it, or close it, which raises `ClosedError` here. Ctrl-C ends the
        wait. It may skip changes that follow each other quickly, but never the last one. It notices
        within about a tenth of a second that the entry has expired, or has gone with its writer.
        Through a read-only handle, it looks again every few milliseconds. Raises `MismatchError`
        for a version of another table, `InvalidOptionError` for what is no version, and whatever
        `get_with_version` raises.
        """
        return table_wait(self, key, seen, timeout)

    def table_version(self):
        """The version of the whole table, which changes with each write. O(writers). Takes no lock."""
        return table_whole_version(self)

    def wait_any(self, seen, timeout=None):
        """Sleeps until anything in the table has changed since it had the version `seen`, and returns
        its version then, or `None` if the time runs out first.

        To miss nothing, ask for `table_version`, then read, and then wait with that version. The
        end of a thread that has written may look like a change. An entry that expires is no change.
        In all other respects, this is like `wait`.
        """
        return table_wait_any(self, seen, timeout)

    def writers(self):
        """The threads that write, or have written, to the table, each with `pid`, `thread`, `command`,
        `alive` and `writes`. O(writers). Reads `/proc`.

        A thread is listed after its first write, until another thread takes over its record. Its
        `command` is `None` if the thread has ended, or if nothing says what it is.
        """
        return table_writers(self)

    @property
    def default_ttl(self):
        """In how many seconds an entry expires that is set without a time of its own; `math.inf` if it
        stays, and `None` if the table was made without `ttl`.
        """
        return table_default_ttl(self)

    @property
    def evicts(self):
        """Whether a full table removes the entries that were written longest ago."""
        return table_evicts(self)

    def items(self):
        return _EntriesItems(self)

    def values(self):
        return _EntriesValues(self)

    def __reduce__(self):
        trust, shared_writers = self._trust
        arguments = (self.name, self.read_only, str(self.namespace), self.timeout, trust, shared_writers)
        return _open_table, (type(self), arguments)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _open_table(cls, arguments):
    name, read_only, namespace, timeout, trust, shared_writers = arguments
    return cls.open(
        name, read_only=read_only, namespace=namespace, timeout=timeout, trust=trust, shared_writers=shared_writers
    )


class Snapshot(SnapshotBase, Mapping):
    """A published dictionary, in key order, read in place.

    A handle keeps one edition until `refresh` or `wait_for_update` takes another. Keys may be
    looked up as `str` or as `bytes`; `keys` is the type that they are returned as. A handle works
    after a fork, can be pickled (by its name), and is a context manager.

    >>> RbTree({"rot": "red", "blau": "blue"}).share("colours", force=True)
    1
    >>> with Snapshot("colours") as colours:
    ...     colours["rot"], list(colours.prefix("b")), colours.rank("c")
    (b'red', [('blau', b'blue')], 1)
    """

    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)

    def __new__(cls, name, *, keys=str, signed=True, namespace=None, trust=()):
        """Opens a published name. O(1): checks owner, mode and headers; `verify` checks the rest.

        `keys` is `str`, `bytes` or, for a frozen table of numbers, `int`, with `signed=False` if
        its numbers are unsigned. `trust` lists further user ids whose snapshots may be opened.
        Raises `NotFoundError`, `CorruptError`, `WrongKindError`, `PermissionDeniedError` (also for
        a file that anybody, its owner included, may write to) or `InvalidNameError`. Reading keys
        that are not of that type raises `WrongKindError`, which says what they are.
        """
        return SnapshotBase.__new__(cls, name, keys, signed, namespace, list(trust))

    @classmethod
    def open_file(cls, path, *, keys=str, signed=True, trust=()):
        """Opens a file that `save` wrote, and reads it in place. O(1). Raises whatever `Snapshot`
        raises.

        Its `name` is the path, and its `edition` is 0. It has no other editions, so `refresh`
        returns False and `wait_for_update` raises `WrongKindError`. It is pickled by its path.
        """
        path = os.path.abspath(os.fsdecode(path))
        shown = os.fsencode(path).decode(errors="replace")
        return SnapshotBase.__new__(cls, shown, keys, signed, os.path.dirname(path), list(trust), path)

    def __reversed__(self):
        return reversed(self._keys())

    def items(self):
        return _SnapshotItems(self)

    def values(self):
        return _SnapshotValues(self)

    def __reduce__(self):
        if self._saved:
            return _open_file, (type(self), (str(self.path), self.key_type, self._signed, self._trust))
        arguments = (self.name, self.key_type, self._signed, str(self.namespace), self._trust)
        return _open_snapshot, (type(self), arguments)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _open_snapshot(cls, arguments):
    name, keys, signed, namespace, trust = arguments
    return cls(name, keys=keys, signed=signed, namespace=namespace, trust=trust)


def _open_file(cls, arguments):
    path, keys, signed, trust = arguments
    return cls.open_file(path, keys=keys, signed=signed, trust=trust)


class RbTree(TreeBase, MutableMapping):
    """A dictionary in private memory, in key order. `share` publishes it.

    Keys are shorter than 2**20 bytes of UTF-8; values may have any length. A tree is pickled by its
    contents.

    >>> tree = RbTree({"rot": "red"})
    >>> tree["blau"] = "blue"
    >>> list(tree), tree.get("x"), tree.share("colours", force=True)
    (['blau', 'rot'], None, 1)
    """

    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)

    def __new__(cls, entries=None, *, keys=str):
        """Takes a mapping or pairs. If a key occurs twice, the last value counts. O(n log n).

        `keys` is `str`, `bytes`, or `int` of 32 bits. Raises `KeyTooLongError` or
        `OutOfRangeError`.
        """
        return TreeBase.__new__(cls, entries, keys)

    def update(self, entries=(), /, **more):
        """As `set_many`."""
        if more:
            entries = {**dict(entries), **more}
        self.set_many(entries)

    def items(self):
        return _EntriesItems(self)

    def values(self):
        return _EntriesValues(self)

    def __reduce__(self):
        return _build_tree, (type(self), self.key_type, self.entries())


def _build_tree(cls, keys, entries):
    return cls(entries, keys=keys)
