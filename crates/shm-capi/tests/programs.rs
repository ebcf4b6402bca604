//! Programs in C and C++ that use the installed library: compiled, run as processes, and run again
//! under valgrind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, and its helpers"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use shm_facade::{AnyKey, KeyKind, Name, Namespace, TableOptions, UntypedTable};
use shm_harness::TempNamespace;
use support::{
    C11, CPP17, Language, Link, built, compile, have, must, prefix, root, run, run_in, valgrind,
    valgrind_as, valgrind_without_leaks,
};

/// The user `nobody`: not root.
const NOBODY: u32 = 65534;

/// Compiles and runs `tests/SOURCE`, plainly and under valgrind, there with `few` as arguments.
fn program(language: Language, source: &str, few: &[&str]) {
    program_by(language, source, few, valgrind);
}

/// A program that forks beside threads: what the other threads held leaks in the child.
fn program_that_forks(language: Language, source: &str, few: &[&str]) {
    program_by(language, source, few, valgrind_without_leaks);
}

fn program_by(
    language: Language,
    source: &str,
    few: &[&str],
    valgrind: impl FnOnce(&Path) -> Option<Command>,
) {
    let name = source.replace('/', "-");
    let source = root().join("tests").join(source);
    let Some(program) = compile(language, &source, &name, Link::Shared) else { return };
    let lines = run(&mut Command::new(&program));
    assert_eq!(lines.last().map(String::as_str), Some("ok"), "{lines:#?}");
    if let Some(mut command) = valgrind(&program) {
        let lines = run(command.args(few));
        assert_eq!(lines.last().map(String::as_str), Some("ok"), "{lines:#?}");
    }
}

#[test]
fn tables_from_c() {
    program(C11, "c/table.c", &[]);
}

#[test]
fn tables_with_keys_of_every_kind_from_c() {
    program(C11, "c/table_keys.c", &[]);
}

#[test]
fn tables_that_another_language_made_open_in_c() {
    let source = root().join("tests/c/any_table.c");
    let Some(program) = compile(C11, &source, "any_table", Link::Shared) else { return };
    for kind in KeyKind::ALL {
        let namespace = TempNamespace::new().unwrap();
        let (place, name) = (Namespace::at(namespace.path()), Name::new("any").unwrap());
        let table =
            UntypedTable::create_with_kind(&place, &name, kind, &TableOptions::default()).unwrap();
        let (key, printed): (AnyKey, _) = match kind.integer() {
            Some((bits, true)) => ((-1i64 << (bits - 1)).into(), (-1i64 << (bits - 1)).to_string()),
            Some((bits, false)) => {
                let last = u64::MAX >> (64 - bits);
                (last.into(), last.cast_signed().to_string())
            }
            None => ("blau".into(), "blau".to_owned()),
        };
        table.add(&key, b"value").unwrap();
        let said = run_in(Command::new(&program).arg("any"), namespace.path());
        assert_eq!(said, [format!("{printed}=value"), "ok".to_owned()], "{kind}");
        let seven = if kind.integer().is_some() { 7.into() } else { AnyKey::from("7") };
        assert_eq!(table.get(&seven).unwrap().as_deref(), Some(&b"from C"[..]), "{kind}");
    }
}

#[test]
fn trees_and_maps_from_c() {
    program(C11, "c/map.c", &[]);
}

#[test]
fn bad_arguments_give_codes() {
    program(C11, "c/bad_arguments.c", &[]);
}

#[test]
fn what_is_found_at_a_name_gives_codes_and_changes_nothing() {
    program(C11, "c/hostile.c", &[]);
}

/// A program for [`run_as_nobody`]; `None` if this user is not root.
fn program_for_nobody(source: &str, name: &str) -> Option<PathBuf> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: becoming another user needs root");
        return None;
    }
    compile(C11, &root().join("tests").join(source), name, Link::Static)
}

/// Runs a program as `nobody`, in a directory of that user's. It is started through a descriptor,
/// so that the user needs no access to the directories above it.
fn run_as_nobody(program: &Path) -> Vec<String> {
    let file = std::fs::File::open(program).unwrap();
    let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    run_in(&mut command, namespace_of_nobody().path())
}

