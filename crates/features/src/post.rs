//! From a network's outputs to an answer.

/// The classes with the largest outputs, best first; of equal ones the first comes first. Slots without a class, where
/// there are fewer than `K`, are `None`.
pub fn top_k<const K: usize>(outputs: &[i8]) -> [Option<(usize, i8)>; K] {
    let mut best = [None; K];
    for (class, &output) in outputs.iter().enumerate() {
        let mut candidate = Some((class, output));
        for slot in &mut best {
            let beats = match (*slot, candidate) {
                (Some((_, held)), Some((_, new))) => new > held,
                (held, _) => held.is_none(),
            };
            if beats {
                core::mem::swap(slot, &mut candidate);
            }
        }
    }
    best
}

/// The sum of squared differences between an autoencoder's input and output, in units of 2^-32: each is
/// `scale * (q - zero_point)`, with scales of 16 fraction bits.
///
/// The anomaly score of a window is this over the number of elements; that of a clip the mean over its windows.
pub fn squared_error(input: &[i8], input_is: Fixed, output: &[i8], output_is: Fixed) -> u64 {
    let difference = |(a, b): (&i8, &i8)| input_is.real(*a).abs_diff(output_is.real(*b));
    let square = |x: u64| x.saturating_mul(x);
    input.iter().zip(output).map(difference).map(square).fold(0, u64::saturating_add)
}

/// How an int8 stands for a real number, with 16 fraction bits.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// Real value of one step, times 2^16.
    pub scale: u32,
    /// The int8 that stands for zero.
    pub zero_point: i8,
}

impl Fixed {
    /// The real value, times 2^16.
    fn real(self, q: i8) -> i64 {
        (i64::from(q) - i64::from(self.zero_point)) * i64::from(self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first() {
        assert_eq!(top_k::<3>(&[1, 5, -3, 5]), [Some((1, 5)), Some((3, 5)), Some((0, 1))]);
        assert_eq!(top_k::<2>(&[7]), [Some((0, 7)), None]);
        assert_eq!(top_k::<0>(&[7]), []);
    }

    #[test]
    fn errors_are_squared_in_real_units() {
        let half = Fixed { scale: 1 << 15, zero_point: 0 };
        let one = Fixed { scale: 1 << 16, zero_point: 10 };
        // 2 and -1 against 0 and 1: 4 + 4.
        assert_eq!(squared_error(&[4, -2], half, &[10, 11], one), 8 << 32);
    }
}
