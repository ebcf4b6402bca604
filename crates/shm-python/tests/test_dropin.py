"""`import shmap.sharedmap as sharedmap` in place of `import sharedmap`."""

import pickle

import pytest
import shmap.sharedmap as sharedmap


def filled():
    tree = sharedmap.rbtree()
    assert tree.set("aaa", "323") is True
    tree.set("zb", "1233")
    tree.set("tes", "32z")
    tree.set("红", "32是")
    return tree


def test_the_originals_example():
    tree = filled()
    assert tree.get("tes") == "32z"
    assert tree.share("test:3325", force=True) is True
    assert sharedmap.sharedmap("test:3325").get("红") == "32是"


def test_a_missing_key_is_none():
    tree = filled()
    tree.share("words")
    assert tree.get("x") is None and sharedmap.sharedmap("words").get("x") is None
    assert sharedmap.rbtree().get("x") is None


def test_an_existing_name_needs_force():
    tree = filled()
    tree.share("words")
    tree.set("aaa", "changed")
    for refused in (lambda: tree.share("words"), lambda: tree.share("words", False), lambda: tree.share("words", force=0)):
        with pytest.raises(OSError) as caught:
            refused()
        assert isinstance(caught.value, FileExistsError)
        assert caught.value.filename.endswith("shmap.words.snapshot")
    assert sharedmap.sharedmap("words").get("aaa") == "323"
    tree.share("words", 1)
    assert sharedmap.sharedmap("words").get("aaa") == "changed"


def test_a_missing_name_is_an_os_error():
    with pytest.raises(OSError) as caught:
        sharedmap.sharedmap("nothing")
    assert isinstance(caught.value, FileNotFoundError)


def test_removal_is_static_and_old_readers_go_on():
    filled().share("words")
    reader = sharedmap.sharedmap("words")
    assert sharedmap.rbtree.remove("words") is True
    assert sharedmap.rbtree.remove("words") is False
    assert reader.get("zb") == "1233"
    with pytest.raises(FileNotFoundError):
        sharedmap.sharedmap("words")
    filled().share("words")


def test_what_broke_the_original():
    empty = sharedmap.rbtree()
    empty.share("empty")
    assert sharedmap.sharedmap("empty").get("x") is None
    tree = filled()
    assert tree.dump() == tree.dump()
    assert isinstance(tree.dump(), bytes)
    tree.set("nul\0inside", "a\0b")
    assert tree.get("nul\0inside") == "a\0b"


def test_other_processes_read_it(python):
    filled().share("words")
    source = "import shmap.sharedmap as sharedmap; print(sharedmap.sharedmap('words').get('zb'))"
    assert python(source) == "1233"


def test_it_pickles_by_name():
    filled().share("words")
    assert pickle.loads(pickle.dumps(sharedmap.sharedmap("words"))).get("zb") == "1233"


def test_a_tree_pickles_by_its_contents():
    tree = filled()
    copy = pickle.loads(pickle.dumps(tree))
    assert copy.dump() == tree.dump() and copy.get("红") == "32是"
    copy.set("zb", "changed")
    assert tree.get("zb") == "1233"


def test_types_that_are_neither_text_nor_bytes():
    tree = filled()
    for call in (lambda: tree.set(1, "x"), lambda: tree.set("x", 1), lambda: tree.get(None), lambda: tree.share(1)):
        with pytest.raises(TypeError):
            call()
