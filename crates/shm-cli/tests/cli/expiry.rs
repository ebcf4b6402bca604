//! Entries that expire, ephemeral entries, and tables that evict.

use serde_json::{Value as Json, json};
use shm_harness::Child;
use slotmap_shm::{Name, Namespace, Table, TableOptions};

use crate::place::{Place, WATCHDOG};

/// A time to live that is over before the next command begins.
const OVER: &str = "0.000000001";

/// With the table `leases`, in which entries expire if they are set with a time to live.
fn with_leases() -> Place {
    let place = Place::new();
    place.ok(["create", "leases", "--capacity", "16", "--ttl", "each"]);
    place
}

fn stat(place: &Place, name: &str) -> Json {
    serde_json::from_str(&place.ok(["stat", name, "--format", "json"])).unwrap()
}

/// The seconds that are left to an entry.
fn left(place: &Place, key: &str) -> f64 {
    place.ok(["ttl", "leases", key]).trim_end().parse().unwrap()
}

#[test]
fn an_entry_that_has_expired_is_absent_and_can_be_read_stale() {
    let place = with_leases();
    place.ok(["set", "leases", "1", "stays"]);
    place.ok(["set", "leases", "2", "gone", "--ttl", OVER]);
    place.fails(["get", "leases", "2"], 1, &["no key 2 in `leases`"]);
    place.fails(["ttl", "leases", "2"], 1, &["no key 2 in `leases`", "`shmap search leases`"]);
    place.fails(["touch", "leases", "2", "9"], 1, &["leases: key 2 does not exist"]);
    place.fails(["update", "leases", "2", "x"], 1, &["leases: key 2 does not exist"]);
    place.fails(["del", "leases", "2"], 1, &["leases: key 2 does not exist"]);
    assert_eq!(place.ok(["dump", "leases"]), "1\tstays\n");
    assert_eq!(place.ok(["search", "leases"]), "1\tstays\n");
    assert_eq!(place.ok(["get", "leases", "2", "--stale"]), "gone\n");
    assert_eq!(place.ok(["get", "leases", "1", "2", "--stale"]), "1\tstays\n2\tgone\n");
    place.fails(["get", "leases", "3", "--stale"], 1, &["no key 3 in `leases`"]);
    place.ok(["verify", "leases"]);
    // A key that has expired can be added.
    place.ok(["add", "leases", "2", "new"]);
    assert_eq!(place.ok(["get", "leases", "2"]), "new\n");
    assert_eq!(stat(&place, "leases")["expired"], 1);
    // Where nothing expires, nothing is stale.
    let maps = Place::with_maps();
    assert_eq!(maps.ok(["get", "jobs", "3325", "--stale"]), "running\n");
    assert_eq!(maps.ok(["get", "words", "rot", "--stale"]), "red\n");
}

#[test]
fn the_time_that_is_left_is_printed() {
    let place = with_leases();
    place.ok(["set", "leases", "1", "x"]);
    assert_eq!(place.ok(["ttl", "leases", "1"]), "forever\n");
    place.ok(["set", "leases", "-7", "x", "--ttl", "10000.5"]);
    let seconds = left(&place, "-7");
    assert!((9000.0..=10000.5).contains(&seconds), "{seconds}");
    // An update keeps the time, and so does a counter.
    place.ok(["update", "leases", "-7", "y"]);
    assert!(left(&place, "-7") <= seconds);
    // Setting it anew does not.
    place.ok(["set", "leases", "-7", "x"]);
    assert_eq!(place.ok(["ttl", "leases", "-7"]), "forever\n");
    place.ok(["touch", "leases", "-7", "20000"]);
    assert!((19000.0..=20000.0).contains(&left(&place, "-7")));
    assert_eq!(place.ok(["get", "leases", "-7"]), "x\n");
    place.ok(["touch", "leases", "-7", "--ttl", "100"]);
    assert!(left(&place, "-7") <= 100.0);
    let said = |key: &str| -> Json {
        serde_json::from_str(&place.ok(["ttl", "leases", key, "--format", "json"])).unwrap()
    };
    assert_eq!(said("1"), json!({"key": 1, "ttl": null, "ephemeral": false}));
    let timed = said("-7");
    assert_eq!((&timed["key"], &timed["ephemeral"]), (&json!(-7), &json!(false)));
    assert!(timed["ttl"].as_f64().unwrap() <= 100.0, "{timed}");
    // Where nothing expires, each entry stays.
    assert_eq!(Place::with_maps().ok(["ttl", "jobs", "3325"]), "forever\n");
}

