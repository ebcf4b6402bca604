"""Files that `save` wrote, opened in place."""

import os
import pathlib
import pickle

import pytest
import shmap

WORDS = {"rot": "red", "blau": "blue", "grün": "green"}


@pytest.fixture
def path(namespace):
    path = f"{namespace}/colours.avl"
    shmap.RbTree(WORDS).share("colours")
    with shmap.Snapshot("colours") as colours:
        colours.save(path)
    shmap.remove("colours")
    return path


def test_a_saved_file_is_a_snapshot(path):
    with shmap.Snapshot.open_file(path) as saved:
        assert dict(saved) == {key: value.encode() for key, value in WORDS.items()}
        assert saved["rot"] == b"red" and saved.get_str("grün") == "green" and "x" not in saved
        assert saved.get_many(["rot", "x"]) == [b"red", None]
        assert list(saved.range("c", "s")) == [("grün", b"green"), ("rot", b"red")]
        assert list(saved.prefix("b")) == [("blau", b"blue")] and list(reversed(saved)) == ["rot", "grün", "blau"]
        assert saved.rank("c") == 1 and saved.nth(-1) == ("rot", b"red")
        saved.verify()
        assert saved.has_hash_index and saved.dump() == pathlib.Path(path).read_bytes()
        assert (saved.name, str(saved.path), str(saved.namespace)) == (path, path, os.path.dirname(path))
    assert saved.closed
    with pytest.raises(shmap.ClosedError):
        saved["rot"]


def test_nothing_is_published_over_it(path):
    saved = shmap.Snapshot.open_file(path)
    assert saved.edition == 0 and not saved.refresh() and not saved.is_removed()
    for timeout in (0, None):
        with pytest.raises(shmap.WrongKindError, match="colours.avl"):
            saved.wait_for_update(timeout)
    os.remove(path)
    assert saved.is_removed() and saved["rot"] == b"red" and not saved.refresh()


def test_it_can_be_saved_and_pickled_again(path, namespace, monkeypatch):
    monkeypatch.chdir(namespace)
    saved = shmap.Snapshot.open_file(pathlib.Path("colours.avl"), keys=bytes)
    monkeypatch.chdir("/")
    copy = pickle.loads(pickle.dumps(saved))
    assert copy.key_type is bytes and dict(copy) == dict(saved) and copy.path == saved.path
    saved.save(f"{namespace}/again")
    assert pathlib.Path(f"{namespace}/again").read_bytes() == pathlib.Path(path).read_bytes()


def test_a_file_that_is_open_for_writing_says_how_to_find_its_writer(path):
    os.chmod(path, 0o600)
    with open(path, "r+b"):
        os.chmod(path, 0o400)
        with pytest.raises(shmap.PermissionDeniedError, match="`fuser -v` shows which process has it open"):
            shmap.Snapshot.open_file(path)
    shmap.Snapshot.open_file(path).close()


def test_a_path_need_not_be_text(path, namespace):
    odd = os.fsdecode(os.fsencode(namespace) + b"/\xff")
    os.rename(path, odd)
    saved = shmap.Snapshot.open_file(odd)
    assert os.fspath(saved.path) == odd and saved.name == f"{namespace}/\N{REPLACEMENT CHARACTER}"
    assert saved["rot"] == b"red"
    repr(saved)


def test_a_table_can_load_it(namespace):
    with shmap.Table("status") as table:
        table.update({1: "one", -1: "minus one"})
        table.freeze("status")
        shmap.Snapshot("status").save(f"{namespace}/status.avl")
        table.clear()
        assert table.load(shmap.Snapshot.open_file(f"{namespace}/status.avl")) == 2
        assert dict(table) == {1: b"one", -1: b"minus one"}
    assert dict(shmap.Snapshot.open_file(f"{namespace}/status.avl", keys=int)) == {-1: b"minus one", 1: b"one"}
