"""The public classes: those of the extension module, made mappings.

Signatures are repeated in `__init__.pyi`, with types and documentation.
"""

import os
from collections.abc import ItemsView, Mapping, MutableMapping, ValuesView
from types import GenericAlias
from typing import Any

from ._shmap import SnapshotBase, TableBase, TreeBase


class _EntriesItems(ItemsView):
    """Items of one moment, where the mixin would look up one key after the other."""

    __slots__ = ()

    def __iter__(self):
        return iter(self._mapping.entries())


class _EntriesValues(ValuesView):
    __slots__ = ()

    def __iter__(self):
        return iter([value for _, value in self._mapping.entries()])


class _SnapshotItems(ItemsView):
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


class Table(TableBase, MutableMapping):
    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)

    def __new__(
        cls,
        name,
        *,
        keys=int,
        bits=None,
        capacity=1024,
        value_size=256,
        key_size=64,
        namespace=None,
        mode=0o600,
        timeout=5.0,
        trust=(),
        shared_writers=False,
    ):
        geometry = (capacity, value_size, key_size)
        return TableBase.__new__(
            cls, name, "open_or_create", keys, bits, geometry, namespace, mode, timeout, list(trust), shared_writers
        )

    @classmethod
    def create(
        cls,
        name,
        *,
        keys=int,
        bits=None,
        capacity=1024,
        value_size=256,
        key_size=64,
        namespace=None,
        mode=0o600,
        timeout=5.0,
        trust=(),
        shared_writers=False,
    ):
        geometry = (capacity, value_size, key_size)
        return TableBase.__new__(
            cls, name, "create", keys, bits, geometry, namespace, mode, timeout, list(trust), shared_writers
        )

    @classmethod
    def open(
        cls,
        name,
        *,
        keys=None,
        bits=None,
        read_only=False,
        namespace=None,
        timeout=5.0,
        trust=(),
        shared_writers=False,
    ):
        how = "read" if read_only else "open"
        return TableBase.__new__(
            cls, name, how, keys, bits, (1, 0, 1), namespace, 0o600, timeout, list(trust), shared_writers
        )

    def update(self, entries=(), /, **more):
        if more:
            entries = {**dict(entries), **more}
        self.upsert_many(entries)

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
    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)

    def __new__(cls, name, *, keys=str, namespace=None, trust=()):
        return SnapshotBase.__new__(cls, name, keys, namespace, list(trust))

    @classmethod
    def open_file(cls, path, *, keys=str, trust=()):
        path = os.path.abspath(os.fsdecode(path))
        shown = os.fsencode(path).decode(errors="replace")
        return SnapshotBase.__new__(cls, shown, keys, os.path.dirname(path), list(trust), path)

    def __reversed__(self):
        return reversed(self._keys())

    def items(self):
        return _SnapshotItems(self)

    def values(self):
        return _SnapshotValues(self)

    def __reduce__(self):
        if self._saved:
            return _open_file, (type(self), (str(self.path), self.key_type, self._trust))
        return _open_snapshot, (type(self), (self.name, self.key_type, str(self.namespace), self._trust))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _open_snapshot(cls, arguments):
    name, keys, namespace, trust = arguments
    return cls(name, keys=keys, namespace=namespace, trust=trust)


def _open_file(cls, arguments):
    path, keys, trust = arguments
    return cls.open_file(path, keys=keys, trust=trust)


class RbTree(TreeBase, MutableMapping):
    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)

    def __new__(cls, entries=None, *, keys=str):
        return TreeBase.__new__(cls, entries, keys)

    def update(self, entries=(), /, **more):
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