#[test]
fn a_table_gives_its_entries_a_time_to_live() {
    let place = Place::new();
    place.ok(["create", "leases", "--ttl", "10000"]);
    place.write("leases.tsv", "1\tx\n2\tx\n");
    place.ok(["load", "leases", "leases.tsv"]);
    place.ok(["add", "leases", "3", "x"]);
    place.ok(["increment", "leases", "4"]);
    place.ok(["set", "leases", "5", "x", "--ttl", "500"]);
    for key in ["1", "2", "3", "4"] {
        let seconds = left(&place, key);
        assert!((9000.0..=10000.0).contains(&seconds), "{key}: {seconds}");
    }
    assert!(left(&place, "5") <= 500.0);
    place.ok(["touch", "leases", "5"]);
    assert!(left(&place, "5") > 9000.0);
}

#[test]
fn a_sweep_removes_what_has_expired() {
    let place = with_leases();
    let set = |ttl: &str| {
        for key in ["1", "2", "3"] {
            place.ok(["set", "leases", key, "x", "--ttl", ttl]);
        }
    };
    set("10000");
    assert_eq!(place.ok(["expire", "leases"]), "leases\t16\t0\n");
    set(OVER);
    let counts = |field| stat(&place, "leases")[field].clone();
    // Each was replaced after it had expired, or not; only this sweep counts from here.
    let before = counts("expired").as_u64().unwrap();
    assert_eq!(counts("entries"), 3, "nothing is stored when an entry expires");
    assert_eq!(place.ok(["expire", "leases"]), "leases\t16\t3\n");
    assert_eq!((counts("entries"), counts("expired")), (json!(0), json!(before + 3)));
    place.fails(["get", "leases", "1", "--stale"], 1, &["no key 1"]);
    assert_eq!(place.ok(["expire", "leases"]), "leases\t16\t0\n");
    // A part of the table at a time.
    set(OVER);
    let mut removed = 0;
    for _ in 0..4 {
        let said = place.ok(["expire", "leases", "--max-visited", "4", "--format", "json"]);
        let said: Json = serde_json::from_str(&said).unwrap();
        assert_eq!((&said["name"], &said["visited"]), (&json!("leases"), &json!(4)));
        removed += said["removed"].as_u64().unwrap();
    }
    assert_eq!(removed, 3);
    assert_eq!(place.ok(["expire", "leases", "--max-visited", "0"]), "leases\t0\t0\n");
    // Several tables, also one whose entries do not expire.
    place.ok(["create", "other"]);
    assert_eq!(place.ok(["expire", "other", "leases"]), "other\t0\t0\nleases\t16\t0\n");
    place.fails(["expire", "leases", "--max-visited", "-1"], 2, &["'-1'"]);
    place.fails(["expire"], 2, &["<NAME>"]);
    // As Redis' command of this name takes them.
    let words = ["no table `1` in ", "for one entry: `shmap touch leases KEY SECONDS`"];
    place.fails(["expire", "leases", "1", "60"], 1, &words);
}

#[test]
fn nothing_is_removed_if_a_table_is_missing() {
    let place = with_leases();
    place.ok(["set", "leases", "1", "gone", "--ttl", OVER]);
    place.fails(["expire", "leases", "missing"], 1, &["there is no table `missing`"]);
    assert_eq!(stat(&place, "leases")["expired"], 0);
}

#[test]
fn an_ephemeral_entry_goes_with_its_writer() {
    let place = with_leases();
    let (namespace, name) = (Namespace::at(place.dir()), Name::new("leases").unwrap());
    let table = Table::<i32>::open(&namespace, &name, &TableOptions::default()).unwrap();
    table.add_ephemeral(&1, "here").unwrap();
    assert_eq!(place.ok(["ttl", "leases", "1"]), "ephemeral\n");
    let said = place.ok(["ttl", "leases", "1", "--format", "json"]);
    assert_eq!(said, "{\"key\":1,\"ttl\":null,\"ephemeral\":true}\n");
    assert_eq!(place.ok(["get", "leases", "1"]), "here\n");
    assert_eq!(place.ok(["expire", "leases"]), "leases\t16\t0\n");
    drop(table);
    place.fails(["get", "leases", "1"], 1, &["no key 1"]);
    assert_eq!(place.ok(["get", "leases", "1", "--stale"]), "here\n");
    assert_eq!(place.ok(["expire", "leases"]), "leases\t16\t1\n");
}

