//! What the verbs do when nothing is wrong.

use serde_json::Value as Json;
use shm_core::Acquired;
use shm_harness::Child;

use crate::place::{Place, SHMAP, Said, WATCHDOG};

fn json(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn values_are_shown_escaped_and_never_mangled() {
    let place = Place::with_maps();
    place.ok(["set", "jobs", "1", "caf\\xe9\\t\\n\\\\", "--escaped"]);
    assert_eq!(place.ok(["get", "jobs", "1"]), "caf\\xe9\\t\\n\\\\\n");
    let raw = place.command(["get", "jobs", "1", "--raw"]).output().unwrap();
    assert_eq!(raw.stdout, b"caf\xe9\t\n\\");
    let said = json(&place.ok(["get", "jobs", "1", "3325", "--format", "json"]));
    assert_eq!(said[0]["value"]["hex"], "636166e9090a5c");
    assert_eq!((&said[1]["key"], &said[1]["value"]), (&3325.into(), &"running".into()));
    // Not escaped unless asked for.
    place.ok(["set", "jobs", "1", "\\n"]);
    assert_eq!(place.ok(["get", "jobs", "1"]), "\\\\n\n");
}

#[test]
fn keys_of_all_types() {
    let place = Place::new();
    for (keys, first, second) in [
        ("i8", "-128", "127"),
        ("i16", "-5", "300"),
        ("i64", "-9223372036854775808", "9"),
        ("u8", "9", "255"),
        ("u16", "9", "65535"),
        ("u32", "9", "4294967295"),
        ("u64", "9", "18446744073709551615"),
        ("str", "a", "红"),
        ("bytes", "", "a b"),
    ] {
        place.ok(["create", keys, "--keys", keys, "--capacity", "4"]);
        place.ok(["add", keys, second, "2"]);
        place.ok(["add", keys, first, "1"]);
        place.ok(["update", keys, second, "3"]);
        assert_eq!(place.ok(["search", keys]), format!("{first}\t1\n{second}\t3\n"));
        assert_eq!(place.ok(["search", keys, "--from", second]), format!("{second}\t3\n"));
        place.ok(["del", keys, first]);
        assert_eq!(place.run(["get", keys, first]).code, 1);
        place.ok(["verify", keys]);
        let name = if keys == "bytes" { "[u8]" } else { keys };
        assert!(place.ok(["stat", keys]).contains(&format!("keys\t{name}\n")));
    }
}

#[test]
fn negative_numbers_are_keys_and_no_options() {
    let place = Place::with_maps();
    place.ok(["set", "jobs", "-7", "-1"]);
    assert_eq!(place.ok(["get", "jobs", "-7"]), "-1\n");
    assert_eq!(place.ok(["search", "jobs", "--from", "-10", "--to", "0"]), "-7\t-1\n");
    assert_eq!(place.ok(["get", "jobs", "-7", "--raw"]), "-1");
    place.ok(["del", "jobs", "-7"]);
    place.ok(["set", "jobs", "1", "--", "--help"]);
    assert_eq!(place.ok(["get", "jobs", "1"]), "--help\n");
}

#[test]
fn counters_begin_and_go_on() {
    let place = Place::with_maps();
    assert_eq!(place.ok(["increment", "jobs", "17"]), "1\n");
    assert_eq!(place.ok(["increment", "jobs", "17", "-3"]), "-2\n");
    assert_eq!(place.ok(["increment", "jobs", "-18", "5", "--initial", "-10"]), "-5\n");
    assert_eq!(place.ok(["increment", "jobs", "17", "0", "-F=json"]), "{\"value\":-2}\n");
    let get = place.ok(["get", "jobs", "17"]);
    assert_eq!(get, format!("\\xfe{}\n", "\\xff".repeat(7)), "little endian");
    let counter = |words: &[&str]| place.ok(["get", "jobs", "--counter"].iter().chain(words));
    assert_eq!(counter(&["17"]), "-2\n");
    assert_eq!(counter(&["17", "-18"]), "17\t-2\n-18\t-5\n");
    assert_eq!(counter(&["17", "-F=json"]), "{\"key\":17,\"value\":-2}\n");
    let said =
        ["jobs: the value of key 3325 is 7 bytes long, a counter is 8", "try: leave --counter"];
    place.fails(["get", "jobs", "17", "3325", "--counter"], 8, &said);
    place.fails(
        ["increment", "jobs", "3325"],
        8,
        &["jobs: the value of key 3325 is 7 bytes long, a counter is 8"],
    );
    place.fails(["increment", "jobs", "17", "x"], 2, &["'x'"]);
    place.fails(["increment", "jobs", "blau"], 2, &["no key of type i32"]);
    place.ok(["create", "small", "--value-size", "7"]);
    place.fails(
        ["increment", "small", "1"],
        8,
        &["at least 8 bytes, this table has 7", "--value-size"],
    );
}

#[test]
fn search_by_prefix_and_range() {
    let place = Place::new();
    place.write("w.tsv", "a\t1\nab\t2\nabc\t3\nb\t4\n\\xff\t5\n");
    place.ok(["share", "map", "w.tsv"]);
    place.ok(["create", "table", "--keys", "bytes"]);
    place.ok(["load", "table", "w.tsv"]);
    for name in ["map", "table"] {
        let keys = |arguments: &[&str]| {
            let all = ["search", name].into_iter().chain(arguments.iter().copied());
            let said = place.run(all);
            assert_eq!(said.code, i32::from(said.out.is_empty()), "{said:?}");
            let key = |line: &str| line.split('\t').next().unwrap().to_owned();
            said.out.lines().map(key).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(&[]), "a ab abc b \\xff");
        assert_eq!(keys(&["ab"]), "ab abc");
        assert_eq!(keys(&["x"]), "");
        assert_eq!(keys(&["\\xff", "-e"]), "\\xff");
        assert_eq!(keys(&["--from", "ab", "--to", "b"]), "ab abc");
        assert_eq!(keys(&["--from", "abcd"]), "b \\xff");
        assert_eq!(keys(&["--to", "ab"]), "a");
        assert_eq!(keys(&["--from", "b", "--to", "a"]), "");
        assert_eq!(keys(&["a", "--reverse"]), "abc ab a");
        assert_eq!(keys(&["a", "--reverse", "-n", "1"]), "abc");
        assert_eq!(place.ok(["search", name, "a", "--count"]), "3\n");
    }
}

#[test]
fn a_load_is_all_or_nothing_and_leaves_other_keys() {
    let place = Place::with_maps();
    place.write("more.tsv", "3326\tdone\n1\tx\n");
    place.ok(["load", "jobs", "more.tsv"]);
    assert_eq!(place.ok(["dump", "jobs"]), "1\tx\n3325\trunning\n3326\tdone\n");
}

#[test]
fn list_and_stat_say_what_there_is() {
    let place = Place::with_maps();
    let lines = json(&place.ok(["list", "--format", "json"]));
    let names: Vec<_> = lines.iter().map(|line| (&line["name"], &line["kind"])).collect();
    assert_eq!(names, [(&"jobs".into(), &"table".into()), (&"words".into(), &"snapshot".into())]);
    assert_eq!((&lines[0]["entries"], &lines[0]["capacity"]), (&2.into(), &16.into()));
    assert_eq!((&lines[0]["mode"], &lines[1]["mode"]), (&"0600".into(), &"0400".into()));
    assert_eq!(lines[1]["remark"], "edition 1");

    let stat = &json(&place.ok(["stat", "jobs", "--format", "json"]))[0];
    for (field, value) in [("entries", 2), ("capacity", 16), ("value_size", 256), ("recoveries", 0)]
    {
        assert_eq!(stat[field], value, "{stat}");
    }
    assert_eq!((&stat["load"], &stat["keys"]), (&0.125.into(), &"i32".into()));
    let stat = &json(&place.ok(["stat", "words", "--format", "json"]))[0];
    assert_eq!((&stat["edition"], &stat["entries"]), (&1.into(), &2.into()));
    assert_eq!(stat["hash_index"], true);
    place.ok(["share", "words", "words.tsv", "--force", "--no-index", "--mode", "444"]);
    let stat = &json(&place.ok(["stat", "words", "--format", "json"]))[0];
    assert_eq!((&stat["edition"], &stat["hash_index"]), (&2.into(), &false.into()));
    assert_eq!(stat["mode"], "0444");
}

#[test]
fn stat_says_how_large_the_parts_of_a_map_are() {
    let place = Place::new();
    // Ten of the keys tie with the key in the top node.
    let line = |i: u32| format!("{}{}\t{}\n", (i / 10).to_string().repeat(9), i % 10, i % 10);
    place.write("ties.tsv", (0..20).map(line).collect::<String>());
    place.ok(["share", "ties", "ties.tsv", "--no-index"]);
    let stat = &json(&place.ok(["stat", "ties", "--format", "json"]))[0];
    for (field, bytes) in [
        ("data_bytes", 220),
        ("tree_bytes", 192),
        ("tie_bytes", 56),
        ("entry_bytes", 192),
        ("index_bytes", 0),
    ] {
        assert_eq!(stat[field], bytes, "{field}: {stat}");
    }
    assert!(place.ok(["stat", "ties"]).contains("tie_bytes\t56 B\n"));
}

#[test]
fn stat_says_who_maps_it() {
    let place = Place::with_maps();
    let of =
        |name: &str| json(&place.ok(["stat", name, "--format", "json"]))[0]["mapped_by"].clone();
    assert_eq!(of("jobs"), Json::Array(Vec::new()));
    let watch =
        Child::spawn(&mut place.command(["watch", "jobs", "--poll", "--interval=1000"])).unwrap();
    assert_eq!(watch.line(WATCHDOG).unwrap(), "+\t3325\trunning");
    let mapped = of("jobs");
    assert_eq!(mapped[0]["pid"], watch.pid().as_raw());
    assert_eq!((&mapped[0]["command"], &mapped[0]["writes"]), (&"shmap".into(), &false.into()));
    assert_eq!(of("words"), Json::Array(Vec::new()));
}

#[test]
fn stat_counts_recoveries() {
    let place = Place::with_maps();
    let segment = place.table_segment("jobs");
    let recoveries =
        || json(&place.ok(["stat", "jobs", "--format", "json"]))[0]["recoveries"].clone();
    assert_eq!(recoveries(), 0);
    // A thread that ends with the lock is an owner that died.
    std::thread::scope(|scope| {
        scope.spawn(|| match segment.lock().unwrap() {
            Acquired::Clean(guard) => std::mem::forget(guard),
            Acquired::OwnerDied(_) => panic!("nobody died"),
        });
    });
    assert_eq!(place.ok(["get", "jobs", "3325"]), "running\n");
    place.ok(["set", "jobs", "3325", "stopped"]);
    assert_eq!(recoveries(), 0, "a key that is present needs no lock, so it needs no repair");
    place.ok(["set", "jobs", "77", "new"]);
    assert_eq!(recoveries(), 1);
}

#[test]
fn prune_says_first_and_then_does() {
    let place = Place::with_maps();
    assert_eq!(place.ok(["prune"]), "");
    let litter = place.dir().join(".shmap-tmp-0123456789abcdef");
    std::fs::write(&litter, "half a file").unwrap();
    let said = place.run(["prune"]);
    let line = format!("to do\tunfinished file\t{}\n", litter.display());
    assert_eq!((said.code, &said.out), (0, &line));
    assert!(said.err.contains("nothing was removed: `shmap prune --yes`"), "{said:?}");
    assert!(litter.exists());
    assert_eq!(place.ok(["prune", "--yes"]), line.replace("to do", "done"));
    assert!(!litter.exists());
    assert_eq!(place.ok(["list"]).lines().count(), 2);
}

#[test]
fn options_that_one_guesses_work_too() {
    let place = Place::with_maps();
    std::fs::write(place.dir().join(".shmap-tmp-0123456789abcdef"), "half a file").unwrap();
    assert_eq!(place.ok(["prune", "--dry-run"]), place.ok(["prune"]));
    place.fails(["prune", "--dry-run", "--yes"], 2, &["cannot be used with"]);
    assert_eq!(place.ok(["search", "words", "--prefix", "r"]), "rot\tred\n");
    place.fails(["search", "words", "r", "--prefix", "r"], 2, &["cannot be used with"]);
    assert_eq!(place.ok(["increment", "jobs", "1", "--by", "5"]), "5\n");
    assert_eq!(place.ok(["increment", "jobs", "1", "--by", "-2"]), "3\n");
    place.fails(["increment", "jobs", "1", "5", "--by", "5"], 2, &["cannot be used with"]);
    for (option, keys) in [("text", "str"), ("[u8]", "[u8]")] {
        place.ok(["create", keys, "--keys", option]);
        assert!(place.ok(["stat", keys]).contains(&format!("keys\t{keys}\n")));
    }
}

#[test]
fn numbers_and_formats_that_cannot_be_are_explained() {
    let place = Place::with_maps();
    for option in ["--capacity", "--value-size", "--key-size"] {
        let words = ["create", "new", option, "10k"];
        place.fails(words, 2, &["10k", "write a plain number, such as 10000"]);
    }
    for format in ["csv", "jsonl"] {
        let words = ["dump", "jobs", "--format", format];
        place.fails(words, 2, &["--format takes table", "try: for CSV: `--to csv`"]);
    }
    place.fails(["dump", "jobs", "--format", "xml"], 2, &["possible values"]);
}

#[test]
fn rm_removes_all_or_none() {
    let place = Place::with_maps();
    place.fails(["rm", "jobs", "nope"], 1, &["`nope`"]);
    place.ok(["rm", "jobs", "words"]);
    assert_eq!(place.ok(["list"]), "");
}

#[test]
fn verify_tells_each_one() {
    let place = Place::with_maps();
    assert_eq!(
        place.ok(["verify", "words", "jobs"]),
        "words\tsnapshot\tsound\njobs\ttable\tsound\n"
    );
}

#[test]
fn a_namespace_by_option_goes_before_the_environment() {
    let place = Place::with_maps();
    let other = Place::new();
    let dir = other.dir().to_str().unwrap();
    assert_eq!(place.ok(["list", "--namespace", dir]), "");
    place.ok(["-N", dir, "create", "there"]);
    assert!(other.ok(["list"]).starts_with("there\ttable\ti32\t0\t1024\t"));
}

#[test]
fn a_table_with_a_zeroed_page_is_read_and_repaired() {
    use std::os::unix::fs::FileExt;
    let place = Place::new();
    place.ok(["create", "jobs", "--capacity", "64", "--value-size", "16"]);
    let lines: String = (0..64).map(|key| format!("{key}\tvalue\n")).collect();
    place.write("all.tsv", &lines);
    place.ok(["load", "jobs", "all.tsv"]);
    // The end of the file is slots.
    let file = std::fs::File::options().write(true).open(place.path("jobs", "table")).unwrap();
    let end = file.metadata().unwrap().len();
    file.write_all_at(&[0; 1024], end - 1024).unwrap();
    let said = place.run(["dump", "jobs"]);
    let kept = said.out.lines().count();
    assert!(said.code == 0 && (48..64).contains(&kept), "{said:?}");
    let lost = 64 - kept;
    assert!(said.err.contains(&format!("{lost} damaged slots are left out")), "{said:?}");
    place.fails(["verify", "jobs"], 7, &["jobs: damaged table: ", "`shmap repair jobs`"]);
    assert_eq!(place.ok(["repair", "jobs"]), format!("jobs\t{lost}\t{lost}\n"));
    assert_eq!(place.ok(["verify", "jobs"]), "jobs\ttable\tsound\n");
    assert_eq!(place.ok(["repair", "jobs"]), "jobs\t0\t0\n");
    assert_eq!(place.ok(["dump", "jobs"]).lines().count(), kept);
    assert_eq!(json(&place.ok(["stat", "jobs", "-F=json"]))[0]["lost"], lost);
    let sample = format!("namespace=\"{}\"}} {lost}\n", place.dir().display());
    let metrics = place.ok(["stat", "jobs", "-F=prometheus"]);
    let line = format!("shmap_table_lost_entries_total{{name=\"jobs\",{sample}");
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn a_table_with_a_max_capacity_grows() {
    let place = Place::new();
    place.ok(["create", "jobs", "--capacity", "4", "--max-capacity", "1000"]);
    let stat = || json(&place.ok(["stat", "jobs", "-F=json"])).remove(0);
    let bytes = |stat: &serde_json::Value, field: &str| stat[field].as_u64().unwrap();
    let new = stat();
    assert_eq!((&new["capacity"], &new["max_capacity"]), (&4.into(), &1000.into()));
    let len = bytes(&new, "file_bytes");
    assert!(bytes(&new, "allocated_bytes") < len / 2, "most of it is a hole: {new}");
    for key in 0..5 {
        place.ok(["set", "jobs", &key.to_string(), "x"]);
    }
    assert_eq!(stat()["capacity"], 8);
    // More than fit now, in one batch.
    let lines = |keys: u32| (0..keys).map(|key| format!("{key}\tvalue\n")).collect::<String>();
    place.write("all.tsv", lines(1000));
    place.ok(["load", "jobs", "all.tsv"]);
    let full = stat();
    for field in ["entries", "capacity", "max_capacity"] {
        assert_eq!(full[field], 1000, "{full}");
    }
    assert_eq!(bytes(&full, "file_bytes"), len);
    assert!(bytes(&full, "allocated_bytes") > len / 2, "{full}");
    place.ok(["verify", "jobs"]);
    let metrics = place.ok(["stat", "jobs", "-F=prometheus"]);
    let labels = format!("name=\"jobs\",namespace=\"{}\"", place.dir().display());
    assert!(metrics.contains(&format!("shmap_table_max_capacity{{{labels}}} 1000\n")), "{metrics}");
    assert!(metrics.contains("\nshmap_allocated_bytes{"), "{metrics}");

    let words = ["jobs: the table is full: all 1000 entries are taken\n", "`shmap del`"];
    place.fails(["set", "jobs", "1000", "x"], 3, &words);
    place.write("more.tsv", lines(1001));
    place.fails(
        ["load", "jobs", "more.tsv"],
        3,
        &["more.tsv:1001: ", "all 1000 entries are taken"],
    );
    let words = ["max_capacity is 3, it must be 4 to ", "--max-capacity"];
    place.fails(["create", "less", "--capacity", "4", "--max-capacity", "3"], 2, &words);
}

#[test]
fn a_table_that_cannot_grow_says_what_is_missing() {
    let place = Place::new();
    let mut command = std::process::Command::new("unshare");
    let lines = "for key in $(seq 0 9999); do printf '%s\\tvalue\\n' $key; done";
    command.arg("--mount").args(["sh", "-c"]).arg(format!(
        "mount -t tmpfs -o size=1m tmpfs \"$1\" || {{ echo no mount; exit; }}; cd \"$1\"
         \"$0\" create jobs --capacity 4 --max-capacity 1000000 &&
         {{ {lines}; }} | \"$0\" load jobs -"
    ));
    command.arg(SHMAP).arg(place.dir());
    place.settle(&mut command);
    let said = match command.output() {
        Ok(output) => Said::of(output),
        Err(error) => return eprintln!("skipped: unshare: {error}"),
    };
    if said.out.contains("no mount") || said.err.contains("unshare") {
        return eprintln!("skipped: mounting a tmpfs needs root: {}", said.err);
    }
    assert_eq!(said.code, 3, "{said:?}");
    for words in [
        "entries are taken, and it cannot grow: no space for ",
        "are free",
        "try: make room for it to grow",
    ] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
    said.is_clear().unwrap();
}

#[test]
fn a_dry_run_says_how_large_it_is_and_makes_nothing() {
    let place = Place::with_maps();
    for (keys, flags) in [
        ("i32", ["--capacity", "1024", "--value-size", "256"]),
        ("u64", ["--capacity", "7", "--value-size", "0"]),
        ("str", ["--capacity", "33", "--value-size", "5"]),
        ("bytes", ["--capacity", "20000", "--key-size", "100"]),
    ] {
        let words = ["create", "new", "--keys", keys].into_iter().chain(flags);
        let before = place.files();
        let words: Vec<_> = words.collect();
        let said = place.ok(words.iter().chain(&["--dry-run", "-F=json"]));
        assert!(place.files() == before, "{said}");
        let said = &json(&said)[0];
        place.ok(&words);
        let len = std::fs::metadata(place.path("new", "table")).unwrap().len();
        assert_eq!((&said["file_bytes"], &said["fits"]), (&len.into(), &true.into()), "{said}");
        assert_eq!((&said["allocated_bytes"], &said["max_capacity"]), (&len.into(), &().into()));
        place.ok(["rm", "new"]);
    }
    let text = place.ok(["create", "new", "--dry-run"]);
    assert!(
        text.contains("file_bytes\t631168 B\nallocated_bytes\t631168 B\nentry_bytes\t617 B\n"),
        "{text}"
    );
    // What may come later need not fit now.
    let growing = ["create", "new", "--max-capacity", "100000000", "--dry-run", "-F=json"];
    let said = &json(&place.ok(growing))[0];
    assert_eq!((&said["fits"], &said["max_capacity"]), (&true.into(), &100_000_000.into()));
    assert_eq!((&said["allocated_bytes"], &said["entry_bytes"]), (&631_168.into(), &617.into()));
    assert!(said["file_bytes"].as_u64().unwrap() > 60_000_000_000, "{said}");
    let huge = ["create", "new", "--capacity", "268435456", "--value-size", "16777216"];
    let before = place.files();
    let said = place.run(huge.iter().chain(&["--dry-run"]));
    assert!(said.code == 3 && said.out.contains("fits\tno\n"), "{said:?}");
    assert!(place.files() == before);
    place.fails(["create", "jobs", "--dry-run"], 4, &["exists already"]);
    place.fails(["create", "new", "--dry-run", "--capacity", "0"], 2, &["capacity is 0"]);
    place.fails(["create", "new", "--dry-run", "-N", "nope"], 1, &["nope"]);
}

#[test]
fn stat_has_units_for_people_and_bytes_for_programs() {
    let place = Place::with_maps();
    let said = place.ok(["stat", "jobs"]);
    let field = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(found, _)| *found == name).unwrap().1.to_owned()
    };
    assert_eq!(field("value_size"), "256 B");
    assert!(field("file_bytes").ends_with(" B"), "{said}");
    let age = field("age");
    assert!(age.strip_suffix(" s").unwrap().parse::<u64>().is_ok(), "{age}");
    let said = &json(&place.ok(["stat", "jobs", "-F=json"]))[0];
    assert!(said["age"].is_u64() && said["file_bytes"].is_u64(), "{said}");
}

