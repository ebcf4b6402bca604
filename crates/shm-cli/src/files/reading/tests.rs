mod columns;

use super::*;
use crate::files::writing::Writer;
use crate::maps::key::AnyKey;
use proptest::prelude::*;

use FileFormat::{Csv, Jsonl, Tsv};

const ALL: [FileFormat; 3] = [Tsv, Csv, Jsonl];

/// A file that returns only a few bytes at a time, so that everything is cut everywhere.
struct Drops(io::Cursor<Vec<u8>>, usize);

impl Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

fn read(bytes: &[u8], format: FileFormat) -> Result<Vec<Record>, Failure> {
    read_at_most(bytes, format, MAX_RECORD)
}

fn read_at_most(bytes: &[u8], format: FileFormat, most: u64) -> Result<Vec<Record>, Failure> {
    let whole = read_in_drops(bytes, format, most, usize::MAX);
    for drop in [1, 3] {
        let again = read_in_drops(bytes, format, most, drop);
        match (&whole, again) {
            (Ok(whole), Ok(again)) => assert_eq!(*whole, again),
            (Err(whole), Err(again)) => assert_eq!(whole.message(), again.message()),
            (whole, again) => panic!("{whole:?}, but {again:?} by {drop}"),
        }
    }
    whole
}

fn read_in_drops(
    bytes: &[u8],
    format: FileFormat,
    most: u64,
    drop: usize,
) -> Result<Vec<Record>, Failure> {
    let input: Box<dyn Read> = Box::new(Drops(io::Cursor::new(bytes.to_vec()), drop));
    let mut reader = Reader::new("words", input, None, format, &Layout::default(), most);
    let (mut records, mut record) = (Vec::new(), Record::default());
    while reader.next(&mut record)? {
        records.push(record.clone());
    }
    assert_eq!(reader.at(), bytes.len() as u64);
    assert!(!reader.next(&mut record)?, "the end stays the end");
    Ok(records)
}

#[track_caller]
fn is_broken(format: FileFormat, bytes: &[u8], said: &str) {
    let failure = read(bytes, format).unwrap_err();
    let text = bytes[..bytes.len().min(80)].escape_ascii();
    assert!(failure.message().starts_with(said), "{text}: {}, not {said}", failure.message());
    assert_eq!(failure.exit(), Exit::Input);
}

