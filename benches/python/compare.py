"""The Python package and its peers, in one run: `cargo xtask python --bench`.

Every contender answers the same random hits with keys that are new string objects, touches the value, and is
measured in rounds that take turns, each round in another order, in stretches of a millisecond, of which the median
counts: so whatever else the machine does falls on all, or on none. Building is one process' work and is counted in its processor time.
A contender that is too slow for the whole of a round does as much as fits its time. Prints Markdown.
"""

import argparse
import ctypes
import importlib
import importlib.metadata
import multiprocessing
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
import warnings

import shmap
import shmap.sharedmap

warnings.filterwarnings("ignore")
PEERS = {"sharedmap": "sharedmap", "UltraDict": "UltraDict", "shared_memory_dict": "shared-memory-dict", "lmdb": "lmdb"}
absent = {}


def load(module):
    """A peer, or None and the reason."""
    reason = os.environ.get(f"PEER_{module}")
    try:
        return importlib.import_module(module)
    except Exception as error:  # noqa: BLE001: whatever a peer raises is the reason
        absent[module] = reason or f"{type(error).__name__}: {error}"
        return None


def fresh(keys):
    """New objects, as keys that were just read from somewhere are."""
    return [key.encode().decode() for key in keys]


def timed(call, budget=1.0):
    """A function that calls with one key after the other until the time is over, and returns samples.

    A sample is the nanoseconds a call took, over a stretch of calls that lasts a millisecond or so.
    """

    def measure(keys):
        samples, done, step, begin = [], 0, 1, time.perf_counter_ns()
        while done < len(keys):
            some = keys[done : done + step]
            start = time.perf_counter_ns()
            for key in some:
                call(key)
            took = time.perf_counter_ns() - start
            done += len(some)
            if took >= 1e6 or done >= len(keys):
                samples.append(took / len(some))
            else:
                step *= 2
            if start + took - begin > budget * 1e9:
                break
        return samples

    return measure


def median_of(contenders, keys, rounds, notes):
    """The median sample of each contender; one that needs a tenth of a second a key has one round.

    They take turns, in another order each round: who comes first finds colder caches than who comes after one that read the
    same memory.
    """
    found = {name: [] for name in contenders}
    order = random.Random(rounds)
    for _ in range(rounds):
        for name, measure in order.sample(list(contenders.items()), len(contenders)):
            if name in found and (not found[name] or min(found[name]) < 1e8):
                try:
                    found[name] += measure(keys)
                except Exception as error:  # noqa: BLE001
                    notes.append(f"{name}: {type(error).__name__}: {str(error)[:120]}")
                    del found[name]
    return {name: statistics.median(samples) for name, samples in found.items()}


