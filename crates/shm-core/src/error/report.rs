//! Printing an error and its causes in one line.

use std::error::Error;
use std::fmt;

/// Returns a value that prints the error and its causes in one line, each of them once: `cannot use
/// "x": format version 9, …`.
///
/// No error of this workspace repeats the message of its [`source`](Error::source), so the line has
/// no repetitions. `Debug` of these errors prints the same line, so a `main` that returns such an
/// error prints a readable message.
///
/// ```
/// use shm_core::{Kind, Name, Namespace, Trust, report};
///
/// let (namespace, name) = (Namespace::at("/nowhere"), Name::new("x")?);
/// let error = namespace.open_read_only(&name, Kind::new("table"), 1, &Trust::new()).unwrap_err();
/// assert_eq!(report(&error).to_string(), r#""/nowhere/shmap.x.table" does not exist"#);
/// # Ok::<(), shm_core::InvalidName>(())
/// ```
#[must_use]
pub fn report<'a>(error: &'a (dyn Error + 'a)) -> Report<'a> {
    Report(error)
}

/// An error that prints itself and its causes in one line. See [`report`].
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(&'a (dyn Error + 'a));

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Implements `Debug` for errors so that it prints their [`report`].
#[doc(hidden)]
#[macro_export]
macro_rules! debug_is_report {
    ($($error:ty),* $(,)?) => {$(
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&$crate::report(self), f)
            }
        }
    )*};
}

/// Tests an error enum. The list must contain every variant, and no message may be empty, start
/// with a capital, end with a period, or contain the message of its source. `Debug` prints the
/// report.
#[doc(hidden)]
#[macro_export]
macro_rules! every_error_is_said_well {
    ($list:expr, $($pattern:pat),+ $(,)?) => {{
        let list = $list;
        let named = |error: &_, name: &str| match error {
            $($pattern => name == stringify!($pattern),)+
        };
        for name in [$(stringify!($pattern)),+] {
            assert!(list.iter().any(|error| named(error, name)), "no {name} in the list");
        }
        for error in &list {
            let mut error: &dyn ::std::error::Error = error;
            let whole = $crate::report(error).to_string();
            assert_eq!(format!("{error:?}"), whole);
            let text = error.to_string();
            assert!(!text.is_empty() && !text.ends_with('.'), "{text:?}");
            assert!(!text.starts_with(char::is_uppercase), "{text:?}");
            let mut parts = vec![text];
            while let Some(source) = error.source() {
                let (text, cause) = (error.to_string(), source.to_string());
                assert!(!text.contains(&cause), "{text:?} has its cause in it: {cause:?}");
                parts.push(cause);
                error = source;
            }
            assert_eq!(whole, parts.join(": "));
            for part in parts {
                assert_eq!(whole.matches(part.as_str()).count(), 1, "{part:?} in {whole:?}");
            }
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderError, IoError, LockError, OpenError, PublishError};

    #[test]
    fn every_cause_is_said_once_also_in_debug() {
        let source = HeaderError::Version { found: 9, supported: 2 };
        let error = PublishError::Open(OpenError::Header { path: "x".into(), source });
        assert_eq!(error.to_string(), r#"cannot use "x""#);
        let whole = r#"cannot use "x": format version 9, this library supports 2"#;
        assert_eq!(report(&error).to_string(), whole);
        assert_eq!(format!("{error:?}"), whole);
        let source = LockError::WouldBlock;
        let error = PublishError::Lock { path: "x".into(), source };
        assert_eq!(format!("{error:?}"), r#"cannot lock "x": the lock is held by another thread"#);
    }

    #[test]
    fn an_error_of_the_system_says_what_was_tried_on_what_and_why() {
        let cause = || std::io::Error::from_raw_os_error(5);
        let error = OpenError::from(IoError::new("open", "x", cause()));
        assert_eq!(error.to_string(), r#"cannot open "x""#);
        // The words for a number are those of the C library.
        let whole = format!(r#"cannot open "x": {}"#, cause());
        assert_eq!(format!("{error:?}"), whole);
    }
}
