"""Dictionaries in shared memory, for Linux.

`namespace` is a directory: `$SHMAP_DIR` or `/dev/shm` unless given. `timeout` is in seconds, `None` for ever.
A value is given as bytes, or as text that becomes UTF-8, and comes back as a copy. A lookup by a
key of another type finds nothing, as in a `dict`. Every error is an `Error`, and also what Python
itself would raise; nothing was changed then.
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
from ._errors import KeyExistsError as KeyExistsError
from ._errors import KeyMissingError as KeyMissingError
from ._errors import KeyRangeError as KeyRangeError
from ._errors import KeyTooLongError as KeyTooLongError
from ._errors import LockTimeoutError as LockTimeoutError
from ._errors import MismatchError as MismatchError
from ._errors import NoSpaceError as NoSpaceError
from ._errors import NotFoundError as NotFoundError
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
    "KeyExistsError",
    "KeyMissingError",
    "KeyRangeError",
    "KeyTooLongError",
    "LockTimeoutError",
    "MismatchError",
    "NoSpaceError",
    "NotFoundError",
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

_K = TypeVar("_K", int, str)
_SK = TypeVar("_SK", int, str, bytes)
_T = TypeVar("_T")

_Value = Union[bytes, str, bytearray, memoryview]
_Dir = Optional[Union[str, PathLike[str]]]
_Pairs = Union[Mapping[_SK, _Value], Iterable[tuple[_SK, _Value]]]

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

    Readers take no lock and wait for nobody. Each change, and each batch, is all or nothing, even if the writer is
    killed. A table does not grow: exactly `capacity` entries of up to `value_size` bytes fit. A handle can be used
    after a fork and by many threads, is pickled by its name, and is a context manager.

    >>> with Table("workers", capacity=100, value_size=32) as table:
    ...     table[3325] = "running"
    ...     table.update({3325: "stopped", 4711: "running"})
    ...     table[3325], len(table), table.get(1)
    (b'stopped', 2, None)
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
        mode: int = 0o600,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[int]:
        """Opens the table, or creates it: `capacity` entries of up to `value_size` bytes.

        `keys` are `int`, of 32 `bits` by default, or `str` of up to `key_size` bytes of UTF-8. `capacity` is at most
        2**28, `value_size` 2**24 and `key_size` 256; all memory is allocated at once. `mode` is the permission bits,
        whatever the umask. A write waits for the lock for up to `timeout` seconds. `trust` lists further user ids whose
        tables are opened; `shared_writers` accepts tables that their group or other users may write to. Raises
        `MismatchError` if the table exists with another geometry, `WrongKindError` if it has other keys,
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
        mode: int = 0o600,
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
        keys: type[int] = ...,
        bits: Literal[32, 64, None] = None,
        capacity: int = 1024,
        value_size: int = 256,
        key_size: int = 64,
        namespace: _Dir = None,
        mode: int = 0o600,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[int]:
        """Creates the table, with the arguments of `Table`. Raises `AlreadyExistsError`, and what `Table` raises."""
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
        mode: int = 0o600,
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
        keys: None = None,
        bits: None = None,
        read_only: bool = False,
        namespace: _Dir = None,
        timeout: Optional[float] = 5.0,
        trust: Iterable[int] = (),
        shared_writers: bool = False,
    ) -> Table[Any]:
        """Opens a table of any geometry and, without `keys`, with any keys. O(1). Raises `NotFoundError`.

        `read_only` needs no write permission, and works from another pid namespace.
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
    def __getitem__(self, key: _K, /) -> bytes: ...
    def __setitem__(self, key: _K, value: _Value, /) -> None: ...
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
        """As `get`, but the value as text. Raises `UnicodeDecodeError` where it is not UTF-8."""
    @overload
    def get_str(self, key: _K, default: Union[str, _T]) -> Union[str, _T]: ...
    def get_many(self, keys: Iterable[_K]) -> list[Optional[bytes]]:
        """The values of several keys, or `None`, in their order, all of one moment. O(keys).

        Raises `LockTimeoutError` when other writes kept completing meanwhile, `CorruptError`.
        """
    def entries(self, *, one_moment: bool = True) -> list[tuple[_K, bytes]]:
        """All entries, in no order, as they were at one moment. O(capacity). Raises as `get_many` does.

        Beside writers that do not pause, a handle that may write takes the lock. One for reading only
        gives up after a second; without `one_moment` it then returns entries that are each whole, but
        of different moments. Damaged entries are left out, with a `RuntimeWarning` that says how many.
        """
    def add(self, key: _K, value: _Value) -> None:
        """Only if it is absent. O(1). Raises `KeyExistsError`, `FullError`, `ValueTooLongError`, `KeyTooLongError`.

        As every change, it waits for the lock for up to `timeout` seconds, and then raises `LockTimeoutError`; a handle
        for reading only raises `ReadOnlyError`.
        """
    def replace(self, key: _K, value: _Value) -> None:
        """Only if it is present. O(1). Raises `KeyMissingError`, `ValueTooLongError`."""
    def add_many(self, entries: _Pairs[_K]) -> None:
        """`add` of all, or of none. The error names the first member at fault by its position."""
    def replace_many(self, entries: _Pairs[_K]) -> None:
        """`replace` of all, or of none. The error names the first member at fault by its position."""
    def upsert_many(self, entries: _Pairs[_K]) -> None:
        """Sets all, or none, at one moment; of equal keys the last one counts.

        The error names the first member at fault by its position: `FullError`, `ValueTooLongError`, `KeyTooLongError`.
        """
    def update(self, entries: _Pairs[_K] = (), /, **more: _Value) -> None:  # type: ignore[override]
        """As `upsert_many`."""
    def remove_many(self, keys: Iterable[_K]) -> None:
        """Removes all, or none. Raises `KeyMissingError`."""
    def clear(self) -> None:
        """Removes all entries, at one moment. O(capacity)."""
    def compare_exchange(self, key: _K, expected: _Value, new: _Value) -> bool:
        """Sets `new` if the value is `expected`, and says whether it was. O(1).

        Raises `KeyMissingError`, `ValueTooLongError`.
        """
    def fetch_add(self, key: _K, delta: int = 1) -> int:
        """Adds to a value of eight bytes, a little-endian signed number that wraps; returns the number before. O(1).

        Raises `MismatchError` for a value of another length, `KeyMissingError`.
        """
    def freeze(self, name: str, force: bool = False, *, hash_index: bool = True, mode: Optional[int] = None,
               allow_empty: bool = False) -> int:
        """Publishes the entries of one moment as a snapshot, over what is there if `force`; returns the edition.

        O(n log n). Open it by `Snapshot(name, keys=int)`, or `keys=str` where the table's are; numbers are in their
        order. Raises as `RbTree.share` does.
        """
    def load(self, snapshot: Snapshot[Any]) -> int:
        """Sets all entries of a snapshot that `freeze` made, or none; returns how many. O(n).

        Raises `WrongKindError` for keys that are no table's, `OverflowError` for numbers of more bits than this table's
        keys have, and what `upsert_many` does.
        """
    def verify(self) -> None:
        """Checks all of the table, under the lock. O(capacity). Raises `CorruptError`; the next write then repairs."""
    def recover(self) -> None:
        """Finishes or drops what a killed writer began. The next write does so by itself."""
    def unlink(self) -> bool:
        """Removes the name; False when there was none. Who has the table open keeps it.

        Works with a closed handle, too. Raises `PermissionDeniedError`.
        """
    def is_orphaned(self) -> bool:
        """True when the name leads elsewhere by now, or nowhere."""
    def stats(self) -> _Stats:
        """`len`, `capacity`, `free`, `value_size`, `writes`, `recoveries`, entries `lost` to damage,
        `tombstones` of the index, `file_len` in bytes.

        O(1). Not of one moment, while others write.
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
        """How long a key may be, in bytes; of no use where keys are numbers."""
    @property
    def key_type(self) -> type[_K]:
        """`int` or `str`."""
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
    """Entries of one edition of a snapshot, in key order, from both ends. `len` says how many are left."""

    def __next__(self) -> _T: ...
    def __reversed__(self) -> _Iterator[_T]: ...
    def __len__(self) -> int:
        """How many are left."""

