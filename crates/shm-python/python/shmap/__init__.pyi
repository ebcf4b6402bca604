"""Dictionaries in shared memory, for Linux.

`namespace` is a directory: `$SHMAP_DIR` or `/dev/shm` unless given. `timeout` is in seconds, `None`
for ever. A value is given as bytes, or as text that becomes UTF-8, and comes back as a copy; in a
table, an `int` is a counter of eight bytes. A lookup by a key of another type finds nothing, as in
a `dict`. Every error is an `Error`, and also what Python itself would raise; nothing was changed
then.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
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
    free: int
    value_size: int
    writes: int
    recoveries: int
    lost: int
    tombstones: int
    file_len: int

class Table(MutableMapping[_K, bytes]):
    """A table of live status: any process writes, every process reads.

    Readers take no lock and wait for nobody. Each change, and each batch, is all or nothing, even
    if the writer is killed. A table does not grow: exactly `capacity` entries fit, of up to
    `value_size` bytes. A handle works after fork, and through pickle by its name; it is a context
    manager, and many threads may use it. An `int` as a value is a counter.

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
        value_size: int = 256,
        key_size: int = 64,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[int]:
        """Opens the table, or creates it: `capacity` entries of up to `value_size` bytes.

        `keys` are `int`, of 32 `bits` unless told otherwise, or `str` or `bytes` of up to
        `key_size` bytes (of UTF-8). `capacity` is at most 2**28, `value_size` 2**24, `key_size`
        256; all of it is allocated at once. `mode` is the permission bits, 0o600 unless told
        otherwise, whatever the umask. A write waits for the lock for up to `timeout` seconds.
        `trust` lists further user ids whose tables are opened; `shared_writers` accepts tables that
        group or others may write to. Raises `MismatchError` when it exists with another geometry,
        `WrongKindError` with other keys, `InvalidOptionError` for one that is not possible,
        `CorruptError`, `PermissionDeniedError`, `NoSpaceError`, `InvalidNameError`.
        """
    @overload
    def __new__(
        cls,
        name: str,
        *,
        keys: type[str],
        bits: None = None,
        capacity: int = 1024,
        value_size: int = 256,
        key_size: int = 64,
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
        value_size: int = 256,
        key_size: int = 64,
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
        value_size: int = 256,
        key_size: int = 64,
        namespace: _Dir = None,
        mode: int = ...,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[int]:
        """Creates it, with the arguments of `Table`.

        Raises `AlreadyExistsError`, and what `Table` raises.
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
        value_size: int = 256,
        key_size: int = 64,
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
        value_size: int = 256,
        key_size: int = 64,
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
        namespace: _Dir = None,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[Any]:
        """Opens what is there, whatever its geometry; without `keys`, whatever its keys. O(1).

        `read_only` needs no permission to write, and works from another pid namespace. Raises
        `NotFoundError`, and what `Table` raises.
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
        namespace: _Dir = None,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[bytes]: ...
    def __getitem__(self, key: _K, /) -> bytes: ...
    def __setitem__(self, key: _K, value: _Stored, /) -> None: ...
    def __delitem__(self, key: _K, /) -> None: ...
    def __iter__(self) -> Iterator[_K]:
        """The keys of one moment, in no order. O(capacity); so are `keys`, `values`, `items`."""
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    @overload
    def get(self, key: _K, default: None = None) -> Optional[bytes]:
        """A copy of the value, as bytes, or `default`. O(1). Takes no lock.

        Raises `CorruptError` where the file is damaged.
        """
    @overload
    def get(self, key: _K, default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    @overload
    def get_str(self, key: _K, default: None = None) -> Optional[str]:
        """As `get`, but the value as text. Raises `NotTextError` where it is not UTF-8."""
    @overload
    def get_str(self, key: _K, default: Union[str, _T]) -> Union[str, _T]: ...
    @overload
    def get_int(self, key: _K, default: None = None) -> Optional[int]:
        """The number of a counter, or `default`. O(1). Takes no lock.

        Raises `MismatchError` where the value is not a counter, which has eight bytes.
        """
    @overload
    def get_int(self, key: _K, default: Union[int, _T]) -> Union[int, _T]: ...
    def get_many(self, keys: Iterable[_K]) -> list[Optional[bytes]]:
        """The values of several keys, or `None`, in their order, all of one moment. O(keys).

        Raises `LockTimeoutError` if other writes completed under each attempt, `CorruptError`.
        """
    def entries(self, *, one_moment: bool = True) -> list[tuple[_K, bytes]]:
        """All entries, in no order, as they were at one moment. O(capacity). Raises what `get_many`
        raises.

        Beside writers that do not pause, a handle that may write takes the lock. A handle for
        reading only gives up after a second; without `one_moment` it then returns entries that are
        each whole, but of different moments. Damaged entries are left out, with a `RuntimeWarning`
        that says how many.
        """
    def add(self, key: _K, value: _Stored) -> None:
        """Sets the value of a key that is absent. O(1).

        Like every change, it waits for the lock for up to `timeout` seconds, and then raises
        `LockTimeoutError`; a handle for reading only raises `ReadOnlyError`. Raises
        `KeyExistsError`, `FullError`, `ValueTooLongError`, `KeyTooLongError`, `OutOfRangeError`.
        """
    def replace(self, key: _K, value: _Stored) -> None:
        """Replaces the value of a key that is present. O(1).

        Raises `KeyMissingError`, `ValueTooLongError`.
        """
    def add_many(self, entries: _Entries[_K]) -> None:
        """`add` of all, or of none. The error names the position of the first member at fault."""
    def replace_many(self, entries: _Entries[_K]) -> None:
        """`replace` of all, or of none. The error names the position of the first one at fault."""
    def upsert_many(self, entries: _Entries[_K]) -> None:
        """Sets all, or none, at one moment; of equal keys the last one counts.

        The error names the position of the first member at fault: `FullError`, `ValueTooLongError`,
        `KeyTooLongError`, `OutOfRangeError`.
        """
    def update(  # type: ignore[override]
        self, entries: _Entries[_K] = (), /, **more: _Stored
    ) -> None:
        """As `upsert_many`."""
    def remove_many(self, keys: Iterable[_K]) -> None:
        """Removes all, or none. Raises `KeyMissingError`."""
    def clear(self) -> None:
        """Removes all entries, at one moment. O(capacity)."""
    def compare_exchange(self, key: _K, expected: _Stored, new: _Stored) -> bool:
        """Sets `new` if the value is `expected`, and says whether it was. O(1).

        Raises `KeyMissingError`, `ValueTooLongError`.
        """
    def increment(self, key: _K, by: int = 1, initial: int = 0) -> int:
        """Adds `by` to a counter, and returns what it is then. A key that is absent gets one, which
        begins at `initial`. O(1).

        A counter is a value of eight bytes, a little-endian signed number that wraps; `get_int`
        reads it, and storing an `int` sets it. Raises `MismatchError` where the value is not a
        counter, and in a table with values of fewer than eight bytes; `FullError`,
        `OutOfRangeError`.
        """
    def fetch_add(self, key: _K, delta: int = 1) -> int:
        """Adds `delta` to a counter, and returns what it was before. O(1).

        Raises `KeyMissingError` for a key that is absent, `MismatchError` where the value is not a
        counter, `OutOfRangeError`.
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
        """Publishes the entries of one moment as a snapshot; with `force` in place of what is there.
        Returns the number of the edition. O(n log n).

        Open it with `Snapshot(name, keys=table.key_type, signed=table.signed)`; numbers are in
        their order. Raises what `RbTree.share` raises.
        """
    def load(self, snapshot: Snapshot[Any]) -> int:
        """Sets all entries of a snapshot that `freeze` made, or none; returns how many. O(n).

        Raises `WrongKindError` for keys that the table cannot have, and what `upsert_many` raises.
        """
    def verify(self) -> None:
        """Checks all of the table, under the lock. O(capacity).

        Raises `CorruptError`; the next write then repairs the table.
        """
    def recover(self) -> None:
        """Repairs now what a killed writer left half done. Otherwise the next write does."""
    def unlink(self) -> bool:
        """Removes the name; False when there was none. Handles that are open keep the table.

        Works with a closed handle, too. Raises `PermissionDeniedError`.
        """
    def is_orphaned(self) -> bool:
        """True when the name no longer leads to this table: it was removed, or made anew."""
    def stats(self) -> _Stats:
        """`len`, `capacity`, `free`, `value_size`, `writes`, `recoveries`, entries `lost` to damage,
        `tombstones` of the index, `file_len` in bytes. O(1).

        While others write, the figures are of different moments.
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
        """How many entries fit."""
    @property
    def value_size(self) -> int:
        """How long a value may be, in bytes."""
    @property
    def key_size(self) -> int:
        """How long a key may be, in bytes. Has no meaning where keys are numbers."""
    @property
    def key_type(self) -> type[_K]:
        """`int`, `str` or `bytes`."""
    @property
    def signed(self) -> bool:
        """Whether the keys are numbers with a sign; true of keys that are no numbers, too."""
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
        """Ends this handle. The table stays."""
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
        """How many are left."""

class Snapshot(Mapping[_SK, bytes]):
    """A published dictionary, in key order, read in place.

    A handle keeps one edition until `refresh` or `wait_for_update` takes another. Keys may be
    looked up as `str` or as `bytes`; `keys` says what they come back as. A handle works after fork,
    and through pickle by its name; it is a context manager.

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

        `keys` are `str`, `bytes`, or `int` for frozen tables of numbers, with `signed=False` where
        the numbers of the table have no sign. `trust` lists further user ids whose snapshots are
        opened. Raises `NotFoundError`, `CorruptError`, `WrongKindError`, `PermissionDeniedError`
        (also for a file that anybody, its owner included, may write to), `InvalidNameError`.
        Reading keys that are not of that type raises `WrongKindError`, which says what they are.
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
        """Opens a file that `save` wrote, in place. O(1). Raises as opening by a name does.

        Its `name` is the path, its `edition` 0. It has no other editions, so `refresh` is False
        and `wait_for_update` raises `WrongKindError`. It goes through pickle by its path.
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
        """As `get`, but the value as text. Raises `NotTextError` where it is not UTF-8."""
    @overload
    def get_str(self, key: Union[_SK, _Value], default: Union[str, _T]) -> Union[str, _T]: ...
    def get_many(self, keys: Iterable[Union[_SK, _Value]]) -> list[Optional[bytes]]:
        """The values of several keys, or `None`, in their order; faster than one by one."""
    def range(
        self,
        start: Optional[Union[_SK, _Value]] = None,
        stop: Optional[Union[_SK, _Value]] = None,
        *,
        inclusive: bool = False,
    ) -> _Iterator[tuple[_SK, bytes]]:
        """The entries from `start` to `stop`, with `stop` if `inclusive`. O(log n), then O(1) a step."""
    def prefix(self, prefix: _Value) -> _Iterator[tuple[_SK, bytes]]:
        """The entries whose keys start with `prefix`. O(log n), then O(1) a step."""
    def rank(self, key: Union[_SK, _Value]) -> int:
        """How many keys are less than `key`, which need not be there. O(log n)."""
    def nth(self, rank: int) -> tuple[_SK, bytes]:
        """The entry of a rank, from 0, or from -1 backwards. O(1). Raises `IndexError`."""
    def refresh(self) -> bool:
        """Takes the newest edition; True if that is another one. Costs one load when nothing was
        published.

        About every 100 ms it also looks at the name, and so finds a map that was published anew
        after its files had been removed by other means. Raises what opening raises; the handle then
        keeps its edition. Iterators keep theirs.
        """
    def wait_for_update(self, timeout: Optional[float] = None) -> bool:
        """Sleeps until there is another edition and takes it; False when the time is over.

        `timeout` is in seconds, `None` for ever. Other threads run meanwhile, and may use this
        handle, wait through it, or fork. If one of them takes another edition, this is True.
        Ctrl-C ends it. After a removal it waits for the name to be published again. Raises what
        `refresh` raises.
        """
    @property
    def edition(self) -> int:
        """The number of this edition: 1 for the first under the name."""
    def is_removed(self) -> bool:
        """True when the name was removed since this edition, even if it was published anew: then
        `refresh` takes the new one.
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
        """`str`, `bytes` or `int`: what keys come back as."""
    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
    def close(self) -> None:
        """Ends this handle. Iterators keep their edition."""
    def __enter__(self) -> Snapshot[_SK]: ...
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
        /,
    ) -> None: ...

class RbTree(MutableMapping[_SK, bytes]):
    """A dictionary in private memory and in key order, to be published by `share`.

    Keys have less than 2**20 bytes of UTF-8, values any length. It pickles by its contents.

    >>> tree = RbTree({"rot": "red"})
    >>> tree["blau"] = "blue"
    >>> list(tree), tree.get("x"), tree.share("colours", force=True)
    (['blau', 'rot'], None, 1)
    """

    @overload
    def __new__(cls, entries: None = None, *, keys: type[str] = ...) -> RbTree[str]:
        """Takes a mapping or pairs; of equal keys the last one counts. O(n log n).

        `keys` are `str`, `bytes`, or `int` of 32 bits. Raises `KeyTooLongError`, `OutOfRangeError`.
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
        """Sets the value of `key`; True when it had one. O(log n). Raises `KeyTooLongError`."""
    @overload
    def get(self, key: Union[_SK, _Value], default: None = None) -> Optional[bytes]:
        """A copy of the value, as bytes, or `default`. O(log n)."""
    @overload
    def get(self, key: Union[_SK, _Value], default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    @overload
    def get_str(self, key: Union[_SK, _Value], default: None = None) -> Optional[str]:
        """As `get`, but the value as text. Raises `NotTextError` where it is not UTF-8."""
    @overload
    def get_str(self, key: Union[_SK, _Value], default: Union[str, _T]) -> Union[str, _T]: ...
    def remove(self, key: Union[_SK, _Value]) -> bool:
        """Removes `key`; False when it was absent. O(log n)."""
    def clear(self) -> None:
        """Removes all entries."""
    def set_many(self, entries: _Pairs[_SK]) -> None:
        """Sets all, or none."""
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
        """Publishes the tree under `name`, whole and at once; with `force` in place of what is there.
        Returns the number of the edition. O(n).

        `mode` has read bits only; `0o444` lets others read. By default it is that of the map that
        is replaced, or `0o400`. An empty tree replaces a map with entries only with `allow_empty`,
        else that is an `AlreadyExistsError`. `hash_index` makes `Snapshot.get` faster and the file
        larger. Waits for another publisher for up to `timeout` seconds. Raises
        `AlreadyExistsError`, `LockTimeoutError`, `NoSpaceError`, `PermissionDeniedError`,
        `CorruptError` if the control segment of the name is damaged; the name then leads to what it
        did before.
        """
    def dump(self, *, hash_index: bool = True) -> bytes:
        """The bytes that `share` would publish. Changes nothing. O(n)."""
    @property
    def key_type(self) -> type[_SK]:
        """`str`, `bytes` or `int`: what keys come back as."""

def remove(name: str, *, namespace: _Dir = None, timeout: Optional[float] = 5.0) -> None:
    """Removes a published name. Snapshots that are open keep their edition. O(1).

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