#[test]
fn a_full_table_evicts_what_was_written_longest_ago() {
    let place = Place::new();
    place.ok(["create", "cache", "--capacity", "2", "--evict"]);
    place.ok(["set", "cache", "1", "a"]);
    place.ok(["set", "cache", "2", "b"]);
    place.ok(["set", "cache", "1", "c"]);
    place.ok(["set", "cache", "3", "d"]);
    assert_eq!(place.ok(["dump", "cache"]), "1\tc\n3\td\n");
    let said = stat(&place, "cache");
    assert_eq!((&said["evicted"], &said["entries"]), (&json!(1), &json!(2)), "{said}");
    // As many as fit, but no more.
    place.write("three.tsv", "7\tx\n8\tx\n9\tx\n");
    place.fails(["load", "cache", "three.tsv"], 3, &["three.tsv:3: ", "all 2 entries"]);
    place.write("two.tsv", "7\tx\n8\tx\n");
    place.ok(["load", "cache", "two.tsv"]);
    assert_eq!(place.ok(["dump", "cache"]), "7\tx\n8\tx\n");
    assert_eq!(stat(&place, "cache")["evicted"], 3);
    // Without the option it is full.
    place.ok(["create", "full", "--capacity", "1"]);
    place.ok(["set", "full", "1", "a"]);
    place.fails(["set", "full", "2", "b"], 3, &["the table is full"]);
}

#[test]
fn what_expires_and_what_is_evicted_is_told() {
    let place = Place::with_maps();
    place.ok(["create", "each", "--ttl", "each", "--evict"]);
    place.ok(["create", "after", "--ttl", "0.25"]);
    let never = stat(&place, "jobs");
    assert_eq!((&never["expiry"], &never["eviction"]), (&json!("never"), &json!("never")));
    assert!(never.get("ttl").is_none(), "{never}");
    assert_eq!((&never["expired"], &never["evicted"]), (&json!(0), &json!(0)));
    let each = stat(&place, "each");
    assert_eq!(each["expiry"], "each");
    assert_eq!(each["eviction"], "least_recently_written");
    assert!(each.get("ttl").is_none(), "{each}");
    let after = stat(&place, "after");
    assert_eq!((&after["expiry"], &after["ttl"]), (&json!("after"), &json!(0.25)));
    let lines = place.ok(["stat", "after"]);
    assert!(lines.contains("\nexpiry\tafter\nttl\t0.25 s\neviction\tnever\n"), "{lines}");
    let people = place.ok(["stat", "each", "--format", "table"]);
    for words in ["each after a time of its own", "the least recently written first"] {
        assert!(people.contains(words), "{people}");
    }
    let flags = ["--ttl", "0.25", "--evict", "--dry-run"];
    let dry = place.ok(["create", "new"].iter().chain(&flags));
    assert!(
        dry.contains("expiry\tafter\nttl\t0.25 s\neviction\tleast_recently_written\n"),
        "{dry}"
    );
    // What such a table takes more is in the size that is printed.
    let bytes = |flags: &[&str]| {
        let words = ["create", "new", "--value-size", "112", "--dry-run", "-F=json"];
        let said: Json = serde_json::from_str(&place.ok(words.iter().chain(flags))).unwrap();
        said["file_bytes"].as_u64().unwrap()
    };
    // Without either, the slots have no byte to spare.
    for flags in [&["--evict"][..], &["--ttl", "each"]] {
        assert_eq!(bytes(flags) - bytes(&[]), 64 * 1024, "a cache line for each slot");
    }

    place.ok(["set", "each", "1", "x", "--ttl", OVER]);
    place.ok(["expire", "each"]);
    let dir = place.dir().display();
    for (name, values) in [("jobs", [0, 0, 0, 0]), ("each", [1, 1, 1, 0]), ("after", [1, 0, 0, 0])]
    {
        let metrics = place.ok(["stat", name, "--format", "prometheus"]);
        let names = ["expires", "evicts", "expired_total", "evicted_total"];
        for (metric, value) in names.iter().zip(values) {
            let line =
                format!("\nshmap_table_{metric}{{name=\"{name}\",namespace=\"{dir}\"}} {value}\n");
            assert!(metrics.contains(&line), "{line}: {metrics}");
        }
    }
}

