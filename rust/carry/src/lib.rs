//! The data plane of carnet.  It carries; Python decides.  No Python in this file.

#[cfg(feature = "python")]
mod python;
