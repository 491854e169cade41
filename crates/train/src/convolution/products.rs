//! Products of matrices one of whose sides lies in overlapping rows: [`correlate`] and [`dots`].

use macerator::{Scalar, Simd, Vector};

/// Elements behind rows that may be read: as many as the widest vector has.
pub(super) const LANES: usize = 16;

/// Rows taken at once.
const ROWS: usize = 8;

/// `output[m][i]` = sum over `k` of `weight[m][k] * source[offsets[k] + i]`, for so many rows of `weight` and `output`;
/// `source` is read up to [`LANES`] further than `output`'s rows are long.
#[macerator::with_simd]
pub(super) fn correlate<S: Simd>(source: &[f32], offsets: &[usize], weight: &[f32], rows: usize, output: &mut [f32]) {
    let inner = offsets.len();
    let length = output.len() / rows;
    let lanes = S::lanes32();
    let wide = 3 * lanes;
    let height = if lanes == 8 { ROWS / 2 } else { ROWS };
    let mut packed = vec![0.0; height * inner];
    for (strip, output) in output.chunks_mut(height * length).enumerate() {
        let rows = output.len() / length;
        for (k, packed) in packed.chunks_exact_mut(height).enumerate() {
            for (m, packed) in packed.iter_mut().enumerate() {
                *packed = weight[(strip * height + m.min(rows - 1)) * inner + k];
            }
        }
        let mut at = 0;
        while at + wide <= length {
            match height {
                ROWS => correlated::<S, ROWS, 3>(source, offsets, &packed, at, length, output),
                _ => correlated::<S, { ROWS / 2 }, 3>(source, offsets, &packed, at, length, output),
            }
            at += wide;
        }
        while at < length {
            match height {
                ROWS => correlated::<S, ROWS, 1>(source, offsets, &packed, at, length, output),
                _ => correlated::<S, { ROWS / 2 }, 1>(source, offsets, &packed, at, length, output),
            }
            at += lanes;
        }
    }
}

/// A tile of [`correlate`]: all rows of `output`, `V` vectors from `at` on.
#[inline(always)]
fn correlated<S: Simd, const M: usize, const V: usize>(
    source: &[f32],
    offsets: &[usize],
    packed: &[f32],
    at: usize,
    length: usize,
    output: &mut [f32],
) {
    let lanes = S::lanes32();
    let mut sums = [[0f32.splat::<S>(); V]; M];
    for (offset, weight) in offsets.iter().zip(packed.as_chunks::<M>().0) {
        let source = &source[offset + at..][..V * lanes];
        let mut vectors = [0f32.splat::<S>(); V];
        for (v, vector) in vectors.iter_mut().enumerate() {
            *vector = load(&source[v * lanes..][..lanes]);
        }
        for (sums, weight) in sums.iter_mut().zip(weight) {
            let weight = weight.splat::<S>();
            for (sum, vector) in sums.iter_mut().zip(&vectors) {
                *sum = weight.mul_add(*vector, *sum);
            }
        }
    }
    for (row, sums) in output.chunks_mut(length).zip(&sums) {
        for (v, sum) in sums.iter().enumerate() {
            let from = bytemuck::cast_slice(std::slice::from_ref(sum));
            let rest = &mut row[at + v * lanes..];
            let count = rest.len().min(lanes);
            rest[..count].copy_from_slice(&from[..count]);
        }
    }
}

/// `sums[m][k]` += sum over `i` below `length` of `above[rows[m] + i]` * `source[offsets[k] + i]`. Both may be read
/// [`LANES`] further; `above` is zero there.
#[macerator::with_simd]
pub(super) fn dots<S: Simd>(
    above: &[f32],
    rows: &[usize],
    source: &[f32],
    offsets: &[usize],
    length: usize,
    sums: &mut [f32],
) {
    let columns = offsets.len();
    match S::lanes32() {
        8 => {
            for (rows, sums) in rows.chunks(4).zip(sums.chunks_mut(4 * columns)) {
                for (strip, offsets) in offsets.chunks(2).enumerate() {
                    dotted::<S, 4, 2>(above, rows, source, offsets, length, &mut sums[strip * 2..], columns);
                }
            }
        }
        _ => {
            for (rows, sums) in rows.chunks(ROWS).zip(sums.chunks_mut(ROWS * columns)) {
                for (strip, offsets) in offsets.chunks(3).enumerate() {
                    dotted::<S, ROWS, 3>(above, rows, source, offsets, length, &mut sums[strip * 3..], columns);
                }
            }
        }
    }
}

/// A tile of [`dots`]; where there are fewer rows or columns, the last is computed again and left out.
#[inline(always)]
fn dotted<S: Simd, const M: usize, const K: usize>(
    above: &[f32],
    rows: &[usize],
    source: &[f32],
    offsets: &[usize],
    length: usize,
    sums: &mut [f32],
    columns: usize,
) {
    let lanes = S::lanes32();
    let padded = length.next_multiple_of(lanes);
    let aboves: [&[f32]; M] = std::array::from_fn(|m| &above[rows[m.min(rows.len() - 1)]..][..padded]);
    let sources: [&[f32]; K] = std::array::from_fn(|k| &source[offsets[k.min(offsets.len() - 1)]..][..padded]);
    let mut totals = [[0f32.splat::<S>(); K]; M];
    let mut at = 0;
    while at < padded {
        let mut vectors = [0f32.splat::<S>(); K];
        for (vector, source) in vectors.iter_mut().zip(&sources) {
            *vector = load(&source[at..][..lanes]);
        }
        for (totals, above) in totals.iter_mut().zip(&aboves) {
            let above = load::<S>(&above[at..][..lanes]);
            for (total, vector) in totals.iter_mut().zip(&vectors) {
                *total = above.mul_add(*vector, *total);
            }
        }
        at += lanes;
    }
    for (sums, totals) in sums.chunks_mut(columns).zip(&totals).take(rows.len()) {
        for (sum, total) in sums.iter_mut().zip(totals).take(offsets.len()) {
            *sum += total.reduce_add();
        }
    }
}

/// As many elements as a vector has.
#[inline(always)]
fn load<S: Simd>(elements: &[f32]) -> Vector<S, f32> {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(elements))
}
