"""The exceptions of `shmap`: each is an `Error`, and what Python itself would raise."""


class Error(Exception):
    """The base class of all errors. A call that raises one has changed nothing."""

    #: Whether the text of an `OSError` names the file.
    _names_file = False

    def __str__(self) -> str:
        if self._names_file and isinstance(self, OSError):
            # Of which `OSError` would append the name once more.
            return f"[Errno {self.errno}] {self.strerror}"
        return super().__str__()


class NotFoundError(Error, FileNotFoundError):
    """There is no table or snapshot of that name."""


class AlreadyExistsError(Error, FileExistsError):
    """The name is taken."""


class PermissionDeniedError(Error, PermissionError):
    """The operating system, or the owner or mode of the file, does not allow it."""


class ReadOnlyError(PermissionDeniedError):
    """The handle was opened for reading only."""


class LockTimeoutError(Error, TimeoutError):
    """The lock was not free in time."""


class NoSpaceError(Error, OSError):
    """The file system is full."""


class SystemCallError(Error, OSError):
    """The operating system refused the operation for another reason."""


class InvalidNameError(Error, ValueError):
    """The name is empty or too long, contains a slash or a NUL, or begins with a dot."""


class InvalidOptionError(Error, ValueError):
    """An option that is not possible: a capacity, a size, a mode, a timeout, a time to live."""


class WrongKindError(Error, TypeError):
    """The file is of another kind, or its keys are of another type."""


class MismatchError(Error, ValueError):
    """Another geometry, way to expire, format version or architecture; or the value is not a counter."""


class NotTextError(Error, UnicodeDecodeError):
    """The value is not UTF-8. `get` returns it as bytes."""


class CorruptError(Error, ValueError):
    """The bytes are not those of a table or snapshot, or contradict themselves."""


class KeyMissingError(Error, KeyError):
    """The key does not exist."""


class KeyExistsError(Error, KeyError):
    """The key exists already, or a batch names it twice."""


class FullError(Error):
    """The table is full: all entries are in use."""


class ValueTooLongError(Error, ValueError):
    """The value is too long."""


class KeyTooLongError(Error, ValueError):
    """The key is too long."""


class OutOfRangeError(Error, OverflowError):
    """A number is out of the range of the keys, or of counters."""


class ClosedError(Error, ValueError):
    """The handle was closed."""
