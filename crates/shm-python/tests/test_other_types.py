"""Keys of another type than the map's: what a `dict` with the same entries does."""

import decimal
import enum

import pytest
import shmap


class Colour(str, enum.Enum):
    RED = "rot"


class Number(enum.IntEnum):
    ONE = 1


class Broken:
    """An object whose own code raises."""

    def __init__(self, error):
        self.error = error

    def __index__(self):
        raise self.error


ODD = [
    None, 1, 0, True, False, 1.0, 0.0, -0.0, 1.5, -1.0, float("nan"), float("inf"), 1e300, -1e300, 2.0**63, -(2.0**63),
    2**31, 2**63, -(2**63), 2**200, -(2**200), 1 + 0j, "1", "rot", "a", "", "\ud800", "rot\ud800", b"1", b"rot", b"",
    (), ("rot",), ("rot", b"red"), (1, b"one"), object(), int, str, ..., Colour.RED, Number.ONE, frozenset(),
]  # fmt: skip
UNHASHABLE = [[], [1], {}, {1: 2}, set(), slice(1)]
WORDS, NUMBERS = {"rot": b"red", "": b"empty"}, {1: b"one", 0: b"nil", -1: b"minus one"}


def table(entries, **arguments):
    made = shmap.Table("it", **arguments)
    made.update(entries)
    return made


def snapshot(entries, keys):
    shmap.RbTree(entries, keys=keys).share("it")
    return shmap.Snapshot("it", keys=keys)


def wide():
    with shmap.Table("wide", bits=64) as numbers:
        numbers.update({**NUMBERS, -(2**63): b"least"})
        numbers.freeze("wide")
    return shmap.Snapshot("wide", keys=int)


#: Each kind of map, a `dict` with its entries, and the types that it takes for its keys beside their own.
MAPS = {
    "table of int": (lambda: table(NUMBERS), NUMBERS, ()),
    "table of wide int": (lambda: table({**NUMBERS, -(2**63): b"least"}, bits=64), {**NUMBERS, -(2**63): b"least"}, ()),
    "table of str": (lambda: table(WORDS, keys=str), WORDS, ()),
    "snapshot of int": (lambda: snapshot(NUMBERS, int), NUMBERS, ()),
    "snapshot of wide int": (wide, {**NUMBERS, -(2**63): b"least"}, ()),
    "snapshot of str": (lambda: snapshot(WORDS, str), WORDS, (bytes,)),
    "snapshot of bytes": (lambda: snapshot(WORDS, bytes), {key.encode(): value for key, value in WORDS.items()}, (str,)),
    "tree of int": (lambda: shmap.RbTree(NUMBERS, keys=int), NUMBERS, ()),
    "tree of str": (lambda: shmap.RbTree(WORDS), WORDS, (bytes,)),
    "tree of bytes": (
        lambda: shmap.RbTree(WORDS, keys=bytes), {key.encode(): value for key, value in WORDS.items()}, (str,)
    ),
}  # fmt: skip


@pytest.fixture(params=MAPS)
def maps(request):
    """A map, a `dict` with the same entries, and the keys to ask both for."""
    make, model, more = MAPS[request.param]
    # Text and bytes are the same keys to a snapshot and a tree. Numbers that are none of Python's own are no keys here.
    odd = [key for key in ODD if not isinstance(key, (*more, complex)) and not (more and key == ("rot", b"red"))]
    return make(), dict(model), odd


def test_lookups_answer_as_a_dict_does(maps):
    found, model, odd = maps
    default = object()
    for key in odd:
        assert (key in found) is (key in model), key
        assert found.get(key) == model.get(key), key
        assert found.get(key, default) == model.get(key, default), key
        assert found.get_str(key, default) == (model[key].decode() if key in model else default), key
        try:
            value = found[key]
        except shmap.KeyMissingError as error:
            assert key not in model, key
            assert error.args == (key,) or key != key
        else:
            assert value == model[key], key
    if not isinstance(found, shmap.RbTree):
        assert found.get_many(odd) == [model.get(key) for key in odd]


def test_views_and_comparisons_answer_as_those_of_a_dict(maps):
    found, model, odd = maps
    assert found == model and not found != model
    for key in odd:
        assert (key in found.keys()) is (key in model.keys()), key
        assert (key in found.values()) is (key in model.values()), key
        for item in (key, (key,), (key, b"one"), (key, b"red"), (key, key), (key, 1, 2), [key, b"one"]):
            assert (item in found.items()) is (item in model.items()), item
        assert (found == {key: b"one"}) is (model == {key: b"one"}), key
        assert found != key
        assert list(found).count(key) == list(model).count(key), key
    hashable = set(odd)
    assert found.keys() & hashable == model.keys() & hashable
    assert found.keys().isdisjoint(hashable) is model.keys().isdisjoint(hashable)
    assert (found.keys() <= hashable) is (model.keys() <= hashable)
    assert (found.keys() == hashable) is (model.keys() == hashable) is False


def test_what_has_no_hash_raises_as_in_a_dict(maps):
    found, model, _ = maps
    for key in UNHASHABLE:
        try:
            hash(key)
        except TypeError:
            pass
        else:
            continue
        for look in (found.__contains__, found.__getitem__, found.get, found.get_str, lambda key: key in found.keys()):
            with pytest.raises(TypeError, match="unhashable"):
                look(key)
        assert found == model


def test_what_a_keys_own_code_raises_comes_out(maps):
    found, model, _ = maps
    numbers = isinstance(next(iter(model)), int)
    for error in (TypeError("mine"), ZeroDivisionError("mine"), UnicodeError("mine")):
        if numbers:
            for look in (found.__contains__, found.__getitem__, found.get, found.get_str):
                with pytest.raises(type(error), match="mine"):
                    look(Broken(error))
        else:
            assert Broken(error) not in found and found.get(Broken(error)) is None


def test_removing_answers_as_a_dict_does_or_refuses_the_type(maps):
    found, model, odd = maps
    if isinstance(found, shmap.Snapshot):
        return
    default, numbers = object(), isinstance(next(iter(model)), int)
    for key in odd:
        assert found.pop(key, default) == model.pop(key, default), key
        with pytest.raises(KeyError):
            found.pop(key)
        assert found == model, key
        if isinstance(key, (int, float) if numbers else (str, bytes)) and key == key and key not in (1.5, float("inf")):
            continue
        with pytest.raises(TypeError):
            del found[key]
    assert found == model


def test_nothing_is_stored_under_a_key_of_another_type(maps):
    found, model, odd = maps
    if isinstance(found, shmap.Snapshot):
        return
    own = int if isinstance(next(iter(model)), int) else (str, bytes)
    for key in [*odd, *UNHASHABLE, decimal.Decimal(1)]:
        if isinstance(key, own):
            continue
        for store in (
            lambda key=key: found.__setitem__(key, b"x"),
            lambda key=key: found.update([(key, b"x")]),
            lambda key=key: found.setdefault(key, b"x") if key not in (0, 1, -1, -(2**63)) else found.__setitem__(key, b"x"),
        ):
            with pytest.raises(TypeError):
                store()
        assert found == model