fn namespace_of_nobody() -> TempNamespace {
    let namespace = TempNamespace::new().unwrap();
    chown(namespace.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    namespace
}

#[test]
fn a_user_without_rights_is_refused_by_the_same_codes() {
    let Some(program) = program_for_nobody("c/hostile.c", "hostile-static") else { return };
    assert_eq!(run_as_nobody(&program), ["ok"]);
}

/// What may be wrong, as `tests/c/matrix.c` calls it.
const FAULTS: [&str; 10] = [
    "missing",
    "kind",
    "corrupt",
    "too-long",
    "read-only",
    "owner",
    "writers",
    "mode",
    "hidden",
    "directory",
];

/// The cells that the program has made: function and fault, and how.
fn cells(said: &[String]) -> BTreeMap<(String, String), String> {
    assert_eq!(said.last().map(String::as_str), Some("ok"), "{said:#?}");
    let mut cells = BTreeMap::new();
    for line in said.iter().filter(|line| line.starts_with("shmap_")) {
        let [function, fault, how] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let twice = cells.insert((function.to_owned(), fault.to_owned()), how.to_owned());
        assert_eq!(twice, None, "{line}: a second time");
    }
    cells
}

#[test]
fn every_function_meets_every_fault_and_changes_nothing() {
    let source = root().join("tests/c/matrix.c");
    let Some(program) = compile(C11, &source, "matrix", Link::Shared) else { return };
    let mut made = cells(&run(&mut Command::new(&program)));
    if let Some(mut command) = valgrind(&program) {
        assert_eq!(cells(&run(&mut command)), made);
    }
    let all: BTreeSet<(String, String)> = declared()
        .iter()
        .flat_map(|function| FAULTS.map(|fault| (function.clone(), fault.to_owned())))
        .collect();
    assert_eq!(made.keys().cloned().collect::<BTreeSet<_>>(), all, "a row for each function");
    // Root can give files away, and is not stopped by modes: with another user no cell is left.
    if let Some(program) = program_for_nobody("c/matrix.c", "matrix-static") {
        let said = cells(&run_as_nobody(&program));
        made.extend(said.clone().into_iter().filter(|(_, how)| how != "skipped"));
        if let Some(mut command) = valgrind_as(NOBODY, &program) {
            assert_eq!(cells(&run_in(&mut command, namespace_of_nobody().path())), said);
        }
        let skipped: Vec<_> = made.iter().filter(|(_, how)| *how == "skipped").collect();
        assert!(skipped.is_empty(), "{skipped:#?}");
    }
}

#[test]
fn killed_writers_lock_nobody_out() {
    program(C11, "c/killed.c", &["3"]);
}

#[test]
fn threads_share_handles() {
    program(C11, "c/threads.c", &[]);
}

#[test]
fn a_wait_holds_nothing() {
    program(C11, "c/waits.c", &[]);
}

#[test]
fn a_change_ends_a_wait() {
    program_that_forks(C11, "c/table_waits.c", &[]);
}

#[test]
fn entries_expire_go_with_their_writer_and_are_evicted() {
    program_that_forks(C11, "c/table_expiry.c", &["130"]);
}

#[test]
fn a_child_forked_beside_threads_uses_everything() {
    program_that_forks(C11, "c/fork.c", &["3"]);
}

#[test]
fn a_cancelled_thread_ends_after_the_call() {
    program(C11, "c/cancel.c", &["3"]);
}

#[test]
fn classes_of_cpp() {
    program(CPP17, "cpp/classes.cpp", &[]);
}

/// Whether `shmap.hpp` lets a program drop what this expression gives.
fn may_be_dropped(expression: &str) -> Option<bool> {
    if !have(CPP17.compiler) {
        return None;
    }
    let source = prefix().join("programs/dropped.cpp");
    let table =
        "shmap::Table table = shmap::Table::open(\"x\"); shmap::Map map = shmap::Map::open(\"x\");";
    let text = format!("#include <shmap.hpp>\nint main() {{ {table} {expression}; }}\n");
    std::fs::write(&source, text).unwrap();
    let mut command = Command::new(CPP17.compiler);
    command.args(CPP17.flags).args(["-Wall", "-Werror", "-fsyntax-only"]);
    let output = command.arg("-I").arg(prefix().join("include")).arg(&source).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("nodiscard"), "{expression}: {said}");
    Some(output.status.success())
}

