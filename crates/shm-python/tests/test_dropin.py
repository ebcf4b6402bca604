"""`import shmap.sharedmap as sharedmap` in place of `import sharedmap`."""

import pickle

import pytest
import shmap
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


def test_entries_count_in_the_order_they_were_set():
    tree, model = sharedmap.rbtree(), {}
    for step in range(300):
        for number in range(step % 7):
            key, value = f"k{step * 7919 % 101 + number}", f"v{step}-{number}"
            assert tree.set(key, value) is True
            model[key] = value
        if step % 5 == 0:
            assert tree.get(f"k{step % 101}") == model.get(f"k{step % 101}")
        if step % 50 == 49:
            tree.share("words", force=True)
            shared = sharedmap.sharedmap("words")
            assert all(shared.get(key) == value for key, value in model.items())
    assert all(tree.get(key) == value for key, value in model.items())
    assert tree.get("no such key") is None


def test_what_was_set_does_not_change_with_its_object():
    tree, key, value = sharedmap.rbtree(), bytearray(b"key"), bytearray(b"value")
    tree.set(key, memoryview(value))
    key[0] = value[0] = ord("X")
    assert tree.get("key") == "value"


def test_a_key_that_is_too_long_is_refused_at_once():
    tree = filled()
    with pytest.raises(shmap.KeyTooLongError):
        tree.set("k" * (1 << 20), "x")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'val'"):
        tree.set("x")
    with pytest.raises(TypeError, match="missing 2 required positional arguments: 'key' and 'val'"):
        tree.set()
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        tree.set("x", "y", "z")
    assert tree.set(val="y", key="x") is True
    assert (tree.get("x"), tree.get("zb")) == ("y", "1233")
