//! The whole Python boundary.  Plans come down, counts go up; packets never cross.

use std::collections::HashMap;
use std::io;

use pyo3::prelude::*;

use crate::relay;

pyo3::import_exception!(carnet.errors, MisuseError);
pyo3::import_exception!(carnet.errors, WorldError);
pyo3::import_exception!(carnet.errors, NoRightsError);
pyo3::import_exception!(carnet.errors, PortInUseError);

/// The world's faults by who can mend them.
fn world(kind: io::ErrorKind, message: String) -> PyErr {
    match kind {
        io::ErrorKind::AddrInUse => PortInUseError::new_err(message),
        io::ErrorKind::PermissionDenied => NoRightsError::new_err(message),
        _ => WorldError::new_err(message),
    }
}

impl From<relay::Error> for PyErr {
    fn from(error: relay::Error) -> Self {
        let message = error.to_string();
        match error {
            relay::Error::Key(_) | relay::Error::Closed => MisuseError::new_err(message),
            relay::Error::Address(_) => WorldError::new_err(message),
            relay::Error::Listen(_, cause) | relay::Error::System(cause) => {
                world(cause.kind(), message)
            }
        }
    }
}

/// The blind forwarder: datagrams between students and the campuses it is configured for.
#[pyclass(frozen, module = "carnet._carry")]
struct Relay(relay::Relay);

#[pymethods]
impl Relay {
    /// Listen on `listen` for `campuses`, each a public key and where its datagrams go.
    #[new]
    fn new(py: Python<'_>, listen: &str, campuses: Vec<(Vec<u8>, String)>) -> PyResult<Self> {
        Ok(Self(py.detach(|| relay::Relay::start(listen, &campuses))?))
    }

    /// The UDP port it listens on.
    #[getter]
    fn port(&self) -> u16 {
        self.0.port()
    }

    /// Work for these campuses from now on; flows to others end.
    fn set_campuses(&self, py: Python<'_>, campuses: Vec<(Vec<u8>, String)>) -> PyResult<()> {
        Ok(py.detach(|| self.0.set_campuses(&campuses))?)
    }

    /// Every counter under its name; none of them tells of one student.
    fn counts(&self, py: Python<'_>) -> PyResult<HashMap<&'static str, u64>> {
        Ok(py.detach(|| self.0.counts())?.into_iter().collect())
    }

    /// End the relay and wait until its sockets are closed.  A second call does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

#[pymodule]
fn _carry(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Relay>()
}