fn entries(bytes: &[u8], format: FileFormat) -> Vec<(Vec<u8>, Vec<u8>)> {
    let records = read(bytes, format).unwrap_or_else(|e| panic!("{format:?}: {}", e.message()));
    records.into_iter().map(|record| (record.key, record.value)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

/// Two entries in a format, without the end of the last line.
fn two(format: FileFormat, end: &str) -> String {
    let lines = match format {
        Tsv => &["ä\tred", "b\t𝄞"][..],
        Csv => &["key,value", "ä,red", "\"b\",𝄞"],
        Jsonl => &["{\"key\":\"ä\",\"value\":\"red\"}", "{\"key\":\"b\",\"value\":\"𝄞\"}"],
    };
    lines.join(end)
}

fn two_entries() -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs(&[("ä", "red"), ("b", "𝄞")])
}

/// The line of the second entry.
fn second(format: FileFormat) -> u64 {
    if format == Csv { 3 } else { 2 }
}

fn utf_16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

#[test]
fn a_broken_line_is_named() {
    for (format, text, said) in [
        (Tsv, "a\t1\nb", "words:2: no tab"),
        (Tsv, "a\t1\t2\n", "words:1: 3 fields"),
        (Tsv, "a\t1\nb\t\\q\n", "words:2: value: the backslash at byte 1"),
        (Tsv, "a\t1\nb\\\t2\n", "words:2: key: the backslash at byte 2"),
        (Tsv, "a\t1\nb\t\\x4\n", "words:2: value: the backslash at byte 1"),
        (Tsv, "a\t1\nb\t\\x", "words:2: value: the backslash at byte 1"),
        (Csv, "key,value\na,1\nb\n", "words:3: 1 fields"),
        (Csv, "key,value\na,1\nb", "words:3: 1 fields"),
        (Csv, "key,value\na,1\n\"\"\nb,2\n", "words:3: 1 fields"),
        (Csv, "key,value\na,1\n,,\n", "words:3: 3 fields"),
        (Csv, "key,value\na,\"x\ny\"\nb,1,2\n", "words:4: 3 fields"),
        (
            Jsonl,
            "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"}\n",
            "words:2: there is no \"value\"",
        ),
        (Jsonl, "[]\n", "words:1: not an object"),
        (Jsonl, "[\"a\",\"1\"]\n", "words:1: not an object"),
        (Jsonl, "\"a\"\n", "words:1: not an object"),
        (Jsonl, "{\"key\":\"a\",\"value\":\"1\",\"x\":0}", "words:1: \"x\" is neither"),
        (Jsonl, "{\"hex\":\"61\",\"value\":\"1\"}", "words:1: \"hex\" is neither"),
        (Jsonl, "{\"key\":1.5,\"value\":\"1\"}", "words:1: the key is no string"),
        (Jsonl, "{\"key\":1e3,\"value\":\"1\"}", "words:1: the key is no string"),
        (Jsonl, "{\"key\":null,\"value\":\"1\"}", "words:1: the key is no string"),
        (Jsonl, "{\"key\":18446744073709551616,\"value\":\"1\"}", "words:1: the key is no string"),
        (Jsonl, "{\"key\":\"a\",\"value\":2}", "words:1: the value is no string"),
        (Jsonl, "{\"key\":\"a\",\"value\":true}", "words:1: the value is no string"),
        (Jsonl, "{\"key\":\"a\",\"value\":[{\"hex\":\"61\"}]}", "words:1: the value is no string"),
        (Jsonl, "{\"key\":1,\"value\":{\"hex\":\"f\"}}", "words:1: the value is no string"),
        (Jsonl, "{\"key\":1,\"value\":{\"hex\":61}}", "words:1: the value is no string"),
        (
            Jsonl,
            "{\"key\":1,\"value\":{\"hex\":{\"hex\":\"3631\"}}}",
            "words:1: the value is no string",
        ),
        (Jsonl, "{\"key\":1,\"value\":{}}", "words:1: the value is no string"),
        (
            Jsonl,
            "{\"key\":1,\"value\":{\"x\":1,\"hex\":\"61\"}}",
            "words:1: the value is no string",
        ),
        (Jsonl, "{", "words:1: not JSON"),
        (Jsonl, "{\"key\":\"a\",\"value\":\"1\"}}", "words:1: not JSON"),
        (
            Jsonl,
            "{\"key\":\"a\",\"value\":\"1\"} {\"key\":\"b\",\"value\":\"2\"}",
            "words:1: not JSON",
        ),
        (Jsonl, "{\"key\":\"\\ud800\",\"value\":\"1\"}", "words:1: not JSON"),
    ] {
        is_broken(format, text.as_bytes(), said);
    }
    is_broken(Jsonl, b"{\"key\":\"\xff\",\"value\":\"1\"}", "words:1: not JSON");
}

#[test]
fn a_member_that_is_given_twice_is_a_broken_line() {
    let first = "{\"key\":\"a\",\"value\":\"1\"}\n";
    for (line, name) in [
        ("{\"key\":\"a\",\"value\":\"1\",\"key\":\"b\"}", "key"),
        ("{\"key\":\"a\",\"key\":\"a\",\"value\":\"1\"}", "key"),
        ("{\"key\":\"a\",\"value\":\"1\",\"value\":\"2\"}", "value"),
        ("{\"key\":\"a\",\"value\":\"1\",\"val\\u0075e\":\"2\"}", "value"),
        ("{\"key\":{\"hex\":\"61\",\"hex\":\"62\"},\"value\":\"1\"}", "hex"),
        ("{\"key\":\"a\",\"value\":{\"hex\":\"61\",\"hex\":\"61\"}}", "hex"),
    ] {
        let said = format!("words:2: \"{name}\" is given twice");
        is_broken(Jsonl, format!("{first}{line}\n").as_bytes(), &said);
    }
}

