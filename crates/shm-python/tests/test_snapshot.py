import pickle
import random
from collections.abc import Mapping, MutableMapping

import pytest
import shmap

WORDS = {"rot": "red", "blau": "blue", "grün": "green", "": "empty", "roter": "redder"}
AS_BYTES = {key: value.encode() for key, value in WORDS.items()}


@pytest.fixture
def words():
    shmap.RbTree(WORDS).share("words")
    with shmap.Snapshot("words") as words:
        yield words


def test_it_is_a_mapping(words):
    assert isinstance(words, Mapping)
    assert words["rot"] == b"red" and words[b"rot"] == b"red"
    assert words.get("rot") == b"red" and words.get_str("grün") == "green"
    assert words.get("x") is None and words.get("x", 1) == 1 and words.get_str("x", "") == ""
    assert "rot" in words and "x" not in words
    assert len(words) == 5
    assert words == AS_BYTES and dict(words) == AS_BYTES
    in_order = sorted(WORDS, key=str.encode)
    assert list(words) == in_order == list(words.keys())
    assert list(words.values()) == [AS_BYTES[key] for key in in_order]
    assert list(words.items()) == [(key, AS_BYTES[key]) for key in in_order]
    assert list(reversed(words)) == in_order[::-1]
    assert words.get_many(["rot", "x", b"blau"]) == [b"red", None, b"blue"]
    with pytest.raises(KeyError) as caught:
        words["x"]
    assert caught.value.args == ("x",)


def test_order(words):
    assert [key for key, _ in words.range("c", "rot")] == ["grün"]
    assert [key for key, _ in words.range("c", "rot", inclusive=True)] == ["grün", "rot"]
    assert [key for key, _ in words.range(stop="c")] == ["", "blau"]
    assert len(words.range()) == 5 and list(words.range("z", "a")) == []
    assert list(words.prefix("rot")) == [("rot", b"red"), ("roter", b"redder")]
    assert list(reversed(words.prefix("rot"))) == [("roter", b"redder"), ("rot", b"red")]
    assert words.rank("rot") == 3 and words.rank("s") == 5
    assert words.nth(0) == ("", b"empty") and words.nth(-1) == ("roter", b"redder")
    for rank in (5, -6):
        with pytest.raises(IndexError):
            words.nth(rank)


@pytest.mark.parametrize("hash_index", [True, False])
def test_it_agrees_with_a_dict(hash_index):
    draw = random.Random(7)
    model = {bytes(draw.choices(b"ab\0\xff", k=draw.randrange(9))): bytes([n % 251]) * (n % 40) for n in range(2000)}
    shmap.RbTree(model, keys=bytes).share("model", hash_index=hash_index)
    with shmap.Snapshot("model", keys=bytes) as snapshot:
        assert snapshot.has_hash_index == hash_index
        snapshot.verify()
        assert list(snapshot.items()) == sorted(model.items())
        for key in list(model) + [b"absent", b"\xff" * 9]:
            assert snapshot.get(key) == model.get(key)
            assert snapshot.rank(key) == sum(other < key for other in model)


def test_keys_that_are_no_text():
    shmap.RbTree({b"\xff!!": b"x"}, keys=bytes).share("raw")
    assert dict(shmap.Snapshot("raw", keys=bytes)) == {b"\xff!!": b"x"}
    with shmap.Snapshot("raw") as text:
        assert text[b"\xff!!"] == b"x"
        wrong = r'raw.snapshot": key b"\\xff!!" is not text; open it with keys=bytes$'
        for read in (list, dict, lambda map: map.nth(0), lambda map: next(map.prefix(b""))):
            with pytest.raises(shmap.WrongKindError, match=wrong):
                read(text)
    tree = shmap.RbTree({b"\xff" * 40: b"x"})
    for read in (list, dict, lambda tree: tree.entries()):
        with pytest.raises(shmap.WrongKindError, match=r'key b".*"… is not text; make the tree with keys=bytes$'):
            read(tree)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_frozen_table_of_numbers_that_is_opened_for_text_says_how_to_open_it(bits):
    with shmap.Table("numbers", bits=bits) as table:
        table.update({1: b"one", -1: b"minus one"})
        table.freeze("numbers")
    advice = f"its keys have {bits} bits each, as those of a frozen table of numbers: open it with keys=int"
    with pytest.raises(shmap.WrongKindError, match=advice):
        list(shmap.Snapshot("numbers"))
    shmap.RbTree({"text": "x", "more text": "y"}).share("words")
    with pytest.raises(shmap.WrongKindError, match="is not a number of its width; open it with keys=str or keys=bytes"):
        list(shmap.Snapshot("words", keys=int))


