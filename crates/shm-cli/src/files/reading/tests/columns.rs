//! Columns by name and by position, other delimiters, lines that are skipped.

use super::*;
use crate::files::layout::Column;

fn by(key: &str, value: &str) -> Layout {
    Layout { columns: Some([key, value].map(|c| c.parse().unwrap())), ..Layout::default() }
}

fn read(bytes: &[u8], format: FileFormat, layout: &Layout) -> Result<Vec<Record>, Failure> {
    let input: Box<dyn Read> = Box::new(Drops(io::Cursor::new(bytes.to_vec()), 3));
    let mut reader = Reader::new("words", input, None, format, layout, 100_000);
    let (mut records, mut record) = (Vec::new(), Record::default());
    while reader.next(&mut record)? {
        records.push(record.clone());
    }
    Ok(records)
}

#[track_caller]
fn gives(layout: &Layout, text: &str, expected: &[(&str, &str)]) {
    let records = read(text.as_bytes(), Csv, layout).unwrap_or_else(|e| panic!("{}", e.message()));
    let found: Vec<_> = records.into_iter().map(|record| (record.key, record.value)).collect();
    assert_eq!(found, pairs(expected), "{text}");
}

#[track_caller]
fn is_broken(layout: &Layout, text: &str, said: &str) {
    let failure = read(text.as_bytes(), Csv, layout).unwrap_err();
    assert_eq!(failure.message(), said, "{text}");
    assert_eq!(failure.exit(), Exit::Input);
}

const WIDE: &str = "note,state,id\nold,red,a\n,\"blue,\n\"\"dark\"\"\",b\n,,\n";

#[test]
fn columns_are_found_by_name_and_by_position() {
    let entries = [("a", "red"), ("b", "blue,\n\"dark\""), ("", "")];
    for (key, value) in [("id", "state"), ("3", "2"), ("id", "2"), ("3", "state")] {
        gives(&by(key, value), WIDE, &entries);
    }
    gives(&by("2", "1"), "value,key\n1,a\n", &[("a", "1")]);
    // One name is enough where the other column has the usual one.
    gives(&by("id", "value"), "x,value,id\n,1,a\n", &[("a", "1")]);
    let positions = Layout { heading: false, ..by("3", "1") };
    gives(&positions, "1,x,a\n2,y,b\n\n", &[("a", "1"), ("b", "2")]);
    gives(&positions, "", &[]);
    // A name in quotes, one that is empty, and one that another language writes.
    gives(&by("a,b", "größe"), "größe,\"a,b\",\n1,k,z\n", &[("k", "1")]);
}

#[test]
fn a_column_that_is_missing_is_said_with_those_that_there_are() {
    let have = "the columns are `note`, `state`, `id`";
    is_broken(&by("key", "state"), WIDE, &format!("words:1: there is no column `key`: {have}"));
    is_broken(&by("id", "State"), WIDE, &format!("words:1: there is no column `State`: {have}"));
    is_broken(&by("id", "4"), WIDE, &format!("words:1: there is no column 4: {have}"));
    is_broken(&by("id", "b"), "id\na\n", "words:1: there is no column `b`: the only one is `id`");
    let odd = "\u{feff}a\u{1b},b\n";
    let said = "words:1: there is no column `id`: the columns are `a\\x1b`, `b`";
    is_broken(&by("id", "b"), odd, said);
    let many: Vec<_> = (1..=30).map(|i| format!("c{i}")).collect();
    let failure = read(many.join(",").as_bytes(), Csv, &by("c9", "x")).unwrap_err();
    assert!(failure.message().ends_with("`c19`, `c20` and 10 more"), "{}", failure.message());
    let positions = Layout { heading: false, ..by("1", "3") };
    is_broken(&positions, "a,b\n", "words:1: there is no column 3: the line has 2");
}

#[test]
fn a_column_that_is_not_one_is_said() {
    let twice = "words:1: column `id` is there twice; say which by its position";
    is_broken(&by("id", "state"), "id,state,id\n", twice);
    gives(&by("3", "state"), "id,state,id\n1,x,2\n", &[("2", "x")]);
    let same = "words:1: keys and values are in one column, `id`";
    is_broken(&by("id", "2"), "state,id\n", same);
    is_broken(&by("a", "b"), "", "words:1: the heading is missing");
}

