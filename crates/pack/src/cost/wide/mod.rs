//! What the kernels for 64-bit Arm run over. They have many ways through them, and which is taken follows from the shape
//! alone; so their loops are counted here as the kernels nest them, and nothing has to be found by trying.

mod block;
mod conv2d;
mod depthwise_conv2d;
mod fully_connected;
mod pool;

use super::Job;
use niwaki_blob::OpKind;

/// Elements of a vector.
const STEP: usize = 16;

/// The numbers that a job's cost is a sum of, with dot products or without; none where its loops are not counted here.
pub(super) fn features(job: &Job, dot: bool) -> Option<Vec<usize>> {
    Some(match job.kind {
        OpKind::Conv2d => conv2d::features(job, if dot { 8 } else { 4 }),
        OpKind::DepthwiseConv2d => depthwise_conv2d::features(job, dot),
        OpKind::BlockConv2d => block::convolution(job, if dot { 4 } else { 2 }),
        OpKind::FullyConnected => fully_connected::features(job),
        OpKind::AvgPool | OpKind::MaxPool => pool::features(job),
        OpKind::BlockFullyConnected => block::connected(job),
        _ => return None,
    })
}

/// Rows of the input under the windows of a row of outputs, which are copied with their padding.
struct Rows {
    /// Bytes of a row.
    row: usize,
    /// Bytes that are cleared first.
    cleared: usize,
    /// How many are copied, all outputs together.
    loads: usize,
}

impl Rows {
    fn of(job: &Job) -> Self {
        let [tall, wide, down, right, apart, aside, ..] = job.window;
        let [height, width, _] = job.output;
        let extent = (tall - 1) * apart + 1;
        let row = ((width - 1) * right + (wide - 1) * aside + 1) * job.input[2];
        let cleared = extent * (row + STEP).next_multiple_of(STEP);
        Self { row, cleared, loads: extent + (height - 1) * down.min(extent) }
    }
}
