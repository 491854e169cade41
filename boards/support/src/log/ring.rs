//! A ring of log bytes: whole defmt frames go in; those that do not fit are left out whole, and counted.

/// Holds log bytes between the code that logs and the code that sends. `SIZE` is a power of two.
#[derive(Debug)]
pub struct Ring<const SIZE: usize> {
    bytes: [u8; SIZE],
    // Counts of bytes since the start; a byte's place in the ring is its count modulo `SIZE`.
    /// Taken out.
    taken: u32,
    /// Written, in complete frames.
    complete: u32,
    /// Written, with the frame under way.
    written: u32,
    /// Bytes of frames left out since the ring was last empty. Until it is, every frame is left out, so that the gap is
    /// in one place.
    lost: u32,
    /// Bytes of frames left out before that.
    lost_before: u32,
    /// The frame under way does not fit.
    overflow: bool,
}

impl<const SIZE: usize> Ring<SIZE> {
    /// An empty ring.
    pub const fn new() -> Self {
        // Counts wrap at 2^32, which must not be noticeable in the ring.
        assert!(SIZE.is_power_of_two());
        Self { bytes: [0; SIZE], taken: 0, complete: 0, written: 0, lost: 0, lost_before: 0, overflow: false }
    }

    /// Adds bytes to the frame under way.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.overflow |= self.lost > 0 || self.written.wrapping_sub(self.taken) as usize >= SIZE;
            if !self.overflow
                && let Some(place) = self.bytes.get_mut(self.written as usize % SIZE)
            {
                *place = *byte;
            }
            self.written = self.written.wrapping_add(1);
        }
    }

    /// Ends the frame under way: all of it can be taken, or none.
    pub fn end_frame(&mut self) {
        if core::mem::take(&mut self.overflow) {
            self.lost = self.lost.wrapping_add(self.written.wrapping_sub(self.complete));
            self.written = self.complete;
        }
        self.complete = self.written;
    }

    /// Moves the oldest bytes into `piece`. Returns how many log bytes came before them since the start, those left out
    /// included, and how many they are: 0 if all that is to be told is that some were left out. `None` if there is
    /// nothing to tell.
    pub fn take(&mut self, piece: &mut [u8]) -> Option<(u32, usize)> {
        let waiting = self.complete.wrapping_sub(self.taken) as usize;
        if waiting == 0 && self.lost == 0 {
            return None;
        }
        if waiting == 0 {
            self.lost_before = self.lost_before.wrapping_add(core::mem::take(&mut self.lost));
        }
        let offset = self.taken.wrapping_add(self.lost_before);
        let len = waiting.min(piece.len());
        for place in piece.iter_mut().take(len) {
            *place = self.bytes.get(self.taken as usize % SIZE).copied().unwrap_or(0);
            self.taken = self.taken.wrapping_add(1);
        }
        Some((offset, len))
    }
}

impl<const SIZE: usize> Default for Ring<SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn log(ring: &mut Ring<16>, frame: &[u8]) {
        ring.write(frame);
        ring.end_frame();
    }

    fn all(ring: &mut Ring<16>) -> Vec<(u32, Vec<u8>)> {
        let mut piece = [0; 5];
        let mut pieces = Vec::new();
        while let Some((offset, len)) = ring.take(&mut piece) {
            pieces.push((offset, piece[..len].to_vec()));
        }
        pieces
    }

    #[test]
    fn bytes_come_out_in_order_and_the_ring_goes_round() {
        let mut ring = Ring::<16>::new();
        for round in 0..100u32 {
            let frame: Vec<u8> = (0..13).map(|byte| (round + byte) as u8).collect();
            log(&mut ring, &frame);
            let pieces = all(&mut ring);
            assert_eq!(pieces[0].0, round * 13);
            assert_eq!(pieces.into_iter().flat_map(|(_, piece)| piece).collect::<Vec<_>>(), frame);
        }
    }

    #[test]
    fn an_unfinished_frame_is_not_taken() {
        let mut ring = Ring::<16>::new();
        ring.write(b"half");
        assert!(all(&mut ring).is_empty());
        ring.end_frame();
        assert_eq!(all(&mut ring), [(0, b"half".to_vec())]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole_and_the_gap_is_told() {
        let mut ring = Ring::<16>::new();
        log(&mut ring, b"0123456789");
        log(&mut ring, b"abcdefgh");
        log(&mut ring, b"no");
        assert_eq!(all(&mut ring), [(0, b"01234".to_vec()), (5, b"56789".to_vec()), (20, Vec::new())]);
        log(&mut ring, b"again");
        assert_eq!(all(&mut ring), [(20, b"again".to_vec())]);
    }

    #[test]
    fn a_frame_longer_than_the_ring_does_no_harm() {
        let mut ring = Ring::<16>::new();
        log(&mut ring, &[7; 100]);
        log(&mut ring, b"after");
        assert_eq!(all(&mut ring), [(105, Vec::new())]);
        log(&mut ring, b"fine");
        assert_eq!(all(&mut ring), [(105, b"fine".to_vec())]);
    }
}
