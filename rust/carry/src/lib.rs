//! The data plane of carnet.  It carries; Python decides.  No Python in this file.

pub mod desk;
pub mod os;
#[cfg(feature = "python")]
mod python;
pub mod relay;
