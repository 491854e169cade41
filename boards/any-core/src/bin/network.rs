//! Counts a whole network on 64-bit Arm without an operating system: once as it is run, once layer by layer.
//!
//! The host's file `network.nwk` holds the length of a blob in 16 bytes (little-endian), the blob, and the bytes of all
//! inputs. Prints `known INSTRUCTIONS TICKS EMPTY` for a loop of known length and for no work at all, `case TICKS 0` for the
//! whole, `case TICKS 0` for every layer, and `output BYTES` in hexadecimal.
#![cfg_attr(any(any_core_cortex_m, any_core_aarch64), no_std, no_main)]

#[cfg(not(any(any_core_cortex_m, any_core_aarch64)))]
fn main() {}

/// A Cortex-M counts on its boards.
#[cfg(any_core_cortex_m)]
#[cortex_m_rt::entry]
fn main() -> ! {
    any_core::exit(false)
}

#[cfg(any_core_aarch64)]
any_core::start!(firmware::count);

#[cfg(any_core_aarch64)]
mod firmware {
    use any_core::{File, KNOWN, Machine, aligned, ints, print, read_blob};
    use niwaki::{ALL_OPS, Model, Observer, OpKind, Session};

    const MAX_LAYERS: usize = 256;

    pub(super) fn count() -> Result<(), &'static str> {
        let mut machine = Machine::take().ok_or("no machine")?;
        let mut file = File::open(c"network.nwk").ok_or("no network.nwk")?;
        let memory = aligned(machine.memory()).ok_or("no memory")?;
        let (blob, rest) = read_blob(&mut file, memory)?.ok_or("an empty file")?;
        let model = Model::<ALL_OPS>::read_linked(blob).map_err(|_| "a blob that cannot be read")?;
        let sizes = (0..).map_while(|index| model.input(index)).map(|port| port.shape.elements());
        let (input, arena) = rest.split_at_mut_checked(sizes.sum()).ok_or("an input larger than memory")?;
        if file.read(input) < input.len() {
            return Err("a cut off input");
        }
        let mut session = model.session_in(ints(arena)).map_err(|_| "no memory for the arena")?;
        let known = machine.known_loop();
        print(format_args!("known {KNOWN} {known} 0"));
        let mut done = true;
        // The first is a warm-up: what is done once only.
        let mut whole = 0;
        for _ in 0..2 {
            fill(&mut session, input);
            whole = machine.ticks(|| done &= session.run().is_ok());
        }
        print(format_args!("case {whole} 0"));
        let mut laps = Laps { machine: &machine, ticks: [0; MAX_LAYERS], last: 0, lap: 0 };
        laps.calibrate();
        fill(&mut session, input);
        laps.last = laps.machine.now();
        done &= session.run_observed(&mut laps).is_ok();
        for ticks in laps.ticks.iter().take(model.blob().records().len()) {
            print(format_args!("case {ticks} 0"));
        }
        for byte in (0..).map(|index| session.output(index)).take_while(|output| !output.is_empty()).flatten() {
            print(format_args!("output {byte}"));
        }
        done.then_some(()).ok_or("a layer without a kernel")
    }

    fn fill(session: &mut Session<'_, ALL_OPS>, mut bytes: &[u8]) {
        for index in 0.. {
            let place = session.input_mut(index);
            if place.is_empty() {
                return;
            }
            let (now, later) = bytes.split_at(place.len().min(bytes.len()));
            place.iter_mut().zip(now).for_each(|(to, from)| *to = *from as i8);
            bytes = later;
        }
    }

    /// Puts down how long each layer took.
    struct Laps<'m> {
        machine: &'m Machine,
        ticks: [u64; MAX_LAYERS],
        last: u64,
        /// What a lap itself takes.
        lap: u64,
    }

    impl Laps<'_> {
        fn calibrate(&mut self) {
            self.last = self.machine.now();
            self.layer(0, OpKind::Conv2d, &[]);
            self.layer(1, OpKind::Conv2d, &[]);
            self.lap = self.ticks[1];
        }
    }

    impl Observer for Laps<'_> {
        // Not inlined: every lap has the same cost.
        #[inline(never)]
        fn layer(&mut self, index: usize, _kind: OpKind, _output: &[i8]) {
            let now = self.machine.now();
            if let Some(ticks) = self.ticks.get_mut(index) {
                *ticks = (now - self.last).saturating_sub(self.lap);
            }
            self.last = self.machine.now();
        }
    }
}
