//! Why an object is no key or value.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// Why an object is no key or value.
pub(crate) enum Refusal {
    /// It is of a type that has none: not of the one expected.
    Type(&'static str),
    /// It is text without UTF-8: with lone surrogates.
    Text(PyErr),
    /// Its own code raised this.
    Raised(PyErr),
}

impl Refusal {
    /// The exception for an object that must be one.
    #[cold]
    pub(crate) fn error(self, object: &Bound<'_, PyAny>) -> PyErr {
        match self {
            Self::Type(expected) => match object.get_type().qualname() {
                Ok(found) => PyTypeError::new_err(format!("expected {expected}, not {found}")),
                Err(error) => error,
            },
            Self::Text(error) | Self::Raised(error) => error,
        }
    }

    /// The exception for an object that must be one, with the name of the argument.
    #[cold]
    pub(crate) fn of_argument(self, name: &str, object: &Bound<'_, PyAny>) -> PyErr {
        let error = self.error(object);
        if !error.is_instance_of::<PyTypeError>(object.py()) {
            return error;
        }
        PyTypeError::new_err(format!("argument '{name}': {}", error.value(object.py())))
    }

    /// Of a key to look for: no map has it, as no `dict` has, unless that raises, too.
    #[cold]
    pub(crate) fn absent(self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Type(_) | Self::Text(_) => key.hash().map(drop),
            Self::Raised(error) => Err(error),
        }
    }
}
