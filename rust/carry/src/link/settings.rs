//! How one direction of a link behaves.  Refuses nonsense at birth.

use std::fmt;

/// Settings of one ordered pair of hosts; all zero but `delay_s` is a clean line.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time a packet travels, seconds.
    pub delay_s: f64,
    /// Mean of the extra delay, seconds; it wanders over tens of milliseconds and never reorders.
    pub jitter_s: f64,
    /// Speed of the line in bits of IP packet per second; 0 is without limit.
    pub rate_bps: f64,
    /// Longest wait for the line, seconds; a packet that would wait longer is dropped.
    pub queue_s: f64,
    /// Speed above which a policer drops, bits per second; 0 is no policer.
    pub police_bps: f64,
    /// Octets the policer lets through at once.
    pub police_burst_bytes: u32,
    /// Chance that a packet outside bursts is lost.
    pub loss: f64,
    /// Chance per packet that a loss burst begins.
    pub loss_enter: f64,
    /// Chance per packet that a loss burst ends; bursts last 1 / `loss_leave` packets on average.
    pub loss_leave: f64,
    /// Chance that a packet inside a burst is lost.
    pub loss_in_burst: f64,
    /// Mean time between outages, seconds; 0 is none.
    pub outage_every_s: f64,
    /// Shortest outage, seconds.
    pub outage_least_s: f64,
    /// Longest outage, seconds.
    pub outage_most_s: f64,
    /// Longest packet that passes; longer ones vanish without a word.  0 is without limit.
    pub mtu_bytes: u32,
    /// Links of one non-empty group share line, queue, loss and outages.
    pub group: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay_s: 0.0,
            jitter_s: 0.0,
            rate_bps: 0.0,
            queue_s: 0.0,
            police_bps: 0.0,
            police_burst_bytes: 0,
            loss: 0.0,
            loss_enter: 0.0,
            loss_leave: 1.0,
            loss_in_burst: 0.0,
            outage_every_s: 0.0,
            outage_least_s: 0.0,
            outage_most_s: 0.0,
            mtu_bytes: 0,
            group: String::new(),
        }
    }
}

/// A setting outside its range.
#[derive(Clone, Debug, PartialEq)]
pub struct BadSetting {
    /// Which one.
    pub name: &'static str,
    /// What was given.
    pub value: f64,
    /// What it must be.
    pub range: &'static str,
}

impl fmt::Display for BadSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, range } = self;
        write!(formatter, "{name} is {value} and must be {range}")
    }
}

/// A day: no link of a lab is slower, and sums of such times stay far from overflow.
const LONGEST_S: f64 = 86_400.0;

impl Settings {
    /// Return the settings when all are in range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn checked(self) -> Result<Self, BadSetting> {
        let times = [
            ("delay_s", self.delay_s),
            ("jitter_s", self.jitter_s),
            ("queue_s", self.queue_s),
            ("outage_every_s", self.outage_every_s),
            ("outage_least_s", self.outage_least_s),
            ("outage_most_s", self.outage_most_s),
        ];
        let chances = [
            ("loss", self.loss),
            ("loss_enter", self.loss_enter),
            ("loss_leave", self.loss_leave),
            ("loss_in_burst", self.loss_in_burst),
        ];
        let rates = [("rate_bps", self.rate_bps), ("police_bps", self.police_bps)];
        within(&times, LONGEST_S, "0 to 86400 seconds")?;
        within(&chances, 1.0, "0 to 1")?;
        within(&rates, 1e15, "0 to 1e15 bits per second")?;
        for (name, rate) in rates {
            // Below it one packet takes longer than a day.
            refuse_if(rate > 0.0 && rate < 10.0, name, rate, "0 or at least 10 bits per second")?;
        }
        let (least, most) = (self.outage_least_s, self.outage_most_s);
        refuse_if(least > most, "outage_least_s", least, "at most outage_most_s")?;
        let endless = self.loss_enter > 0.0 && self.loss_leave == 0.0;
        refuse_if(endless, "loss_leave", 0.0, "above 0 where bursts begin")?;
        let every = self.outage_every_s;
        let hectic = every > 0.0 && every < 0.001;
        refuse_if(hectic, "outage_every_s", every, "0 or at least a millisecond")?;
        let dry = self.police_bps > 0.0 && self.police_burst_bytes == 0;
        refuse_if(dry, "police_burst_bytes", 0.0, "above 0 where a policer is")?;
        Ok(self)
    }
}

fn within(values: &[(&'static str, f64)], most: f64, range: &'static str) -> Result<(), BadSetting> {
    for &(name, value) in values {
        // Not a number is in no range.
        refuse_if(!(0.0..=most).contains(&value), name, value, range)?;
    }
    Ok(())
}

fn refuse_if(bad: bool, name: &'static str, value: f64, range: &'static str) -> Result<(), BadSetting> {
    if bad {
        return Err(BadSetting { name, value, range });
    }
    Ok(())
}
