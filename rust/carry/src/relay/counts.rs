//! What the relay counts.  Numbers only: no address, no key, no time of anybody.

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Refusal {
    /// WireGuard would not have sent it.
    Malformed,
    /// No flow, and not a way to open one.
    Stranger,
    /// An initiation for nobody we work for.
    WrongMac,
    /// The source rings too often.
    TooOften,
    /// All flows are taken.
    Full,
    /// All flows of that source are taken.
    SourceFull,
    /// It would send a client of unproven address more than it sent us.
    Unearned,
    /// No socket could be had for the flow.
    NoSocket,
    /// The kernel took it not: queue full, too big for the link, no route.
    Unsent,
}

/// The names under which refusals are reported, by their number.
const REFUSALS: [&str; 9] = [
    "dropped_malformed",
    "dropped_stranger",
    "dropped_wrong_mac",
    "dropped_too_often",
    "dropped_full",
    "dropped_source_full",
    "dropped_unearned",
    "dropped_no_socket",
    "dropped_unsent",
];

/// Counters from the birth of the relay; they never go back.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Flows opened.
    pub admitted: u64,
    /// Flows ended by silence.
    pub expired: u64,
    /// Unproven flows ended to make room.
    pub evicted: u64,
    to_campus_packets: u64,
    to_campus_bytes: u64,
    to_student_packets: u64,
    to_student_bytes: u64,
    refused: [u64; REFUSALS.len()],
}

impl Counts {
    /// Count one datagram towards a campus.
    #[inline]
    pub fn pass_up(&mut self, length: usize) {
        self.to_campus_packets += 1;
        self.to_campus_bytes += length as u64;
    }

    /// Count one datagram towards a student.
    #[inline]
    pub fn pass_down(&mut self, length: usize) {
        self.to_student_packets += 1;
        self.to_student_bytes += length as u64;
    }

    /// Count one datagram that was dropped.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refuse_many(refusal, 1);
    }

    /// Count datagrams that were dropped together.
    pub fn refuse_many(&mut self, refusal: Refusal, packets: u64) {
        self.refused[refusal as usize] += packets;
    }

    /// How often `refusal` was the reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[refusal as usize]
    }

    /// Every counter under its name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let passed = [
            ("admitted", self.admitted),
            ("expired", self.expired),
            ("evicted", self.evicted),
            ("to_campus_packets", self.to_campus_packets),
            ("to_campus_bytes", self.to_campus_bytes),
            ("to_student_packets", self.to_student_packets),
            ("to_student_bytes", self.to_student_bytes),
        ];
        passed.into_iter().chain(REFUSALS.into_iter().zip(self.refused))
    }
}
