"""Faults that calls are put before: what is done to the files and handles, after all was well."""

import contextlib
import os
import stat

import shmap
from callables import METHODS, OPENERS, SUBJECTS, loadable, snapshot_at_it, table_at_it

TABLE, SNAPSHOT, CONTROL, SAVED = "shmap.it.table", "shmap.it.snapshot", "shmap.it.control", "saved"

# Of `docs/format.md`: a table of the default geometry. Offsets in the file, in bytes.
FREE_STACK, SLOTS, SLOT, CAPACITY = 16384 + 48 * 8, 16384 + 3120 * 8, 72 * 8, 1024
LENGTHS = 2 * 8


def handle_of(name):
    """The files that a call needs are made; its handle."""
    if name not in METHODS:
        return None
    if name == "Table.load":
        loadable()
    files, handle = SUBJECTS.get(name) or SUBJECTS[name.partition(".")[0]]
    files()
    return handle()


def call_of(name, handle):
    return (lambda: METHODS[name](handle)) if name in METHODS else OPENERS[name]


def save():
    """A saved snapshot."""
    snapshot_at_it()
    with shmap.Snapshot("it") as snapshot:
        snapshot.save(os.environ["SHMAP_DIR"] + "/" + SAVED)


def write(path, at, what):
    """Stores into a file, whatever its mode, by another descriptor."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, 0o600)
    descriptor = os.open(path, os.O_WRONLY)
    os.chmod(path, mode)
    os.pwrite(descriptor, what, at)
    os.close(descriptor)


def set_aside(path):
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, path + ".aside")


def missing(name, namespace):
    """Nothing is at the name, and a handle's file has lost it."""
    for file in (TABLE, SNAPSHOT, CONTROL, SAVED):
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{namespace}/{file}")


def wrong_kind(name, namespace):
    """A snapshot has the file name of a table, and a table those of snapshots."""
    for file in (TABLE, SNAPSHOT, SAVED):
        set_aside(f"{namespace}/{file}")
    snapshot_at_it()
    os.rename(f"{namespace}/{SNAPSHOT}", f"{namespace}/snapshot")
    table_at_it()
    os.chmod(f"{namespace}/{TABLE}", 0o400)
    os.rename(f"{namespace}/{TABLE}", f"{namespace}/{SNAPSHOT}")
    os.link(f"{namespace}/{SNAPSHOT}", f"{namespace}/{SAVED}")
    os.rename(f"{namespace}/snapshot", f"{namespace}/{TABLE}")


def other_kind(name, namespace):
    """The name is that of a table where a snapshot is wanted, and of a snapshot where a table is."""
    missing(name, namespace)
    if name.startswith("Table"):
        snapshot_at_it()
    else:
        table_at_it()


def damaged(name, namespace):
    """To who opens, the header; to who has it open, what lies in the file; to a publisher, the control segment."""
    if name in METHODS and not name.endswith("__reduce__"):
        body(name, namespace)
        return
    table_at_it()
    if not os.path.exists(f"{namespace}/{SNAPSHOT}"):
        save()
        write(f"{namespace}/{SAVED}", 0, b"\xa5" * 16)
    for file in (TABLE, SNAPSHOT):
        write(f"{namespace}/{file}", 64, b"\xa5" * 16)


def body(name, namespace):
    if os.path.exists(f"{namespace}/{TABLE}"):
        path = f"{namespace}/{TABLE}"
        write(path, FREE_STACK, b"\xff" * 8 * CAPACITY)
        for slot in range(CAPACITY):
            write(path, SLOTS + slot * SLOT + LENGTHS, b"\xff" * 8)
    elif name in ("Snapshot.refresh", "Snapshot.wait_for_update"):
        # The next edition is damaged; the one in hand stays as it is.
        snapshot_again()
        write(f"{namespace}/{SNAPSHOT}", 4096, b"\xa5" * 16)
    elif name in ("RbTree.share", "rbtree.share"):
        snapshot_at_it()
        write(f"{namespace}/{CONTROL}", 64, b"\xa5" * 16)
    elif os.path.exists(f"{namespace}/{SNAPSHOT}"):
        path = f"{namespace}/{SNAPSHOT}"
        start = 4096 + 128
        write(path, start, b"\xa5" * (os.stat(path).st_size - start))


def not_permitted(name, namespace):
    """To another user: files and directory are root's, and the newest edition is for root alone."""
    if not os.path.exists(f"{namespace}/{TABLE}"):
        table_at_it()
    if not os.path.exists(f"{namespace}/{SNAPSHOT}"):
        save()
    if name in ("Snapshot.refresh", "Snapshot.wait_for_update"):
        snapshot_again()
    if name in ("names", "prune"):
        os.chmod(namespace, 0o700)


def snapshot_again():
    shmap.RbTree({"another": "edition"}).share("it", force=True)
