//! Which path the next packet takes, by the plan's shares.  Decides nothing: the plan does.

/// Deals packets over paths so that after any number of packets each path is within one packet of
/// its share (smooth weighted round robin).
#[derive(Debug, Default)]
pub struct Dealer {
    hands: Vec<Hand>,
}

#[derive(Debug)]
struct Hand {
    path: u8,
    share: f64,
    credit: f64,
}

/// A plan that cannot be obeyed.
#[derive(Debug, PartialEq, Eq)]
pub struct PlanError(String);

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PlanError {}

impl Dealer {
    /// A dealer for shares that are positive and sum to 1; an empty plan deals nothing.
    pub fn new(shares: &[(u8, f64)]) -> Result<Self, PlanError> {
        let total: f64 = shares.iter().map(|(_, share)| share).sum();
        let sound = shares.iter().all(|(_, share)| share.is_finite() && *share > 0.0);
        if !shares.is_empty() && (!sound || (total - 1.0).abs() > 1e-6) {
            return Err(PlanError(format!("shares must be positive and sum to 1, got {shares:?}")));
        }
        let hands = shares.iter().map(|&(path, share)| Hand { path, share, credit: 0.0 }).collect();
        Ok(Self { hands })
    }

    /// The path of the next packet, or `None` under an empty plan.
    pub fn deal(&mut self) -> Option<u8> {
        if let [only] = self.hands.as_slice() {
            return Some(only.path);
        }
        for hand in &mut self.hands {
            hand.credit += hand.share;
        }
        let best = self.hands.iter_mut().max_by(|a, b| a.credit.total_cmp(&b.credit))?;
        best.credit -= 1.0;
        Some(best.path)
    }

    /// The paths of the plan.
    pub fn paths(&self) -> impl Iterator<Item = u8> + '_ {
        self.hands.iter().map(|hand| hand.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_within_one_packet_of_its_share() {
        let shares = [(0, 0.5), (4, 0.3), (7, 0.2)];
        let mut dealer = Dealer::new(&shares).unwrap();
        let mut counts = [0_u32; 8];
        for dealt in 1..=1000 {
            counts[usize::from(dealer.deal().unwrap())] += 1;
            for (path, share) in shares {
                let due = share * f64::from(dealt);
                assert!((f64::from(counts[usize::from(path)]) - due).abs() <= 1.0 + 1e-9);
            }
        }
    }

    #[test]
    fn nonsense_is_refused_and_nothing_deals_nothing() {
        assert!(Dealer::new(&[(0, 0.6), (1, 0.6)]).is_err());
        assert!(Dealer::new(&[(0, f64::NAN)]).is_err());
        assert!(Dealer::new(&[(0, -1.0), (1, 2.0)]).is_err());
        assert_eq!(Dealer::new(&[]).unwrap().deal(), None);
    }
}