#[test]
fn every_line_has_as_many_fields_as_the_first() {
    let layout = by("id", "state");
    is_broken(&layout, "id,state,x\na,1,\nb,2\n", "words:3: 2 fields, not 3");
    is_broken(&layout, "id,state\na,1,\n", "words:2: 3 fields, not 2");
    let layout = Layout { heading: false, ..by("1", "2") };
    is_broken(&layout, "a,1,\nb,2,,\n", "words:2: 4 fields, not 3");
    // Without columns by name the file has two, as ever.
    let plain = Layout { heading: false, ..Layout::default() };
    is_broken(&plain, "a,1,x\n", "words:1: 3 fields, not 2");
}

#[test]
fn a_heading_of_commas_alone_does_not_fill_the_memory() {
    let said = "words:1: a heading of more than 16384 columns";
    is_broken(&by("id", "state"), &",".repeat(20_000), said);
    is_broken(&by("id", "state"), &"a,".repeat(20_000), said);
}

#[test]
fn what_is_between_columns_may_be_another_byte() {
    for (delimiter, text) in [
        (b';', "key;value\na,b;\"1;\"\n"),
        (b'\t', "key\tvalue\na,b\t1;\n"),
        (b'|', "key|value\r\n\"a,b\"|1;\r\n"),
    ] {
        let layout = Layout { delimiter, ..Layout::default() };
        gives(&layout, text, &[("a,b", "1;")]);
    }
    let layout = Layout { delimiter: b';', ..Layout::default() };
    let said = "words:1: the heading is not key;value: no `key`, but `key,value`";
    is_broken(&layout, "key,value\na,1\n", said);
    is_broken(&layout, "key;value\na;1;2\n", "words:2: 3 fields, not 2");
}

#[test]
fn lines_are_skipped_in_every_format_and_still_counted() {
    for format in ALL {
        for end in ["\n", "\r\n"] {
            let text = format!("# \"it\0{end}{end}{}", two(format, end));
            for bytes in [
                text.clone().into_bytes(),
                format!("\u{feff}{text}").into_bytes(),
                utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes),
            ] {
                let layout = Layout { skip: 2, ..Layout::default() };
                let records = read(&bytes, format, &layout).unwrap();
                assert_eq!(records.last().map(|r| r.line), Some(second(format) + 2));
                let found: Vec<_> = records.into_iter().map(|r| (r.key, r.value)).collect();
                assert_eq!(found, two_entries());
                let layout = Layout { skip: 1, ..Layout::default() };
                let failure = read(&bytes, format, &layout).unwrap_err();
                assert!(failure.message().starts_with("words:2: a blank line"), "{failure:?}");
            }
        }
        // More lines than there are: nothing is left.
        let layout = Layout { skip: 99, ..Layout::default() };
        let found = read(two(format, "\n").as_bytes(), format, &layout);
        match format {
            Csv => assert!(found.unwrap_err().message().contains("key,value is missing")),
            _ => assert_eq!(found.unwrap(), []),
        }
    }
    let layout = Layout { skip: 1, ..by("id", "state") };
    is_broken(&layout, "2026\nid,state\na\n", "words:3: 1 fields, not 2");
    // One that is skipped may not fill the memory either.
    is_broken(&layout, &"x".repeat(100_001), "words:1: a line of more than 100000 bytes");
}

proptest! {
    #[test]
    fn what_is_written_with_a_layout_is_read_with_it(
        entries in prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 0..8),
        delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'x'), Just(b' ')],
        names in prop::option::of(("[a-z,;\" \t]{1,5}k", "[a-z,;\" \t]{1,5}v")),
        heading in any::<bool>(),
        swapped in any::<bool>(),
    ) {
        let columns = match (names, heading) {
            (Some((key, value)), true) => Some([Column::Name(key), Column::Name(value)]),
            _ if swapped => Some([Column::Number(2), Column::Number(1)]),
            _ => None,
        };
        let layout = Layout { skip: 0, delimiter, heading, columns };
        let mut file = Vec::new();
        let mut writer = Writer::with_layout(Csv, &layout, &mut file).unwrap();
        for (key, value) in &entries {
            writer.write(&AnyKey::Bytes(key.clone()), value).unwrap();
        }
        writer.finish().unwrap();
        let records = read(&file, Csv, &layout).unwrap().into_iter();
        let back: Vec<_> = records.map(|record| (record.key, record.value)).collect();
        prop_assert_eq!(&back, &entries, "{}", file.escape_ascii());
    }
}
