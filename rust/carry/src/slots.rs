//! Buffers that are given away by value and come home when whoever had them is done.
//!
//! The WireGuard core takes packets by value.  Each slot keeps an empty handle on its allocation;
//! when the packet has been dropped, the handle takes the whole allocation back.  Nothing is
//! allocated after the first round.

use bytes::BytesMut;

/// A row of buffers of equal size.
pub struct Slots {
    size: usize,
    homes: Vec<BytesMut>,
    /// The buffers, each `size` octets long unless taken.
    pub buffers: Vec<BytesMut>,
}

impl Slots {
    /// `count` buffers of `size` octets each.
    pub fn new(count: usize, size: usize) -> Self {
        let mut slots = Self { size, homes: Vec::new(), buffers: Vec::new() };
        for _ in 0..count {
            let (home, buffer) = fresh(size);
            slots.homes.push(home);
            slots.buffers.push(buffer);
        }
        slots
    }

    /// Give away the first `length` octets of buffer `at`.
    pub fn take(&mut self, at: usize, length: usize) -> BytesMut {
        let mut buffer = std::mem::take(&mut self.buffers[at]);
        buffer.truncate(length);
        buffer
    }

    /// Take home buffer `at`; replaces it if somebody still holds it.
    pub fn refill(&mut self, at: usize) {
        let home = &mut self.homes[at];
        if home.try_reclaim(self.size) {
            let mut buffer = home.split_off(0);
            // SAFETY: every octet of the allocation was initialised in `fresh`, and `try_reclaim`
            // has just promised `size` octets of capacity.
            unsafe { buffer.set_len(self.size) };
            self.buffers[at] = buffer;
        } else {
            (self.homes[at], self.buffers[at]) = fresh(self.size);
        }
    }
}

fn fresh(size: usize) -> (BytesMut, BytesMut) {
    let mut buffer = BytesMut::zeroed(size);
    (buffer.split_to(0), buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_comes_home_and_a_held_one_is_replaced() {
        let mut slots = Slots::new(1, 64);
        let first = slots.buffers[0].as_ptr();
        for _ in 0..3 {
            let mut taken = slots.take(0, 40);
            assert_eq!(taken.len(), 40);
            drop(taken.split_to(10));
            drop(taken);
            slots.refill(0);
            assert_eq!((slots.buffers[0].as_ptr(), slots.buffers[0].len()), (first, 64));
        }
        let held = slots.take(0, 64);
        slots.refill(0);
        assert_ne!(slots.buffers[0].as_ptr(), held.as_ptr());
        assert_eq!(slots.buffers[0].len(), 64);
    }
}
