"""The matrix of bad input: for each fault, what comes of each public callable. One column a fault."""

import shmap
from matrix import Not, Raises, Survives, Warns, Works, column

# Groups of names that mostly share their outcomes.
T_FIGURES = (
    "Table: __len__ stats writers capacity max_capacity value_size key_size key_type signed read_only __repr__ default_ttl"
    " evicts"
)
T_LOOKUPS = "Table: __contains__ __getitem__ get get_int get_many get_stale get_str ttl"
T_SCANS = "Table: __eq__ __iter__ entries items keys values"
T_REPLACING = "Table: compare_exchange fetch_add replace replace_many touch"
T_INSERTING = "Table: __setitem__ add add_ephemeral add_many increment load set setdefault update upsert_many"
T_REMOVING = "Table: __delitem__ clear expire pop popitem remove_many"
T_CARE = "Table: recover verify"
T_HANDLE = "Table: __enter__ __exit__ close closed name namespace path timeout"
T_WAITS = "Table: version wait table_version wait_any"
T_READS = [T_FIGURES, T_LOOKUPS, T_SCANS, T_WAITS, "Table: get_with_version"]
T_WRITES = [T_REPLACING, T_INSERTING, T_REMOVING, T_CARE]
S_LOOKUPS = "Snapshot: __contains__ __getitem__ get get_many get_str rank nth prefix range"
S_SCANS = "Snapshot: __eq__ __iter__ __reversed__ items keys values"
S_WHOLE = "Snapshot: dump"
S_FIGURES = "Snapshot: __len__ cursor edition has_hash_index path"
S_HANDLE = "Snapshot: __enter__ __exit__ __repr__ close closed key_type name namespace"
S_READS = [S_LOOKUPS, S_SCANS, S_WHOLE, S_FIGURES]
E_ALL = "Entries: __iter__ __len__ __next__ __reversed__"
C_READS = "Cursor: __iter__ __next__ next peek_next peek_prev prev"
C_PLACES = "Cursor: rank seek_rank"
C_ALL = [C_READS, C_PLACES, "Cursor: seek"]
D_READS = "sharedmap: __repr__ get"
R_READS = (
    "RbTree: __contains__ __eq__ __getitem__ __iter__ __len__ __reduce__ __repr__ dump entries get get_str items key_type"
    " keys values"
)
R_WRITES = "RbTree: __delitem__ __setitem__ clear pop popitem remove set set_many setdefault update"
B_ALL = "rbtree: __reduce__ dump get set"
PRIVATE = ["RbTree: __new__", R_READS, R_WRITES, "rbtree: __new__", B_ALL]

BATCHES = ["Table: add_many load replace_many update upsert_many"]
PUBLISHING = ["RbTree: share", "rbtree: share"]
OPENING_T, OPENING_S, OPENING_D = "Table: open __reduce__", "Snapshot: __new__ __reduce__", "sharedmap: __new__ __reduce__"
LISTS = ["names", "prune"]

NOT_FOUND = Raises((shmap.NotFoundError, FileNotFoundError), "does not exist", 2)
EXISTS = Raises((shmap.AlreadyExistsError, FileExistsError), "exists already", 17)
OTHER_KIND = (shmap.NotFoundError, FileNotFoundError)
WRONG_KIND = (shmap.WrongKindError, TypeError)
CORRUPT = (shmap.CorruptError, ValueError)
#: Of keys, and of values.
NO_TEXT = (shmap.WrongKindError, shmap.NotTextError)
DENIED = (shmap.PermissionDeniedError, PermissionError)
READ_ONLY = Raises((shmap.ReadOnlyError, shmap.PermissionDeniedError), "opened for reading only", 13)
CLOSED_TABLE = Raises((shmap.ClosedError, ValueError), "the table is closed")
CLOSED_SNAPSHOT = Raises((shmap.ClosedError, ValueError), "the snapshot is closed")
VALUE_TOO_LONG = Raises((shmap.ValueTooLongError, ValueError), " is 257 bytes long, at most 256 fit")
IN_MEMORY = Not("it is in private memory")
KEEPS = Works("a handle keeps what it has")
KEEPS_AND_WRITES = Works("a handle keeps what it has", changes=True)
FALSE = Works("false, as in the original")
LISTING = Works("it looks at names, and opens nothing")
MAKES = Works("it makes the name", changes=True)
REPLACES = Works("what is to be replaced or removed is not opened", changes=True)
ELSEWHERE = Works("what it writes has another name", changes=True)
TELLS = Works("that is what it tells")
NO_VALUE = Not("it takes no value")
NO_KEY = Not("it takes no key")
NO_HANDLE = Not("it needs no handle")
NO_FILE = Not("it looks at no file")



