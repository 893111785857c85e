//! How big a packet one path carries.

use std::time::{Duration, Instant};

use crate::wire::SOURCE_BYTES;

/// Sizes of an inner packet that are tried out, largest first.  1376 fits an outer 1500 over IPv6
/// with 28 octets to spare (PPPoE and the like); 1184 fits an outer 1280, the least of IPv6.
pub const MTU_STEPS: [usize; 3] = [1376, 1280, 1184];

/// Big probes without an answer, while small ones are answered, before a size is given up.
const BIG_PROBES_LOST: u32 = 4;

/// Pause before a size that was given up is tried again.
const MTU_RETRY: Duration = Duration::from_secs(30);

/// Octets of a plaintext that carries an inner packet of `mtu` octets.
pub fn plaintext_bytes(mtu: usize) -> usize {
    (SOURCE_BYTES + mtu).next_multiple_of(16)
}

/// Finds the largest step of [`MTU_STEPS`] that gets through, by probes padded to that size.
///
/// It starts from the top, since most paths carry it, and goes down only on proof: big probes
/// unanswered while small ones are answered (RFC 8899 section 4.3, black hole detection).
#[derive(Debug, Default)]
pub struct MtuSearch {
    step: usize,
    asked: Option<(u32, usize)>,
    unanswered: u32,
    small_echoes: u32,
    raise_at: Option<Instant>,
    confirmed: bool,
}

impl MtuSearch {
    /// The inner packet size that is trusted now.
    pub fn mtu(&self) -> usize {
        MTU_STEPS[self.step]
    }

    /// The size the next big probe should try out.
    pub fn wanted(&self, now: Instant) -> usize {
        let raise = self.step > 0 && self.raise_at.is_some_and(|at| now >= at);
        MTU_STEPS[self.step - usize::from(raise)]
    }

    /// Whether the trusted size was confirmed by an echo and is the largest.
    pub fn is_settled(&self) -> bool {
        self.confirmed && self.unanswered == 0
    }

    /// A big probe for `mtu` was sent as probe `id`.
    pub fn on_asked(&mut self, id: u32, mtu: usize, now: Instant) {
        if self.asked.is_some() && self.small_echoes > 0 {
            self.on_unanswered(now);
        }
        self.small_echoes = 0;
        self.asked = MTU_STEPS.iter().position(|step| *step == mtu).map(|step| (id, step));
    }

    fn on_unanswered(&mut self, now: Instant) {
        let tried = self.asked.map_or(self.step, |(_, step)| step);
        if tried < self.step {
            self.raise_at = Some(now + MTU_RETRY);
            return;
        }
        self.unanswered += 1;
        self.confirmed = false;
        if self.unanswered >= BIG_PROBES_LOST && self.step + 1 < MTU_STEPS.len() {
            self.step += 1;
            self.unanswered = 0;
            self.raise_at = Some(now + MTU_RETRY);
        }
    }

    pub(super) fn on_echo(&mut self, id: u32, now: Instant) {
        match self.asked {
            Some((asked, step)) if asked == id => {
                self.asked = None;
                self.unanswered = 0;
                self.confirmed = true;
                if step < self.step {
                    self.step = step;
                    self.raise_at = Some(now + MTU_RETRY);
                }
            }
            _ => self.small_echoes += 1,
        }
    }
}
