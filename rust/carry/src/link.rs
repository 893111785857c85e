//! The emulated links of the lab: what a packet meets between two hosts.
//!
//! `model` decides the fate of a packet in virtual time, `fabric` finds its link, `run`
//! keeps it until it is due.  Real processes send through it by a TUN for each host.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub mod fabric;
pub mod model;
pub mod random;
mod run;
pub mod settings;

use crate::desk::{Closed, Desk};
use fabric::{Fabric, Tally};
use run::Engine;
use settings::{BadSetting, Settings};

/// Why a network cannot be as asked.
#[derive(Debug)]
pub enum Error {
    /// No host of that name.
    Host(String),
    /// A host of that name exists.
    HostTaken(String),
    /// Not an IP address.
    Address(String),
    /// Another host has that address.
    AddressTaken(String),
    /// A setting of a link outside its range.
    Setting(BadSetting),
    /// The system refuses.
    System(io::Error),
    /// The network was started before.
    Started,
    /// The network was closed before.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(formatter, "there is no host {name}"),
            Self::HostTaken(name) => write!(formatter, "host {name} exists already"),
            Self::Address(text) => write!(formatter, "{text} is not an IP address"),
            Self::AddressTaken(text) => write!(formatter, "another host has the address {text}"),
            Self::Setting(setting) => setting.fmt(formatter),
            Self::System(error) => write!(formatter, "the emulated network failed: {error}"),
            Self::Started => formatter.write_str("the network is started already"),
            Self::Closed => formatter.write_str("the network is closed"),
        }
    }
}

impl std::error::Error for Error {}

impl From<BadSetting> for Error {
    fn from(setting: BadSetting) -> Self {
        Self::Setting(setting)
    }
}

impl From<Closed> for Error {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

enum Stage {
    Built(Box<Engine>),
    Running(Arc<Desk<Engine>>),
    Closed,
}

/// Hosts and the links between them.  Build, `start`, change at any time, `close`.
pub struct Network(Mutex<Stage>);

impl Network {
    /// A network without hosts; all its luck comes from `seed`.
    ///
    /// # Errors
    /// `System`.
    pub fn new(seed: u64) -> Result<Self, Error> {
        let engine = Engine::new(seed).map_err(Error::System)?;
        Ok(Self(Mutex::new(Stage::Built(Box::new(engine)))))
    }

    /// Add a host; a copy of its TUN is kept until `close`.
    ///
    /// # Errors
    /// `HostTaken`, `Address`, `AddressTaken`, `System`, `Closed`; nothing changed.
    pub fn add_host(&self, name: &str, tun: RawFd, addresses: Vec<String>) -> Result<(), Error> {
        let name = name.to_owned();
        self.ask(move |engine| engine.add_host(&name, tun, &addresses))?
    }

    /// Give a host other addresses, as when it roams.
    ///
    /// # Errors
    /// `Host`, `Address`, `AddressTaken`, `Closed`; nothing changed.
    pub fn set_addresses(&self, name: &str, addresses: Vec<String>) -> Result<(), Error> {
        let name = name.to_owned();
        self.ask(move |engine| engine.fabric().0.set_addresses(&name, &addresses))?
    }

    /// Make or change the link from `source` to `target`; packets on the way keep their fate.
    ///
    /// # Errors
    /// `Host`, `Setting`, `Closed`; nothing changed.
    pub fn set_link(&self, source: &str, target: &str, settings: Settings) -> Result<(), Error> {
        let (source, target) = (source.to_owned(), target.to_owned());
        self.ask(move |engine| {
            let (fabric, now) = engine.fabric();
            fabric.set_link(&source, &target, settings, now)
        })?
    }

    /// Move packets from now on.
    ///
    /// # Errors
    /// `Started`, `System`, `Closed`.
    pub fn start(&self) -> Result<(), Error> {
        let mut stage = self.stage();
        let engine = match std::mem::replace(&mut *stage, Stage::Closed) {
            Stage::Built(engine) => engine,
            other => {
                let running = matches!(&other, Stage::Running(_));
                *stage = other;
                return Err(if running { Error::Started } else { Error::Closed });
            }
        };
        let work = |engine: Engine, inbox| engine.run(&inbox);
        let desk = Desk::open("links", *engine, work).map_err(Error::System)?;
        *stage = Stage::Running(Arc::new(desk));
        Ok(())
    }

    /// Source, target and tally of every link, in the order they were made.
    ///
    /// # Errors
    /// `Closed`.
    pub fn tallies(&self) -> Result<Vec<(String, String, Tally)>, Error> {
        let owned =
            |(source, target, tally): (&str, &str, Tally)| (source.to_owned(), target.to_owned(), tally);
        self.ask(move |engine| engine.fabric().0.tallies().map(owned).collect())
    }

    /// Packets for an address or over a link that does not exist.
    ///
    /// # Errors
    /// `Closed`.
    pub fn unrouted(&self) -> Result<u64, Error> {
        self.ask(|engine| Fabric::unrouted(engine.fabric().0))
    }

    /// Stop, close the TUNs; packets on the way are gone.  A second call does nothing.
    pub fn close(&self) {
        let stage = std::mem::replace(&mut *self.stage(), Stage::Closed);
        if let Stage::Running(desk) = stage {
            desk.close();
        }
    }

    fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Engine) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let desk = match &mut *self.stage() {
            Stage::Built(engine) => return Ok(question(engine)),
            Stage::Running(desk) => Arc::clone(desk),
            Stage::Closed => return Err(Error::Closed),
        };
        Ok(desk.ask(question)?)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
