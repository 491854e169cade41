//! Places for kernels' scratch: where the arena is free while an operation runs.

use niwaki_blob::{Blob, OpKind};
use std::ops::Range;

/// Scratch starts on this boundary, as the arena does.
const ALIGNMENT: usize = 16;

/// Bytes of the arena, and the operations between which they must be kept; both belong.
struct Value {
    bytes: Range<usize>,
    first: usize,
    last: usize,
}

/// For every operation a place for as many bytes as it needs, as low as what is read then or later leaves it; empty where it
/// needs none.
pub(crate) fn places(blob: &Blob<'_>, needs: &[usize]) -> Vec<Range<usize>> {
    let values = values(blob);
    let place = |(at, need): (usize, &usize)| {
        let kept = values.iter().filter(|value| value.first <= at && at <= value.last);
        let mut taken: Vec<Range<usize>> = kept.map(|value| value.bytes.clone()).collect();
        taken.sort_by_key(|bytes| bytes.start);
        let mut start = 0usize;
        for bytes in taken {
            if start + need <= bytes.start {
                break;
            }
            start = start.max(bytes.end.next_multiple_of(ALIGNMENT));
        }
        if *need == 0 { 0..0 } else { start..start + need }
    };
    needs.iter().enumerate().map(place).collect()
}

/// What is read, from the operation that wrote it on; and every output while it is written.
fn values(blob: &Blob<'_>) -> Vec<Value> {
    let records = blob.records();
    let range = |tensor: u16| blob.tensor(tensor).range();
    // A concatenation is written by several operations, one after the other.
    let written = |bytes: &Range<usize>, before: usize| {
        let mut found = 0;
        for at in (0..before).rev().filter(|at| range(records[*at].output) == *bytes) {
            found = at;
            if records[at].kind != OpKind::Concat as u8 {
                break;
            }
        }
        found
    };
    let reads = records.iter().enumerate().flat_map(|(at, record)| {
        let operands = OpKind::from_u8(record.kind).map_or(0, OpKind::operands);
        record.inputs.into_iter().take(operands).map(move |tensor| (at, tensor))
    });
    let outputs = blob.outputs().iter().map(|tensor| (records.len(), *tensor));
    let read = reads.chain(outputs).map(|(at, tensor)| {
        let bytes = range(tensor);
        Value { first: written(&bytes, at), bytes, last: at }
    });
    let writes = records.iter().enumerate();
    let writes = writes.map(|(at, record)| Value { bytes: range(record.output), first: at, last: at });
    read.chain(writes).collect()
}
