//! The relay's core in virtual time, and the relay itself over loopback.

mod admission;
mod datagrams;
mod loopback;
mod sequences;