#[test]
fn what_rfc_4180_does_not_allow_is_a_broken_line() {
    let good = "key,value\na,1\n";
    for (text, said) in [
        // The record begins in line 3; so does the quote, or a line below.
        ("b,\"x\nc,2\nd,3\n", "words:3: a quote that is opened here and never closed"),
        ("\"b\n\",\"x\nc,2\n", "words:4: a quote that is opened here and never closed"),
        ("b,\"", "words:3: a quote that is opened here and never closed"),
        ("b,\"x\"\"", "words:3: a quote that is opened here and never closed"),
        ("b,\"x\"y\n", "words:3: a quote is opened here, and text follows where it is closed"),
        ("b,\"x\ny\"z\n", "words:3: a quote is opened here, and text follows where it is closed"),
        ("\"b\" ,x\n", "words:3: a quote is opened here, and text follows where it is closed"),
        ("b,x\"y\n", "words:3: a quote in a field that does not begin with one"),
        ("b,\"x\"\nc\"d,y\n", "words:4: a quote in a field that does not begin with one"),
        ("b, \"x\"\n", "words:3: a quote in a field that does not begin with one"),
        ("b,x\rc,y\n", "words:3: a carriage return without a line feed"),
        ("b,x\r\r\n", "words:3: a carriage return without a line feed"),
        ("b,\"x\"\r\"\n", "words:3: a carriage return without a line feed"),
        ("b,x\0\n", "words:3: a NUL byte outside quotes"),
        ("\0,x\n", "words:3: a NUL byte outside quotes"),
    ] {
        is_broken(Csv, format!("{good}{text}").as_bytes(), said);
    }
    let fine = b"key,value\r\n\"a\0\r\n\",\"\"\"\"\r\n\"\",\r\nb,\"x,y\"";
    assert_eq!(entries(fine, Csv), pairs(&[("a\0\r\n", "\""), ("", ""), ("b", "x,y")]));
    let lines: Vec<_> = read(fine, Csv).unwrap().iter().map(|record| record.line).collect();
    assert_eq!(lines, [2, 4, 5]);
}

#[test]
fn one_stray_quote_in_a_long_file_is_found() {
    let mut text = String::from("key,value\n");
    for i in 2..=200_001 {
        let quote = if i == 777 { "\"" } else { "" };
        text.push_str(&format!("key {i},{quote}value\n"));
    }
    let failure = read_in_drops(text.as_bytes(), Csv, MAX_RECORD, usize::MAX).unwrap_err();
    assert!(failure.message().starts_with("words:777: a quote that is opened here"), "{failure:?}");
    // The next quote opens a field, or so it looked.
    let text = text.replace("key 1000,", "\"key 1000\",");
    let failure = read_in_drops(text.as_bytes(), Csv, MAX_RECORD, usize::MAX).unwrap_err();
    assert!(failure.message().starts_with("words:777: a quote is opened here"), "{failure:?}");
}

#[test]
fn a_wrong_heading_is_said() {
    for (text, said) in [
        ("", "the heading key,value is missing"),
        ("\n\n", "the heading key,value is missing"),
        ("a,1\n", "the heading is not key,value: no `key`, but `a`"),
        ("key\n", "the heading is not key,value: no `value`"),
        ("key;value\n", "the heading is not key,value: no `key`, but `key;value`"),
        ("key,val\n", "the heading is not key,value: no `value`, but `val`"),
        ("key,key\n", "the heading is not key,value: `key` is there twice"),
        ("key,value,value\n", "the heading is not key,value: `value` is there twice"),
        ("key,value,note\n", "the heading is not key,value: `note` is neither"),
        ("value,key\n", "the heading is not key,value: the columns are in another order"),
    ] {
        is_broken(Csv, text.as_bytes(), &format!("words:1: {said}"));
    }
    assert_eq!(entries(b"\"key\",\"value\"\na,1\n", Csv), pairs(&[("a", "1")]));
}

#[test]
fn every_format_ends_its_lines_and_its_file_alike() {
    for format in ALL {
        for end in ["\n", "\r\n"] {
            let text = two(format, end);
            for tail in ["", end, "\r", &end.repeat(2), &end.repeat(9), "\n\r\n", "\r\n\r"] {
                let text = format!("{text}{tail}");
                assert_eq!(entries(text.as_bytes(), format), two_entries(), "{text:?}");
            }
            // A blank line is none at the end only.
            let line = second(format);
            let blank = text.replacen(end, &end.repeat(2), 1);
            is_broken(format, blank.as_bytes(), "words:2: a blank line");
            is_broken(format, format!("{end}{text}").as_bytes(), "words:1: a blank line");
            is_broken(
                format,
                format!("{text}{end}{end}{{").as_bytes(),
                &format!("words:{}: a blank line", second(format) + 1),
            );
            let more = format!("{text}{end}{end}{}{text}", end.repeat(2));
            is_broken(format, more.as_bytes(), &format!("words:{}: a blank line", line + 1));
        }
        // Blanks are not nothing.
        let text = format!("{}\n \n", two(format, "\n"));
        is_broken(format, text.as_bytes(), &format!("words:{}: ", second(format) + 1));
    }
    assert_eq!(entries(b"", Tsv), []);
    assert_eq!(entries(b"\n\r\n", Jsonl), []);
    assert_eq!(entries(b"a\t1\r\nb\t2\\r\n", Tsv), pairs(&[("a", "1"), ("b", "2\r")]));
}