def test_types_that_are_no_keys(words):
    for call in (
        lambda: words.rank(1),
        lambda: words.prefix(1),
        lambda: words.range(1),
        lambda: shmap.Snapshot("words", keys=float),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(UnicodeEncodeError):
        words.rank("\ud800")


def test_publishing_again(words):
    tree = shmap.RbTree(WORDS)
    tree["rot"] = "scarlet"
    with pytest.raises(FileExistsError):
        tree.share("words")
    assert not words.refresh()
    assert tree.share("words", force=True) == 2
    assert words["rot"] == b"red" and words.edition == 1
    assert words.refresh() and not words.refresh()
    assert words["rot"] == b"scarlet" and words.edition == 2


def test_iterators_keep_their_edition(words):
    iterator = iter(words.items())
    first = next(iterator)
    shmap.RbTree({"new": "map"}).share("words", force=True)
    assert words.refresh() and list(words) == ["new"]
    assert not words.refresh()
    assert [first, *iterator] == sorted(AS_BYTES.items())


def test_removal(words):
    shmap.remove("words")
    assert words["rot"] == b"red" and words.is_removed() and not words.refresh()
    assert not words.wait_for_update(0)
    with pytest.raises(FileNotFoundError):
        shmap.Snapshot("words")
    with pytest.raises(FileNotFoundError):
        shmap.remove("words")
    shmap.RbTree({"a": "b"}).share("words")
    assert words.wait_for_update(30) and dict(words) == {"a": b"b"}


def test_it_pickles_by_name(words):
    copy = pickle.loads(pickle.dumps(words))
    assert dict(copy) == dict(words) and copy.key_type is str
    copy = pickle.loads(pickle.dumps(shmap.Snapshot("words", keys=bytes)))
    assert copy.key_type is bytes


def test_a_closed_handle_says_so(words):
    iterator = iter(words)
    words.close()
    assert words.closed and "closed" in repr(words)
    for call in (lambda: words["rot"], lambda: len(words), words.refresh, lambda: list(words), words.dump):
        with pytest.raises(shmap.ClosedError):
            call()
    assert next(iterator) == ""


def test_dump_and_save(words, namespace):
    tree = shmap.RbTree(WORDS)
    assert words.dump() == tree.dump() == tree.dump(hash_index=True)
    assert len(tree.dump(hash_index=False)) < len(words.dump())
    words.save(f"{namespace}/saved")
    with open(f"{namespace}/saved", "rb") as saved:
        assert saved.read() == words.dump()


def test_an_empty_map():
    shmap.RbTree().share("empty")
    with shmap.Snapshot("empty") as empty:
        assert len(empty) == 0 and list(empty.items()) == [] and empty.get("x") is None


def test_prune_leaves_the_living_alone(words):
    assert shmap.prune(dry_run=True) == [] == shmap.prune()
    assert shmap.names() == [("words", "snapshot")]
    assert words["rot"] == b"red"


def test_the_tree_is_a_mutable_mapping():
    tree = shmap.RbTree()
    assert isinstance(tree, MutableMapping)
    assert tree.set("b", "1") is False and tree.set("b", b"2") is True
    tree["a"] = memoryview(b"x")
    tree.update({"c": "3"}, d="4")
    assert list(tree) == ["a", "b", "c", "d"] and tree["b"] == b"2"
    assert tree.get_str("b") == "2" and tree.get("x") is None and tree.get("x", 5) == 5
    assert tree.remove("a") and not tree.remove("a")
    assert tree.pop("c") == b"3" and "c" not in tree
    with pytest.raises(KeyError):
        del tree["c"]
    with pytest.raises(KeyError):
        tree["c"]
    assert dict(tree.items()) == {"b": b"2", "d": b"4"} and len(tree) == 2
    copy = pickle.loads(pickle.dumps(tree))
    copy["e"] = "5"
    assert len(copy) == 3 and len(tree) == 2
    with pytest.raises(TypeError):
        tree.update({"x": "1", "y": 2})
    assert len(tree) == 2
    tree.clear()
    assert tree == {}


def test_a_tree_may_have_numbers():
    tree = shmap.RbTree({300: "c", -1: "a", 2: "b"}, keys=int)
    assert list(tree) == [-1, 2, 300]
    tree.share("numbers")
    assert dict(shmap.Snapshot("numbers", keys=int)) == {-1: b"a", 2: b"b", 300: b"c"}
    with pytest.raises(shmap.OutOfRangeError, match="2147483648 is out of range: keys of this map have 32 bits"):
        tree[2**31] = b""
