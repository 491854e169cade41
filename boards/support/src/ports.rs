//! A model's inputs, and its outputs, as one array each: how the link sees them.

use niwaki::{Model, Session};

/// Bytes of all inputs.
pub(crate) fn input_bytes<const OPS: u32>(model: &Model<'_, OPS>) -> usize {
    (0..).map_while(|index| model.input(index)).map(|port| port.shape.elements()).sum()
}

/// Bytes of all outputs.
pub(crate) fn output_bytes<const OPS: u32>(model: &Model<'_, OPS>) -> usize {
    (0..).map_while(|index| model.output(index)).map(|port| port.shape.elements()).sum()
}

/// Copies `bytes` into the inputs, from `offset` on. What does not fit is left out.
pub(crate) fn load<const OPS: u32>(session: &mut Session<'_, OPS>, mut offset: usize, mut bytes: &[u8]) {
    for index in 0.. {
        let input = session.input_mut(index);
        if input.is_empty() || bytes.is_empty() {
            return;
        }
        let len = input.len();
        if let Some(place) = input.get_mut(offset..) {
            let fitting = place.len().min(bytes.len());
            let (now, later) = bytes.split_at(fitting);
            for (to, from) in place.iter_mut().zip(now) {
                *to = *from as i8;
            }
            bytes = later;
        }
        offset = offset.saturating_sub(len);
    }
}

/// At most `len` bytes of the outputs from `offset` on: as many as lie in one output. Empty past the last.
pub(crate) fn output<'s, const OPS: u32>(session: &'s Session<'_, OPS>, mut offset: usize, len: usize) -> &'s [u8] {
    for index in 0.. {
        let output = session.output(index);
        if output.is_empty() {
            break;
        }
        if let Some(rest) = output.get(offset..).filter(|rest| !rest.is_empty()) {
            return bytemuck::cast_slice(rest.get(..len).unwrap_or(rest));
        }
        offset = offset.saturating_sub(output.len());
    }
    &[]
}