#[test]
fn a_time_to_live_that_cannot_be_is_explained() {
    let place = with_leases();
    place.ok(["set", "leases", "1", "x"]);
    let range = "a number of seconds, more than 0 and at most 4611686018";
    let calls: [&[&str]; 4] = [
        &["set", "leases", "1", "y", "--ttl"],
        &["touch", "leases", "1", "--ttl"],
        &["touch", "leases", "1"],
        &["create", "new", "--ttl"],
    ];
    for call in calls {
        for (ttl, words) in [
            ("0", "the time to live is 0ns, it must be more than 0"),
            ("-0", "the time to live is 0ns, it must be more than 0"),
            ("1e-12", "the time to live is 0ns, it must be more than 0"),
            ("4611686019", "the time to live is 4611686019s, it must be more than 0 and at most"),
            ("-1", "'-1'"),
            ("1e300", "'1e300'"),
            ("nan", "'nan'"),
            ("inf", "'inf'"),
            ("250ms", "'250ms'"),
            ("", "''"),
        ] {
            place.fails(call.iter().chain(&[ttl]), 2, &[words, range]);
        }
    }
    assert_eq!(place.ok(["ttl", "leases", "1"]), "forever\n", "nothing was changed");
    place.fails(["create", "new", "--ttl", "always"], 2, &["'always'", "or `each`"]);
    // The longest one is none too long.
    place.ok(["set", "leases", "1", "y", "--ttl", "4611686018"]);
    assert!(left(&place, "1") > 4.6e9);
    place.fails(
        ["touch", "leases", "1"],
        2,
        &["leases: the table has no time to live for all entries", "`shmap touch leases KEY"],
    );
    place.fails(["touch", "leases", "1", "5", "--ttl", "5"], 2, &["cannot be used with"]);
    place.fails(["add", "leases", "2", "x", "--ttl", "5"], 2, &["--ttl"]);
}

#[test]
fn a_table_without_expiry_says_so() {
    let place = Place::with_maps();
    let words = ["jobs: entries of this table do not expire", "`shmap create OTHER --ttl each`"];
    place.fails(["set", "jobs", "3325", "x", "--ttl", "5"], 2, &words);
    place.fails(["set", "jobs", "1", "x", "--ttl", "5"], 2, &words);
    place.fails(["touch", "jobs", "3325", "5"], 2, &words);
    place.fails(["touch", "jobs", "3325"], 2, &words);
    place.fails(["touch", "jobs", "1", "5"], 2, &words);
}

#[test]
fn a_published_map_has_no_times() {
    let place = Place::with_maps();
    let words = ["`words` is a published map, not a table", "try: entries of a published map stay"];
    for call in ["ttl words rot", "touch words rot 5", "touch words rot", "expire words"] {
        let said = place.fails(call.split(' '), 8, &words);
        assert!(said.err.contains("`shmap share words FILE --force`"), "{said:?}");
    }
}

#[test]
fn a_watch_sees_that_an_entry_expires() {
    let place = with_leases();
    place.ok(["set", "leases", "7", "x"]);
    for flags in [&[][..], &["--poll"]] {
        let words = ["watch", "leases", "--interval", "0.02"];
        let watch = Child::spawn(&mut place.command(words.iter().chain(flags))).unwrap();
        assert_eq!(watch.line(WATCHDOG).unwrap(), "+\t7\tx");
        // Nothing is written when the time is over.
        place.ok(["touch", "leases", "7", "0.2"]);
        assert_eq!(watch.line(WATCHDOG).unwrap(), "-\t7\tx");
        place.ok(["set", "leases", "7", "x"]);
        assert_eq!(watch.line(WATCHDOG).unwrap(), "+\t7\tx");
    }
}
