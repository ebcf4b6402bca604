"""Dictionaries in shared memory, for Linux.

`Table`: small, live status. Any process writes, every process reads, and a process that is killed damages nothing.
`RbTree` and `Snapshot`: a big dictionary, built once, published whole under a name, read in place by every process.
`shmap.sharedmap`: the interface of the module `sharedmap`.
"""

from . import sharedmap
from ._errors import (
    AlreadyExistsError,
    ClosedError,
    CorruptError,
    Error,
    FullError,
    InvalidNameError,
    KeyExistsError,
    KeyMissingError,
    KeyRangeError,
    KeyTooLongError,
    LockTimeoutError,
    MismatchError,
    NoSpaceError,
    NotFoundError,
    PermissionDeniedError,
    ReadOnlyError,
    SystemCallError,
    ValueTooLongError,
    WrongKindError,
)
from ._mappings import RbTree, Snapshot, Table
from ._shmap import names, prune, remove

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
