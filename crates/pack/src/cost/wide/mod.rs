//! What the kernels for 64-bit Arm run over. They have many ways through them, and which is taken follows from the shape
//! alone; so their loops are counted here as the kernels nest them, and nothing has to be found by trying.

mod block;
mod conv2d;
mod depthwise_conv2d;
mod fully_connected;

use super::Job;
use niwaki_blob::OpKind;

/// Elements of a vector.
const STEP: usize = 16;

/// The kernels of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wide {
    /// Whether they use dot products.
    dot: bool,
}

impl Wide {
    /// Of a core; `None` where it has others.
    pub(crate) fn of(core: &str) -> Option<Self> {
        match core {
            "cortex-a53" | "cortex-a72" => Some(Self { dot: false }),
            "cortex-a76" => Some(Self { dot: true }),
            _ => None,
        }
    }

    /// Whether a job's loops are counted here. Of each kind and layout, all jobs are fitted together.
    pub(crate) fn knows(job: &Job) -> bool {
        matches!(
            job.kind,
            OpKind::Conv2d
                | OpKind::DepthwiseConv2d
                | OpKind::BlockConv2d
                | OpKind::FullyConnected
                | OpKind::BlockFullyConnected
        )
    }

    /// The numbers that a job's cost is a sum of, none negative.
    pub(crate) fn features(self, job: &Job) -> Vec<f64> {
        let list = match job.kind {
            OpKind::Conv2d => conv2d::features(job, if self.dot { 8 } else { 4 }),
            OpKind::DepthwiseConv2d => depthwise_conv2d::features(job),
            OpKind::BlockConv2d => block::convolution(job, if self.dot { 4 } else { 2 }),
            OpKind::FullyConnected => fully_connected::features(job),
            _ => block::connected(job),
        };
        list.into_iter().map(|value| value as f64).collect()
    }
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
