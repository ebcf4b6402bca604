//! The cases: each verb, in the order of `--help`, and each fault.

use super::Cell::NotApplicable;
use super::{Call, Cell, Fault, Outcome};

/// A verb, and what it does about each fault. There is no default: a new fault needs a cell of
/// every verb.
pub(crate) struct Row {
    pub(crate) verb: &'static str,
    missing: Cell,
    other_kind: Cell,
    disguised: Cell,
    header: Cell,
    block: Cell,
    value: Cell,
    key: Cell,
    owner: Cell,
    writers: Cell,
    mode: Cell,
    hidden: Cell,
    directory: Cell,
}

impl Row {
    pub(super) fn of(&self, fault: Fault) -> &Cell {
        match fault {
            Fault::Missing => &self.missing,
            Fault::OtherKind => &self.other_kind,
            Fault::Disguised => &self.disguised,
            Fault::Header => &self.header,
            Fault::Block => &self.block,
            Fault::Value => &self.value,
            Fault::Key => &self.key,
            Fault::Owner => &self.owner,
            Fault::Writers => &self.writers,
            Fault::Mode => &self.mode,
            Fault::Hidden => &self.hidden,
            Fault::Directory => &self.directory,
        }
    }
}

fn fails<const N: usize>(words: impl Into<String>, code: i32, parts: [&'static str; N]) -> Call {
    Call { words: words.into(), outcome: Outcome::Fails(code, parts.into()) }
}

fn works<const P: usize, const F: usize>(
    words: impl Into<String>,
    parts: [&'static str; P],
    files: [&'static str; F],
) -> Call {
    Call { words: words.into(), outcome: Outcome::Works(parts.into(), files.into()) }
}

fn calls<const N: usize>(calls: [Call; N]) -> Cell {
    Cell::Calls(calls.into())
}

const NO_VALUE: Cell = NotApplicable("it takes no value");
const NO_KEY: Cell = NotApplicable("it takes no key");
const NO_NAME: Cell = NotApplicable("it takes no name of a map, and opens none");
const STORES_IN_THE_FILE: Cell =
    NotApplicable("it stores in the table's file, which the caller may do here");
const ONLY_READS: Cell = NotApplicable("it only reads");
const OPENS_NO_MAP: Cell = NotApplicable("it opens tables only");

const TABLE: &str = "shmap.jobs.table";
const MAP: &str = "shmap.words.snapshot";
const CONTROL: &str = "shmap.words.control";

const NO_DIRECTORY: [&str; 2] = ["nope", "try: make "];
const DENIED: [&str; 1] = ["ermission denied"];

/// A verb that reads a map of either kind.
fn reads(verb: &'static str, rest: &str) -> Row {
    let call = |name: &str| format!("{verb} {name}{rest}");
    // What only shows or removes a map has no use for a new one.
    let [create, share] = match verb {
        "rm" | "stat" | "watch" | "verify" => ["try: `shmap list` shows what there is\n"; 2],
        _ => ["`shmap create nope`", "`shmap share nope"],
    };
    let both = |code, parts: [&'static str; 2]| {
        let [table, map] = parts;
        calls([fails(call("jobs"), code, [TABLE, table]), fails(call("words"), code, [MAP, map])])
    };
    Row {
        verb,
        missing: calls([
            fails(call("nope"), 1, ["neither a table nor a published map `nope` in /"]),
            fails(call("nope --kind table"), 1, ["no table `nope` in /", create]),
            fails(call("nope --kind snapshot"), 1, ["no published map `nope`", share]),
            fails(call("jobs --namespace nope"), 1, NO_DIRECTORY),
        ]),
        other_kind: calls([
            fails(call("jobs --kind snapshot"), 8, ["`jobs` is a table, not a published map"]),
            fails(call("words --kind table"), 8, ["`words` is a published map, not a table"]),
        ]),
        disguised: calls([
            fails(call("sheep"), 8, ["shmap.sheep.table", "is a `snapshot`, expected a `table`"]),
            fails(call("wolf"), 8, ["shmap.wolf.snapshot", "is a `table`, expected a `snapshot`"]),
        ]),
        header: both(7, ["header checksum is wrong", "header checksum is wrong"]),
        block: calls([fails(call("words"), 7, ["words", " at byte "])]),
        value: NO_VALUE,
        key: NO_KEY,
        owner: both(9, ["belongs to uid 65534", "--trust 65534"]),
        // `--trust-writers` would not help: nobody may write to a file that is used in place.
        writers: calls([
            fails(call("jobs"), 9, [TABLE, "0o666", "--trust-writers"]),
            fails(call("words"), 9, [MAP, "0o666", "`chmod a-w /"]),
        ]),
        mode: both(9, ["ermission denied", "`ls -l "]),
        hidden: calls([
            fails(call("jobs"), 9, ["/shmap-test-", "ermission denied", "--namespace DIR"]),
            fails(call("words"), 9, ["/shmap-test-", "ermission denied", "--namespace DIR"]),
        ]),
        directory: ONLY_READS,
    }
}

/// A verb that changes a table.
fn writes(verb: &'static str, rest: &str) -> Row {
    let call = |name: &str| format!("{verb} {name}{rest}");
    let table = |code, part: &'static str| calls([fails(call("jobs"), code, [TABLE, part])]);
    let create = match verb {
        "repair" | "expire" => "try: `shmap list` shows what there is\n",
        _ => "`shmap create nope`",
    };
    Row {
        verb,
        missing: calls([
            fails(call("nope"), 1, ["no table `nope` in /", create]),
            fails(call("jobs --namespace nope"), 1, NO_DIRECTORY),
        ]),
        other_kind: calls([fails(call("words"), 8, ["`words` is a published map, not a table"])]),
        disguised: calls([
            fails(call("sheep"), 8, ["shmap.sheep.table", "is a `snapshot`, expected a `table`"]),
            fails(call("wolf"), 8, ["`wolf` is a published map, not a table"]),
        ]),
        header: table(7, "header checksum is wrong"),
        block: OPENS_NO_MAP,
        value: NO_VALUE,
        key: NO_KEY,
        owner: table(9, "belongs to uid 65534"),
        writers: table(9, "0o666"),
        mode: table(9, "ermission denied"),
        hidden: calls([fails(
            call("jobs"),
            9,
            ["/shmap-test-", "ermission denied", "--namespace DIR"],
        )]),
        directory: STORES_IN_THE_FILE,
    }
}

/// `set`, `add`, `update`.
fn puts(verb: &'static str, key: &'static str, name: &'static str) -> Row {
    Row {
        value: calls([fails(
            format!("{verb} jobs {key} VALUE"),
            3,
            [
                "jobs: the value of key ",
                " is 257 bytes long, at most 256 fit",
                "--value-size BYTES",
            ],
        )]),
        key: calls([fails(
            format!("{verb} names {name} x"),
            3,
            ["names: key \"longer\" is 6 bytes long, at most 4 fit", "--key-size BYTES"],
        )]),
        ..writes(verb, &format!(" {key} x"))
    }
}

/// A verb that takes no map: all that can go wrong is something else.
fn without_map(verb: &'static str) -> Row {
    Row {
        verb,
        missing: NO_NAME,
        other_kind: NO_NAME,
        disguised: NO_NAME,
        header: NO_NAME,
        block: NO_NAME,
        value: NO_NAME,
        key: NO_NAME,
        owner: NO_NAME,
        writers: NO_NAME,
        mode: NO_NAME,
        hidden: NO_NAME,
        directory: NO_NAME,
    }
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        list(),
        reads("stat", ""),
        create(),
        Row {
            key: calls([fails(
                "get names longer",
                3,
                ["names: key \"longer\" is 6 bytes long, at most 4 fit"],
            )]),
            ..reads("get", " 3325")
        },
        puts("set", "3325", "longer"),
        puts("add", "1", "longer"),
        puts("update", "3325", "longer"),
        Row {
            key: calls([fails(
                "increment names longer",
                3,
                ["names: key \"longer\" is 6 bytes long, at most 4 fit"],
            )]),
            ..writes("increment", " 17")
        },
        Row {
            key: calls([fails(
                "del names four longer",
                3,
                ["names: key \"longer\" is 6 bytes long, at most 4 fit"],
            )]),
            ..writes("del", " 3325")
        },
        Row {
            key: calls([fails(
                "touch names longer 9",
                3,
                ["names: key \"longer\" is 6 bytes long, at most 4 fit"],
            )]),
            ..writes("touch", " 3325 9")
        },
        Row {
            key: calls([fails(
                "ttl names longer",
                3,
                ["names: key \"longer\" is 6 bytes long, at most 4 fit"],
            )]),
            directory: ONLY_READS,
            ..writes("ttl", " 3325")
        },
        writes("expire", ""),
        Row {
            key: NotApplicable("a bound may be longer than any key, and finds what is between"),
            ..reads("search", "")
        },
        reads("dump", ""),
        load(),
        share(),
        freeze(),
        reads("watch", " --frames 1"),
        Row {
            block: calls([
                fails("verify words", 7, ["words: ", " at byte "]),
                fails("verify motto", 7, ["motto: damaged map: ", " at byte "]),
            ]),
            ..reads("verify", "")
        },
        writes("repair", ""),
        prune(),
        rm(),
        Row {
            missing: calls([fails("completions nope", 2, ["'nope'", "bash"])]),
            ..without_map("completions")
        },
        Row {
            missing: calls([fails(
                "man --out nope",
                1,
                ["nope: No such file", "make the directory"],
            )]),
            directory: calls([fails("man --out .", 9, DENIED)]),
            ..without_map("man")
        },
    ]
}

fn list() -> Row {
    // What cannot be opened is listed too, with the reason.
    let remark = |part: &'static str| calls([works("list", [TABLE, MAP, part], [])]);
    Row {
        verb: "list",
        missing: calls([fails("list --namespace nope", 1, NO_DIRECTORY)]),
        other_kind: NotApplicable("it lists both kinds"),
        disguised: calls([works(
            "list",
            ["is a `snapshot`, expected a `table`", "is a `table`, expected a `snapshot`"],
            [],
        )]),
        header: remark("header checksum"),
        block: calls([works("list", ["jobs\ttable\ti32\t2", " at byte "], [])]),
        value: NO_VALUE,
        key: NO_KEY,
        owner: remark("belongs to uid 65534"),
        writers: remark("0o666"),
        mode: remark("ermission denied"),
        hidden: calls([fails("list", 9, DENIED)]),
        directory: ONLY_READS,
    }
}

fn create() -> Row {
    let there = || fails("create jobs", 4, ["jobs: ", TABLE, "exists already", "`shmap rm jobs"]);
    Row {
        verb: "create",
        missing: calls([fails("create new --namespace nope", 1, NO_DIRECTORY)]),
        // One name may lead to one of each kind.
        other_kind: calls([works("create words", [], ["shmap.words.table"])]),
        disguised: calls([fails("create sheep", 4, ["shmap.sheep.table", "exists already"])]),
        header: calls([there()]),
        block: OPENS_NO_MAP,
        value: calls([fails("create new --value-size 99999999999", 2, ["99999999999"])]),
        key: calls([fails("create new --keys str --key-size 257", 2, ["257", "to 256"])]),
        owner: calls([there()]),
        writers: calls([there()]),
        mode: calls([there()]),
        hidden: calls([fails("create new", 9, DENIED)]),
        directory: calls([fails("create new", 9, ["ermission denied", "may write to"])]),
    }
}

fn load() -> Row {
    let writes = writes("load", " jobs.tsv");
    Row {
        missing: match writes.missing {
            Cell::Calls(mut calls) => {
                calls.push(fails("load jobs nope.tsv", 1, ["nope.tsv: No such file"]));
                Cell::Calls(calls)
            }
            none => none,
        },
        value: calls([fails(
            "load jobs long.tsv",
            3,
            ["long.tsv:2: the value of key 2 is 257 bytes long, at most 256 fit"],
        )]),
        key: calls([fails(
            "load names long.tsv",
            3,
            ["long.tsv:2: key \"longer\" is 6 bytes long, at most 4 fit"],
        )]),
        ..writes
    }
}

fn share() -> Row {
    const FORCE: &str = "share words words.tsv --force";
    let taken = || fails("share words words.tsv", 4, ["words: ", MAP, "exists already", "--force"]);
    Row {
        verb: "share",
        missing: calls([
            fails("share new nope.tsv", 1, ["nope.tsv: No such file"]),
            fails("share new words.tsv --namespace nope", 1, NO_DIRECTORY),
        ]),
        // One name may lead to one of each kind.
        other_kind: calls([works(
            "share jobs words.tsv",
            [],
            ["shmap.jobs.control", "shmap.jobs.snapshot"],
        )]),
        disguised: calls([
            fails("share wolf words.tsv", 4, ["shmap.wolf.snapshot", "exists already"]),
            works(
                "share wolf words.tsv --force",
                [],
                ["shmap.wolf.control", "shmap.wolf.snapshot"],
            ),
        ]),
        header: calls([taken(), fails(FORCE, 7, [CONTROL, "header checksum is wrong"])]),
        block: calls([taken(), works(FORCE, [], [CONTROL, MAP])]),
        value: NotApplicable("a value of a map may be as long as memory"),
        key: calls([
            fails("share new huge.tsv", 3, ["huge.tsv:2: key is 1048576 bytes long, at most"]),
            fails("share new huge.tsv --sorted", 3, ["huge.tsv:2: key is 1048576 bytes long"]),
        ]),
        owner: calls([taken(), fails(FORCE, 9, [CONTROL, "uid 65534", "--trust 65534"])]),
        writers: calls([taken(), fails(FORCE, 9, [CONTROL, "0o666", "--trust-writers"])]),
        mode: calls([taken(), fails(FORCE, 9, [CONTROL, "ermission denied"])]),
        hidden: calls([fails("share new words.tsv", 9, DENIED)]),
        directory: calls([fails("share new words.tsv", 9, DENIED), fails(FORCE, 9, DENIED)]),
    }
}

fn freeze() -> Row {
    const FORCE: &str = "freeze jobs words --force";
    Row {
        block: calls([
            fails("freeze jobs words", 4, ["words: ", MAP, "exists already", "--force"]),
            works(FORCE, [], [CONTROL, MAP]),
        ]),
        value: NotApplicable("the table's values fit into a map"),
        key: NotApplicable("the table's keys fit into a map"),
        directory: calls([fails("freeze jobs", 9, DENIED), fails(FORCE, 9, DENIED)]),
        ..writes("freeze", "")
    }
}

fn prune() -> Row {
    let leaves = || calls([works("prune --yes", [], [])]);
    Row {
        verb: "prune",
        missing: calls([fails("prune --namespace nope", 1, NO_DIRECTORY)]),
        other_kind: NotApplicable("it goes by no name"),
        disguised: leaves(),
        header: leaves(),
        block: leaves(),
        value: NO_VALUE,
        key: NO_KEY,
        owner: leaves(),
        writers: leaves(),
        mode: leaves(),
        hidden: calls([fails("prune", 9, DENIED)]),
        directory: calls([
            works("prune", ["to do\tunfinished file\t/"], []),
            fails("prune --yes", 9, [".shmap-tmp-0123456789abcdef", "ermission denied"]),
        ]),
    }
}

fn rm() -> Row {
    let reads = reads("rm", "");
    // A user who may write to the directory may remove a table, whatever its state.
    let table = || works("rm jobs", [], [TABLE]);
    Row {
        disguised: calls([
            works("rm sheep", [], ["shmap.sheep.table"]),
            works("rm wolf", [], ["shmap.wolf.snapshot"]),
        ]),
        // A damaged control segment, or a stranger's, keeps nobody from removing a map of one's
        // own.
        header: calls([table(), works("rm words", [], [CONTROL, MAP])]),
        block: calls([works("rm words", [], [CONTROL, MAP])]),
        owner: calls([table(), works("rm words", [], [MAP])]),
        writers: calls([table(), fails("rm words", 9, [CONTROL, "0o666", "--trust-writers"])]),
        mode: calls([table(), fails("rm words", 9, [CONTROL, "ermission denied"])]),
        directory: calls([
            fails("rm jobs", 9, ["jobs: ", "ermission denied"]),
            fails("rm words", 9, ["words: ", "ermission denied"]),
        ]),
        ..reads
    }
}
