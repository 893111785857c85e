//! What the sequence numbers of one path tell.

/// Counts what is missing from a sequence.  A packet that comes late was not lost after all.
///
/// The last [`LossMeter::WINDOW`] numbers may still come in any order; a run of missing ones is a
/// burst once it has left that window.
#[derive(Debug, Default)]
pub struct LossMeter {
    /// Frames received.
    pub received: u32,
    /// Runs of missing frames.
    pub bursts: u32,
    /// Longest run.
    pub longest: u32,
    /// The highest number seen; bit i of `seen` tells of `top - i`.
    top: Option<u32>,
    seen: u64,
    settled: u32,
    run: u32,
}

impl LossMeter {
    /// Two batches of 64 that overtake each other are no loss.
    const WINDOW: u32 = u64::BITS;
    /// A jump this far back or ahead is another sequence, not loss.
    const JUMP: u32 = 1 << 14;

    /// Account for the arrival of `sequence`.
    pub fn on_arrival(&mut self, sequence: u32) {
        self.received = self.received.wrapping_add(1);
        let Some(top) = self.top else {
            return self.anchor(sequence);
        };
        let ahead = sequence.wrapping_sub(top);
        let behind = top.wrapping_sub(sequence);
        if behind < Self::WINDOW {
            self.seen |= 1 << behind;
        } else if ahead < Self::JUMP {
            self.advance(ahead);
            self.seen |= 1;
            self.top = Some(sequence);
        } else if behind < Self::JUMP {
            self.settled = self.settled.saturating_sub(1);
        } else {
            self.advance(Self::WINDOW);
            self.anchor(sequence);
        }
    }

    /// Frames missing so far.
    pub fn lost(&self) -> u32 {
        self.settled.wrapping_add(self.top.map_or(0, |_| self.seen.count_zeros()))
    }

    /// The next number begins another sequence.
    pub fn restart(&mut self) {
        if self.top.take().is_some() {
            self.advance(Self::WINDOW);
        }
    }

    /// Begin a sequence at its first number; what came before is nobody's loss.
    fn anchor(&mut self, sequence: u32) {
        self.top = Some(sequence);
        self.seen = u64::MAX;
    }

    fn advance(&mut self, ahead: u32) {
        for _ in 0..ahead.min(Self::WINDOW) {
            let came = self.seen >> (Self::WINDOW - 1) == 1;
            self.seen <<= 1;
            self.settle(u32::from(!came));
        }
        // Numbers skipped further than that leave the window at once.
        if ahead > Self::WINDOW {
            self.settle(ahead - Self::WINDOW);
        }
    }

    fn settle(&mut self, missing: u32) {
        self.run = if missing == 0 { 0 } else { self.run + missing };
        self.bursts = self.bursts.wrapping_add(u32::from(missing > 0 && self.run == missing));
        self.longest = self.longest.max(self.run);
        self.settled = self.settled.wrapping_add(missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(sequences: impl IntoIterator<Item = u32>) -> LossMeter {
        let mut meter = LossMeter::default();
        sequences.into_iter().for_each(|sequence| meter.on_arrival(sequence));
        meter
    }

    #[test]
    fn gaps_are_bursts_once_nothing_late_can_mend_them() {
        let mended = meter((10..20).chain(23..30).chain([22]).chain(30..200));
        assert_eq!((mended.lost(), mended.bursts, mended.longest), (2, 1, 2));
        let open = meter((10..20).chain(23..30));
        assert_eq!((open.lost(), open.bursts), (3, 0));
        let far = meter((0..10).chain(200..300));
        assert_eq!((far.lost(), far.bursts, far.longest), (190, 1, 190));
    }

    #[test]
    fn overtaking_batches_are_no_loss() {
        let swapped = meter((0..60).chain(100..104).chain(60..100).chain(104..300));
        assert_eq!((swapped.lost(), swapped.bursts), (0, 0));
    }

    #[test]
    fn loss_and_bursts_agree_with_a_plain_list() {
        // A fixed pseudo-random pattern: number n is lost where the bits of a product say so.
        let lost = |n: u32| n > 0 && n.wrapping_mul(2_654_435_761) >> 28 < 4;
        let came: Vec<u32> = (0..5000).filter(|n| !lost(*n)).collect();
        let last = *came.last().unwrap();
        let runs: Vec<usize> =
            came.windows(2).map(|pair| (pair[1] - pair[0] - 1) as usize).filter(|run| *run > 0).collect();
        let meter = meter(came.into_iter().chain(last + 1..last + 100));
        assert_eq!(meter.lost() as usize, runs.iter().sum::<usize>());
        assert_eq!(meter.bursts as usize, runs.len());
        assert_eq!(Some(meter.longest as usize), runs.into_iter().max());
    }

    #[test]
    fn a_restarted_sender_is_not_a_billion_losses() {
        assert_eq!(meter([100_000, 100_002, 1, 2, 3]).lost(), 1);
        assert_eq!(meter([u32::MAX - 1, u32::MAX, 0, 2]).lost(), 1);
    }
}
