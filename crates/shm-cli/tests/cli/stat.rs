//! What `shmap stat` says of writers and of growth.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::channel;

use serde_json::{Value as Json, json};
use slotmap_shm::{Name, Namespace, Table, TableOptions};

use crate::place::{Place, SHMAP, Said, is_root};

fn stat(place: &Place) -> Json {
    serde_json::from_str(&place.ok(["stat", "jobs", "--format", "json"])).unwrap()
}

fn open(place: &Place) -> Table<i32> {
    let name = Name::new("jobs").unwrap();
    Table::open(&Namespace::at(place.dir()), &name, &TableOptions::default()).unwrap()
}

/// The line of `stat` that tells who writes.
fn line(place: &Place) -> String {
    let said = place.ok(["stat", "jobs"]);
    said.lines().find(|line| line.starts_with("writers\t")).unwrap().to_owned()
}

fn alive_in_metrics(place: &Place) -> String {
    let metrics = place.ok(["stat", "jobs", "--format", "prometheus"]);
    let labels = format!("{{name=\"jobs\",namespace=\"{}\"}} ", place.dir().display());
    let found = metrics.lines().find_map(|line| line.strip_prefix("shmap_table_writers"));
    found.unwrap().strip_prefix(&labels).unwrap().to_owned()
}

/// This thread, which writes, and its command.
fn this_writer(writes: u64) -> (Json, String) {
    let command = std::fs::read_to_string("/proc/self/comm").unwrap().trim_end().to_owned();
    let (pid, thread) = (std::process::id(), nix::unistd::gettid().as_raw());
    let writer = json!({
        "pid": pid, "thread": thread, "command": command, "alive": true, "writes": writes,
    });
    (writer, command)
}

/// The same writer after its end.
fn ended(mut writer: Json) -> Json {
    writer["alive"] = json!(false);
    writer["command"] = Json::Null;
    writer
}

#[test]
fn the_threads_that_write_are_told() {
    let place = Place::with_maps();
    // The one that has filled the table has ended. It wrote under the lock.
    let before = stat(&place)["writers"].clone();
    let [filled] = &before.as_array().unwrap()[..] else { panic!("{before}") };
    assert_eq!((&filled["alive"], &filled["writes"]), (&json!(false), &json!(0)));
    assert_eq!((&filled["command"], &filled["pid"]), (&Json::Null, &filled["thread"]));
    assert_eq!(line(&place), "writers\tnobody now, (1 has ended, with 0 writes)");
    assert_eq!(alive_in_metrics(&place), "0");
    let table = open(&place);
    for _ in 0..1234 {
        table.update(&3325, "busy").unwrap();
    }
    // It has taken over the record of the one that has ended.
    let (writer, command) = this_writer(1234);
    let (pid, thread) = (&writer["pid"], &writer["thread"]);
    assert_ne!(pid, thread, "a test runs in a thread of its own");
    assert_eq!(stat(&place)["writers"], json!([writer]));
    // For people.
    let told = format!("writers\t{pid} {command} thread {thread} (1,234 writes)");
    assert_eq!(line(&place), told);
    assert_eq!(alive_in_metrics(&place), "1");
    // A thread that has ended writes no more.
    drop(table);
    assert_eq!(stat(&place)["writers"], json!([ended(writer.clone())]));
    assert_eq!(line(&place), "writers\tnobody now, (1 has ended, with 1,234 writes)");
    assert_eq!(alive_in_metrics(&place), "0");
}

#[test]
fn who_may_only_read_sees_the_same_writers() {
    if !is_root() {
        return;
    }
    let place = Place::with_maps();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    mode(&place.path("jobs", "table"), 0o644);
    mode(place.dir(), 0o755);
    mode(&place.work(), 0o755);
    let table = open(&place);
    let ((tell, told), (stop, stopped)) = (channel(), channel::<()>());
    // Another thread than the one that forks, which gives its record back.
    let write = move || {
        table.update(&3325, "busy").unwrap();
        tell.send(this_writer(1).0).unwrap();
        stopped.recv().unwrap_err();
    };
    std::thread::scope(|scope| {
        scope.spawn(write);
        let writer = told.recv().unwrap();
        let said = place.as_nobody(["stat", "jobs", "--trust", "0", "--format", "json"]);
        assert_eq!(said.code, 0, "{said:?}");
        let said: Json = serde_json::from_str(&said.out).unwrap();
        assert_eq!(said["writers"], json!([writer]));
        drop(stop);
    });
}

#[test]
fn writers_of_another_pid_namespace_are_told_by_their_numbers_there() {
    let place = Place::with_maps();
    let elsewhere = |words: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", SHMAP]).args(words);
        place.settle(&mut command);
        command.output().map(Said::of)
    };
    match elsewhere(&["--version"]) {
        Ok(said) if said.code == 0 => {}
        said => return println!("skipped: a pid namespace of its own needs root: {said:?}"),
    }
    let table = open(&place);
    table.update(&3325, "busy").unwrap();
    let (here, command) = this_writer(1);
    assert_eq!(stat(&place)["writers"], json!([here]));
    // From there nobody knows what this process is.
    let stat_there = || -> Json {
        let said = elsewhere(&["stat", "jobs", "--format", "json"]).unwrap();
        serde_json::from_str(&said.out).unwrap()
    };
    let mut unknown = here.clone();
    unknown["command"] = Json::Null;
    assert_eq!(stat_there()["writers"], json!([unknown]));
    // `shmap` is process 1 there.
    assert_eq!(elsewhere(&["set", "jobs", "3325", "x"]).unwrap().code, 0);
    let there = json!({"pid": 1, "thread": 1, "command": null, "alive": false, "writes": 1});
    assert_eq!(stat(&place)["writers"], json!([here, there]));
    assert_eq!(stat_there()["writers"], json!([unknown, there]));
    let (pid, thread) = (&here["pid"], &here["thread"]);
    let told =
        format!("writers\t{pid} {command} thread {thread} (1 write), (1 has ended, with 1 write)");
    assert_eq!(line(&place), told);
    drop(table);
}

#[test]
fn growths_are_counted() {
    let place = Place::new();
    place.ok(["create", "jobs", "--capacity", "2", "--max-capacity", "16"]);
    assert_eq!(stat(&place)["growths"], 0);
    for (key, growths) in [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2)] {
        place.ok(["set", "jobs", &key.to_string(), "x"]);
        assert_eq!(stat(&place)["growths"], growths, "{key}");
    }
    let metrics = place.ok(["stat", "jobs", "--format", "prometheus"]);
    let labels = format!("name=\"jobs\",namespace=\"{}\"", place.dir().display());
    assert!(metrics.contains(&format!("shmap_table_growths_total{{{labels}}} 2\n")), "{metrics}");
}
