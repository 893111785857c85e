//! What holds for any sequence of datagrams, against an observer who sees them all.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use carry::link::random::Stream;
use carry::relay::FlowId;
use carry::relay::datagram::{COOKIE_BYTES, Kind, classify};
use carry::relay::table::Table;

use crate::datagrams::*;

/// What an observer who sees all datagrams knows of one flow.
#[derive(Default)]
struct Observed {
    source: Option<SocketAddr>,
    from_client: usize,
    to_client: usize,
    told: HashSet<u32>,
    claimed: Option<u32>,
    proven: bool,
}

impl Observed {
    fn up(&mut self, datagram: &[u8]) {
        self.from_client += datagram.len();
        if let Some(Kind::Data { receiver } | Kind::Response { receiver, .. }) = classify(datagram) {
            self.proven |= self.told.contains(&receiver);
        }
    }

    fn down(&mut self, datagram: &[u8]) {
        self.to_client += datagram.len();
        match classify(datagram) {
            Some(Kind::Initiation { sender } | Kind::Response { sender, .. }) => {
                self.told.insert(sender);
            }
            Some(Kind::Data { .. }) => self.told.extend(self.claimed.take()),
            _ => {}
        }
    }
}

fn any_datagram(luck: &mut Stream) -> Vec<u8> {
    let mut below = |most: u32| (luck.uniform() * f64::from(most)) as u32;
    let (kind, index, noise) = (below(8), below(12), below(400) as usize);
    match kind {
        0 => initiation(CAMPUS),
        1 => initiation(if index < 6 { OTHER } else { [9; 32] }),
        2 => response(index),
        3 => head(3, index, 0, COOKIE_BYTES),
        4 => (0..noise).map(|_| below(5) as u8).collect(),
        _ => data(index, 32 + 16 * below(90) as usize),
    }
}

#[test]
fn no_sequence_amplifies_confuses_or_overfills() {
    for seed in 0..60 {
        let mut luck = Stream::new(seed, "dialogue");
        let mut table = table();
        let mut observed: HashMap<FlowId, Observed> = HashMap::new();
        let mut now = Duration::ZERO;
        for _ in 0..4_000 {
            now += at(luck.uniform() * luck.uniform() * 2.0);
            let datagram = any_datagram(&mut luck);
            let host = (luck.uniform() * 14.0) as u8;
            let source = SocketAddr::from(([10, 0, 0, host / 4], u16::from(host)));
            step(&mut table, &mut observed, &mut luck, source, &datagram, now);
            for id in closed(&mut table) {
                observed.remove(&id).expect("only a flow that lived is closed, once");
            }
            for flow in observed.values() {
                assert!(flow.proven || flow.to_client <= flow.from_client, "amplified");
            }
            assert_eq!(table.flows(), observed.len());
        }
        assert!(observed.values().any(|flow| flow.proven), "the test reaches proven flows");
    }
}

fn step(
    table: &mut Table,
    observed: &mut HashMap<FlowId, Observed>,
    luck: &mut Stream,
    source: SocketAddr,
    datagram: &[u8],
    now: Duration,
) {
    let known = table.find(&source);
    match (known, (luck.uniform() * 20.0) as u32) {
        (_, 0) => table.expire(now),
        (Some(id), 1) => table.close(id),
        (Some(id), 2..11) => {
            if let Ok(to) = table.down(id, datagram) {
                let flow = observed.get_mut(&id).expect("it lives");
                assert_eq!(Some(to), flow.source, "an answer goes to its own client");
                flow.down(datagram);
            }
        }
        (Some(id), _) => {
            if table.up(id, datagram, now).is_ok() {
                observed.get_mut(&id).expect("it lives").up(datagram);
            }
        }
        (None, _) => {
            if let Ok((id, _)) = table.admit(source, datagram, now) {
                let claimed = match classify(datagram) {
                    Some(Kind::Data { receiver }) => Some(receiver),
                    _ => None,
                };
                let fresh = Observed {
                    source: Some(source),
                    from_client: datagram.len(),
                    claimed,
                    ..Observed::default()
                };
                observed.insert(id, fresh);
            }
        }
    }
}
