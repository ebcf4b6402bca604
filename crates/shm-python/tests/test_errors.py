"""What a person sees of the commonest errors in Python, compared with `tests/data/golden/errors.md`."""

import math
import os
import pathlib
import re
import resource
import subprocess
import sys

import pytest
import shmap
from faults import write

GOLDEN = pathlib.Path(__file__).parents[3] / "tests/data/golden/errors.md"
NOISE = b"\xa5" * 16
AS_ROOT = ("Not permitted to open the table", "Not permitted to make a file", "A foreign owner")

#: A process that has a file open and mapped as a writer does, and holds the lock by record 20 (`docs/format.md`).
HOLDER = """
import fcntl, mmap, os, struct, sys
file = os.open(sys.argv[1], os.O_RDWR)
mapped = mmap.mmap(file, 4096)
lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 1, 0)
fcntl.fcntl(file, getattr(fcntl, "F_OFD_SETLK", 37), lock)
pid, number = os.getpid(), 20
record = 640 + 128 * number
mapped[record:record + 4] = struct.pack("=I", pid)
mapped[record + 48:record + 56] = struct.pack("=Q", 1 << 8 | 1 << 2 | 1)
mapped[record + 56:record + 64] = struct.pack("=Q", os.stat("/proc/self/ns/pid").st_ino)
mapped[record + 112:record + 120] = struct.pack("=Q", pid << 32 | pid)
mapped[512:520] = struct.pack("=Q", 1 << 13 | number)
print("held", flush=True)
sys.stdin.read()
"""


