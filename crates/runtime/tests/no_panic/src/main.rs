//! Links only if reading and running any blob cannot panic, nor any front end or post-processing.
#![no_std]
#![no_main]

use niwaki::{Error, Model, OpKind};
use niwaki_features::{Fixed, LogMel, Mfcc, Quantiser, image, squared_error, top_k};

/// Reads bytes as a blob and runs it: the whole of the device side. Returns the outputs' checksum, or -1.
///
/// # Safety
/// `blob` and `arena` point to that many bytes, of which the arena's are the callee's alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn probe(blob: *const u8, blob_bytes: usize, arena: *mut i8, arena_bytes: usize) -> i32 {
    // SAFETY: the caller's promise.
    let (blob, arena) = unsafe {
        (core::slice::from_raw_parts(blob, blob_bytes), core::slice::from_raw_parts_mut(arena, arena_bytes))
    };
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

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // Addresses and lengths that the optimiser knows nothing about.
    let word = |at: usize| {
        // SAFETY: never executed; the linker only asks what would be called.
        unsafe { core::ptr::read_volatile(at as *const usize) }
    };
    // SAFETY: as above.
    let result = unsafe { probe(word(0) as *const u8, word(4), word(8) as *mut i8, word(12)) };
    // SAFETY: as above.
    unsafe { core::ptr::write_volatile(16 as *mut i32, result) };
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
