//! CSV files with other columns, other delimiters, and lines before the heading.

use crate::place::Place;

const EXPORT: &str = "made by a spreadsheet\n\nid;name;state\n3325;a;\"run;ning\"\n7;b;new\n";
const FLAGS: &str = "--from csv --skip 2 --delimiter ; --key-column id --value-column state";

fn words<'a>(verb: &'a str, flags: &'a str) -> Vec<&'a str> {
    verb.split(' ').chain(flags.split(' ').filter(|word| !word.is_empty())).collect()
}

#[test]
fn an_export_is_loaded_and_shared_as_it_is() {
    let place = Place::with_maps();
    place.write("export.txt", EXPORT);
    place.ok(words("load jobs export.txt", FLAGS));
    assert_eq!(place.ok(["dump", "jobs"]), "7\tnew\n3325\trun;ning\n3326\twaiting\n");
    place.ok(words("share new export.txt --keys i32", FLAGS));
    assert_eq!(place.ok(["dump", "new", "--keys", "i32"]), "7\tnew\n3325\trun;ning\n");
    // Without these options, each of these lines is broken.
    for (flags, said) in [
        ("--from csv", "export.txt:1: the heading is not key,value"),
        ("--from csv --skip 2", "export.txt:3: the heading is not key,value"),
        ("--from csv --skip 2 --key-column id", "export.txt:3: there is no column `id`: the only"),
        (
            "--from csv --skip 2 --delimiter ; --key-column id",
            "export.txt:3: there is no column `value`: the columns are `id`, `name`, `state`",
        ),
        ("--from csv --skip 3 --delimiter ; --no-heading", "export.txt:4: 3 fields, not 2"),
    ] {
        place.fails(words("load jobs export.txt", flags), 11, &[said, "try: "]);
        place.fails(words("share words export.txt --force", flags), 11, &[said, "try: "]);
    }
    let flags = "--from csv --skip 3 --delimiter ; --no-heading --value-column 3";
    place.ok(words("share new export.txt --force", flags));
    assert_eq!(place.ok(["dump", "new"]), "3325\trun;ning\n7\tnew\n");
}

#[test]
fn what_is_dumped_with_a_layout_loads_with_it() {
    let place = Place::with_maps();
    place.ok(["set", "jobs", "7", "a;b"]);
    let all = place.ok(["dump", "jobs"]);
    for (flags, first) in [
        ("--key-column id --value-column state", "id,state"),
        ("--delimiter ;", "key;value"),
        ("--delimiter tab --key-column id", "id\tvalue"),
        ("--key-column 2 --value-column 1", "value,key"),
        ("--value-column 1 --key-column id", "value,id"),
        ("--no-heading", "7,a;b"),
        ("--no-heading --delimiter ; --key-column 2 --value-column 1", "\"a;b\";7"),
    ] {
        let dumped = place.ok(words("dump jobs --to csv", flags));
        assert_eq!(dumped.lines().next(), Some(first), "{flags}");
        place.write("a.csv", dumped);
        place.ok(["create", "again"]);
        place.ok(words("load again a.csv", flags));
        assert_eq!(place.ok(["dump", "again"]), all, "{flags}");
        place.ok(["rm", "again"]);
    }
}

#[test]
fn a_layout_that_makes_no_sense_is_said() {
    let place = Place::with_maps();
    place.write("a.csv", "key,value\n1,x\n");
    for (flags, said) in [
        ("--delimiter \"", "a quote goes around a field"),
        ("--delimiter \n", "an end of line ends a record"),
        ("--delimiter \r", "an end of line ends a record"),
        ("--delimiter ;;", "one ASCII character, or `tab`"),
        ("--delimiter §", "one ASCII character, or `tab`"),
        ("--delimiter=", "one ASCII character, or `tab`"),
        ("--key-column 0", "columns are counted from 1"),
        ("--key-column=", "a column has a name or a number"),
        ("--no-heading --key-column id", "there is no column `id`: the file has no heading"),
        ("--key-column 1 --value-column 1", "keys and values are in one column"),
        ("--key-column value", "keys and values are in one column"),
    ] {
        place.fails(words("load jobs a.csv", flags), 2, &[said]);
        place.fails(words("share words a.csv --force", flags), 2, &[said]);
        place.fails(words("dump jobs --to csv", flags), 2, &[said]);
    }
    for flag in ["--key-column=a", "--value-column=a", "--delimiter=;", "--no-heading"] {
        let name = flag.split('=').next().unwrap();
        let said = format!("{name} is for CSV, not for TSV");
        place.fails(["load", "jobs", "jobs.tsv", flag], 2, &[&said, "try: name the format"]);
        place.fails(["dump", "jobs", flag], 2, &[&said, "try: name the format"]);
        let jsonl = ["share", "new", "-", "--from", "jsonl", flag];
        place.fails(jsonl, 2, &[&format!("{name} is for CSV, not for JSON Lines")]);
    }
    place.fails(["load", "jobs", "a.csv", "--skip=-1"], 2, &["--skip"]);
    let three = ["dump", "jobs", "--to", "csv", "--key-column", "3"];
    place.fails(three, 2, &["there is no column 3: a dump has two", "try: "]);
}
