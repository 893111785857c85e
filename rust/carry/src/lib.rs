//! The data plane of carnet.  It carries; Python decides.  No Python in this file.
//!
//! | file | holds |
//! | --- | --- |
//! | `wire` | frames <-> bytes |
//! | `ip` | addresses and length of an IP packet; "too big" answers |
//! | `batch`, `slots` | many datagrams in one system call; buffers that come home |
//! | `os` | what is particular to one operating system |
//! | `pump` | the loop: threads, TUN, socket |
//! | `registry` | peers by key, inner address, receiver index |
//! | `path`, `peer` | one path, one peer: sans-IO |
//! | `dealer` | which path the next packet takes, by the plan's shares |
//! | `report` | counters that go up |
//! | `relay` | the blind forwarder |
//! | `link` | the emulated links of the lab |
//! | `desk` | a thread that owns its state, and how others ask it for something |
//! | `python` | the whole Python boundary |

pub mod batch;
pub mod dealer;
mod desk;
pub mod ip;
pub mod link;
pub mod os;
pub mod path;
pub mod peer;
pub mod pump;
pub mod registry;
pub mod relay;
pub mod report;
pub mod slots;
pub mod wire;

#[cfg(feature = "python")]
mod python;