class Snapshot(Mapping[_SK, bytes]):
    """A published dictionary, in key order, read in place.

    A handle stays at its edition until `refresh` or `wait_for_update` takes another. Keys can be looked up as `str` or
    as `bytes`; `keys` says what is returned. A handle can be used after a fork, is pickled by its name, and is a
    context manager.

    >>> RbTree({"rot": "red", "blau": "blue"}).share("colours", force=True)
    1
    >>> with Snapshot("colours") as colours:
    ...     colours["rot"], list(colours.prefix("b")), colours.rank("c")
    (b'red', [('blau', b'blue')], 1)
    """

    @overload
    def __new__(cls, name: str, *, keys: type[str] = ..., namespace: _Dir = None, trust: Iterable[int] = ()) -> Snapshot[str]:
        """Opens a published snapshot. O(1): it checks owner, mode and headers; `verify` checks the rest.

        `keys` are `str`, `bytes`, or `int` for frozen tables. `trust` lists more user ids whose snapshots are opened.
        Raises `NotFoundError`, `CorruptError`, `WrongKindError`, `PermissionDeniedError` (also for a file that anybody,
        its owner included, may write to), `InvalidNameError`.
        """
    @overload
    def __new__(cls, name: str, *, keys: type[_SK], namespace: _Dir = None, trust: Iterable[int] = ()) -> Snapshot[_SK]: ...
    @overload
    @classmethod
    def open_file(
        cls, path: Union[str, PathLike[str]], *, keys: type[str] = ..., trust: Iterable[int] = ()
    ) -> Snapshot[str]:
        """Opens a file that `save` wrote, in place. O(1). Raises as opening by a name does.

        Its `name` is the path, its `generation` is 0. It has no later editions, so `refresh` returns False and
        `wait_for_update` raises `WrongKindError`. It is pickled by its path.
        """
    @overload
    @classmethod
    def open_file(
        cls, path: Union[str, PathLike[str]], *, keys: type[int], trust: Iterable[int] = ()
    ) -> Snapshot[int]: ...
    @overload
    @classmethod
    def open_file(
        cls, path: Union[str, PathLike[str]], *, keys: type[bytes], trust: Iterable[int] = ()
    ) -> Snapshot[bytes]: ...
    def __getitem__(self, key: Union[_SK, _Value], /) -> bytes: ...
    def __iter__(self) -> Iterator[_SK]: ...
    def __reversed__(self) -> Iterator[_SK]: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    @overload
    def get(self, key: Union[_SK, _Value], default: None = None) -> Optional[bytes]:
        """A copy of the value, as bytes, or `default`. O(1) with a hash index, else O(log n). Takes no lock."""
    @overload
    def get(self, key: Union[_SK, _Value], default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    @overload
    def get_str(self, key: Union[_SK, _Value], default: None = None) -> Optional[str]:
        """As `get`, but the value as text. Raises `UnicodeDecodeError` where it is not UTF-8."""
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
        """The entries from `start` up to `stop`, which is among them if `inclusive`. O(log n), then O(1) a step."""
    def prefix(self, prefix: _Value) -> _Iterator[tuple[_SK, bytes]]:
        """The entries whose keys start with `prefix`. O(log n), then O(1) a step."""
    def rank(self, key: Union[_SK, _Value]) -> int:
        """How many keys are less than `key`, which need not be there. O(log n)."""
    def nth(self, rank: int) -> tuple[_SK, bytes]:
        """The entry of a rank, from 0, or from -1 backwards. O(1). Raises `IndexError`."""
    def refresh(self) -> bool:
        """Takes the newest edition; True if that is another one. One load when nothing was published.

        About every 100 ms it also looks at the name, so that it finds what was published anew after the files had been
        removed from outside. Raises as opening does; the handle then stays at its edition. Iterators keep theirs.
        """
    def wait_for_update(self, timeout: Optional[float] = None) -> bool:
        """Sleeps until there is another edition and takes it; False when the time is over.

        `timeout` is in seconds, `None` for ever. Other threads run meanwhile, and may use this
        handle, wait by it, too, or fork. When one of them takes another edition, this is True.
        Ctrl-C ends it. After a removal it waits for the name to be published again. Raises as
        `refresh` does.
        """
    @property
    def generation(self) -> int:
        """The edition in hand: 1 for the first under this name."""
    def is_removed(self) -> bool:
        """True when the name leads nowhere now, or was removed since this edition and then published anew: `refresh` takes
        what is there, if anything.
        """
    def verify(self) -> None:
        """Checks all of it. O(n). Raises `CorruptError`."""
    def dump(self) -> bytes:
        """A copy of all its bytes. O(n)."""
    def save(self, path: Union[str, PathLike[str]]) -> None:
        """Writes the bytes to a file of mode 0400, in one step, over what is there. O(n). `open_file` opens it.

        Raises `PermissionDeniedError`, `NoSpaceError`, `NotFoundError` where the directory is not there.
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
    """A dictionary in private memory, in key order, which `share` publishes. It is pickled with its contents.

    Keys have less than 2**20 bytes of UTF-8; values have any length.

    >>> tree = RbTree({"rot": "red"})
    >>> tree["blau"] = "blue"
    >>> list(tree), tree.get("x"), tree.share("colours", force=True)
    (['blau', 'rot'], None, 1)
    """

    @overload
    def __new__(cls, entries: None = None, *, keys: type[str] = ...) -> RbTree[str]:
        """Takes a mapping or pairs; if keys are equal, the last one counts. O(n log n). Raises `KeyTooLongError`.

        `keys` are `str`, `bytes`, or `int` of 32 bits.
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
        """Sets it; True when it had another value. O(log n). Raises `KeyTooLongError`."""
    @overload
    def get(self, key: Union[_SK, _Value], default: None = None) -> Optional[bytes]:
        """A copy of the value, as bytes, or `default`. O(log n)."""
    @overload
    def get(self, key: Union[_SK, _Value], default: Union[bytes, _T]) -> Union[bytes, _T]: ...
    @overload
    def get_str(self, key: Union[_SK, _Value], default: None = None) -> Optional[str]:
        """As `get`, but the value as text. Raises `UnicodeDecodeError` where it is not UTF-8."""
    @overload
    def get_str(self, key: Union[_SK, _Value], default: Union[str, _T]) -> Union[str, _T]: ...
    def remove(self, key: Union[_SK, _Value]) -> bool:
        """Removes it; False when it was not there. O(log n)."""
    def clear(self) -> None:
        """Removes all entries."""
    def set_many(self, entries: _Pairs[_SK]) -> None:
        """Sets all, or none."""
    def update(self, entries: _Pairs[_SK] = (), /, **more: _Value) -> None:  # type: ignore[override]
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
        """Publishes under `name`, whole and at once, over what is there if `force`; returns the edition. O(n).

        `mode` has read bits only; `0o444` lets others read. By default it is that of the map that is replaced, or `0o400`.
        No entries replace some only with `allow_empty`, else that is an `AlreadyExistsError`. `hash_index` makes `Snapshot.get` faster and the file
        larger. Waits for another publisher for up to `timeout` seconds. Raises `AlreadyExistsError`,
        `LockTimeoutError`, `NoSpaceError`, `PermissionDeniedError`, `CorruptError` where the name's control segment is
        damaged; the name leads to what it did before.
        """
    def dump(self, *, hash_index: bool = True) -> bytes:
        """The bytes that `share` would publish. Changes nothing. O(n)."""
    @property
    def key_type(self) -> type[_SK]:
        """`str`, `bytes` or `int`: what keys come back as."""

def remove(name: str, *, namespace: _Dir = None, timeout: Optional[float] = 5.0) -> None:
    """Removes a published name. Who has it open keeps it. O(1).

    Waits for a publisher for up to `timeout` seconds. Raises `NotFoundError`, `PermissionDeniedError`,
    `LockTimeoutError`. A table's name is removed by `Table.unlink`.
    """

def prune(*, namespace: _Dir = None, dry_run: bool = False) -> list[Path]:
    """Removes what killed publishers of this user left, and returns what; with `dry_run` it only says what.

    Living publishers, names, and other users' files are left alone. Raises `NotFoundError` where the directory is not
    there.
    """

def names(*, namespace: _Dir = None) -> list[tuple[str, str]]:
    """The names of a namespace, each with its kind, `table` or `snapshot`. O(files). Opens none of them.

    Raises `NotFoundError` where the directory is not there, `PermissionDeniedError`.
    """
