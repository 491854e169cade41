//! Large operations by several cores at once.

use niwaki_blob::Op;
use niwaki_kernels::{
    Isa, Operands,
    bands::{self, Band},
    scratch_bytes,
};
use std::{
    boxed::Box,
    error::Error,
    format,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    vec,
    vec::Vec,
};

/// Bytes of a thread's stack: kernels keep up to 320 KiB on it, and without optimisation several times as much.
const STACK: usize = 2 << 20;

/// What a thread has to compute at least, in products, so that waking it pays.
const LEAST: usize = 500_000;

/// Threads that share large operations, for computers with several cores. Made once, and kept: they wait between
/// operations. Results are the same bytes as without.
///
/// Convolutions, pools and plain fully connected layers are cut into bands; all other operations, and small ones, run
/// on the caller's thread. Each thread but the caller's takes a stack of 2 MiB, of which what is used becomes memory, and
/// every band of a layer in blocks scratch of its own, which is kept from run to run.
#[derive(Debug)]
pub struct Threads {
    /// All but the caller's.
    pool: rayon_core::ThreadPool,
    /// Of every band.
    scratch: Vec<Mutex<Vec<i8>>>,
    /// What each has to compute at least.
    least: usize,
}

impl Threads {
    /// Starts threads, so that with the caller's there are so many.
    ///
    /// # Errors
    /// If the system starts no more.
    pub fn new(count: NonZeroUsize) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let others = count.get().saturating_sub(1).max(1);
        let pool = rayon_core::ThreadPoolBuilder::new()
            .num_threads(others)
            .stack_size(STACK)
            .thread_name(|number| format!("niwaki {number}"))
            .build()?;
        Ok(Self { pool, scratch: (0..count.get()).map(|_| Mutex::default()).collect(), least: LEAST })
    }

    /// How many there are, the caller's included.
    pub fn count(&self) -> usize {
        self.scratch.len()
    }

    /// Runs an operation on as many threads as pay. As [`niwaki_kernels::run`] otherwise.
    pub(crate) fn run<const OPS: u32>(
        &self,
        op: &Op<'_>,
        operands: Operands<'_>,
        output: &mut [i8],
        scratch: &mut [i8],
    ) -> bool {
        let isa = Isa::current();
        let (Operands::One(input), Some(bands)) = (operands, self.bands(op)) else {
            return niwaki_kernels::run::<OPS>(isa, op, operands, output, scratch);
        };
        let mut places = Vec::with_capacity(bands.len());
        let mut rest = &mut *output;
        for band in &bands {
            let Some((place, behind)) = rest.split_at_mut_checked(band.output) else { return false };
            places.push(place);
            rest = behind;
        }
        let done = AtomicBool::new(true);
        let one = |band: &Band<'_>, place: &mut [i8], scratch: &Mutex<Vec<i8>>| {
            // Nothing panics while it holds the lock.
            let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = scratch_bytes(isa, &band.op);
            if scratch.len() < bytes {
                *scratch = vec![0; bytes];
            }
            let scratch = scratch.get_mut(..bytes).unwrap_or_default();
            let operand = input.get(band.reads()).map(Operands::One);
            if !operand.is_some_and(|one| niwaki_kernels::run::<OPS>(isa, &band.op, one, place, scratch)) {
                done.store(false, Ordering::Relaxed);
            }
        };
        let one = &one;
        self.pool.in_place_scope(|scope| {
            let mut all = bands.iter().zip(places).zip(&self.scratch);
            let first = all.next();
            for ((band, place), scratch) in all {
                scope.spawn(move |_| one(band, place, scratch));
            }
            if let Some(((band, place), scratch)) = first {
                one(band, place, scratch);
            }
        });
        done.into_inner()
    }

    /// Two bands or more; none where that does not pay or cannot be.
    fn bands<'a>(&self, op: &Op<'a>) -> Option<Vec<Band<'a>>> {
        let parts = self.count().min(bands::work(op) / self.least).min(bands::most(op));
        if parts < 2 {
            return None;
        }
        (0..parts).map(|part| bands::band(op, part, parts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use niwaki_kernels::{
        ALL_OPS,
        problem::{Form, Geometry, Problem, Variant},
    };

    /// Layers that can be cut, one of each kind.
    fn layers() -> Vec<Problem> {
        let [variant, ..] = Variant::ALL;
        let image = Geometry::new([9, 11, 16], 16, [3, 3], 1).padded([1, 1], [1, 1]);
        let wide = Geometry::new([17, 16, 48], 48, [3, 3], 2).padded([0, 0], [1, 1]);
        let blocks = Problem::conv2d(image, variant, 1).and_then(|plain| plain.packed(BLOCKS, 1));
        let problems = [
            Problem::conv2d(image, variant, 1),
            blocks,
            Problem::depthwise_conv2d(wide, variant, 2),
            Problem::max_pool(wide, variant, 3),
            Problem::avg_pool(wide, false, variant, 4),
            Some(Problem::fully_connected(512, 43, variant, 5)),
        ];
        problems.into_iter().flatten().collect()
    }

    const BLOCKS: Form = Form::Blocks { rows: 2, unit: 2, kept: Some(40) };

    #[test]
    fn threads_compute_what_one_computes() {
        let problems: Vec<(Problem, Vec<i8>)> =
            layers().into_iter().map(|problem| (problem.clone(), problem.solve(Isa::Scalar).unwrap())).collect();
        assert_eq!(problems.len(), 6);
        for count in [2, 4] {
            let threads = Threads { least: 1000, ..Threads::new(NonZeroUsize::new(count).unwrap()).unwrap() };
            assert_eq!(threads.count(), count);
            for (problem, expected) in &problems {
                let op = problem.op();
                assert_eq!(threads.bands(&op).unwrap().len(), count, "{}", problem.name);
                let mut scratch = vec![0; scratch_bytes(Isa::current(), &op)];
                // Twice: the second time scratch is there already.
                for _ in 0..2 {
                    let mut output = vec![0; expected.len()];
                    assert!(threads.run::<ALL_OPS>(&op, Operands::One(&problem.a), &mut output, &mut scratch));
                    assert!(output == *expected, "{} on {count} threads", problem.name);
                }
            }
        }
    }

    #[test]
    fn small_operations_stay_on_one_thread() {
        let [variant, ..] = Variant::ALL;
        let threads = Threads::new(NonZeroUsize::new(4).unwrap()).unwrap();
        let small = Problem::conv2d(Geometry::new([8, 8, 8], 8, [1, 1], 1), variant, 1).unwrap();
        assert!(threads.bands(&small.op()).is_none());
    }

    #[test]
    fn what_fails_in_a_band_fails_as_a_whole() {
        let threads = Threads { least: 1000, ..Threads::new(NonZeroUsize::new(2).unwrap()).unwrap() };
        let problem = layers().swap_remove(0);
        let mut output = vec![0; problem.output.elements()];
        // Half of its input is missing.
        let input = &problem.a[..problem.a.len() / 2];
        assert!(!threads.run::<ALL_OPS>(&problem.op(), Operands::One(input), &mut output, &mut []));
        assert!(!threads.run::<ALL_OPS>(&problem.op(), Operands::One(&problem.a), &mut output[1..], &mut []));
    }
}
