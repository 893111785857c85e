//! The whole Python boundary.  Plans come down, counts go up; packets never cross.

use pyo3::prelude::*;

#[pymodule]
fn _carry(_m: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