class Place:
    """The namespace, with at most one table and one map, `it`, in it; and what was seen."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.seen = {}
        self.tree = shmap.RbTree({"rot": "red"})

    def path(self, kind):
        return f"{self.namespace}/shmap.it.{kind}"

    def clear(self):
        for file in os.listdir(self.namespace):
            path = f"{self.namespace}/{file}"
            if os.path.isdir(path) and not os.path.islink(path):
                os.rmdir(path)
            else:
                os.remove(path)

    def create(self, **options):
        return shmap.Table.create("it", **{"capacity": 2, "value_size": 8, "key_size": 4, **options})

    def table(self):
        """A fresh table with the key 1, open."""
        self.clear()
        table = self.create()
        table[1] = "one"
        return table

    def table_file(self):
        self.table().close()
        return self.path("table")

    def map_file(self):
        self.clear()
        self.tree.share("it")
        return self.path("snapshot")

    def fails(self, heading, call):
        with pytest.raises((shmap.Error, TypeError)) as caught:
            call()
        self.note(heading, f" {type(caught.value).__name__}: {caught.value}")

    def none(self, heading, why):
        self.note(heading, f": no error: {why}")

    def note(self, heading, line):
        assert heading not in self.seen
        line = line.replace(self.namespace, "DIR")
        line = re.sub(r"[0-9.]+( m?s)\b", r"TIME\1", line)
        line = re.sub(r"process [0-9]+ \([^)]*\)", "process PID (COMMAND)", line)
        self.seen[heading] = re.sub(r"thread [0-9]+", "thread TID", line)

    def as_nobody(self, heading, call):
        """With the rights of another user, for root."""
        os.seteuid(65534)
        try:
            self.fails(heading, call)
        finally:
            os.seteuid(0)

    def while_held(self, path, heading, call):
        """While another process holds the lock of a file."""
        holder = [sys.executable, "-c", HOLDER, path]
        with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"held\n"
            try:
                self.fails(heading, call)
            finally:
                process.stdin.close()


def opened():
    return shmap.Table.open("it")


def mapped():
    return shmap.Snapshot("it")


def names(place):
    place.fails("The table is missing", opened)
    place.fails("The map is missing", mapped)
    place.map_file()
    place.fails("A map has the name, and a table is asked for", opened)
    place.table_file()
    place.fails("A table has the name, and a map is asked for", mapped)
    place.fails("The table exists already", place.create)
    place.map_file()
    place.fails("The map exists already", lambda: place.tree.share("it"))
    for heading, name in [
        ("The name is empty", ""),
        ("The name has a slash", "a/b"),
        ("The name begins with a dot", ".it"),
        ("The name is too long", "x" * 201),
    ]:
        place.fails(heading, lambda name=name: shmap.Table.open(name))
    missing = f"{place.namespace}/no"
    place.fails("The directory is missing, for a table", lambda: place.create(namespace=missing))
    place.fails("The directory is missing, for a map", lambda: place.tree.share("it", namespace=missing))


def keys(place):
    table = place.table()
    place.fails("Get a key that is missing", lambda: table[9])
    place.fails("Update a key that is missing", lambda: table.replace(9, "x"))
    place.fails("Remove a key that is missing", lambda: table.__delitem__(9))
    place.fails("Add a key that exists", lambda: table.add(1, "x"))
    place.fails("The value is too long", lambda: table.__setitem__(1, "123456789"))
    place.fails("The value is no counter", lambda: table.fetch_add(1))
    place.fails("A member of a batch is at fault", lambda: table.add_many([(2, "two"), (1, "one")]))
    place.fails("A key is named twice in a batch", lambda: table.remove_many([1, 1]))
    table[2] = "two"
    place.fails("The table is full", lambda: table.add(3, "three"))
    place.fails("A key of another type", lambda: table.add("word", "x"))
    place.fails("A number that is no key of the table", lambda: table.add(2**40, "x"))
    place.clear()
    words = place.create(keys=str)
    place.fails("The key is too long", lambda: words.add("12345", "x"))
    place.fails("The table has keys of another type", lambda: shmap.Table.open("it", keys=int))


def asked_for(place):
    place.table_file()
    place.fails("The table has another capacity", lambda: shmap.Table("it", capacity=3, value_size=8))
    place.clear()
    place.fails("An impossible capacity", lambda: place.create(capacity=0))
    place.fails("An impossible mode of a table", lambda: place.create(mode=0o100))
    place.fails("An impossible mode of a map", lambda: place.tree.share("it", mode=0o600))
    place.table_file()
    reader = shmap.Table.open("it", read_only=True)
    place.fails("The table was opened for reading only", lambda: reader.add(2, "x"))


def locks(place):
    def change():
        with shmap.Table.open("it", timeout=0.05) as table:
            # A key that is present needs no lock.
            table[2] = "x"

    place.while_held(place.table_file(), "The lock of the table is held", change)
    place.map_file()
    heading = "The lock of the publication is held"
    place.while_held(place.path("control"), heading, lambda: place.tree.share("it", force=True, timeout=0.05))


def files(place):
    write(place.table_file(), 0, b"NO TABLE")
    place.fails("The file is no table", opened)
    write(place.table_file(), 64, NOISE)
    place.fails("The header was changed", opened)
    os.truncate(place.table_file(), 4200)
    place.fails("The file was cut", opened)
    # The version is looked at before the checksum.
    write(place.table_file(), 12, (9).to_bytes(4, sys.byteorder))
    place.fails("The file is of another format version", opened)
    place.clear()
    os.mkdir(place.path("table"))
    place.fails("A directory has the name", opened)
    place.clear()
    os.symlink("/etc/passwd", place.path("table"))
    place.fails("A symbolic link has the name", opened)
    os.rename(place.map_file(), place.path("table"))
    place.fails("The file of a map has the name of a table", lambda: shmap.Table.open("it", read_only=True))
    write(place.map_file(), 4096 + 16, NOISE)
    place.fails("The image of a map is damaged", mapped)


def owners_and_modes(place):
    path = place.table_file()
    if os.geteuid() == 0:
        place.as_nobody("Not permitted to open the table", opened)
        place.as_nobody("Not permitted to make a file", lambda: shmap.Table.create("new"))
        os.chown(path, 65534, -1)
        place.fails("A foreign owner", opened)
    os.chmod(place.table_file(), 0o666)
    place.fails("Others may write to the table", opened)
    path = place.map_file()
    os.chmod(path, 0o666)
    place.fails("Others may write to the map", mapped)
    os.chmod(path, 0o600)
    place.fails("The owner may write to the map", mapped)


def entries(place):
    place.map_file()
    place.fails("No entries replace some", lambda: shmap.RbTree().share("it", force=True))
    place.none("Keys out of order", "a tree sorts them")
    for form in ("tab-separated values", "CSV", "JSON"):
        place.none(f"A broken line of {form}", "the libraries read no text")


def times_to_live(place):
    table = place.table()
    place.fails("A time to live where entries do not expire", lambda: table.set(1, "x", 1))
    place.fails("An ephemeral entry where entries do not expire", lambda: table.add_ephemeral(2, "x"))
    same = {"capacity": 2, "value_size": 8}
    place.fails("The entries of the table expire differently than asked", lambda: shmap.Table("it", ttl=math.inf, **same))
    place.fails("The table evicts differently than asked", lambda: shmap.Table("it", evict=True, **same))
    place.clear()
    place.fails("A table whose entries live for no time", lambda: place.create(ttl=0))
    table = place.create(ttl=math.inf)
    place.fails("A time to live of zero", lambda: table.set(1, "x", 0))
    place.fails("A time to live that is too long", lambda: table.set(1, "x", 5e9))
    place.fails("Touch a key that is missing", lambda: table.touch(9, 1))
    table[1] = "one"
    table.set(2, "two", 3600)
    place.fails("The table is full, and no entry has expired", lambda: table.add(3, "three"))


def space(place):
    place.clear()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        place.fails("The file is longer than the process may write", place.create)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def merged(text, seen):
    """The text with the lines of Python, and its headings."""
    head, *blocks = text.split("\n## ")
    headings, parts = [], [head]
    for block in blocks:
        heading = block.partition("\n")[0]
        headings.append(heading)
        lines = [line for line in block.splitlines()[:-1] if heading not in seen or not re.match("python[ :]", line)]
        if heading in seen:
            lines.append("python" + seen[heading])
        parts.append("\n".join([*lines, "```", ""]))
    return "\n## ".join(parts), headings


def test_errors_say_what_the_golden_file_says(namespace):
    place = Place(namespace)
    for part in (names, keys, asked_for, locks, files, owners_and_modes, entries, times_to_live, space):
        part(place)
    text = GOLDEN.read_text(encoding="utf-8")
    new, headings = merged(text, place.seen)
    skipped = [] if os.geteuid() == 0 else AS_ROOT
    for heading in skipped:
        print(f"skipped: {heading}: becoming another user needs root")
    assert sorted(headings) == sorted([*place.seen, *skipped])
    if os.environ.get("SHMAP_BLESS") == "1":
        GOLDEN.write_text(new, encoding="utf-8")
    else:
        assert new == text, f"not what {GOLDEN} says; its head says how to write it anew"
