//! Why an object is not a key or value.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// Why an object is not a key or value.
pub(crate) enum Refusal {
    /// The object is not of the expected type.
    Type(&'static str),
    /// The object is text that cannot be encoded as UTF-8, because it has lone surrogates.
    Text(PyErr),
    /// The object's own code raised this exception.
    Raised(PyErr),
}

impl Refusal {
    /// Makes the exception for an object that should be a key or value.
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

    /// Makes the exception for an argument that has the wrong type. The message names the argument.
    #[cold]
    pub(crate) fn of_argument(self, name: &str, object: &Bound<'_, PyAny>) -> PyErr {
        let error = self.error(object);
        if !error.is_instance_of::<PyTypeError>(object.py()) {
            return error;
        }
        PyTypeError::new_err(format!("argument '{name}': {}", error.value(object.py())))
    }

    /// Treats the object as an absent key in a lookup. No map can have it as a key, just as a
    /// `dict` would not find it. If the object's own code raised an exception, returns that
    /// exception.
    #[cold]
    pub(crate) fn absent(self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Type(_) | Self::Text(_) => key.hash().map(drop),
            Self::Raised(error) => Err(error),
        }
    }
}
