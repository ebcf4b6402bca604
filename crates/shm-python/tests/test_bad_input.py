"""For each call: a missing name, a wrong kind, damage, too long a value, no permission. A clear exception, and no change."""

import os
import stat

import pytest
import shmap
import shmap.sharedmap as sharedmap

OPENERS = {
    "Table": lambda: shmap.Table("it"),
    "Table.create": lambda: shmap.Table.create("it"),
    "Table.open": lambda: shmap.Table.open("it"),
    "Table.open, keys": lambda: shmap.Table.open("it", keys=int),
    "Table.open, read_only": lambda: shmap.Table.open("it", read_only=True),
    "Snapshot": lambda: shmap.Snapshot("it"),
    "sharedmap": lambda: sharedmap.sharedmap("it"),
    "remove": lambda: shmap.remove("it"),
    "rbtree.remove": lambda: sharedmap.rbtree.remove("it"),
    "RbTree.share": lambda: shmap.RbTree({"new": "x"}).share("it"),
    "RbTree.share, force": lambda: shmap.RbTree({"new": "x"}).share("it", force=True),
    "rbtree.share": lambda: _drop_in().share("it"),
    "rbtree.share, force": lambda: _drop_in().share("it", force=True),
    "Table.freeze": lambda: _other_table().freeze("it"),
    "Table.freeze, force": lambda: _other_table().freeze("it", force=True),
}
TABLE_OPENERS = [name for name in OPENERS if name.startswith("Table.open")]
MAP_OPENERS = ["Snapshot", "sharedmap"]
PUBLISHERS = [name for name in OPENERS if "share," in name or "freeze," in name]


def _drop_in():
    tree = sharedmap.rbtree()
    tree.set("new", "x")
    return tree


def _other_table():
    table = shmap.Table("other")
    table[1] = b"new"
    return table


def contents(namespace):
    """Every file with its bytes and its mode."""
    found = {}
    for entry in sorted(os.listdir(namespace)):
        path = f"{namespace}/{entry}"
        if not entry.startswith("shmap.other"):
            with open(path, "rb") as file:
                found[entry] = (stat.S_IMODE(os.stat(path).st_mode), file.read())
    return found


def refused(namespace, call, *classes):
    """The call raises an exception of all these classes, and changes nothing."""
    before = contents(namespace)
    with pytest.raises(shmap.Error) as caught:
        call()
    for cls in classes:
        assert isinstance(caught.value, cls), repr(caught.value)
    assert str(caught.value)
    assert contents(namespace) == before
    return caught.value


def table_at_it():
    with shmap.Table("it") as table:
        table[1] = b"value"


def snapshot_at_it():
    shmap.RbTree({str(n): str(n) * 3 for n in range(100)}).share("it")


def damage(path, at, what=b"\xa5" * 16):
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, 0o600)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(what)
    os.chmod(path, mode)


@pytest.mark.parametrize("opener", TABLE_OPENERS + MAP_OPENERS + ["remove"])
def test_a_missing_name(namespace, opener):
    error = refused(namespace, OPENERS[opener], shmap.NotFoundError, FileNotFoundError)
    assert error.errno == 2 and error.filename.startswith(f"{namespace}/shmap.it.")


@pytest.mark.parametrize("opener", ["Table.create", "RbTree.share", "rbtree.share", "Table.freeze"])
def test_a_taken_name(namespace, opener):
    table_at_it()
    snapshot_at_it()
    error = refused(namespace, OPENERS[opener], shmap.AlreadyExistsError, FileExistsError)
    assert error.errno == 17 and error.filename.startswith(f"{namespace}/shmap.it.")


@pytest.mark.parametrize("name", ["", "..", ".x", "a/b", "a\0b", "x" * 201])
def test_what_is_no_name(namespace, name):
    calls = [
        lambda: shmap.Table(name),
        lambda: shmap.Table.create(name),
        lambda: shmap.Table.open(name),
        lambda: shmap.Snapshot(name),
        lambda: sharedmap.sharedmap(name),
        lambda: shmap.remove(name),
        lambda: sharedmap.rbtree.remove(name),
        lambda: shmap.RbTree().share(name),
        lambda: sharedmap.rbtree().share(name),
        lambda: _other_table().freeze(name),
    ]
    for call in calls:
        refused(namespace, call, shmap.InvalidNameError, ValueError)


