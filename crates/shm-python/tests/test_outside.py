"""What a program, or another one, does behind the back of the handles."""

import os
import stat
import subprocess
import sys
import time

import pytest
import shmap


def remove_files(namespace, name):
    for kind in ("snapshot", "control"):
        os.unlink(os.path.join(namespace, f"shmap.{name}.{kind}"))


def test_maps_made_anew_from_outside(namespace):
    shmap.RbTree({"a": "0"}).share("m")
    snapshot = shmap.Snapshot("m")
    for round in range(1, 4):
        remove_files(namespace, "m")
        assert snapshot.is_removed()
        assert not snapshot.wait_for_update(0)
        shmap.RbTree({"a": str(round)}).share("m")
        assert snapshot.is_removed()
        if round == 1:
            assert snapshot.wait_for_update(0)
        else:
            end = time.monotonic() + 60
            while not snapshot.refresh():
                assert time.monotonic() < end
        assert snapshot["a"] == str(round).encode() and snapshot.edition == 1
        assert not snapshot.is_removed()


def test_an_iterator_does_not_hide_it(namespace):
    shmap.RbTree({"a": "old", "b": "old"}).share("m")
    snapshot = shmap.Snapshot("m")
    values = iter(snapshot.values())
    assert next(values) == b"old"
    remove_files(namespace, "m")
    shmap.RbTree({"a": "new"}).share("m")
    assert snapshot.wait_for_update(0)
    assert snapshot["a"] == b"new" and next(values) == b"old"


CLOSES = """
import os, shmap
shmap.RbTree({"a": "1"}).share("m")
table = shmap.Table.create("t", keys=int)
reader = shmap.Table.open("t", read_only=True)
snapshot = shmap.Snapshot("m")
table[1] = b"one"
os.closerange(3, 64)
log = open(os.path.join(os.environ["SHMAP_DIR"], "app.log"), "w")
pipes = [os.pipe() for _ in range(20)]
assert not table.is_orphaned() and not reader.is_orphaned()
assert reader[1] == b"one" and not snapshot.refresh() and not snapshot.wait_for_update(0.01)
table[2] = b"two"
assert len(reader) == 2
assert table.unlink()
assert table.is_orphaned() and reader.is_orphaned()
table.close(), reader.close(), snapshot.close()
log.write("x")
log.flush()
for read, write in pipes:
    os.write(write, b"x")
    assert os.read(read, 1) == b"x"
"""


def test_descriptors_that_are_closed_and_reused(namespace):
    subprocess.run([sys.executable, "-c", CLOSES], check=True)
    assert open(os.path.join(namespace, "app.log")).read() == "x"


def test_nothing_replaces_something_only_when_asked_to():
    words = {"a": "1", "b": "2"}
    shmap.RbTree(words).share("m")
    with pytest.raises(shmap.AlreadyExistsError, match=r"entries \(2\)"):
        shmap.RbTree().share("m", force=True)
    table = shmap.Table.create("empty", keys=str)
    with pytest.raises(shmap.AlreadyExistsError, match=r"entries \(2\)"):
        table.freeze("m", force=True)
    assert len(shmap.Snapshot("m")) == 2
    assert shmap.RbTree().share("m", force=True, allow_empty=True) == 2
    assert len(shmap.Snapshot("m")) == 0
    shmap.RbTree(words).share("m", force=True)
    assert table.freeze("m", force=True, allow_empty=True) == 4
    # As the original does.
    shmap.RbTree(words).share("m", force=True)
    shmap.sharedmap.rbtree().share("m", force=True)
    assert len(shmap.Snapshot("m")) == 0


def test_a_forced_share_keeps_the_mode(namespace):
    def mode():
        return stat.S_IMODE(os.stat(os.path.join(namespace, "shmap.m.snapshot")).st_mode)

    tree = shmap.RbTree({"a": "1"})
    tree.share("m")
    assert mode() == 0o400
    tree.share("m", force=True, mode=0o444)
    tree.share("m", force=True)
    assert mode() == 0o444
    table = shmap.Table.create("t", keys=str)
    table["a"] = b"1"
    table.freeze("m", force=True)
    assert mode() == 0o444


LIMITED = """
import resource, shmap
resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 1024, resource.RLIM_INFINITY))
for call in (
    lambda: shmap.Table.create("t", keys=int, capacity=1024, value_size=256),
    lambda: shmap.RbTree({str(n): "x" * 50 for n in range(10000)}).share("m"),
):
    try:
        call()
        raise SystemExit("no error")
    except shmap.NoSpaceError as error:
        assert "102400" in str(error) and "ulimit -f" in str(error), error
assert shmap.names() == [] or not list(shmap.names())
"""


def test_a_limit_on_file_sizes_is_an_error(namespace):
    subprocess.run([sys.executable, "-c", LIMITED], check=True)
