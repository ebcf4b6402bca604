"""Dictionaries in shared memory, for Linux.

`namespace` is a directory, by default `$SHMAP_DIR` or `/dev/shm`. `timeout` is in seconds; `None`
waits for ever. A value is given as bytes, or as text, which is encoded as UTF-8, and is returned as
a copy of its bytes. In a table, a value that is an `int` is a counter of eight bytes. A lookup by a
key of another type finds nothing, as in a `dict`. Every error is an `Error`, and also the exception
that Python itself would raise. A call that raises one has changed nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, Optional, TypedDict, TypeVar, Union, overload

from . import sharedmap as sharedmap
from ._errors import AlreadyExistsError as AlreadyExistsError
from ._errors import ClosedError as ClosedError
from ._errors import CorruptError as CorruptError
from ._errors import Error as Error
from ._errors import FullError as FullError
from ._errors import InvalidNameError as InvalidNameError
from ._errors import InvalidOptionError as InvalidOptionError
from ._errors import KeyExistsError as KeyExistsError
from ._errors import KeyMissingError as KeyMissingError
from ._errors import KeyTooLongError as KeyTooLongError
from ._errors import LockTimeoutError as LockTimeoutError
from ._errors import MismatchError as MismatchError
from ._errors import NoSpaceError as NoSpaceError
from ._errors import NotFoundError as NotFoundError
from ._errors import NotTextError as NotTextError
from ._errors import OutOfRangeError as OutOfRangeError
from ._errors import PermissionDeniedError as PermissionDeniedError
from ._errors import ReadOnlyError as ReadOnlyError
from ._errors import SystemCallError as SystemCallError
from ._errors import ValueTooLongError as ValueTooLongError
from ._errors import WrongKindError as WrongKindError

__all__ = [
    "AlreadyExistsError",
    "ClosedError",
    "CorruptError",
    "Error",
    "FullError",
    "InvalidNameError",
    "InvalidOptionError",
    "KeyExistsError",
    "KeyMissingError",
    "KeyTooLongError",
    "LockTimeoutError",
    "MismatchError",
    "NoSpaceError",
    "NotFoundError",
    "NotTextError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "RbTree",
    "ReadOnlyError",
    "Snapshot",
    "SystemCallError",
    "Table",
    "ValueTooLongError",
    "WrongKindError",
    "names",
    "prune",
    "remove",
    "sharedmap",
]

__version__: str

_K = TypeVar("_K", int, str, bytes)
_SK = TypeVar("_SK", int, str, bytes)
_T = TypeVar("_T")

_Value = Union[bytes, str, bytearray, memoryview]
_Stored = Union[_Value, int]
_Dir = Optional[Union[str, PathLike[str]]]
_Pairs = Union[Mapping[_SK, _Value], Iterable[tuple[_SK, _Value]]]
_Entries = Union[Mapping[_K, _Stored], Iterable[tuple[_K, _Stored]]]

class _Stats(TypedDict):
    len: int
    capacity: int
    max_capacity: int
    free: int
    value_size: int
    writes: int
    growths: int
    recoveries: int
    lost: int
    expired: int
    evicted: int
    tombstones: int
    file_len: int

class _Writer(TypedDict):
    pid: int
    thread: int
    command: Optional[str]
    alive: bool
    writes: int

class Table(MutableMapping[_K, bytes]):
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

    @overload
    def __new__(
        cls,
        name: str,
        *,
        keys: type[int] = ...,
        bits: Literal[32, 64, None] = None,
        capacity: int = 1024,
        max_capacity: Optional[int] = None,
        value_size: int = 256,
        key_size: int = 64,
        ttl: Optional[float] = None,
        evict: bool = False,
        on_evict: Optional[Callable[[int, bytes], object]] = None,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[int]:
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
    @overload
    def __new__(
        cls,
        name: str,
        *,
        keys: type[str],
        bits: None = None,
        capacity: int = 1024,
        max_capacity: Optional[int] = None,
        value_size: int = 256,
        key_size: int = 64,
        ttl: Optional[float] = None,
        evict: bool = False,
        on_evict: Optional[Callable[[str, bytes], object]] = None,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[str]: ...
    @overload
    def __new__(
        cls,
        name: str,
        *,
        keys: type[bytes],
        bits: None = None,
        capacity: int = 1024,
        max_capacity: Optional[int] = None,
        value_size: int = 256,
        key_size: int = 64,
        ttl: Optional[float] = None,
        evict: bool = False,
        on_evict: Optional[Callable[[bytes, bytes], object]] = None,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[bytes]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str,
        *,
        keys: type[int] = ...,
        bits: Literal[32, 64, None] = None,
        capacity: int = 1024,
        max_capacity: Optional[int] = None,
        value_size: int = 256,
        key_size: int = 64,
        ttl: Optional[float] = None,
        evict: bool = False,
        on_evict: Optional[Callable[[int, bytes], object]] = None,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[int]:
        """Creates the table. The arguments are those of `Table`.

        Raises `AlreadyExistsError`, and whatever `Table` raises.
        """
    @overload
    @classmethod
    def create(
        cls,
        name: str,
        *,
        keys: type[str],
        bits: None = None,
        capacity: int = 1024,
        max_capacity: Optional[int] = None,
        value_size: int = 256,
        key_size: int = 64,
        ttl: Optional[float] = None,
        evict: bool = False,
        on_evict: Optional[Callable[[str, bytes], object]] = None,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[str]: ...
    @overload
    @classmethod
    def create(
        cls,
        name: str,
        *,
        keys: type[bytes],
        bits: None = None,
        capacity: int = 1024,
        max_capacity: Optional[int] = None,
        value_size: int = 256,
        key_size: int = 64,
        ttl: Optional[float] = None,
        evict: bool = False,
        on_evict: Optional[Callable[[bytes, bytes], object]] = None,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[bytes]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        *,
        keys: None = None,
        bits: None = None,
        read_only: bool = False,
        on_evict: Optional[Callable[[Any, bytes], object]] = None,
        namespace: _Dir = None,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[Any]:
        """Opens an existing table of any geometry and, without `keys`, of any type of keys. O(1).

        A `read_only` handle needs no write permission, and works from another pid namespace. Raises
        `NotFoundError`, and whatever `Table` raises.
        """
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        *,
        keys: type[int],
        bits: Literal[32, 64, None] = None,
        read_only: bool = False,
        on_evict: Optional[Callable[[int, bytes], object]] = None,
        namespace: _Dir = None,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[int]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        *,
        keys: type[str],
        bits: None = None,
        read_only: bool = False,
        on_evict: Optional[Callable[[str, bytes], object]] = None,
        namespace: _Dir = None,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[str]: ...
    @overload
    @classmethod
    def open(
        cls,
        name: str,
        *,
        keys: type[bytes],
        bits: None = None,
        read_only: bool = False,
        on_evict: Optional[Callable[[bytes, bytes], object]] = None,
        namespace: _Dir = None,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[bytes]: ...
    def __getitem__(self, key: _K, /) -> bytes: ...
    def __setitem__(self, key: _K, value: _Stored, /) -> None: ...
    def __delitem__(self, key: _K, /) -> None: ...
    def __iter__(self) -> Iterator[_K]:
        """The keys as they were at one moment, in no order. O(capacity), as `keys`, `values`,
        `items`.
        """
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    @overload
    def get(self, key: _K, default: None = None) -> Optional[bytes]:
        """A copy of the value, as bytes, or `default`. O(1). Takes no lock.

        Raises `CorruptError` if the file is damaged.
        """
    @overload
    def get(self, key: _K, default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    @overload
    def get_str(self, key: _K, default: None = None) -> Optional[str]:
        """As `get`, but the value as text. Raises `NotTextError` if it is not UTF-8."""
    @overload
    def get_str(self, key: _K, default: Union[str, _T]) -> Union[str, _T]: ...
    @overload
    def get_int(self, key: _K, default: None = None) -> Optional[int]:
        """The number of a counter, or `default`. O(1). Takes no lock.

        Raises `MismatchError` if the value is not a counter, which has eight bytes.
        """
    @overload
    def get_int(self, key: _K, default: Union[int, _T]) -> Union[int, _T]: ...
    def get_many(self, keys: Iterable[_K]) -> list[Optional[bytes]]:
        """The values of several keys, in their order, as they were at one moment; `None` for an
        absent key. O(keys).

        Raises `LockTimeoutError` if other writes completed during each attempt, or `CorruptError`.
        """
    def entries(self, *, one_moment: bool = True) -> list[tuple[_K, bytes]]:
        """All entries, in no order, as they were at one moment. O(capacity). Raises whatever
        `get_many` raises.

        If other writers never pause, a handle that may write takes the lock. A read-only handle
        gives up after a second; with `one_moment=False` it then returns entries that are each
        whole, but from different moments. Damaged entries are left out, with a `RuntimeWarning`
        that says how many.
        """
    def add(self, key: _K, value: _Stored) -> None:
        """Sets the value of a key that is absent. O(1).

        Like every change, it waits for the lock for up to `timeout` seconds, and then raises
        `LockTimeoutError`. A read-only handle raises `ReadOnlyError`. Other errors are
        `KeyExistsError`, `FullError`, `ValueTooLongError`, `KeyTooLongError` and `OutOfRangeError`.
        """
    def replace(self, key: _K, value: _Stored) -> None:
        """Replaces the value of a key that is present. O(1).

        Raises `KeyMissingError`, `ValueTooLongError`.
        """
    def add_many(self, entries: _Entries[_K]) -> None:
        """Adds all entries, or none. The error names the position of the first entry at fault."""
    def replace_many(self, entries: _Entries[_K]) -> None:
        """Replaces all values, or none. The error names the position of the first entry at fault."""
    def upsert_many(self, entries: _Entries[_K]) -> None:
        """Sets all entries, or none, at one moment. If a key occurs twice, the last value counts.

        The error names the position of the first entry at fault: `FullError`, `ValueTooLongError`,
        `KeyTooLongError` or `OutOfRangeError`.
        """
    def update(  # type: ignore[override]
        self, entries: _Entries[_K] = (), /, **more: _Stored
    ) -> None:
        """As `upsert_many`."""
    def remove_many(self, keys: Iterable[_K]) -> None:
        """Removes all keys, or none. Raises `KeyMissingError`."""
    def clear(self) -> None:
        """Removes all entries, at one moment. O(capacity)."""
    def compare_exchange(self, key: _K, expected: _Stored, new: _Stored) -> bool:
        """Sets the value to `new` if it is `expected`. Returns whether it was. O(1).

        Raises `KeyMissingError`, `ValueTooLongError`.
        """
    def increment(self, key: _K, by: int = 1, initial: int = 0) -> int:
        """Adds `by` to a counter, and returns the new value. If the key is absent, the counter
        starts at `initial`. O(1).

        A counter is a value of eight bytes: a little-endian signed number that wraps around.
        `get_int` reads it, and storing an `int` sets it. Raises `MismatchError` if the value is not
        a counter, or if the table's values have fewer than eight bytes; `FullError`; or
        `OutOfRangeError`.
        """
    def fetch_add(self, key: _K, delta: int = 1) -> int:
        """Adds `delta` to a counter, and returns the old value. O(1).

        Raises `KeyMissingError` if the key is absent, `MismatchError` if the value is not a
        counter, or `OutOfRangeError`.
        """
    def set(self, key: _K, value: _Stored, ttl: Optional[float] = None) -> bool:
        """Sets the value of a key, and lets it expire in `ttl` seconds, from now. Without `ttl`, this
        is `table[key] = value`: the entry has the `default_ttl` of the table. Returns whether the
        key was present. O(1).

        `replace`, `compare_exchange`, `increment` and `fetch_add` leave an entry the time that it
        has. Time during which the machine is suspended counts, and setting the clock has no effect.
        After a reboot, every entry that had a time has expired. Raises `InvalidOptionError` for a
        time that is not possible, and for any time if the table was made without `ttl`; and
        whatever `add` raises, except for `KeyExistsError`.
        """
    def touch(self, key: _K, ttl: float) -> None:
        """Lets the entry of a key expire in `ttl` seconds, from now. Its value and its version stay as
        they are. O(1).

        Raises `KeyMissingError`, also if the entry has expired, and `InvalidOptionError` as `set`
        does.
        """
    def ttl(self, key: _K) -> Union[float, Literal["ephemeral"], None]:
        """In how many seconds the entry of a key expires; `math.inf` if it stays, `"ephemeral"` if it
        goes with its writer, and `None` if the key is absent. O(1). Takes no lock.

        Raises `CorruptError`.
        """
    @overload
    def get_stale(self, key: _K, default: None = None) -> Optional[bytes]:
        """As `get`, but also finds an entry that has expired, until something else takes its slot."""
    @overload
    def get_stale(self, key: _K, default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    def add_ephemeral(self, key: _K, value: _Stored) -> None:
        """Adds an entry that goes with this thread: it is absent as soon as the thread has ended, even
        if the process is killed. O(1).

        It also goes when this thread closes the handle, or forks. `table[key] = value`, `set` and
        `touch` make it an entry like others. The table must have been made with a `ttl`, which may
        be `math.inf`; otherwise this raises `InvalidOptionError`. Raises `FullError` also if too
        many threads write, and whatever `add` raises.
        """
    def expire(self, max_visited: int) -> int:
        """Removes the entries that have expired among the next `max_visited` slots. Returns how many
        slots were visited. O(max_visited).

        Nobody has to call it: an entry that has expired is absent in any case, and an insertion
        into a full table takes its slot. Each call goes on where the last one of any process
        stopped.
        """
    def get_with_version(self, key: _K) -> tuple[Optional[bytes], bytes]:
        """The value, or `None`, and the version of the key at that moment, for `wait`. O(1).

        A version is opaque bytes, to compare and to pass on. It changes when the entry is added,
        replaced or removed, and when it expires. Takes no lock. Raises `CorruptError`, and for what
        cannot be a key of this table `TypeError`, `KeyTooLongError` or `OutOfRangeError`.
        """
    def version(self, key: _K) -> bytes:
        """The version of a key, which may be absent. O(1). Takes no lock.

        Raises whatever `get_with_version` raises.
        """
    def wait(self, key: _K, seen: bytes, timeout: Optional[float] = None) -> Optional[bytes]:
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
    def table_version(self) -> bytes:
        """The version of the whole table, which changes with each write. O(writers). Takes no lock."""
    def wait_any(self, seen: bytes, timeout: Optional[float] = None) -> Optional[bytes]:
        """Sleeps until anything in the table has changed since it had the version `seen`, and returns
        its version then, or `None` if the time runs out first.

        To miss nothing, ask for `table_version`, then read, and then wait with that version. The
        end of a thread that has written may look like a change. An entry that expires is no change.
        In all other respects, this is like `wait`.
        """
    def freeze(
        self,
        name: str,
        force: bool = False,
        *,
        hash_index: bool = True,
        mode: Optional[int] = None,
        allow_empty: bool = False,
    ) -> int:
        """Publishes the entries, as they were at one moment, as a snapshot. `force` replaces an
        existing one. Returns the number of the edition. O(n log n).

        Open it with `Snapshot(name, keys=table.key_type, signed=table.signed)`. Numbers are in
        numerical order. Raises whatever `RbTree.share` raises.
        """
    def load(self, snapshot: Snapshot[Any]) -> int:
        """Sets all entries of a snapshot that `freeze` made, or none. Returns their number. O(n).

        Raises `WrongKindError` for keys that the table cannot have, and whatever `upsert_many`
        raises.
        """
    def verify(self) -> None:
        """Checks the whole table, under the lock. O(capacity).

        Raises `CorruptError`; the next write then repairs the table.
        """
    def recover(self) -> None:
        """Repairs what a killed writer left half done. Otherwise the next write does so."""
    def unlink(self) -> bool:
        """Removes the name; False if there was none. Open handles keep the table.

        Also works with a closed handle. Raises `PermissionDeniedError`.
        """
    def is_orphaned(self) -> bool:
        """True if the name no longer leads to this table: it was removed or created again."""
    def stats(self) -> _Stats:
        """`len`, `capacity`, `max_capacity`, `free`, `value_size`, `writes`, `growths`, `recoveries`,
        entries `lost` to damage, `expired` and `evicted` entries, `tombstones` of the index,
        `file_len` in bytes. O(1).

        While other processes write, the figures may be from different moments. `len` counts
        entries that have expired until their slots are taken, and `expired` counts them then.
        """
    def writers(self) -> list[_Writer]:
        """The threads that write, or have written, to the table, each with `pid`, `thread`, `command`,
        `alive` and `writes`. O(writers). Reads `/proc`.

        A thread is listed after its first write, until another thread takes over its record. Its
        `command` is `None` if the thread has ended, or if nothing says what it is.
        """
    @property
    def name(self) -> str:
        """The name."""
    @property
    def namespace(self) -> Path:
        """The directory."""
    @property
    def path(self) -> Path:
        """The file."""
    @property
    def capacity(self) -> int:
        """The number of entries that fit, before the table grows again if it may grow."""
    @property
    def max_capacity(self) -> int:
        """The largest `capacity` to which the table may grow."""
    @property
    def value_size(self) -> int:
        """The maximum length of a value, in bytes."""
    @property
    def key_size(self) -> int:
        """The maximum length of a key, in bytes. Has no meaning if keys are numbers."""
    @property
    def default_ttl(self) -> Optional[float]:
        """In how many seconds an entry expires that is set without a time of its own; `math.inf` if it
        stays, and `None` if the table was made without `ttl`.
        """
    @property
    def evicts(self) -> bool:
        """Whether a full table removes the entries that were written longest ago."""
    @property
    def key_type(self) -> type[_K]:
        """`int`, `str` or `bytes`."""
    @property
    def signed(self) -> bool:
        """Whether the keys are signed numbers. Also true if the keys are not numbers."""
    @property
    def read_only(self) -> bool:
        """Whether this handle may only read."""
    @property
    def timeout(self) -> Optional[float]:
        """How long a write waits for the lock, in seconds; `None` for ever."""
    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
    def close(self) -> None:
        """Closes this handle. The table remains."""
    def __enter__(self) -> Table[_K]: ...
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
        /,
    ) -> None: ...

class _Iterator(Iterator[_T], Generic[_T]):
    """Entries of one edition of a snapshot, in key order, from both ends; `len` is how many remain."""

    def __next__(self) -> _T: ...
    def __reversed__(self) -> _Iterator[_T]: ...
    def __len__(self) -> int:
        """The number of entries that remain."""

class _Cursor(Iterator[tuple[_SK, bytes]]):
    """A position between the entries of one edition of a snapshot, in key order. As an iterator, it
    yields the entries after it, and moves.
    """

    def __next__(self) -> tuple[_SK, bytes]: ...
    def seek(self, key: Union[_SK, _Value]) -> bool:
        """Moves before the first entry whose key is not less than `key`, or after the last entry.
        Returns whether that entry has this key. O(log n).
        """
    def seek_rank(self, rank: int) -> None:
        """Moves before the entry at `rank`, or after the last entry if there are not so many. O(1)."""
    def next(self) -> Optional[tuple[_SK, bytes]]:
        """The entry after the cursor, which then moves behind it; `None` at the end. O(1)."""
    def prev(self) -> Optional[tuple[_SK, bytes]]:
        """The entry before the cursor, which then moves in front of it; `None` at the start. O(1)."""
    def peek_next(self) -> Optional[tuple[_SK, bytes]]:
        """As `next`, but without moving."""
    def peek_prev(self) -> Optional[tuple[_SK, bytes]]:
        """As `prev`, but without moving."""
    @property
    def rank(self) -> int:
        """The number of entries before the cursor."""

class Snapshot(Mapping[_SK, bytes]):
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

    @overload
    def __new__(
        cls,
        name: str,
        *,
        keys: type[str] = ...,
        signed: Literal[True] = True,
        namespace: _Dir = None,
        trust: Iterable[int] = (),
    ) -> Snapshot[str]:
        """Opens a published name. O(1): checks owner, mode and headers; `verify` checks the rest.

        `keys` is `str`, `bytes` or, for a frozen table of numbers, `int`, with `signed=False` if
        its numbers are unsigned. `trust` lists further user ids whose snapshots may be opened.
        Raises `NotFoundError`, `CorruptError`, `WrongKindError`, `PermissionDeniedError` (also for
        a file that anybody, its owner included, may write to) or `InvalidNameError`. Reading keys
        that are not of that type raises `WrongKindError`, which says what they are.
        """
    @overload
    def __new__(
        cls,
        name: str,
        *,
        keys: type[_SK],
        signed: bool = True,
        namespace: _Dir = None,
        trust: Iterable[int] = (),
    ) -> Snapshot[_SK]: ...
    @overload
    @classmethod
    def open_file(
        cls,
        path: Union[str, PathLike[str]],
        *,
        keys: type[str] = ...,
        signed: Literal[True] = True,
        trust: Iterable[int] = (),
    ) -> Snapshot[str]:
        """Opens a file that `save` wrote, and reads it in place. O(1). Raises whatever `Snapshot`
        raises.

        Its `name` is the path, and its `edition` is 0. It has no other editions, so `refresh`
        returns False and `wait_for_update` raises `WrongKindError`. It is pickled by its path.
        """
    @overload
    @classmethod
    def open_file(
        cls,
        path: Union[str, PathLike[str]],
        *,
        keys: type[int],
        signed: bool = True,
        trust: Iterable[int] = (),
    ) -> Snapshot[int]: ...
    @overload
    @classmethod
    def open_file(
        cls,
        path: Union[str, PathLike[str]],
        *,
        keys: type[bytes],
        signed: Literal[True] = True,
        trust: Iterable[int] = (),
    ) -> Snapshot[bytes]: ...
    def __getitem__(self, key: Union[_SK, _Value], /) -> bytes: ...
    def __iter__(self) -> Iterator[_SK]: ...
    def __reversed__(self) -> Iterator[_SK]: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    @overload
    def get(self, key: Union[_SK, _Value], default: None = None) -> Optional[bytes]:
        """A copy of the value, as bytes, or `default`. Takes no lock.

        O(1) with a hash index, else O(log n).
        """
    @overload
    def get(self, key: Union[_SK, _Value], default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    @overload
    def get_str(self, key: Union[_SK, _Value], default: None = None) -> Optional[str]:
        """As `get`, but the value as text. Raises `NotTextError` if it is not UTF-8."""
    @overload
    def get_str(self, key: Union[_SK, _Value], default: Union[str, _T]) -> Union[str, _T]: ...
    def get_many(self, keys: Iterable[Union[_SK, _Value]]) -> list[Optional[bytes]]:
        """The values of several keys, in their order; `None` for an absent key. Faster than one by
        one.
        """
    def range(
        self,
        start: Optional[Union[_SK, _Value]] = None,
        stop: Optional[Union[_SK, _Value]] = None,
        *,
        inclusive: bool = False,
    ) -> _Iterator[tuple[_SK, bytes]]:
        """The entries from `start` to `stop`; with `stop` if `inclusive`. O(log n), then O(1) per
        step.
        """
    def prefix(self, prefix: _Value) -> _Iterator[tuple[_SK, bytes]]:
        """The entries whose keys start with `prefix`. O(log n), then O(1) per step."""
    def cursor(self) -> _Cursor[_SK]:
        """A cursor before the first entry, which moves to any key or rank, and on in both directions.
        It keeps its edition. O(1).
        """
    def rank(self, key: Union[_SK, _Value]) -> int:
        """The number of keys that are less than `key`, which may be absent. O(log n)."""
    def nth(self, rank: int) -> tuple[_SK, bytes]:
        """The entry at a rank, from 0; negative ranks count from the end. O(1). Raises `IndexError`."""
    def refresh(self) -> bool:
        """Takes the newest edition; True if that is another one. Costs one load if nothing was
        published.

        About every 100 ms it also checks the name, and so finds a map that was published again
        after its files were removed by other means. Raises whatever opening raises; the handle then
        keeps its edition. Iterators and cursors keep theirs.
        """
    def wait_for_update(self, timeout: Optional[float] = None) -> bool:
        """Sleeps until there is another edition, and takes it; False if the time runs out first.

        `timeout` is in seconds; `None` waits for ever. Other threads run meanwhile, and may use
        this handle, wait through it, or fork. If one of them takes another edition, this call
        returns True. Ctrl-C ends it. If the name was removed, it waits until the name is published
        again. Raises whatever `refresh` raises.
        """
    @property
    def edition(self) -> int:
        """The number of this edition: 1 for the first under the name."""
    def is_removed(self) -> bool:
        """True if the name was removed after this edition was published, even if it was published
        again since. Then `refresh` takes the new one.
        """
    def verify(self) -> None:
        """Checks every byte. O(n). Raises `CorruptError`."""
    def dump(self) -> bytes:
        """A copy of all bytes of the snapshot. O(n)."""
    def save(self, path: Union[str, PathLike[str]]) -> None:
        """Writes the snapshot to a file of mode 0400, which replaces an existing one in one step.
        O(n). `open_file` opens it.

        Raises `PermissionDeniedError`, `NoSpaceError`, `NotFoundError` for a missing directory.
        """
    @property
    def has_hash_index(self) -> bool:
        """Whether it was published with a hash index."""
    @property
    def name(self) -> str:
        """The name."""
    @property
    def namespace(self) -> Path:
        """The directory."""
    @property
    def path(self) -> Path:
        """The file."""
    @property
    def key_type(self) -> type[_SK]:
        """`str`, `bytes` or `int`: the type that keys are returned as."""
    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
    def close(self) -> None:
        """Closes this handle. Iterators and cursors keep their edition."""
    def __enter__(self) -> Snapshot[_SK]: ...
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
        /,
    ) -> None: ...

class RbTree(MutableMapping[_SK, bytes]):
    """A dictionary in private memory, in key order. `share` publishes it.

    Keys are shorter than 2**20 bytes of UTF-8; values may have any length. A tree is pickled by its
    contents.

    >>> tree = RbTree({"rot": "red"})
    >>> tree["blau"] = "blue"
    >>> list(tree), tree.get("x"), tree.share("colours", force=True)
    (['blau', 'rot'], None, 1)
    """

    @overload
    def __new__(cls, entries: None = None, *, keys: type[str] = ...) -> RbTree[str]:
        """Takes a mapping or pairs. If a key occurs twice, the last value counts. O(n log n).

        `keys` is `str`, `bytes`, or `int` of 32 bits. Raises `KeyTooLongError` or
        `OutOfRangeError`.
        """
    @overload
    def __new__(cls, entries: _Pairs[str], *, keys: type[str] = ...) -> RbTree[str]: ...
    @overload
    def __new__(cls, entries: Optional[_Pairs[_SK]] = None, *, keys: type[_SK]) -> RbTree[_SK]: ...
    def __getitem__(self, key: Union[_SK, _Value], /) -> bytes: ...
    def __setitem__(self, key: Union[_SK, _Value], value: _Value, /) -> None: ...
    def __delitem__(self, key: Union[_SK, _Value], /) -> None: ...
    def __iter__(self) -> Iterator[_SK]: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    def set(self, key: Union[_SK, _Value], value: _Value) -> bool:
        """Sets the value of `key`; True if it had one. O(log n). Raises `KeyTooLongError`."""
    @overload
    def get(self, key: Union[_SK, _Value], default: None = None) -> Optional[bytes]:
        """A copy of the value, as bytes, or `default`. O(log n)."""
    @overload
    def get(self, key: Union[_SK, _Value], default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    @overload
    def get_str(self, key: Union[_SK, _Value], default: None = None) -> Optional[str]:
        """As `get`, but the value as text. Raises `NotTextError` if it is not UTF-8."""
    @overload
    def get_str(self, key: Union[_SK, _Value], default: Union[str, _T]) -> Union[str, _T]: ...
    def remove(self, key: Union[_SK, _Value]) -> bool:
        """Removes `key`; False if it was absent. O(log n)."""
    def clear(self) -> None:
        """Removes all entries."""
    def set_many(self, entries: _Pairs[_SK]) -> None:
        """Sets all entries, or none."""
    def update(  # type: ignore[override]
        self, entries: _Pairs[_SK] = (), /, **more: _Value
    ) -> None:
        """As `set_many`."""
    def entries(self) -> list[tuple[_SK, bytes]]:
        """All entries, in key order. O(n)."""
    def share(
        self,
        name: str,
        force: bool = False,
        *,
        hash_index: bool = True,
        namespace: _Dir = None,
        mode: Optional[int] = None,
        timeout: Optional[float] = 5.0,
        allow_empty: bool = False,
    ) -> int:
        """Publishes the tree under `name` in one step. `force` replaces an existing map. Returns
        the number of the edition. O(n).

        `mode` has read bits only; `0o444` lets others read. The default is the mode of the replaced
        map, or `0o400`. An empty tree replaces a map that has entries only with `allow_empty`;
        otherwise `AlreadyExistsError` is raised. `hash_index` makes `Snapshot.get` faster and the
        file larger. Waits for another publisher for up to `timeout` seconds. Raises
        `AlreadyExistsError`, `LockTimeoutError`, `NoSpaceError`, `PermissionDeniedError` or, if the
        control segment of the name is damaged, `CorruptError`. After an error the name still leads
        to what it did before.
        """
    def dump(self, *, hash_index: bool = True) -> bytes:
        """The bytes that `share` would publish. Changes nothing. O(n)."""
    @property
    def key_type(self) -> type[_SK]:
        """`str`, `bytes` or `int`: the type that keys are returned as."""

def remove(name: str, *, namespace: _Dir = None, timeout: Optional[float] = 5.0) -> None:
    """Removes a published name. Open snapshots keep their edition. O(1).

    Waits for a publisher for up to `timeout` seconds. Raises `NotFoundError`,
    `PermissionDeniedError`, `LockTimeoutError`. `Table.unlink` removes the name of a table.
    """

def prune(*, namespace: _Dir = None, dry_run: bool = False) -> list[Path]:
    """Removes files that killed publishers of this user left behind, and returns their paths; with
    `dry_run` it removes none.

    Living publishers, names, and other users' files are left alone. Raises `NotFoundError` for a
    missing directory.
    """

def names(*, namespace: _Dir = None) -> list[tuple[str, str]]:
    """The tables and snapshots of a namespace: each name with its kind, `"table"` or `"snapshot"`.

    In no order. Opens none of them. O(files). Raises `NotFoundError` for a missing directory,
    `PermissionDeniedError`.
    """