@pytest.mark.parametrize("opener", MAP_OPENERS)
def test_a_table_of_the_name_is_no_snapshot(namespace, opener):
    table_at_it()
    refused(namespace, OPENERS[opener], FileNotFoundError)


@pytest.mark.parametrize("opener", TABLE_OPENERS)
def test_a_snapshot_of_the_name_is_no_table(namespace, opener):
    snapshot_at_it()
    refused(namespace, OPENERS[opener], FileNotFoundError)


@pytest.mark.parametrize("opener", MAP_OPENERS + PUBLISHERS)
def test_a_table_in_the_place_of_a_snapshot(namespace, opener):
    table_at_it()
    os.chmod(f"{namespace}/shmap.it.table", 0o400)
    os.rename(f"{namespace}/shmap.it.table", f"{namespace}/shmap.it.snapshot")
    if opener in PUBLISHERS:
        # A publisher that is to replace what is there does.
        OPENERS[opener]()
        assert len(shmap.Snapshot("it", keys=bytes)) == 1
    else:
        refused(namespace, OPENERS[opener], shmap.WrongKindError, TypeError)


@pytest.mark.parametrize("opener", ["Table", *TABLE_OPENERS])
def test_a_snapshot_in_the_place_of_a_table(namespace, opener):
    snapshot_at_it()
    os.rename(f"{namespace}/shmap.it.snapshot", f"{namespace}/shmap.it.table")
    refused(namespace, OPENERS[opener], shmap.WrongKindError, TypeError)


@pytest.mark.parametrize("opener", ["Table", *TABLE_OPENERS, *MAP_OPENERS])
def test_a_directory_or_fifo_in_its_place(namespace, opener):
    for make in (os.mkdir, os.mkfifo):
        path = f"{namespace}/shmap.it.{'snapshot' if opener in MAP_OPENERS else 'table'}"
        make(path)
        with pytest.raises(shmap.WrongKindError):
            OPENERS[opener]()
        os.rmdir(path) if make is os.mkdir else os.remove(path)


def test_keys_of_another_type(namespace):
    table_at_it()
    for call in (
        lambda: shmap.Table("it", keys=str),
        lambda: shmap.Table("it", bits=64),
        lambda: shmap.Table.open("it", keys=str),
        lambda: shmap.Table.open("it", keys=str, read_only=True),
    ):
        refused(namespace, call, shmap.WrongKindError, TypeError)


def test_another_geometry(namespace):
    table_at_it()
    for call in (lambda: shmap.Table("it", capacity=5), lambda: shmap.Table("it", value_size=5)):
        refused(namespace, call, shmap.MismatchError, ValueError)
    for call in (lambda: shmap.Table("new", capacity=0), lambda: shmap.Table("new", value_size=2**40)):
        refused(namespace, call, shmap.InvalidOptionError, ValueError)
    with pytest.raises(OverflowError):
        shmap.Table("new", capacity=-1)


@pytest.mark.parametrize("at", [0, 64])
@pytest.mark.parametrize("opener", ["Table", *TABLE_OPENERS])
def test_a_damaged_table(namespace, opener, at):
    table_at_it()
    damage(f"{namespace}/shmap.it.table", at)
    refused(namespace, OPENERS[opener], shmap.CorruptError, ValueError)


@pytest.mark.parametrize("at", [0, 64, 4096])
@pytest.mark.parametrize("opener", MAP_OPENERS)
def test_a_damaged_snapshot(namespace, opener, at):
    snapshot_at_it()
    damage(f"{namespace}/shmap.it.snapshot", at)
    refused(namespace, OPENERS[opener], shmap.CorruptError, ValueError)


@pytest.mark.parametrize("length", [0, 100, 4096, 5000])
@pytest.mark.parametrize("opener", ["Table", *TABLE_OPENERS, *MAP_OPENERS])
def test_a_truncated_file(namespace, opener, length):
    table_at_it()
    snapshot_at_it()
    for kind in ("table", "snapshot"):
        path = f"{namespace}/shmap.it.{kind}"
        mode = stat.S_IMODE(os.stat(path).st_mode)
        os.chmod(path, 0o600)
        os.truncate(path, length)
        os.chmod(path, mode)
    refused(namespace, OPENERS[opener], shmap.CorruptError, ValueError)