#[test]
fn every_format_knows_every_mark() {
    for format in ALL {
        for end in ["\n", "\r\n"] {
            for tail in ["", end, &end.repeat(3)] {
                let text = format!("{}{tail}", two(format, end));
                let marked = format!("\u{feff}{text}");
                for bytes in [
                    text.clone().into_bytes(),
                    marked.clone().into_bytes(),
                    utf_16(&marked, u16::to_le_bytes),
                    utf_16(&marked, u16::to_be_bytes),
                ] {
                    assert_eq!(entries(&bytes, format), two_entries(), "{}", bytes.escape_ascii());
                }
            }
        }
        // A second mark, and one in the middle, is a character like any other.
        let key = if format == Tsv { "b\t" } else { "b\"" };
        let text = two(format, "\n").replacen(key, &format!("\u{feff}{key}"), 1);
        for bytes in
            [text.clone().into_bytes(), utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes)]
        {
            let last = entries(&bytes, format).pop().unwrap();
            assert_eq!(last.0, "\u{feff}b".as_bytes());
        }
    }
    assert_eq!(entries("\u{feff}\u{feff}a\t1".as_bytes(), Tsv), pairs(&[("\u{feff}a", "1")]));
}

#[test]
fn every_format_refuses_what_is_not_well_formed() {
    for format in ALL {
        let text = two(format, "\n");
        let line = second(format);
        let b = text.find('𝄞').unwrap();
        for (order, name) in
            [(u16::to_le_bytes as fn(u16) -> [u8; 2], "UTF-16LE"), (u16::to_be_bytes, "UTF-16BE")]
        {
            let said = format!("words:{line}: not {name}");
            // Half of the pair, either half; then a byte too few.
            let [first, last] = text.split_at(b).into();
            for lone in [0xd834, 0xdd1e] {
                let mut units: Vec<u16> =
                    "\u{feff}".encode_utf16().chain(first.encode_utf16()).collect();
                units.push(lone);
                units.extend(last.encode_utf16().skip(2));
                let bytes: Vec<u8> = units.iter().copied().flat_map(order).collect();
                is_broken(format, &bytes, &said);
                units.push(10);
                let bytes: Vec<u8> = units.into_iter().flat_map(order).collect();
                is_broken(format, &bytes, &said);
            }
            let mut bytes = utf_16(&format!("\u{feff}{text}"), order);
            bytes.pop();
            is_broken(format, &bytes, &said);
            // Without its mark it is bytes, with a NUL in the first line.
            is_broken(format, &utf_16(&text, order), "words:1: a NUL byte");
        }
        let mut bytes = format!("\u{feff}{text}").into_bytes();
        bytes[b + 4] = b'x';
        is_broken(format, &bytes, &format!("words:{line}: not UTF-8"));
        let utf_32 = |order: fn(u32) -> [u8; 4]| {
            format!("\u{feff}{text}").chars().flat_map(|c| order(c.into())).collect::<Vec<u8>>()
        };
        is_broken(format, &utf_32(u32::to_le_bytes), "words:1: the file is UTF-32");
        is_broken(format, &utf_32(u32::to_be_bytes), "words:1: the file is UTF-32");
        for (start, name) in [
            (&b"\x1f\x8b\x08\0"[..], "gzip"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"\xfd7zXZ\0", "xz"),
            (b"PK\x03\x04", "zip"),
        ] {
            let said = format!("words:1: the file is {name}");
            is_broken(format, &[start, text.as_bytes()].concat(), &said);
        }
    }
}

