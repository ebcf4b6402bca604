"""The lookups that are called by PyO3-free code: their arguments, their defaults, their errors."""

import inspect
import sys

import pytest
import shmap
import shmap.sharedmap


@pytest.fixture(params=["Table", "Snapshot"])
def words(request):
    if request.param == "Table":
        map = shmap.Table("words", keys=str)
        map.update({"a": "ä", "raw": b"\xff"})
    else:
        shmap.RbTree({"a": "ä", "raw": b"\xff"}).share("words")
        map = shmap.Snapshot("words")
    with map:
        yield map


@pytest.mark.parametrize(("method", "found"), [("get", "ä".encode()), ("get_str", "ä")])
def test_arguments_stand_where_python_lets_them(words, method, found):
    get = getattr(words, method)
    default = object()
    assert get("a") == get("a", 1) == get(key="a") == get(default=1, key="a") == get("a", default=1) == found
    assert get("b") is None
    assert get("b", default) is get("b", default=default) is get(key="b", default=default) is default
    assert list(inspect.signature(getattr(type(words), method)).parameters) == ["self", "key", "default"]
    for arguments, named, message in [
        ((), {}, "missing 1 required positional argument: 'key'"),
        ((), {"default": 1}, "missing 1 required positional argument: 'key'"),
        (("a", 1, 2), {}, "takes from 1 to 2 positional arguments but 3 were given"),
        (("a",), {"key": "a"}, "multiple values for argument 'key'"),
        (("a", 1), {"default": 1}, "multiple values for argument 'default'"),
        (("a",), {"sense": 1}, "unexpected keyword argument 'sense'"),
        (([],), {}, "unhashable type"),
    ]:
        with pytest.raises(TypeError, match=message):
            get(*arguments, **named)


def test_text_that_has_no_utf8(words):
    """No map has it as a key, and no text can be made of such a value."""
    lone = "lone \ud800"
    assert lone not in words and words.get(lone) is words.get_str(lone) is None
    with pytest.raises(shmap.KeyMissingError):
        words[lone]
    with pytest.raises(shmap.NotTextError, match="invalid start byte") as caught:
        words.get_str("raw")
    assert isinstance(caught.value, UnicodeDecodeError) and isinstance(caught.value, shmap.Error)


def test_another_object_is_refused():
    for method in (shmap.Table.get, shmap.Snapshot.get_str, shmap.sharedmap.sharedmap.get):
        with pytest.raises(TypeError):
            method({}, "a")


def test_the_drop_in_takes_a_key_and_nothing_else():
    tree = shmap.sharedmap.rbtree()
    tree.set("a", "x")
    tree.share("words")
    map = shmap.sharedmap.sharedmap("words")
    assert map.get("a") == map.get(key="a") == "x"
    assert map.get("b") is None
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        map.get("b", "x")
    with pytest.raises(TypeError, match="unexpected keyword argument 'default'"):
        map.get("b", default="x")


def test_lookups_hold_no_references(words):
    key, default = "no such key", ["default"]
    before = sys.getrefcount(key), sys.getrefcount(default)
    for _ in range(1000):
        words.get(key, default)
        words.get_str(key=key, default=default)
        with pytest.raises(TypeError):
            words.get(key, default, default)
    assert (sys.getrefcount(key), sys.getrefcount(default)) == before


@pytest.mark.parametrize("method", ["get", "get_str"])
def test_a_method_is_called_with_its_own_class_only(words, method):
    other = shmap.Snapshot if isinstance(words, shmap.Table) else shmap.Table
    for stranger in (object(), None, 1, other):
        with pytest.raises(TypeError):
            getattr(type(words), method)(stranger, "a")
    with pytest.raises(TypeError):
        getattr(other, method)(words, "a")


def test_a_handle_may_be_closed_under_its_own_lookup():
    """The lookup goes on with the table that it was called with."""

    class Closing:
        def __index__(self):
            table.close()
            return 1

    for look, found in [("get", b"one"), ("__getitem__", b"one"), ("__contains__", True), ("get_str", "one")]:
        with shmap.Table("numbers", keys=int) as table:
            table[1] = "one"
            assert getattr(table, look)(Closing()) == found
            assert table.closed
            with pytest.raises(shmap.ClosedError):
                getattr(table, look)(1)
