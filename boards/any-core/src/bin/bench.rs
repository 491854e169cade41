//! Counts the instructions of this core's kernels on the layers of the four MLPerf Tiny reference models, with random
//! weights: a line `model layer instructions` for each.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod firmware {
    use alloc::{format, string::String, vec};
    use niwaki_board::{Counter, SysTick};
    use niwaki_kernels::problem::{Geometry, Problem, Variant};
    use niwaki_kernels::{ALL_OPS, Isa, Operands, run, scratch_bytes};

    unsafe extern "C" {
        static _ram_end: u8;
    }

    /// A loop of so many instructions tells how many ticks one takes.
    const KNOWN: u64 = 10_000;

    /// Random weights, multipliers that spread outputs over int8.
    const VARIANT: Variant = Variant::ALL[0];

    #[cortex_m_rt::entry]
    fn main() -> ! {
        // SAFETY: every memory.x of a board defines it, behind its RAM.
        unsafe { any_core::init_heap(&raw const _ram_end as usize) };
        let Some(core) = cortex_m::Peripherals::take() else { any_core::exit(false) };
        let mut counter = SysTick::new(core.SYST, 0);
        let ticks = counter.known_loop(KNOWN as u32).unwrap_or(0).max(1);
        let mut bench = Bench { counter, ticks, total: 0 };
        bench.keyword_spotting();
        bench.image_classification();
        bench.visual_wake_words();
        bench.anomaly_detection();
        any_core::exit(true)
    }

    struct Bench {
        counter: SysTick,
        /// Ticks for `KNOWN` instructions.
        ticks: u64,
        /// Instructions of the model so far.
        total: u64,
    }

    impl Bench {
        fn keyword_spotting(&mut self) {
            let first = Geometry { stride: [2, 2], ..Geometry::new([49, 10, 1], 64, [10, 4], 2) };
            self.conv("KWS conv0", first.padded([4, 1], [5, 1]));
            for block in 1..=4 {
                self.depthwise(&format!("KWS dw{block}"), [25, 5, 64], 1, [1, 1]);
                self.pointwise(&format!("KWS pw{block}"), [25, 5, 64], 64, 1);
            }
            self.average("KWS avg", [25, 5, 64]);
            self.connected("KWS fc", 64, 12);
            self.count("KWS softmax", Some(Problem::softmax(1, 12, VARIANT, 1)));
            self.end("KWS");
        }

        fn image_classification(&mut self) {
            self.conv3("IC conv0", [32, 32, 3], 16, 1);
            self.conv3("IC s1c1", [32, 32, 16], 16, 1);
            self.conv3("IC s1c2", [32, 32, 16], 16, 1);
            self.add("IC s1add", 32 * 32 * 16);
            self.conv3("IC s2c1", [32, 32, 16], 32, 2);
            self.conv3("IC s2c2", [16, 16, 32], 32, 1);
            self.pointwise("IC s2sc", [32, 32, 16], 32, 2);
            self.add("IC s2add", 16 * 16 * 32);
            self.conv3("IC s3c1", [16, 16, 32], 64, 2);
            self.conv3("IC s3c2", [8, 8, 64], 64, 1);
            self.pointwise("IC s3sc", [16, 16, 32], 64, 2);
            self.add("IC s3add", 8 * 8 * 64);
            self.average("IC avg", [8, 8, 64]);
            self.connected("IC fc", 64, 10);
            self.count("IC softmax", Some(Problem::softmax(1, 10, VARIANT, 1)));
            self.end("IC");
        }

        fn visual_wake_words(&mut self) {
            self.conv3("VWW conv0", [96, 96, 3], 8, 2);
            let blocks = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)];
            let same = [(128, 128, 1); 5];
            let last = [(128, 256, 2), (256, 256, 1)];
            let mut size = 48;
            for (block, (from, to, stride)) in blocks.into_iter().chain(same).chain(last).enumerate() {
                let before = if stride == 2 { [0, 0] } else { [1, 1] };
                self.depthwise(&format!("VWW dw{}", block + 1), [size, size, from], stride, before);
                size /= stride;
                self.pointwise(&format!("VWW pw{}", block + 1), [size, size, from], to, 1);
            }
            self.average("VWW avg", [3, 3, 256]);
            self.connected("VWW fc", 256, 2);
            self.count("VWW softmax", Some(Problem::softmax(1, 2, VARIANT, 1)));
            self.end("VWW");
        }

        fn anomaly_detection(&mut self) {
            let sizes = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640];
            for (layer, pair) in sizes.windows(2).enumerate() {
                self.connected(&format!("AD fc{}", layer + 1), pair[0], pair[1]);
            }
            self.end("AD");
        }

        /// A 3x3 convolution, padded as TensorFlow's SAME does.
        fn conv3(&mut self, name: &str, input: [usize; 3], channels: usize, stride: usize) {
            let before = if stride == 2 { [0, 0] } else { [1, 1] };
            self.conv(name, Geometry::new(input, channels, [3, 3], stride).padded(before, [1, 1]));
        }

        fn pointwise(&mut self, name: &str, input: [usize; 3], channels: usize, stride: usize) {
            self.conv(name, Geometry::new(input, channels, [1, 1], stride));
        }

        fn conv(&mut self, name: &str, geometry: Geometry) {
            self.count(name, Problem::conv2d(geometry, VARIANT, 1));
        }

        fn depthwise(&mut self, name: &str, input: [usize; 3], stride: usize, before: [usize; 2]) {
            let geometry = Geometry::new(input, input[2], [3, 3], stride).padded(before, [1, 1]);
            self.count(name, Problem::depthwise_conv2d(geometry, VARIANT, 1));
        }

        fn average(&mut self, name: &str, input: [usize; 3]) {
            let geometry = Geometry::new(input, input[2], [input[0], input[1]], 1);
            self.count(name, Problem::avg_pool(geometry, false, VARIANT, 1));
        }

        fn connected(&mut self, name: &str, inputs: usize, outputs: usize) {
            self.count(name, Some(Problem::fully_connected(inputs, outputs, VARIANT, 1)));
        }

        fn add(&mut self, name: &str, elements: usize) {
            use niwaki_kernels::problem::OpKind::Add;
            self.count(name, Some(Problem::element_wise(Add, elements, false, VARIANT, 1)));
        }

        fn count(&mut self, name: &str, problem: Option<Problem>) {
            let Some(problem) = problem else {
                any_core::print(format_args!("{name} has an impossible shape"));
                any_core::exit(false)
            };
            let op = problem.op();
            let operands = match problem.b.is_empty() {
                true => Operands::One(&problem.a),
                false => Operands::Two(&problem.a, &problem.b),
            };
            let mut output = vec![0; problem.output.elements()];
            // On a boundary of 16 bytes, as the runtime's arena is.
            let scratch_len = scratch_bytes(Isa::CURRENT, &op);
            let mut memory = vec![0i8; scratch_len + 16];
            let skipped = memory.as_ptr().align_offset(16);
            let scratch = &mut memory[skipped..skipped + scratch_len];
            self.counter.restart();
            let start = self.counter.now();
            let none = self.counter.now() - start;
            let start = self.counter.now();
            let done = run::<ALL_OPS>(Isa::CURRENT, &op, operands, &mut output, scratch);
            let ticks = self.counter.now() - start - none;
            let instructions = ticks * KNOWN / self.ticks;
            self.total += instructions;
            let note: String = if done { String::new() } else { " NOT RUN".into() };
            any_core::print(format_args!("{name} {instructions} scratch {scratch_len}{note}"));
        }

        fn end(&mut self, model: &str) {
            any_core::print(format_args!("{model} total {}", self.total));
            self.total = 0;
        }
    }
}