#[test]
fn every_format_refuses_a_bare_nul() {
    for format in ALL {
        let text = two(format, "\n");
        let at = text.find('𝄞').unwrap();
        let (first, last) = text.split_at(at);
        let said = format!("words:{}: a NUL byte", second(format));
        is_broken(format, format!("{first}\0{last}").as_bytes(), &said);
    }
    assert_eq!(entries(b"a\\x00\t1", Tsv), pairs(&[("a\0", "1")]));
    assert_eq!(entries(b"{\"key\":\"a\\u0000\",\"value\":\"1\"}", Jsonl), pairs(&[("a\0", "1")]));
}

#[test]
fn without_a_mark_a_file_is_bytes() {
    let bytes = vec![(b"\xe9\xff".to_vec(), b"\xed\xa0\x80".to_vec())];
    assert_eq!(entries(b"\xe9\xff\t\xed\xa0\x80", Tsv), bytes);
    assert_eq!(entries(b"key,value\n\xe9\xff,\xed\xa0\x80", Csv), bytes);
}

#[test]
fn a_record_without_an_end_is_refused_and_not_read_to_its_end() {
    let long = "x".repeat(200_000);
    let tsv = format!("a\t1\nb\t{long}");
    let csv = format!("key,value\na,1\n\"b\n\",\"{long}\n{long}");
    let jsonl = format!("{{\"key\":\"a\",\"value\":\"1\"}}\n{{\"key\":\"{long}\"}}\n");
    for (format, text, said) in [
        (Tsv, tsv, "words:2: a line of more than 1000 bytes"),
        (Csv, csv, "words:4: a record of more than 1000 bytes"),
        (Csv, format!("key,value\na,{long}\n"), "words:2: a record of more than 1000 bytes"),
        (
            Csv,
            format!("key,value\na{}\n", ",".repeat(2000)),
            "words:2: a record of more than 1000 bytes",
        ),
        (Jsonl, jsonl, "words:2: a line of more than 1000 bytes"),
    ] {
        let failure = read_at_most(text.as_bytes(), format, 1000).unwrap_err();
        assert!(failure.message().starts_with(said), "{}", failure.message());
        assert_eq!(failure.exit(), Exit::Input);
    }
}

#[test]
fn many_records_are_longer_together_than_one_may_be() {
    let record = format!("k,{}\n", "v".repeat(900));
    let csv = format!("key,value\n{}", record.repeat(1000));
    assert_eq!(read_at_most(csv.as_bytes(), Csv, 1000).unwrap().len(), 1000);
    // Exactly as long as it may be.
    let tsv = format!("k\t{}\n", "v".repeat(998));
    assert_eq!(read_at_most(tsv.repeat(3).as_bytes(), Tsv, 1000).unwrap().len(), 3);
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 0..8)) {
        for format in ALL {
            let mut file = Vec::new();
            let mut writer = Writer::new(format, &mut file).unwrap();
            for (key, value) in &entries {
                writer.write(&AnyKey::Bytes(key.clone()), value).unwrap();
            }
            writer.finish().unwrap();
            let records = read(&file, format).unwrap().into_iter();
            let back: Vec<_> = records.map(|record| (record.key, record.value)).collect();
            prop_assert_eq!(&back, &entries, "{:?}", format);
        }
    }

    /// Generates files of characters that have a meaning, so that most files are nearly correct.
    #[test]
    fn any_file_is_read_or_refused(
        bytes in any::<Vec<u8>>(),
        near in "(\u{feff})?(key,value\n)?[ab,\"\r\n\t{}:\\\\]{0,20}",
    ) {
        for format in ALL {
            let _ = read(&bytes, format);
            let _ = read(near.as_bytes(), format);
        }
    }

    #[test]
    fn utf_16_reads_as_utf_8_does(
        text in "(key,value\n)?(\\PC|[\t\n,\"]){0,40}", swapped in any::<bool>(),
    ) {
        let order = if swapped { u16::to_be_bytes } else { u16::to_le_bytes };
        let marked = format!("\u{feff}{text}");
        for format in ALL {
            match (read(marked.as_bytes(), format), read(&utf_16(&marked, order), format)) {
                (Ok(a), Ok(b)) => prop_assert_eq!(a, b),
                (Err(a), Err(b)) => prop_assert_eq!(a.message(), b.message()),
                (a, b) => prop_assert!(false, "{:?}, {:?}", a, b),
            }
        }
    }
}
