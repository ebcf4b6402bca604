"""Subinterpreters, which the module refuses, and interpreters without a lock."""

import sysconfig

import pytest

#: What runs in the main interpreter, around a subinterpreter that imports the module and ends.
SCRIPT = """
import gc, os, sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

# Of the kind that shares the lock, as `Py_NewInterpreter` makes them; `own` has one of its own.
def new(own):
    if sys.version_info >= (3, 13):
        return interpreters.create("isolated" if own else "legacy")
    if sys.version_info >= (3, 10):
        return interpreters.create(isolated=own)
    return interpreters.create()

INSIDE = '''
try:
    import shmap
except ImportError as error:
    outcome = str(error)
else:
    outcome = "it was imported"
import os
os.write({pipe}, outcome.encode() + b"|")
import sys
assert "shmap" not in sys.modules and "shmap._shmap" not in sys.modules
'''

def subinterpreter(own):
    reader, writer = os.pipe()
    made = new(own)
    run = getattr(interpreters, "run_string", None) or interpreters.exec
    failed = run(made, INSIDE.format(pipe=writer))
    assert not failed, failed
    interpreters.destroy(made)
    gc.collect()
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return pipe.read()

def use():
    import shmap
    for call, error in [
        (lambda: shmap.Table.open("missing"), shmap.NotFoundError),
        (lambda: shmap.Snapshot("missing"), FileNotFoundError),
        (lambda: shmap.RbTree()["missing"], shmap.KeyMissingError),
        (lambda: shmap.Table("a/b"), shmap.InvalidNameError),
        (lambda: shmap.RbTree({1: "x"}), TypeError),
        (lambda: shmap.RbTree({"a": "\\ud800"}), UnicodeEncodeError),
    ]:
        try:
            call()
        except error:
            pass
        else:
            raise AssertionError(error)
    shmap.RbTree({"a": "b"}).share("words", force=True)
    with shmap.Snapshot("words") as snapshot, shmap.Table("words", keys=str) as table:
        table["c"] = "d"
        assert list(snapshot.items()) == [("a", b"b")] and table.entries() == [("c", b"d")]
        assert snapshot.path.name == "shmap.words.snapshot" and not snapshot.wait_for_update(0)

for step in STEPS:
    outcome = use() if step == "use" else subinterpreter(own=step == "own")
    if step == "shared":
        assert "works in the main interpreter only" in outcome, outcome
    elif step == "own":
        # Before Python 3.12, there is no such kind, and from it on Python itself refuses.
        assert "subinterpreter" in outcome, outcome
print("done")
"""


@pytest.mark.parametrize(
    "steps",
    [
        ["use", "shared", "use"],
        ["shared", "use"],
        ["shared", "shared", "use", "shared", "shared", "use"],
        ["own", "use", "own", "shared", "use"],
    ],
    ids=" ".join,
)
def test_a_subinterpreter_is_refused_and_the_main_one_works_on(python, steps):
    assert python(f"STEPS = {steps!r}\n{SCRIPT}") == "done"


def test_a_second_import_works(python):
    """As by a test that empties `sys.modules`: the exceptions are those of the newest import."""
    source = """
import sys
import shmap
try:
    shmap.RbTree()["missing"]
except shmap.KeyMissingError:
    pass
for name in [name for name in sys.modules if name.partition(".")[0] == "shmap"]:
    del sys.modules[name]
before = shmap
import shmap
assert shmap is not before
try:
    shmap.RbTree()["missing"]
except shmap.KeyMissingError:
    print("found")
"""
    assert python(source) == "found"


def test_without_the_interpreters_lock_it_does_not_load(python):
    """Such interpreters do not load the wheel at all; this is for who builds for one and switches the lock off."""
    script = """
import sys
sys._is_gil_enabled = lambda: {enabled}
try:
    import shmap
except ImportError as error:
    assert "lock" in str(error), error
else:
    assert {enabled}
"""
    for enabled in (True, False):
        python(script.format(enabled=enabled))


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this is no free-threaded build of Python"
)
def test_a_free_threaded_build_works_with_its_lock(python):
    assert python("import sys, warnings; warnings.simplefilter('ignore'); import shmap; print(sys._is_gil_enabled())") == "True"
