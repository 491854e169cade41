//! Places in the arena: which results are computed in place, when storages live, and where each lies.

use crate::{Kernel, Plan, TensorId};

/// Storages start on this boundary, so that kernels can load words.
const ALIGNMENT: usize = 4;

/// Attempts to find a tighter packing than the heuristics do.
const ATTEMPTS: usize = 400;

/// A storage's bytes and the steps between which it must keep them; both ends belong.
#[derive(Clone, Copy, Debug)]
struct Span {
    bytes: usize,
    first: usize,
    last: usize,
}

impl Span {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Gives every tensor an offset and the plan its exact size.
pub(crate) fn place(plan: &mut Plan) {
    in_place(plan);
    let spans = spans(plan);
    let offsets = pack(&spans);
    for tensor in &mut plan.tensors {
        tensor.offset = offsets[tensor.storage];
    }
    plan.arena_bytes = spans.iter().zip(&offsets).map(|(span, offset)| offset + span.bytes).max().unwrap_or(0);
}

/// Lets tables, sums and products overwrite an operand that nothing reads afterwards.
fn in_place(plan: &mut Plan) {
    for index in 0..plan.steps.len() {
        let spans = spans(plan);
        let dies = |plan: &Plan, tensor: TensorId| spans[plan.tensors[tensor.0].storage].last == index;
        let step = &plan.steps[index];
        let storage = |plan: &Plan, tensor: TensorId| plan.tensors[tensor.0].storage;
        match (&step.kernel, step.inputs.as_slice()) {
            (Kernel::Lut { .. }, &[input]) if dies(plan, input) => merge(plan, index, input),
            (Kernel::Add { .. } | Kernel::Mul { .. }, &[a, b]) if storage(plan, a) != storage(plan, b) => {
                if dies(plan, a) {
                    merge(plan, index, a);
                } else if dies(plan, b) && plan.tensors[b.0].elements() == plan.tensors[a.0].elements() {
                    let step = &mut plan.steps[index];
                    step.inputs.swap(0, 1);
                    if let Kernel::Add { q } = &mut step.kernel {
                        q.swap(0, 1);
                    }
                    merge(plan, index, b);
                }
            }
            _ => {}
        }
    }
}

/// Makes a step's output, and every view of it, the same storage as an input.
fn merge(plan: &mut Plan, step: usize, input: TensorId) {
    let to = plan.tensors[input.0].storage;
    let from = plan.tensors[plan.steps[step].output.0].storage;
    for tensor in plan.tensors.iter_mut().filter(|tensor| tensor.storage == from) {
        tensor.storage = to;
    }
}

/// When each storage lives. Inputs live from before the first step, outputs past the last; a storage that nothing uses
/// has no bytes.
fn spans(plan: &Plan) -> Vec<Span> {
    let storages = plan.tensors.iter().map(|tensor| tensor.storage + 1).max().unwrap_or(0);
    let mut spans = vec![Span { bytes: 0, first: usize::MAX, last: 0 }; storages];
    let mut touch = |tensor: TensorId, step: usize| {
        let tensor = &plan.tensors[tensor.0];
        let span = &mut spans[tensor.storage];
        span.bytes = span.bytes.max(tensor.elements());
        span.first = span.first.min(step);
        span.last = span.last.max(step);
    };
    for (index, step) in plan.steps.iter().enumerate() {
        step.inputs.iter().for_each(|input| touch(*input, index));
        touch(step.output, index);
    }
    plan.inputs.iter().for_each(|input| touch(input.tensor, 0));
    plan.outputs.iter().for_each(|output| touch(output.tensor, plan.steps.len()));
    spans
}

/// Offsets such that storages that live at the same time do not overlap: largest first, at the lowest place that is
/// free; then other orders, as long as the result is above the bound that the steps themselves set.
fn pack(spans: &[Span]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|storage| std::cmp::Reverse((spans[*storage].bytes, spans[*storage].last)));
    let bound = lower_bound(spans);
    let (mut offsets, mut size) = first_fit(spans, &order);
    // A fixed linear congruential sequence (Knuth, MMIX): the same plan for the same graph.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..ATTEMPTS {
        if size <= bound || spans.len() < 2 {
            break;
        }
        let mut candidate = order.clone();
        candidate.swap(random(spans.len()), random(spans.len()));
        let (other, other_size) = first_fit(spans, &candidate);
        if other_size <= size {
            (offsets, size, order) = (other, other_size, candidate);
        }
    }
    offsets
}

impl Plan {
    /// Bytes of the tensors that are needed at each step: the arena is as large as the largest of these, or little
    /// larger.
    pub fn live_bytes(&self) -> Vec<usize> {
        let spans = spans(self);
        let at = |step: usize| {
            let alive = spans.iter().filter(|span| span.first <= step && step <= span.last);
            alive.map(|span| span.bytes).sum()
        };
        (0..self.steps.len()).map(at).collect()
    }
}

/// The most bytes that are needed at any one step.
fn lower_bound(spans: &[Span]) -> usize {
    let at =
        |step: usize| spans.iter().filter(|span| span.first <= step && step <= span.last).map(|span| span.bytes).sum();
    spans.iter().map(|span| span.first).filter(|step| *step != usize::MAX).map(at).max().unwrap_or(0)
}

fn first_fit(spans: &[Span], order: &[usize]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0; spans.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut size = 0;
    for storage in order {
        let span = &spans[*storage];
        if span.bytes == 0 {
            continue;
        }
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|other| spans[**other].meets(span))
            .map(|other| (offsets[*other], offsets[*other] + spans[*other].bytes))
            .collect();
        taken.sort_unstable();
        let mut offset = 0usize;
        for (start, end) in taken {
            if offset + span.bytes <= start {
                break;
            }
            offset = offset.max(end.next_multiple_of(ALIGNMENT));
        }
        offsets[*storage] = offset;
        size = size.max(offset + span.bytes);
        placed.push(*storage);
    }
    (offsets, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(bytes: usize, first: usize, last: usize) -> Span {
        Span { bytes, first, last }
    }

    #[test]
    fn a_chain_takes_its_largest_neighbours() {
        let spans = [span(100, 0, 0), span(400, 0, 1), span(200, 1, 2), span(300, 2, 3), span(8, 3, 4)];
        let (_, size) = first_fit(&spans, &[1, 3, 2, 0, 4]);
        assert!(size >= 600);
        let offsets = pack(&spans);
        assert_eq!(spans.iter().zip(&offsets).map(|(s, o)| o + s.bytes).max(), Some(600));
    }

    proptest! {
        #[test]
        fn what_lives_together_lies_apart(list in proptest::collection::vec((1usize..200, 0usize..12, 0usize..4), 1..14)) {
            let spans: Vec<Span> = list.iter().map(|(bytes, first, more)| span(*bytes, *first, first + more)).collect();
            let offsets = pack(&spans);
            for (i, a) in spans.iter().enumerate() {
                prop_assert_eq!(offsets[i] % ALIGNMENT, 0);
                for (j, b) in spans.iter().enumerate().skip(i + 1) {
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    prop_assert!(!a.meets(b) || apart);
                }
            }
        }
    }
}
