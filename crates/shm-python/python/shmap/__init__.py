"""Dictionaries in shared memory, for Linux.

`Table`: small, live status. Any process writes, every process reads, and a process that is killed
takes nothing with it.
`RbTree` and `Snapshot`: a big dictionary, built once, published whole under a name, read in place
by every process.
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
    InvalidOptionError,
    KeyExistsError,
    KeyMissingError,
    KeyTooLongError,
    LockTimeoutError,
    MismatchError,
    NoSpaceError,
    NotFoundError,
    NotTextError,
    OutOfRangeError,
    PermissionDeniedError,
    ReadOnlyError,
    SystemCallError,
    ValueTooLongError,
    WrongKindError,
)
from ._mappings import RbTree, Snapshot, Table
from ._shmap import __version__, names, prune, remove

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