class Bench:
    def __init__(self, n, rounds):
        self.n, self.rounds, self.closers, self.notes = n, rounds, [], []
        self.entries = {f"user:{number * 2654435761 % 2**32:08x}": f"value-{number}" for number in range(n)}
        self.keys = list(self.entries)
        random.Random(7).shuffle(self.keys)
        self.name = f"bench-{os.getpid()}-{n}"

    def close(self):
        for closer in reversed(self.closers):
            closer()

    def attempt(self, name, make, into):
        try:
            into[name] = make()
        except Exception as error:  # noqa: BLE001
            self.notes.append(f"{name}, {self.n:,} keys: {type(error).__name__}: {str(error)[:120]}")

    # Building and publishing

    def built(self):
        """Milliseconds of processor time to build from a Python dictionary and to publish, the best of the rounds."""
        contenders = {"`shmap.RbTree`": self.build_tree, "`shmap.sharedmap`": lambda: self.build(shmap.sharedmap)}
        if theirs is not None:
            contenders["PyPI `sharedmap`"] = lambda: self.build(theirs)
        found = {name: float("inf") for name in contenders}
        for _ in range(self.rounds):
            for name, build in contenders.items():
                start = time.process_time()
                build()
                found[name] = min(found[name], (time.process_time() - start) * 1e3)
        return found

    def build(self, module):
        tree = module.rbtree()
        put = tree.set
        for key, value in self.entries.items():
            put(key, value)
        tree.share(self.name, force=True)

    def build_tree(self):
        shmap.RbTree(self.entries).share(self.name, force=True)

    # Reading

    def looked_up(self):
        self.build(shmap.sharedmap)
        contenders = {"`dict`": timed(self.entries.get)}
        snapshot = shmap.Snapshot(self.name)
        self.closers.append(snapshot.close)
        contenders["`shmap.Snapshot.get`"] = timed(snapshot.get)
        contenders["`shmap.sharedmap`"] = timed(shmap.sharedmap.sharedmap(self.name).get)
        self.table = shmap.Table(self.name, keys=str, key_size=16, capacity=self.n, value_size=32)
        self.table.update(self.entries)
        self.closers += [self.table.close, self.table.unlink]
        contenders["`shmap.Table.get`"] = timed(self.table.get)
        if theirs is not None:
            self.build(theirs)
            self.closers.append(lambda: theirs.rbtree.remove(self.name))
            contenders["PyPI `sharedmap`"] = timed(theirs.sharedmap(self.name).get)
        for name, make in self.peers().items():
            self.attempt(name, make, contenders)
        keys = self.keys[:200_000]
        return median_of(contenders, fresh(keys) * max(1, 100_000 // len(keys)), self.rounds, self.notes)

    def peers(self):
        found = {"`Manager().dict()`": self.manager}
        if lmdb is not None:
            found["lmdb, one transaction"] = self.lmdb
            found["lmdb, one a get"] = lambda: timed(self.lmdb_get)
        if ultradict is not None:
            found["UltraDict"] = self.ultradict
        if smd is not None:
            found["shared-memory-dict"] = self.shared_memory_dict
        return found

    def manager(self):
        manager = multiprocessing.get_context("spawn").Manager()
        self.closers.append(manager.shutdown)
        self.managed = manager.dict(self.entries)
        return timed(self.managed.get)

    def lmdb(self):
        path = f"{os.environ['SHMAP_DIR']}/lmdb-{self.n}"
        self.env = lmdb.open(path, map_size=1 << 30, sync=False, writemap=True)
        self.closers.append(self.env.close)
        with self.env.begin(write=True) as transaction:
            for key, value in self.entries.items():
                transaction.put(key.encode(), value.encode())
        self.reading = self.env.begin()
        self.closers.append(self.reading.abort)
        get = self.reading.get
        return timed(lambda key: get(key.encode()))

    def lmdb_get(self, key):
        with self.env.begin() as transaction:
            return transaction.get(key.encode())

    def ultradict(self):
        size = 1 << 20 if self.n <= 10_000 else 1 << 28
        self.ultra = ultradict.UltraDict(dict(self.entries), name=self.name, buffer_size=size, full_dump_size=size)
        self.closers += [self.ultra.unlink, self.ultra.close]
        return timed(self.ultra.get)

    def shared_memory_dict(self):
        self.whole = smd.SharedMemoryDict(name=self.name + "-smd", size=64 * self.n + 4096)
        self.closers += [self.whole.shm.unlink, self.whole.shm.close]
        self.whole.update(self.entries)
        # It decodes the whole dictionary at every call.
        return timed(self.whole.get, budget=0.3)

    # Writing

    def written(self):
        contenders = {"`shmap.Table[...] =`": self.writer(self.table)}
        for name, attribute in (("`Manager().dict()`", "managed"), ("UltraDict", "ultra")):
            if hasattr(self, attribute):
                contenders[name] = self.writer(getattr(self, attribute))
        if hasattr(self, "env"):
            # A transaction that reads keeps all pages that it may still read.
            self.reading.abort()
            contenders["lmdb, one a put"] = timed(self.lmdb_put, budget=0.5)
        if hasattr(self, "whole"):
            contenders["shared-memory-dict"] = self.writer(self.whole, budget=0.3)
        keys = self.keys[:20_000]
        return median_of(contenders, fresh(keys) * max(1, 20_000 // len(keys)), self.rounds, self.notes)

    def writer(self, mapping, budget=0.5):
        def put(key):
            mapping[key] = "new value"

        return timed(put, budget)

    def lmdb_put(self, key):
        with self.env.begin(write=True) as transaction:
            transaction.put(key.encode(), b"new value")


def shown(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def table(title, unit, results):
    print(f"\n## {title}, {unit}\n")
    sizes = list(results)
    names = list(dict.fromkeys(name for found in results.values() for name in found))
    print("| | " + " | ".join(f"{n:,} keys" for n in sizes) + " |")
    print("|---|" + "--:|" * len(sizes))
    for name in names:
        cells = [shown(results[n][name]) if name in results[n] else "–" for n in sizes]
        print(f"| {name} | " + " | ".join(cells) + " |")


def bar(what, results, n, peer, ours, least):
    found = results.get(n, {})
    if peer not in found:
        print(f"| {what} | {least}× | no such peer in this run |")
        return True
    ratio = found[peer] / found[ours]
    print(f"| {what} | {least}× | {ratio:.1f}×{'' if ratio >= least else ', **missed**'} |")
    return ratio >= least


def bars(built, looked_up):
    print("\n## Bars\n\n| what | at least | found |\n|---|--:|--:|")
    met = True
    top = max(looked_up)
    met &= bar(f"`Snapshot.get` over PyPI `sharedmap`, {top:,} keys", looked_up, top, "PyPI `sharedmap`", "`shmap.Snapshot.get`", 5)
    for ours in ("`shmap.RbTree`", "`shmap.sharedmap`"):
        met &= bar(f"build and share, {ours} over PyPI `sharedmap`, {top:,} keys", built, top, "PyPI `sharedmap`", ours, 3)
    for n in looked_up:
        met &= bar(f"`Table.get` over `Manager().dict()`, {n:,} keys", looked_up, n, "`Manager().dict()`", "`shmap.Table.get`", 20)
        met &= bar(f"`Table.get` over UltraDict, {n:,} keys", looked_up, n, "UltraDict", "`shmap.Table.get`", 3)
    return met


def main():
    global theirs, ultradict, smd, lmdb
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--keys", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--strict", action="store_true", help="exit code 1 when a bar is missed")
    arguments = arguments.parse_args()
    theirs, ultradict, smd, lmdb = (load(module) for module in PEERS)

    # The original takes the segment of number 0 for none and can then never replace it: have another be that.
    libc = ctypes.CDLL(None)
    placeholder = libc.shmget(0, 4096, 0o600)
    root = "/dev/shm" if os.path.isdir("/dev/shm") else None
    os.environ["SHMAP_DIR"] = tempfile.mkdtemp(prefix="shmap-bench-", dir=root)
    built, looked_up, written, notes = {}, {}, {}, []
    try:
        for n in arguments.keys:
            print(f"{n:,} keys …", file=sys.stderr)
            bench = Bench(n, arguments.rounds)
            try:
                built[n] = bench.built()
                looked_up[n] = bench.looked_up()
                written[n] = bench.written()
            finally:
                notes += bench.notes
                bench.close()
    finally:
        shutil.rmtree(os.environ["SHMAP_DIR"])
        if placeholder >= 0:
            libc.shmctl(placeholder, 0, None)

    print("# The Python package and its peers\n")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}.")
    versions = [f"{name} {importlib.metadata.version(name)}" for module, name in PEERS.items() if module not in absent]
    print(f"shmap {importlib.metadata.version('shmap')}; {', '.join(versions)}.")
    print(f"{arguments.rounds} rounds that take turns. Load average at the end: {os.getloadavg()[0]:.1f}.")
    for module, reason in absent.items():
        print(f"\nNot here: {PEERS[module]}: {reason}")
    for note in notes:
        print(f"\nNot measured: {note}")
    table("Build and share", "milliseconds of processor time", built)
    table("One lookup, a random hit", "nanoseconds", looked_up)
    table("One write, of a key that is there", "nanoseconds", written)
    met = bars(built, looked_up)
    return 0 if met or not arguments.strict else 1


if __name__ == "__main__":
    sys.exit(main())