#[test]
fn what_nobody_may_overlook_is_nodiscard() {
    for (expression, expected) in [
        ("table.add(1, \"x\")", false),
        ("table.update(1, \"x\")", false),
        ("table.compare_exchange(1, \"x\", \"y\")", false),
        ("table.get(1)", false),
        ("table.touch(1, std::chrono::seconds(1))", false),
        ("table.ttl(1)", false),
        ("table.get_stale(1)", false),
        ("table.add_ephemeral(1, \"x\")", false),
        ("table.contains(1)", false),
        ("table.get_many({1})", false),
        ("table.entries()", false),
        ("shmap::TextTable::open(\"x\")", false),
        ("map.get(\"x\")", false),
        ("map.wait(std::chrono::seconds(1))", false),
        ("shmap::list()", false),
        ("(void)table.add(1, \"x\")", true),
        ("table.upsert(1, \"x\")", true),
        ("table.upsert_for(1, \"x\", std::chrono::seconds(1))", true),
        ("table.expire(1)", true),
        ("table.remove(1)", true),
        ("table.increment(1)", true),
        ("table.unlink()", true),
        ("map.refresh()", true),
        ("shmap::prune()", true),
    ] {
        let Some(found) = may_be_dropped(expression) else { return };
        assert_eq!(found, expected, "{expression}");
    }
}

#[test]
fn a_program_of_the_original_runs_unchanged() {
    program(CPP17, "cpp/original.cpp", &[]);
}

#[test]
fn a_program_of_the_original_uses_its_constants() {
    program(CPP17, "cpp/original_constants.cpp", &[]);
}

#[test]
fn a_program_of_the_original_forks_beside_threads() {
    program_that_forks(CPP17, "cpp/original_forks.cpp", &["2"]);
}

#[test]
fn a_program_of_the_original_compiles_in_every_standard() {
    for name in ["original", "original_constants"] {
        let source = root().join("tests/cpp").join(name).with_extension("cpp");
        for flags in [&["-std=c++11"][..], &["-std=c++14"], &["-std=c++20"]] {
            let language = Language { compiler: "g++", flags };
            let name = format!("{name}{}", flags[0]);
            let Some(program) = compile(language, &source, &name, Link::Shared) else { return };
            assert_eq!(run(&mut Command::new(program)), ["ok"]);
        }
    }
}

#[test]
fn headers_stand_alone() {
    for (language, header) in
        [(C11, "shmap.h"), (CPP17, "shmap.h"), (CPP17, "shmap.hpp"), (CPP17, "improved_status.h")]
    {
        if !have(language.compiler) {
            return;
        }
        let x = if language.compiler == "gcc" { "c" } else { "c++" };
        let mut command = Command::new(language.compiler);
        command.args(language.flags).args([
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-x",
            x,
        ]);
        let include = prefix().join("include").join(header);
        let twice = prefix().join("programs").join(format!("twice-{x}-{header}"));
        let line = format!("#include \"{}\"\n", include.display());
        std::fs::write(&twice, line.repeat(2)).unwrap();
        must(command.arg(&twice));
    }
}

#[test]
fn the_archive_links_too() {
    let source = root().join("tests/c/table.c");
    let Some(program) = compile(C11, &source, "static", Link::Static) else { return };
    assert_eq!(run(&mut Command::new(&program)), ["ok"]);
    if have("readelf") {
        let needed = must(Command::new("readelf").arg("--dynamic").arg(&program));
        assert!(!needed.contains("libshmap"), "{needed}");
    }
}

#[test]
fn pkg_config_finds_what_was_installed() {
    if !have("pkg-config") || !have("gcc") {
        return;
    }
    let pkg_config = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
        must(command.args(arguments).arg("shmap"))
    };
    assert_eq!(pkg_config(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));
    let flags = pkg_config(&["--cflags", "--libs"]);
    let program = prefix().join("programs/pkg-config");
    let mut command = Command::new("gcc");
    command.args(C11.flags).arg(root().join("tests/c/table.c")).arg("-o").arg(&program);
    must(command.args(flags.split_whitespace()));
    // It records the name with the major version; the loader is told where to look.
    assert_eq!(run(Command::new(&program).env("LD_LIBRARY_PATH", prefix().join("lib"))), ["ok"]);
    if have("readelf") {
        let needed = must(Command::new("readelf").arg("--dynamic").arg(&program));
        assert!(needed.contains("[libshmap.so.0]"), "{needed}");
    }
}

#[test]
fn the_shared_object_needs_the_c_library_and_libgcc_alone() {
    if !have("readelf") {
        return;
    }
    let mut readelf = Command::new("readelf");
    let dynamic = must(readelf.arg("--dynamic").arg(prefix().join("lib/libshmap.so")));
    let needed: Vec<_> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    assert!(needed.iter().any(|name| name.starts_with("libc.")), "{dynamic}");
    for name in needed {
        let known = ["libc.", "libgcc_s.", "libpthread.", "libdl.", "libm.", "librt.", "ld-linux"];
        assert!(known.iter().any(|start| name.starts_with(start)), "it needs {name}");
    }
}

