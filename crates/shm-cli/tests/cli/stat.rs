//! What `shmap stat` says of writers and of growth.

use serde_json::{Value as Json, json};
use slotmap_shm::{Name, Namespace, Table, TableOptions};

use crate::place::Place;

fn stat(place: &Place) -> Json {
    serde_json::from_str(&place.ok(["stat", "jobs", "--format", "json"])).unwrap()
}

fn open(place: &Place) -> Table<i32> {
    let name = Name::new("jobs").unwrap();
    Table::open(&Namespace::at(place.dir()), &name, &TableOptions::default()).unwrap()
}

#[test]
fn the_threads_that_write_are_told() {
    let place = Place::with_maps();
    // Those that have filled the table have ended.
    let before = stat(&place)["writers"].as_array().unwrap().clone();
    assert!(before.iter().all(|writer| writer["alive"] == false), "{before:?}");
    let said = place.ok(["stat", "jobs"]);
    assert!(said.contains("writers\tnobody now"), "{said}");
    let table = open(&place);
    for _ in 0..1234 {
        table.update(&3325, "busy").unwrap();
    }
    let pid = std::process::id();
    let writers = stat(&place)["writers"].clone();
    let own: Vec<_> = writers
        .as_array()
        .unwrap()
        .iter()
        .filter(|w| w["pid"] == pid && w["alive"] == true)
        .collect();
    let [own] = own[..] else { panic!("{writers}") };
    let command = std::fs::read_to_string("/proc/self/comm").unwrap();
    // A read-only handle may not know whose ids these are.
    let command = own["command"].as_str().map(|said| {
        assert_eq!(said, command.trim_end());
        format!(" {said}")
    });
    assert_ne!(own["thread"], json!(pid), "a test runs in a thread of its own");
    assert!(own["writes"].as_u64().unwrap() >= 1234);
    // For people.
    let said = place.ok(["stat", "jobs"]);
    let command = command.unwrap_or_default();
    let line = format!("writers\t{pid}{command} thread {} (1,2", own["thread"]);
    assert!(said.contains(&line), "{said}");
    let metrics = place.ok(["stat", "jobs", "--format", "prometheus"]);
    let labels = format!("name=\"jobs\",namespace=\"{}\"", place.dir().display());
    assert!(metrics.contains(&format!("shmap_table_writers{{{labels}}} 1\n")), "{metrics}");
    // A thread that has ended writes no more.
    drop(table);
    let writers = stat(&place)["writers"].clone();
    let ended = |w: &&Json| w["pid"] == pid && w["alive"] == false && w["command"].is_null();
    assert!(writers.as_array().unwrap().iter().find(ended).is_some(), "{writers}");
    let said = place.ok(["stat", "jobs"]);
    assert!(
        said.contains("writers\tnobody now, (") && said.contains("have ended, with 1,2"),
        "{said}"
    );
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
