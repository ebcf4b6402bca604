"""Not run but checked: `mypy --strict` must agree with each annotation, and with each of the marked refusals."""

from collections.abc import Mapping, MutableMapping
from typing import Literal, Optional, Union

import shmap
import shmap.sharedmap as sharedmap

numbers: shmap.Table[int] = shmap.Table("numbers")
words: shmap.Table[str] = shmap.Table("words", keys=str, capacity=10, max_capacity=100)
opened: shmap.Table[str] = shmap.Table.open("words", keys=str, read_only=True)
as_mutable: MutableMapping[int, bytes] = numbers

value: bytes = numbers[1]
maybe: Optional[bytes] = numbers.get(1)
certain: bytes = numbers.get(1, b"")
text: Optional[str] = numbers.get_str(1)
numbers[1] = b"bytes"
numbers[2] = "text"
numbers.update({3: "three"})
several: list[Optional[bytes]] = numbers.get_many([1, 2])
edition: int = numbers.freeze("frozen", force=True)
with shmap.Table("words", keys=str) as table:
    entries: list[tuple[str, bytes]] = table.entries()

numbers[3] = 5
numbers.update({3: 6})
count: int = numbers.increment(3, by=2, initial=10)
counter: Optional[int] = numbers.get_int(3)
some: int = numbers.get_int(3, 0)
raw_keys: shmap.Table[bytes] = shmap.Table("raw", keys=bytes)
version: str = shmap.__version__

seen: bytes = numbers.version(3)
newer: Optional[bytes] = numbers.wait(3, seen, timeout=0.5)
with_version: tuple[Optional[bytes], bytes] = numbers.get_with_version(3)
any_newer: Optional[bytes] = words.wait_any(words.table_version(), 1)

sessions: shmap.Table[str] = shmap.Table("sessions", keys=str, ttl=1800, evict=True)
default_ttl: Optional[float] = sessions.default_ttl
was_there: bool = sessions.set("a", b"x", 0.5)
sessions.touch("a", ttl=60)
left: Union[float, Literal["ephemeral"], None] = sessions.ttl("a")
if isinstance(left, float):
    left + 1
stale: Optional[bytes] = sessions.get_stale("a")
stale_or_empty: bytes = sessions.get_stale("a", b"")
sessions.add_ephemeral("b", 1)
visited: int = sessions.expire(1000)
evicted: int = sessions.stats()["evicted"]

pids: list[int] = [writer["pid"] for writer in numbers.writers() if writer["alive"]]
growths: int = numbers.stats()["growths"]



def gone(key: str, value: bytes) -> None: ...


recent: shmap.Table[str] = shmap.Table.open("sessions", keys=str, on_evict=gone)
refused = shmap.Table("recent", evict=True, on_evict=gone)  # type: ignore[arg-type]

numbers["x"] = b""  # type: ignore[index]
words[1]  # type: ignore[index]
numbers[1] = 5.5  # type: ignore[assignment]
numbers.increment(1, by=0.5)  # type: ignore[arg-type]
numbers.set(1, b"", "1 s")  # type: ignore[arg-type]

snapshot: shmap.Snapshot[str] = shmap.Snapshot("words")
frozen: shmap.Snapshot[int] = shmap.Snapshot("frozen", keys=int)
unsigned: shmap.Snapshot[int] = shmap.Snapshot("frozen", keys=int, signed=numbers.signed)
saved: shmap.Snapshot[int] = shmap.Snapshot.open_file("words.avl", keys=int)
raw: shmap.Snapshot[bytes] = shmap.Snapshot("words", keys=bytes)
as_mapping: Mapping[str, bytes] = snapshot
for key, found in snapshot.range("a", "b", inclusive=True):
    pair: tuple[str, bytes] = (key, found)
for number, _ in frozen.items():
    number + 1
cursor = snapshot.cursor()
there: bool = cursor.seek("a")
after: Optional[tuple[str, bytes]] = cursor.next()
before: Optional[tuple[str, bytes]] = cursor.peek_prev()
all_after: list[tuple[str, bytes]] = list(cursor)
number_after: Optional[tuple[int, bytes]] = frozen.cursor().next()
updated: bool = snapshot.wait_for_update(timeout=1.5)
rank: int = snapshot.rank("x")
snapshot["x"] = b""  # type: ignore[index]

tree: shmap.RbTree[str] = shmap.RbTree({"a": "b"})
tree["c"] = b"d"
tree.share("words", force=True, mode=0o444)

drop_in = sharedmap.rbtree()
drop_in.set("a", "b")
original: Optional[str] = sharedmap.sharedmap("words").get("a")
error: type[FileNotFoundError] = shmap.NotFoundError