#[test]
fn the_installer_explains_itself_and_a_prefix_may_be_relative() {
    let script = root().join("install.sh");
    let help = must(Command::new(&script).arg("--help"));
    for option in ["--prefix", "--libdir", "--destdir", "--from"] {
        assert!(help.contains(&format!("\n{option} ")), "{help}");
    }
    assert!(!help.contains("set -eu"), "{help}");
    for wrong in [&["--prefix"][..], &["--wrong", "x"], &["--from", "/no/such/directory"]] {
        let said = Command::new(&script).args(wrong).output().unwrap();
        assert!(!said.status.success() && !said.stderr.is_empty(), "{wrong:?}: {said:?}");
    }

    let place = prefix().join("relative");
    std::fs::create_dir_all(&place).unwrap();
    let mut install = Command::new(&script);
    install.current_dir(&place).args(["--prefix", "here", "--libdir", "there/lib"]);
    let said = must(install.arg("--from").arg(built()));
    assert!(said.contains("ldconfig"), "{said}");
    let pc = std::fs::read_to_string(place.join("there/lib/pkgconfig/shmap.pc")).unwrap();
    assert!(pc.contains(&format!("\nlibdir={}/there/lib\n", place.display())), "{pc}");
    assert!(pc.starts_with(&format!("prefix={}/here\n", place.display())), "{pc}");
    assert!(place.join("here/include/shmap.h").exists());
}

#[test]
fn the_shared_object_exports_the_header_and_nothing_else() {
    if !have("nm") {
        return;
    }
    let mut nm = Command::new("nm");
    nm.args(["--dynamic", "--defined-only", "--format=just-symbols"]);
    let exported: BTreeSet<String> = must(nm.arg(prefix().join("lib/libshmap.so")))
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|name| !name.is_empty() && name != "rust_eh_personality")
        .collect();
    let declared = declared();
    assert_eq!(exported, declared);
}

/// The functions of `shmap.h`.
fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(root().join("include/shmap.h")).unwrap();
    header
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter_map(|line| line.split('(').next().filter(|_| line.contains('(')))
        .filter_map(|start| start.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("shmap_"))
        .map(str::to_owned)
        .collect()
}

/// The examples of the README in one language.
fn examples(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let start = format!("```{language}\n");
    let blocks = readme.split(&start).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn run_example(language: Language, extension: &str) -> Option<Vec<String>> {
    let examples = examples(extension);
    assert_eq!(examples.len(), 1);
    let source = prefix().join(format!("programs/example.{extension}"));
    std::fs::write(&source, &examples[0]).unwrap();
    let name = format!("example-{extension}");
    let program = compile(language, &source, &name, Link::Shared)?;
    Some(run(&mut Command::new(program)))
}

#[test]
fn the_c_example_of_the_readme_runs() {
    let Some(said) = run_example(C11, "c") else { return };
    assert_eq!(said[0], "3325 is running");
    assert_eq!(said[1], "batch member 1: key 4711 does not exist");
    assert_eq!(said[2..], ["1 hit", "/orders at 10.0.0.8", "/users at 10.0.0.7"]);
}

#[test]
fn the_cpp_example_of_the_readme_runs() {
    let Some(said) = run_example(CPP17, "cpp") else { return };
    assert_eq!(said[0], "3325 is running");
    assert_eq!(said[1], "batch member 1: key 4711 does not exist");
    let map = ["/orders at 10.0.0.8", "/users at 10.0.0.7", "/users now at 10.0.0.9"];
    assert_eq!((said[2].as_str(), &said[3..]), ("2 hits", &map.map(str::to_owned)[..]));
}

#[test]
fn the_agent_of_the_examples_publishes_and_is_seen() {
    let source = root().join("../../examples/cpp/agent.cpp");
    let Some(agent) = compile(CPP17, Path::new(&source), "agent", Link::Shared) else { return };
    let namespace = TempNamespace::new().unwrap();
    let run = |arguments: &[&str]| run_in(Command::new(&agent).args(arguments), namespace.path());
    run(&["work", "7", "0"]);
    run(&["work", "-3", "0.15"]);
    assert_eq!(run(&["publish", "/users=10.0.0.7", "/orders=10.0.0.8"]), ["edition 1"]);
    assert_eq!(run(&["publish", "/users=10.0.0.9"]), ["edition 2"]);
    let board = run(&["board"]);
    assert!(board[0].starts_with("-3: pid ") && board[0].ends_with(" KiB"), "{board:?}");
    assert!(board[0].contains(", beat ") && board[1].contains(", beat 1,"), "{board:?}");
    assert_eq!(board[2..], ["/users -> 10.0.0.9"]);
}