#[test]
fn metrics_of_one_map_and_of_all() {
    let place = Place::with_maps();
    let dir = place.dir().to_str().unwrap();
    let all = place.ok(["stat", "-F=prometheus"]);
    for line in [
        "# TYPE shmap_table_entries gauge".to_owned(),
        "# TYPE shmap_table_recoveries_total counter".to_owned(),
        format!("shmap_table_lost_entries_total{{name=\"jobs\",namespace=\"{dir}\"}} 0"),
        format!("shmap_table_entries{{name=\"jobs\",namespace=\"{dir}\"}} 2"),
        format!("shmap_snapshot_edition{{name=\"words\",namespace=\"{dir}\"}} 1"),
        format!("shmap_up{{name=\"words\",kind=\"snapshot\",namespace=\"{dir}\"}} 1"),
    ] {
        assert_eq!(all.lines().filter(|found| *found == line).count(), 1, "{line}: {all}");
    }
    // Each metric is explained once, before its first sample.
    let mut explained = std::collections::HashSet::new();
    for line in all.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(name) => assert!(explained.insert(name.split(' ').next().unwrap()), "{all}"),
            None if line.starts_with('#') => {}
            None => assert!(explained.contains(line.split('{').next().unwrap()), "{line}"),
        }
    }
    let one = place.ok(["stat", "jobs", "-F=prometheus"]);
    assert!(one.contains("name=\"jobs\"") && !one.contains("name=\"words\""), "{one}");

    // One that cannot be read does not hide the others.
    std::fs::write(place.path("broken", "table"), "no map").unwrap();
    let said = place.run(["stat", "-F=prometheus"]);
    assert!(said.code == 0 && said.err.contains("broken: "), "{said:?}");
    let down = format!("shmap_up{{name=\"broken\",kind=\"table\",namespace=\"{dir}\"}} 0\n");
    assert!(said.out.contains(&down) && said.out.contains("name=\"jobs\""), "{said:?}");
    place.fails(["stat", "nope", "-F=prometheus"], 1, &["`nope`"]);
    place.fails(["stat"], 2, &["which map?"]);
    place.fails(["list", "-F=prometheus"], 2, &["is for `stat` only"]);
}
