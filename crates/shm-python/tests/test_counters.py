"""Counters: values of eight bytes that are read, set and added to as numbers."""

import struct

import pytest
import shmap


@pytest.fixture
def table():
    with shmap.Table("hits") as table:
        yield table


def test_a_counter_begins_when_it_is_first_added_to(table):
    assert table.increment(1) == 1
    assert table.increment(1, 5) == 6
    assert table.increment(1, by=-10, initial=1000) == -4
    assert table.increment(2, initial=100) == 101
    assert table.increment(3, by=0) == 0
    assert {key: table.get_int(key) for key in table} == {1: -4, 2: 101, 3: 0}
    assert table.fetch_add(2, 9) == 101 and table.get_int(2) == 110


def test_a_number_as_a_value_is_a_counter(table):
    table[9] = 0
    assert table.get_int(9) == 0 and table[9] == bytes(8)
    table[9] = -2
    assert table[9] == struct.pack("<q", -2)
    assert table.increment(9) == -1
    table.add(10, 7)
    table.replace(10, 8)
    assert table.compare_exchange(10, 8, 2**63 - 1) and not table.compare_exchange(10, 8, 9)
    assert table.get_int(10) == 2**63 - 1
    table.update({11: 1, 12: b"text"})
    assert table.setdefault(11, 5) == struct.pack("<q", 1)
    assert table.get_int(11) == 1 and table[12] == b"text"


def test_counters_wrap(table):
    table[1] = 2**63 - 1
    assert table.increment(1) == -(2**63) == table.get_int(1)


def test_absent_counters(table):
    assert table.get_int(1) is None and table.get_int(1, 0) == 0 and table.get_int(2**70) is None
    assert table.get_int("x", default=5) == 5
    with pytest.raises(shmap.KeyMissingError):
        table.fetch_add(1)
    assert len(table) == 0


@pytest.mark.parametrize("value", [b"", b"seven b", b"nine byte"])
def test_what_is_no_counter(table, value):
    table[1] = value
    for call in (lambda: table.get_int(1), lambda: table.increment(1), lambda: table.fetch_add(1)):
        with pytest.raises(shmap.MismatchError, match=f" is {len(value)} bytes long, a counter is 8"):
            call()
    assert table[1] == value


def test_numbers_that_no_counter_has(table):
    table[1] = 5
    for call in (
        lambda: table.__setitem__(1, 2**63),
        lambda: table.add(2, -(2**63) - 1),
        lambda: table.update({1: 6, 2: 2**63}),
        lambda: table.compare_exchange(1, 5, 2**63),
        lambda: table.increment(1, 2**63),
        lambda: table.increment(2, 1, 2**63),
        lambda: table.fetch_add(1, 10**9999),
    ):
        with pytest.raises(shmap.OutOfRangeError, match="out of range: a counter has 64 bits") as caught:
            call()
        assert isinstance(caught.value, OverflowError)
    assert {key: table.get_int(key) for key in table} == {1: 5}


def test_only_an_int_is_a_counter(table):
    for value in (True, False, 1.0, None, 1j):
        with pytest.raises(TypeError, match="^a value must be bytes, str or int, not "):
            table[1] = value
    assert len(table) == 0


def test_values_too_short_for_counters():
    with shmap.Table("short", value_size=7) as table:
        for call in (table.increment, table.fetch_add):
            with pytest.raises(shmap.MismatchError, match="values of at least 8 bytes, this table has 7"):
                call(1, 1)
        with pytest.raises(shmap.ValueTooLongError, match="is 8 bytes long, at most 7 fit; an int is a counter, which has 8 bytes"):
            table[1] = 5
        assert len(table) == 0


def test_counters_of_text_keys_and_of_another_process(python):
    source = """
import shmap, sys
with shmap.Table("pages", keys=str) as pages:
    for _ in range(1000):
        pages.increment("/index.html")
"""
    with shmap.Table("pages", keys=str) as pages:
        pages["/index.html"] = 10
        python(source)
        assert pages.get_int("/index.html") == 1010


def test_a_full_table_takes_no_more_counters():
    with shmap.Table("one", capacity=1) as table:
        table.increment(1)
        with pytest.raises(shmap.FullError):
            table.increment(2)
        assert table.increment(1) == 2
