from os import PathLike
from typing import Optional, Union

__all__ = ["rbtree", "sharedmap"]

_Text = Union[str, bytes, bytearray, memoryview]

class rbtree:
    """A dictionary in private memory, which `share` publishes.

    >>> wmap = rbtree()
    >>> wmap.set("红", "32是"), wmap.share("test:3325", force=True)
    (True, True)
    """

    def __new__(cls) -> rbtree: ...
    def set(self, key: _Text, val: _Text) -> bool:
        """Sets the value of `key`, and returns True. O(log n).

        Raises `KeyTooLongError`, a `ValueError`.
        """
    def get(self, key: _Text) -> Optional[str]:
        """The value of `key`, as `str`; `None` if there is none. O(log n)."""
    def share(self, name: str, force: object = None) -> bool:
        """Publishes the contents under `name` in one step. `force` replaces an existing map. O(n).

        Returns True. Raises `FileExistsError` if the name is taken and `force` is not set.
        """
    def dump(self) -> bytes:
        """The bytes that `share` would publish. Changes nothing. O(n)."""
    @staticmethod
    def remove(name: str) -> bool:
        """Removes a published name; False if there is none. Open maps keep their edition."""

class sharedmap:
    """A published dictionary, read in place: the newest edition at the time of opening.

    >>> rmap = sharedmap("test:3325")
    >>> rmap.get("红"), rmap.get("missing")
    ('32是', None)
    """

    def __new__(cls, name: str, *, namespace: Optional[Union[str, PathLike[str]]] = None) -> sharedmap:
        """Opens the map. O(1). Raises `FileNotFoundError` if there is none.

        `namespace` is a directory, by default `$SHMAP_DIR` or `/dev/shm`. The original has only the
        name.
        """
    def get(self, key: _Text) -> Optional[str]:
        """The value of `key`, as `str`; `None` if there is none. O(1)."""