def denied(kind):
    """The file of a kind is not for this user."""
    return Raises(DENIED, f'shmap.it.{kind}": Permission denied', 13)


COLUMNS = {
    "missing": column(
        (NOT_FOUND, ["remove", OPENING_T, OPENING_S, OPENING_D, "Snapshot: open_file"]),
        (FALSE, ["rbtree: remove"]),
        (MAKES, ["Table: __new__ create", *PUBLISHING]),
        (ELSEWHERE, ["Table: freeze", "Snapshot: save"]),
        (Works("false: there is none"), ["Table: unlink"]),
        (TELLS, ["Table: is_orphaned", "Snapshot: is_removed"]),
        (Works("nothing newer is there"), ["Snapshot: refresh wait_for_update"]),
        (KEEPS, [*T_READS, *T_WRITES, T_HANDLE, *S_READS, S_HANDLE, "Snapshot: verify", E_ALL, *C_ALL, D_READS]),
        (LISTING, LISTS),
        (IN_MEMORY, PRIVATE),
    ),
    "closed": column(
        (CLOSED_TABLE, [T_FIGURES.replace(" __repr__", "")]),
        (CLOSED_TABLE, [T_LOOKUPS, T_SCANS, T_WAITS, "Table: get_with_version", *T_WRITES, "Table: __reduce__ freeze is_orphaned"]),
        (CLOSED_SNAPSHOT, [*S_READS, "Snapshot: __reduce__ is_removed refresh save verify wait_for_update"]),
        (Works("it says so, or what the handle was"), ["Table: __repr__", T_HANDLE, S_HANDLE]),
        (Works("it goes by the name", changes=True), ["Table: unlink"]),
        (Works("it keeps its edition"), [E_ALL, *C_ALL]),
        (NO_HANDLE, ["Table: __new__ create open", "Snapshot: __new__ open_file", "remove", "rbtree: remove", *LISTS]),
        (Not("it cannot be closed"), [OPENING_D, D_READS, *PRIVATE, *PUBLISHING]),
    ),
    "wrong_kind": column(
        (Raises(WRONG_KIND, "segment is a `snapshot`, expected a `table`"), ["Table: __new__", OPENING_T]),
        (Raises(WRONG_KIND, "segment is a `table`, expected a `snapshot`"), [OPENING_S, OPENING_D]),
        (Raises(WRONG_KIND, "segment is a `table`, expected a `snapshot`"), ["Snapshot: refresh wait_for_update"]),
        (Raises(CORRUPT, "saved\": not a snapshot: the bytes start with"), ["Snapshot: open_file"]),
        (Raises((TypeError,), "argument 'snapshot': expected"), ["Table: load"]),
        (EXISTS, ["Table: create"]),
        (REPLACES, [*PUBLISHING, "remove", "rbtree: remove", "Table: unlink"]),
        (ELSEWHERE, ["Table: freeze", "Snapshot: save"]),
        (TELLS, ["Table: is_orphaned", "Snapshot: is_removed"]),
        (KEEPS, [*T_READS, T_CARE, T_HANDLE, *S_READS, S_HANDLE, "Snapshot: verify", E_ALL, *C_ALL, D_READS]),
        (KEEPS_AND_WRITES, [T_REPLACING, T_REMOVING, T_INSERTING.replace(" load", "")]),
        (LISTING, LISTS),
        (IN_MEMORY, PRIVATE),
    ),
    "other_kind": column(
        (Raises(OTHER_KIND, 'there is no table of the name "it", but a snapshot', 2), [OPENING_T]),
        (Raises(OTHER_KIND, 'there is no snapshot of the name "it", but a table', 2), [OPENING_S, OPENING_D, "remove"]),
        (NOT_FOUND, ["Snapshot: open_file"]),
        (FALSE, ["rbtree: remove"]),
        (MAKES, ["Table: __new__ create", *PUBLISHING]),
        (ELSEWHERE, ["Table: freeze", "Snapshot: save"]),
        (Works("false: there is none"), ["Table: unlink"]),
        (TELLS, ["Table: is_orphaned", "Snapshot: is_removed"]),
        (Works("nothing newer is there"), ["Snapshot: refresh wait_for_update"]),
        (KEEPS, [*T_READS, *T_WRITES, T_HANDLE, *S_READS, S_HANDLE, "Snapshot: verify", E_ALL, *C_ALL, D_READS]),
        (LISTING, LISTS),
        (IN_MEMORY, PRIVATE),
    ),
    "damaged": column(
        (Raises(CORRUPT, "shmap.it.table\": header checksum is wrong"), ["Table: __new__", OPENING_T]),
        (Raises(CORRUPT, "shmap.it.snapshot\": header checksum is wrong"), [OPENING_S, OPENING_D]),
        (Raises(CORRUPT, "saved\": not a snapshot: the bytes start with"), ["Snapshot: open_file"]),
        (Raises(CORRUPT, "shmap.it.snapshot\": not a snapshot: the bytes"), ["Snapshot: refresh wait_for_update"]),
        (Raises(CORRUPT, "shmap.it.snapshot\": damaged map: checksum of the body"), ["Snapshot: verify"]),
        (Raises(CORRUPT, "shmap.it.control\": header checksum is wrong"), PUBLISHING),
        (
            Raises(CORRUPT, "shmap.it.table\": damaged table: length of a value at 0"),
            ["Table: __getitem__ get get_many get_stale get_str get_with_version ttl"],
        ),
        (Raises(CORRUPT, "shmap.it.table\": damaged table: length of a value at 1"), ["Table: get_int"]),
        (
            Raises(CORRUPT, "shmap.it.table\": damaged table: length of a value at 0"),
            ["Table: pop"],
        ),
        (Warns("left out 1024 damaged entries"), [T_SCANS]),
        (Warns("left out 1024 damaged entries", changes=True), ["Table: freeze"]),
        (Raises((KeyError,), ""), ["Table: popitem"]),
        (Works("it repairs", changes=True), ["Table: recover"]),
        (Works("nothing has expired", changes=True), ["Table: expire"]),
        (Raises(CORRUPT, "damaged table: length of a value at 0", marks="for who repairs"), ["Table: verify"]),
        (
            Raises(CORRUPT, "shmap.it.table\": batch member 0: damaged table: free stack", marks="for who repairs"),
            ["Table: add_many load update upsert_many"],
        ),
        (
            Raises(CORRUPT, "shmap.it.table\": damaged table: free stack", marks="for who repairs"),
            ["Table: __setitem__ add add_ephemeral set setdefault"],
        ),
        (
            Raises((shmap.MismatchError, ValueError), " is 256 bytes long, a counter is 8", marks="the thread registers"),
            ["Table: fetch_add increment"],
        ),
        (
            Works("it does not meet the damage"),
            [T_FIGURES, "Table: __contains__", T_WAITS, T_HANDLE, "Table: is_orphaned"],
        ),
        (Works("no damaged value is the expected one; the thread registers", changes=True), ["Table: compare_exchange"]),
        (
            Works("it writes over the damage", changes=True),
            ["Table: __delitem__ clear remove_many replace replace_many touch"],
        ),
        (EXISTS, ["Table: create"]),
        (REPLACES, ["remove", "rbtree: remove", "Table: unlink"]),
        (
            Survives("only `verify` looks at all", (*CORRUPT, KeyError, IndexError, *NO_TEXT)),
            [S_LOOKUPS, S_SCANS],
        ),
        (Survives("only `verify` looks at all", (*CORRUPT, *NO_TEXT)), [E_ALL, C_READS, "Cursor: seek", "sharedmap: get"]),
        (
            Works("it does not look at the bytes"),
            [S_WHOLE, S_FIGURES, S_HANDLE, "Snapshot: is_removed", C_PLACES, "sharedmap: __repr__"],
        ),
        (ELSEWHERE, ["Snapshot: save"]),
        (LISTING, LISTS),
        (IN_MEMORY, PRIVATE),
    ),
    "not_permitted": column(
        (denied("table"), ["Table: __new__ open __reduce__ unlink"]),
        (denied("snapshot"), [OPENING_S, OPENING_D, "Snapshot: refresh wait_for_update"]),
        (denied("control"), ["remove", "rbtree: remove"]),
        (Raises(DENIED, "\": Permission denied", 13), ["Snapshot: open_file", *LISTS]),
        (Raises(DENIED, "cannot create a file in \"/", 13), [*PUBLISHING, "Table: freeze", "Snapshot: save"]),
        (EXISTS, ["Table: create"]),
        (KEEPS, [*T_READS, T_CARE, T_HANDLE, *S_READS, S_HANDLE, "Snapshot: verify is_removed", E_ALL, *C_ALL, D_READS]),
        (KEEPS, ["Table: is_orphaned"]),
        (KEEPS_AND_WRITES, [T_REPLACING, T_INSERTING, T_REMOVING]),
        (IN_MEMORY, PRIVATE),
    ),
    "read_only": column(
        (READ_ONLY, T_WRITES),
        (Works("it writes nothing"), [*T_READS, T_HANDLE, "Table: __reduce__ is_orphaned"]),
        (ELSEWHERE, ["Table: freeze"]),
        (Works("it removes a name, which the directory allows", changes=True), ["Table: unlink"]),
        (
            Not("only handles of tables may be for reading alone"),
            ["Table: __new__ create open", OPENING_S, "Snapshot: open_file"],
        ),
        (
            Not("only handles of tables may be for reading alone"),
            [*S_READS, S_HANDLE, "Snapshot: is_removed refresh save verify wait_for_update"],
        ),
        (
            Not("only handles of tables may be for reading alone"),
            [E_ALL, *C_ALL, OPENING_D, D_READS, *PUBLISHING, "remove", "rbtree: remove", *LISTS, *PRIVATE],
        ),
    ),
    "value_too_long": column(
        (VALUE_TOO_LONG, ["Table: __setitem__ add add_ephemeral compare_exchange replace set setdefault"]),
        (
            Raises((shmap.ValueTooLongError, ValueError), "batch member 1: the value of key "),
            BATCHES,
        ),
        (Raises((shmap.OutOfRangeError, OverflowError), "out of range"), ["Table: fetch_add increment"]),
        (
            Not("values in a tree are as long as memory allows"),
            ["RbTree: __new__ __setitem__ set set_many setdefault update", "rbtree: set"],
        ),
        (
            NO_VALUE,
            [
                "Table: __new__ create", OPENING_T, *T_READS, T_REMOVING, T_CARE, T_HANDLE,
                "Table: freeze is_orphaned touch unlink",
            ],
        ),
        (
            NO_VALUE,
            [OPENING_S, *S_READS, S_HANDLE, "Snapshot: is_removed open_file refresh save verify wait_for_update"],
        ),
        (NO_VALUE, [E_ALL, *C_ALL, OPENING_D, D_READS, R_READS, "RbTree: __delitem__ clear pop popitem remove", *PUBLISHING]),
        (NO_VALUE, ["rbtree: __new__ __reduce__ dump get remove", "remove", *LISTS]),
    ),
    "key_too_long": column(
        (
            Raises((shmap.KeyTooLongError, ValueError), "key \"xxxxxxxxx\" is 9 bytes long, at most 8 fit"),
            [
                "Table: __setitem__ add add_ephemeral compare_exchange fetch_add increment replace set setdefault touch",
                "Table: get_with_version version wait",
            ],
        ),
        (
            Raises(
                (shmap.KeyTooLongError, ValueError),
                "batch member 1: key \"xxxxxxxxx\" is 9 bytes long, at most 8 fit",
                marks="of what was staged",
            ),
            BATCHES,
        ),
        (Raises((shmap.KeyMissingError, KeyError), "xxxxxxxxx"), ["Table: __delitem__ __getitem__ pop remove_many"]),
        (Works("no table has such a key"), ["Table: __contains__ __eq__ get get_int get_many get_stale get_str ttl"]),
        (
            Raises((shmap.KeyTooLongError, ValueError), "key is 1048576 bytes long, at most 1048575 are possible"),
            ["RbTree: __new__ __setitem__ set set_many setdefault update", "rbtree: set"],
        ),
        (
            Raises((shmap.KeyMissingError, KeyError), "xxxxxxxxx"),
            ["RbTree: __delitem__ __getitem__ pop", "Snapshot: __getitem__"],
        ),
        (
            Works("no map has such a key"),
            ["RbTree: __contains__ __eq__ get get_str remove", "rbtree: get", "sharedmap: get"],
        ),
        (Works("no map has such a key"), ["Snapshot: __contains__ __eq__ get get_many get_str rank prefix range", "Cursor: seek"]),
        (
            NO_KEY,
            [
                "Table: __new__ create __iter__ entries items keys values clear expire popitem freeze is_orphaned unlink",
                "Table: table_version wait_any",
                OPENING_T,
            ],
        ),
        (
            NO_KEY,
            [
                T_FIGURES, T_CARE, T_HANDLE, OPENING_S, S_WHOLE, S_FIGURES, S_HANDLE, E_ALL, C_READS, C_PLACES,
                OPENING_D, "sharedmap: __repr__",
            ],
        ),
        (
            NO_KEY,
            [

                "Snapshot: __iter__ __reversed__ items keys values nth is_removed open_file refresh save verify wait_for_update",
            ],
        ),
        (
            NO_KEY,
            [
                "RbTree: __iter__ __len__ __reduce__ __repr__ dump entries items key_type keys values clear popitem",
                *PUBLISHING,
            ],
        ),
        (NO_KEY, ["rbtree: __new__ __reduce__ dump remove", "remove", *LISTS]),
    ),
}
