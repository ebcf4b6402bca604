"""What the package says of itself."""

import importlib.metadata
import inspect
import pydoc

import pytest
import shmap


def test_the_version():
    assert shmap.__version__ == importlib.metadata.version("shmap")


def test_help_shows_modes_as_ls_does():
    for call in (shmap.Table, shmap.Table.create):
        assert "mode=0o600" in str(inspect.signature(call))
    shown = pydoc.render_doc(shmap.Table, renderer=pydoc.plaintext)
    assert "mode=0o600" in shown and "384" not in shown
    assert inspect.signature(shmap.Table).parameters["mode"].default == 0o600


def test_help_of_increment_has_its_defaults():
    assert str(inspect.signature(shmap.Table.increment)) == "(self, /, key, by=1, initial=0)"
    assert str(inspect.signature(shmap.Table.get_int)) == "(self, /, key, default=None)"


def test_names_of_a_namespace(namespace):
    assert shmap.names() == []
    shmap.Table("both").close()
    shmap.Table("alone", keys=str).close()
    shmap.RbTree({"a": "b"}).share("both")
    open(f"{namespace}/something else", "w").close()
    expected = [("alone", "table"), ("both", "snapshot"), ("both", "table")]
    assert sorted(shmap.names()) == sorted(shmap.names(namespace=namespace)) == expected
    shmap.remove("both")
    assert sorted(shmap.names()) == [("alone", "table"), ("both", "table")]
    with pytest.raises(shmap.NotFoundError):
        shmap.names(namespace=f"{namespace}/nowhere")
