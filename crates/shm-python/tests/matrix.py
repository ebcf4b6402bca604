"""What the matrices of bad input are made of: outcomes, and running a cell."""

import os
import stat
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import shmap


@dataclass(frozen=True)
class Raises:
    """The call is refused: by an exception of all these classes, whose message has this fragment. Nothing is changed."""

    classes: tuple
    text: str
    errno: Any = None
    #: Why the bytes of a table are not compared: what a dropped change leaves where no reader looks.
    marks: str = ""


@dataclass(frozen=True)
class Works:
    """The fault does not keep the call from doing what it does."""

    why: str
    changes: bool = False


@dataclass(frozen=True)
class Warns:
    """The call does what it does, as far as it can, with a warning that has this fragment."""

    text: str
    changes: bool = False


@dataclass(frozen=True)
class Survives:
    """Any result, or an error among these; no crash, no change."""

    why: str
    classes: tuple


@dataclass(frozen=True)
class Not:
    """The fault cannot meet the call."""

    why: str


def column(*parts):
    """One fault's outcomes, by callable: each part is an outcome and, by class, the names that have it."""
    outcomes = {}
    for outcome, names in parts:
        for group in names:
            cls, _, members = group.partition(": ")
            for member in members.split() or [""]:
                name = f"{cls}.{member}" if member else cls
                assert name not in outcomes, f"{name} has two rows"
                outcomes[name] = outcome
    return outcomes


def picture(namespace, bytes_too=True):
    """Every file of a namespace: mode, and bytes or length."""
    found = {}
    for entry in sorted(os.listdir(namespace)):
        if entry.startswith("shmap.other."):
            # What the calls of the tests themselves need.
            continue
        path = f"{namespace}/{entry}"
        status = os.stat(path)
        if bytes_too and stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                found[entry] = (status.st_mode, file.read())
        else:
            found[entry] = (status.st_mode, status.st_size)
    return found


def without_records(content):
    """A file without its records, which say who has taken the lock, not what came of it."""
    if not isinstance(content, bytes) or content[:8] != b"SHMAPSEG":
        return content
    records = int.from_bytes(content[176:184], sys.byteorder)
    end = min(640 + 128 * (records + 256), int.from_bytes(content[16:20], sys.byteorder), len(content))
    return content[:640] + content[end:]


def check(outcome, call):
    """Calls, and compares with what was to come of it."""
    if isinstance(outcome, Works):
        call()
    elif isinstance(outcome, Warns):
        with pytest.warns(RuntimeWarning, match=outcome.text):
            call()
    elif isinstance(outcome, Survives):
        try:
            call()
        except outcome.classes:
            pass
    else:
        with pytest.raises(outcome.classes[0]) as caught:
            call()
        error = caught.value
        for cls in outcome.classes:
            assert isinstance(error, cls), repr(error)
        assert outcome.text in str(error), str(error)
        if outcome.errno is not None:
            assert error.errno == outcome.errno and error.filename, repr(error)
        assert isinstance(error, shmap.Error) or outcome.classes == (type(error),), repr(error)


def cell(namespace, outcome, call, run=check):
    """As `check`, and nothing is changed by what is refused."""
    exact = not (isinstance(outcome, Raises) and outcome.marks)
    before = picture(namespace, exact)
    run(outcome, call)
    if not (isinstance(outcome, (Works, Warns)) and outcome.changes):
        after = picture(namespace, exact)
        assert after.keys() == before.keys()
        for name in before:
            (mode, content), (mode_before, before_it) = after[name], before[name]
            assert mode == mode_before, f"the mode of {name} was changed"
            assert without_records(content) == without_records(before_it), f"{name} was changed"
