//! Showing any bytes as one line of text from which they can be restored.
//!
//! Printable UTF-8 stands for itself. A backslash is `\\`, a tab `\t`, a newline `\n`, a carriage
//! return `\r`, and every other byte `\xNN`.

use std::fmt::Write;

/// An error in an escaped text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadEscape {
    /// Offset of the backslash, in bytes.
    pub(crate) at: usize,
}

impl std::fmt::Display for BadEscape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let column = self.at + 1;
        write!(
            f,
            "the backslash at byte {column} starts none of \\\\ \\t \\n \\r \\xNN (a backslash itself is \\\\)"
        )
    }
}

/// Shows the bytes as text.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                c if is_shown(c) => text.push(c),
                c => push_hex(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// False for a character that moves the cursor, changes the direction of writing, or cannot be
/// seen.
fn is_shown(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
}

/// Returns the bytes that a text stands for. Bytes that are not escaped stand for themselves.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>, BadEscape> {
    let mut bytes = Vec::with_capacity(text.len());
    unescape_to(text, &mut bytes)?;
    Ok(bytes)
}

/// Like [`unescape`], but stores the bytes in a buffer, which is cleared first.
pub(crate) fn unescape_to(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), BadEscape> {
    bytes.clear();
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| b == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        bytes.extend_from_slice(plain);
        let (byte, used) = match escaped {
            [_, b'\\', ..] => (b'\\', 2),
            [_, b't', ..] => (b'\t', 2),
            [_, b'n', ..] => (b'\n', 2),
            [_, b'r', ..] => (b'\r', 2),
            [_, b'x', high, low, ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => return Err(BadEscape { at: text.len() - escaped.len() }),
            },
            _ => return Err(BadEscape { at: text.len() - escaped.len() }),
        };
        bytes.push(byte);
        rest = escaped.get(used..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest);
    Ok(())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Returns the bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Returns the bytes that hexadecimal digits stand for.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_stays_text_and_the_rest_is_escaped() {
        assert_eq!(escape("rot 红".as_bytes()), "rot 红");
        assert_eq!(escape(b"a\\b\tc\nd\re\0\x1b[31m"), r"a\\b\tc\nd\re\x00\x1b[31m");
        assert_eq!(escape(b"caf\xe9"), r"caf\xe9");
        // A right-to-left override would change how the line reads.
        assert_eq!(escape("a\u{202e}b".as_bytes()), r"a\xe2\x80\xaeb");
    }

    #[test]
    fn a_wrong_escape_says_where() {
        for (text, at) in [(&br"ab\q"[..], 2), (br"\", 0), (br"\\\x4", 2), (br"\xzz", 0)] {
            assert_eq!(unescape(text), Err(BadEscape { at }), "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            for bytes in [bytes, text.into_bytes()] {
                let shown = escape(&bytes);
                prop_assert!(shown.chars().all(is_shown));
                prop_assert_eq!(unescape(shown.as_bytes()), Ok(bytes.clone()));
                prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<Vec<u8>>()) {
            let _ = unescape(&text);
        }
    }
}
