//! Links only if reading and running any blob cannot panic, nor any front end or post-processing.
#![no_std]
#![no_main]

use core::hint::black_box;
use niwaki::{Error, Model, OpKind};
use niwaki_features::{Fixed, LogMel, Mfcc, Quantiser, image, squared_error, top_k};

/// Reads bytes as a blob and runs it: the whole of the device side. Returns the outputs' checksum, or -1.
fn probe(blob: &[u8], arena: &mut [i8]) -> i32 {
    let features = features(blob, arena);
    run(blob, arena).map_or(-1, |sum| sum.wrapping_add(features))
}

/// Front ends on any samples, and what follows a network on any output.
fn features(samples: &[u8], output: &mut [i8]) -> i32 {
    let quantiser = Quantiser::new(0.5, 3);
    let mut clip = [0i16; 1024];
    clip.iter_mut().zip(samples.as_chunks::<2>().0).for_each(|(x, pair)| *x = i16::from_le_bytes(*pair));
    let frames = Mfcc::new().clip(&clip, quantiser, output);
    let bands = LogMel::new().quantised(&clip, quantiser);
    let size = |count: usize| image::Size { height: count, width: samples.len() };
    let mut pixels = [0; 12];
    let resized = image::resize::<3>(samples, size(frames), &mut pixels, image::Size { height: 2, width: 2 });
    image::to_int8(&pixels, output);
    let fixed = Fixed { scale: frames as u32, zero_point: 0 };
    let error = squared_error(output, fixed, &bands, fixed);
    let best = top_k::<3>(output).into_iter().flatten().map(|(class, _)| class as i32);
    best.fold(error as i32 ^ i32::from(resized), i32::wrapping_add)
}

fn run(blob: &[u8], arena: &mut [i8]) -> Result<i32, Error> {
    let model = Model::read(blob)?;
    let mut sum = model.summary().name.len() as i32;
    let mut session = model.session_in(arena)?;
    session.input_mut(0).fill(1);
    session.quantise_input(1, &[0.5; 4]);
    session.run()?;
    session.run_observed(&mut |index: usize, kind: OpKind, output: &[i8]| {
        sum = sum.wrapping_add(index as i32).wrapping_add(kind as i32).wrapping_add(output.len() as i32);
    })?;
    let mut reals = [0.0; 4];
    session.dequantise_output(1, &mut reals);
    Ok(session.output(0).iter().fold(sum + reals[0] as i32, |sum, x| sum.wrapping_add(i32::from(*x))))
}

/// Never executed: the linker only asks what would be called.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // Contents and lengths that the optimiser knows nothing about.
    let (blob, mut arena) = ([0u8; 64], [0i8; 64]);
    black_box(probe(black_box(&blob[..]), black_box(&mut arena[..])));
    loop {}
}

#[cfg(not(feature = "allow-panic"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn niwaki_can_panic() -> !;
    }
    // SAFETY: does not link, which is the point.
    unsafe { niwaki_can_panic() }
}

#[cfg(feature = "allow-panic")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
