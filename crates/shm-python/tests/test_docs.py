"""What `help` says: of everything, and what the stubs say."""

import ast
import doctest
import inspect
import pathlib

import callables
import pytest
import shmap
import shmap.sharedmap as sharedmap

FOLDER = pathlib.Path(shmap.__file__).parent
STUBS = {"_Iterator": "Entries", "_Cursor": "Cursor"}


def stubbed():
    """The descriptions in the stubs, by the names that `callables` has."""
    found = {}
    for file in ("__init__.pyi", "sharedmap.pyi"):
        for node in ast.parse((FOLDER / file).read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                name = STUBS.get(node.name, node.name)
                found[name] = ast.get_docstring(node)
            if isinstance(node, ast.ClassDef):
                for member in node.body:
                    if isinstance(member, ast.FunctionDef):
                        key = f"{name}.{member.name}"
                        found[key] = found.get(key) or ast.get_docstring(member)
    return found


def runtime(name):
    cls, _, member = name.partition(".")
    thing = {**callables.classes(), **callables.functions()}[cls]
    return inspect.getdoc(getattr(thing, member) if member else thing)


STUBBED = stubbed()
DESCRIBED = [name for name in callables.public() if not name.rpartition(".")[2].startswith("__")]
DESCRIBED += callables.classes()


@pytest.mark.parametrize("name", DESCRIBED)
def test_help_says_what_the_stub_says(name):
    cls, _, member = name.partition(".")
    said = runtime(name)
    assert said and len(said) > 5
    if name in STUBBED:
        assert said == STUBBED[name]
    else:
        # What `collections.abc` gives.
        assert member in ("keys", "items", "values", "pop", "popitem", "setdefault"), "not in the stub"


@pytest.mark.parametrize("name", [f"{cls}.__new__" for cls in ("Table", "Snapshot", "RbTree")])
def test_help_of_a_constructor_says_what_the_stub_says(name):
    assert runtime(name) == STUBBED[name]


@pytest.mark.parametrize("cls", ["Table", "Snapshot", "RbTree", "rbtree"])
def test_the_example_of_a_class_is_true(cls):
    example = runtime(cls)
    if cls == "rbtree":
        example += "\n\n" + runtime("sharedmap")
    names = {**vars(shmap), "rbtree": sharedmap.rbtree, "sharedmap": sharedmap.sharedmap}
    [test] = [doctest.DocTestParser().get_doctest(example, names, cls, None, 0)]
    assert test.examples
    runner = doctest.DocTestRunner()
    assert runner.run(test).failed == 0


def test_every_exception_says_when():
    errors = [value for value in vars(shmap).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert len(errors) >= 18
    for error in errors:
        assert issubclass(error, shmap.Error) and error.__doc__ and "." in error.__doc__


def test_of_equal_keys_the_last_one_counts():
    with shmap.Table("twice") as table:
        table.upsert_many([(1, b"first"), (1, b"last")])
        assert table[1] == b"last"
    assert shmap.RbTree([("a", "first"), ("a", "last")])["a"] == b"last"
