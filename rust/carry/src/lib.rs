//! The data plane of carnet.  It carries; Python decides.  No Python in this file.

mod desk;
pub mod link;
mod os;
#[cfg(feature = "python")]
mod python;
pub mod relay;
