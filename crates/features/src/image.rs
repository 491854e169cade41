//! From camera pixels to a network's input.

/// Shape of an image with interleaved channels: rows of pixels of `CHANNELS` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
}

/// Fraction bits of a position between two pixels.
const BITS: u32 = 8;

/// An image in another size, bilinear, pixel centres aligned (as OpenCV's `INTER_LINEAR` and most training pipelines
/// do), `CHANNELS` bytes a pixel. `false`, and nothing written, where a buffer has another length than its size says or
/// an image is empty.
pub fn resize<const CHANNELS: usize>(from: &[u8], from_size: Size, to: &mut [u8], to_size: Size) -> bool {
    let bytes = |size: Size| size.height.checked_mul(size.width)?.checked_mul(CHANNELS);
    let fits = bytes(from_size) == Some(from.len()) && bytes(to_size) == Some(to.len());
    if !fits || from.is_empty() || to.is_empty() {
        return false;
    }
    for (y, row) in to.chunks_exact_mut((to_size.width * CHANNELS).max(1)).enumerate() {
        let down = Between::new(y, to_size.height, from_size.height);
        for (x, pixel) in row.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
            let over = Between::new(x, to_size.width, from_size.width);
            for (channel, value) in pixel.iter_mut().enumerate() {
                let at = |y: usize, x: usize| {
                    let place = (y * from_size.width + x) * CHANNELS + channel;
                    u32::from(from.get(place).copied().unwrap_or(0))
                };
                let above = over.mix(at(down.first, over.first), at(down.first, over.second));
                let below = over.mix(at(down.second, over.first), at(down.second, over.second));
                *value = ((down.mix(above, below) + (1 << (2 * BITS - 1))) >> (2 * BITS)) as u8;
            }
        }
    }
    true
}

/// A pixel less 128: int8 for a network whose inputs are 0 to 255, or 0 to 1, with zero point -128.
pub fn to_int8(pixels: &[u8], input: &mut [i8]) {
    for (input, pixel) in input.iter_mut().zip(pixels) {
        *input = (pixel ^ 0x80).cast_signed();
    }
}

/// A position between two neighbours of an axis.
#[derive(Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    /// Part of the second, of 2^BITS.
    part: u32,
}

impl Between {
    /// Where the centre of element `index` of `to` lies among `from` elements.
    fn new(index: usize, to: usize, from: usize) -> Self {
        let to = to.max(1);
        // (index + 1/2) * from / to - 1/2, in units of 2^-BITS.
        let centre = (((2 * index + 1) * from) << (BITS - 1)) / to;
        let place = centre.saturating_sub(1 << (BITS - 1));
        let last = from.saturating_sub(1);
        let first = (place >> BITS).min(last);
        Self { first, second: (first + 1).min(last), part: (place & ((1 << BITS) - 1)) as u32 }
    }

    /// The weighted sum, with BITS more fraction bits.
    fn mix(self, first: u32, second: u32) -> u32 {
        first * ((1 << BITS) - self.part) + second * self.part
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    const fn size(height: usize, width: usize) -> Size {
        Size { height, width }
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let image: [u8; 24] = core::array::from_fn(|n| (n * 37 % 256) as u8);
        let mut out = [0; 24];
        assert!(resize::<3>(&image, size(2, 4), &mut out, size(2, 4)));
        assert_eq!(out, image);
    }

    #[test]
    fn it_is_bilinear_with_centres_aligned() {
        let (from, to) = (size(7, 5), size(12, 9));
        let image: vec::Vec<u8> = (0..35).map(|n| (n * n * 31 % 256) as u8).collect();
        let mut out = vec![0; 108];
        assert!(resize::<1>(&image, from, &mut out, to));
        let axis = |index: usize, to: usize, from: usize| {
            let place = ((index as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, from as f64 - 1.0);
            (place as usize, (place as usize + 1).min(from - 1), place.fract())
        };
        for y in 0..12 {
            for x in 0..9 {
                let ((y0, y1, v), (x0, x1, u)) = (axis(y, 12, 7), axis(x, 9, 5));
                let at = |y: usize, x: usize| f64::from(image[y * 5 + x]);
                let row = |y: usize| at(y, x0) * (1.0 - u) + at(y, x1) * u;
                let exact = row(y0) * (1.0 - v) + row(y1) * v;
                // Positions have 8 fraction bits: a step of 255 moves by a pixel value at most, twice.
                assert!((exact - f64::from(out[y * 9 + x])).abs() <= 2.5, "{y} {x}");
            }
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let mut out = [9; 4];
        assert!(!resize::<1>(&[0; 3], size(2, 2), &mut out, size(2, 2)));
        assert!(!resize::<1>(&[], size(0, 2), &mut out, size(2, 2)));
        assert!(!resize::<1>(&[0; 4], size(2, 2), &mut out, size(2, 3)));
        assert_eq!(out, [9; 4]);
    }

    #[test]
    fn pixels_lose_128() {
        let mut input = [0; 3];
        to_int8(&[0, 128, 255], &mut input);
        assert_eq!(input, [-128, 0, 127]);
    }
}
