//! Computes what stands before and after a network, of generated signals, and counts it.
//!
//! Prints `digest NAME SIGNAL DIGEST` for everything that niwaki-features computes, `known INSTRUCTIONS TICKS EMPTY` for
//! a loop of known length and for no work at all, and `case TICKS 0` for the frames of `COUNTED` together as
//! coefficients and as spectra, and for an image as `CAMERA` says.
#![cfg_attr(any(any_core_cortex_m, any_core_aarch64), no_std, no_main)]

#[cfg(not(any(any_core_cortex_m, any_core_aarch64)))]
fn main() {}

#[cfg(any(any_core_cortex_m, any_core_aarch64))]
any_core::start!(firmware::run);

#[cfg(any(any_core_cortex_m, any_core_aarch64))]
mod firmware {
    use any_core::{KNOWN, Machine, print};
    use core::hint::black_box;
    use niwaki_features::{
        LogMel, Mfcc, Quantiser, image,
        testing::{self, Signal},
    };

    pub(super) fn run() -> Result<(), &'static str> {
        let mut machine = Machine::take().ok_or("no machine")?;
        testing::digests(|name, signal, digest| match signal {
            Some(signal) => print(format_args!("digest {name} {signal:?} {:016x}", digest.0)),
            None => print(format_args!("digest {name} - {:016x}", digest.0)),
        });
        let known = machine.known_loop();
        print(format_args!("known {KNOWN} {known} 0"));
        for ticks in [mfcc(&mut machine), log_mel(&mut machine), resize(&mut machine)?] {
            print(format_args!("case {ticks} 0"));
        }
        Ok(())
    }

    const QUANTISER: Quantiser = Quantiser::new(0.5, 83);

    // None of these is inlined: their buffers take turns on the stack, of which there are 16 KiB.

    #[inline(never)]
    fn mfcc(machine: &mut Machine) -> u64 {
        let mut mfcc = Mfcc::new();
        let count = |start: u32| {
            let samples = Signal::Chirp.frame(start);
            machine.ticks(|| {
                black_box(mfcc.frame(black_box(&samples)).map(|x| QUANTISER.quantise(x)));
            })
        };
        testing::COUNTED.map(count).into_iter().sum()
    }

    #[inline(never)]
    fn log_mel(machine: &mut Machine) -> u64 {
        let mut log_mel = LogMel::new();
        let count = |start: u32| {
            let samples = Signal::Chirp.frame(start);
            machine.ticks(|| {
                black_box(log_mel.quantised(black_box(&samples), QUANTISER));
            })
        };
        testing::COUNTED.map(count).into_iter().sum()
    }

    #[inline(never)]
    fn resize(machine: &mut Machine) -> Result<u64, &'static str> {
        let [from, to] = testing::CAMERA;
        let memory = machine.memory();
        let bytes = |size: image::Size| size.height * size.width * 3;
        let (image, rest) = memory.split_at_mut_checked(bytes(from)).ok_or("no memory for an image")?;
        let (small, rest) = rest.split_at_mut_checked(bytes(to)).ok_or("no memory for a small image")?;
        let input = any_core::ints(rest.get_mut(..bytes(to)).ok_or("no memory for an input")?);
        testing::pixels(image);
        let mut done = false;
        let ticks = machine.ticks(|| {
            done = image::resize::<3>(image, from, small, to);
            image::to_int8(small, input);
        });
        done.then_some(ticks).ok_or("an image that is not resized")
    }
}
