//! Watching a run, layer by layer.

use niwaki_blob::OpKind;

/// Sees every layer of a run: a profiler reads its counter here, a debugger compares outputs.
///
/// The call is static: a run without an observer holds no trace of it.
pub trait Observer {
    /// Called when operation `index` has run. `output` is its whole output tensor, NHWC.
    fn layer(&mut self, index: usize, kind: OpKind, output: &[i8]);
}

/// Observes nothing.
impl Observer for () {
    #[inline(always)]
    fn layer(&mut self, _index: usize, _kind: OpKind, _output: &[i8]) {}
}

impl<F: FnMut(usize, OpKind, &[i8])> Observer for F {
    #[inline(always)]
    fn layer(&mut self, index: usize, kind: OpKind, output: &[i8]) {
        self(index, kind, output);
    }
}