def test_damage_within_is_found_by_verify_and_never_crashes(namespace):
    snapshot_at_it()
    path = f"{namespace}/shmap.it.snapshot"
    pristine = shmap.Snapshot("it")
    size = os.stat(path).st_size
    for at in range(4096 + 128, size - 16, 24):
        with open(path, "rb") as file:
            whole = file.read()
        damage(path, at)
        try:
            with shmap.Snapshot("it", keys=bytes) as snapshot:
                with pytest.raises(shmap.CorruptError):
                    snapshot.verify()
                list(snapshot.items()), list(snapshot.range(b"3", b"5")), list(snapshot.prefix(b"1"))
                snapshot.get_many([str(n) for n in range(100)])
                [snapshot.get(str(n)) for n in range(100)]
                [snapshot.nth(rank) for rank in (0, -1)], snapshot.rank(b"5")
        except shmap.CorruptError:
            pass
        damage(path, 0, whole)
    pristine.verify()


def test_refresh_to_a_damaged_edition_keeps_the_old_one(namespace):
    snapshot_at_it()
    with shmap.Snapshot("it") as snapshot:
        path = f"{namespace}/shmap.it.snapshot"
        shmap.RbTree({"a": "b"}).share("it", force=True)
        damage(path, 4096)
        for call in (snapshot.refresh, lambda: snapshot.wait_for_update(1)):
            refused(namespace, call, shmap.CorruptError)
        assert snapshot["7"] == b"777" and snapshot.edition == 1


def test_a_damaged_control_segment(namespace):
    snapshot_at_it()
    damage(f"{namespace}/shmap.it.control", 0)
    for name in PUBLISHERS:
        refused(namespace, OPENERS[name], shmap.CorruptError, ValueError)
    # It does not keep the map from being removed, and goes with it.
    for name in ("remove", "rbtree.remove"):
        OPENERS[name]()
        assert not [file for file in os.listdir(namespace) if file.startswith("shmap.it.")]
        snapshot_at_it()
        damage(f"{namespace}/shmap.it.control", 0)


WRITES = {
    "[]": lambda table, value: table.__setitem__(1, value),
    "add": lambda table, value: table.add(2, value),
    "replace": lambda table, value: table.replace(1, value),
    "setdefault": lambda table, value: table.setdefault(2, value),
    "update": lambda table, value: table.update({1: b"", 2: value}),
    "add_many": lambda table, value: table.add_many({2: value}),
    "replace_many": lambda table, value: table.replace_many({1: value}),
    "upsert_many": lambda table, value: table.upsert_many([(3, b""), (1, value)]),
    "compare_exchange": lambda table, value: table.compare_exchange(1, b"value", value),
}


@pytest.mark.parametrize("write", WRITES)
def test_too_long_a_value(namespace, write):
    table_at_it()
    table = shmap.Table("it")
    before = dict(table)
    with pytest.raises(shmap.ValueTooLongError) as caught:
        WRITES[write](table, b"x" * 257)
    assert isinstance(caught.value, ValueError) and "257" in str(caught.value) and "256" in str(caught.value)
    assert dict(table) == before
    table.verify()


def test_too_long_a_key(namespace):
    table = shmap.Table("names", keys=str, key_size=8)
    table["a"] = b"value"
    for call in (
        lambda: table.__setitem__("x" * 9, b""),
        lambda: table.add("x" * 9, b""),
        lambda: table.update({"b": b"", "x" * 9: b""}),
    ):
        with pytest.raises(shmap.KeyTooLongError):
            call()
    assert dict(table) == {"a": b"value"}
    tree, drop_in = shmap.RbTree({"a": "b"}), _drop_in()
    for call in (
        lambda: tree.set("x" * 2**20, ""),
        lambda: tree.__setitem__("x" * 2**20, ""),
        lambda: tree.update({"c": "", "x" * 2**20: ""}),
        lambda: shmap.RbTree({"x" * 2**20: ""}),
        lambda: drop_in.set("x" * 2**20, ""),
    ):
        with pytest.raises(shmap.KeyTooLongError):
            call()
    assert dict(tree) == {"a": b"b"} and drop_in.get("new") == "x"


def test_load_of_too_long_a_value(namespace):
    wide = shmap.Table("wide", value_size=512)
    wide.update({1: b"fits", 2: b"x" * 300})
    wide.freeze("wide")
    table_at_it()
    table = shmap.Table("it")
    with pytest.raises(shmap.ValueTooLongError):
        table.load(shmap.Snapshot("wide"))
    assert dict(table) == {1: b"value"}


@pytest.mark.parametrize(
    "opener", ["Table", *TABLE_OPENERS, *MAP_OPENERS, *PUBLISHERS, "remove", "rbtree.remove"]
)
def test_another_user_may_not(namespace, as_nobody, opener):
    table_at_it()
    snapshot_at_it()
    if "freeze" in opener:
        with shmap.Table("other", mode=0o644, shared_writers=True) as table:
            table[1] = b"new"
        call = lambda: shmap.Table.open("other", read_only=True).freeze("it", force=True)  # noqa: E731
    else:
        call = OPENERS[opener]
    before = contents(namespace)
    outcome = as_nobody(call)
    assert "PermissionDeniedError" in outcome and "PermissionError" in outcome, outcome
    assert contents(namespace) == before


@pytest.mark.parametrize("opener", ["Table", "Table.create", "RbTree.share", "rbtree.share"])
def test_another_user_may_not_create(namespace, as_nobody, opener):
    before = contents(namespace)
    outcome = as_nobody(OPENERS[opener])
    assert "PermissionError" in outcome, outcome
    assert contents(namespace) == before


def test_others_may_read_what_is_for_them(namespace, as_nobody):
    with shmap.Table("it", mode=0o644) as table:
        table[1] = b"value"
    shmap.RbTree({"a": "b"}).share("it", mode=0o444)

    def read():
        reader, snapshot = shmap.Table.open("it", read_only=True), shmap.Snapshot("it")
        if (reader[1], snapshot["a"], snapshot.refresh()) != (b"value", b"b", False):
            raise AssertionError
        raise KeyboardInterrupt("all was read")

    assert as_nobody(read).endswith("| all was read")


def test_what_anybody_may_write_is_not_mapped(namespace):
    snapshot_at_it()
    os.chmod(f"{namespace}/shmap.it.snapshot", 0o600)
    for opener in MAP_OPENERS:
        refused(namespace, OPENERS[opener], shmap.PermissionDeniedError, PermissionError)
    table_at_it()
    os.chmod(f"{namespace}/shmap.it.table", 0o666)
    refused(namespace, OPENERS["Table.open"], shmap.PermissionDeniedError, PermissionError)
    assert shmap.Table.open("it", shared_writers=True)[1] == b"value"


@pytest.mark.parametrize("mode", [0o600, 0o222, 0o1400])
def test_a_snapshot_is_never_writable(namespace, mode):
    refused(namespace, lambda: shmap.RbTree().share("it", mode=mode), shmap.InvalidOptionError)


@pytest.mark.parametrize("timeout", [-1.0, float("nan")])
def test_what_is_no_timeout(namespace, timeout):
    snapshot_at_it()
    snapshot = shmap.Snapshot("it")
    for call in (
        lambda: snapshot.wait_for_update(timeout),
        lambda: shmap.Table("new", timeout=timeout),
        lambda: shmap.RbTree().share("new", timeout=timeout),
        lambda: shmap.remove("it", timeout=timeout),
    ):
        with pytest.raises(ValueError):
            call()
    assert shmap.names() == [("it", "snapshot")]


def test_a_namespace_that_is_not_there(namespace):
    nowhere = f"{namespace}/nowhere"
    for call in (
        lambda: shmap.Table("it", namespace=nowhere),
        lambda: shmap.Table.open("it", namespace=nowhere),
        lambda: shmap.Snapshot("it", namespace=nowhere),
        lambda: shmap.RbTree().share("it", namespace=nowhere),
        lambda: shmap.remove("it", namespace=nowhere),
        lambda: shmap.names(namespace=nowhere),
        lambda: shmap.prune(namespace=nowhere),
    ):
        refused(namespace, call, FileNotFoundError)
