//! What boards log, and how it reaches the host: into a ring while things happen, out of it between requests.
//!
//! On bare metal this is defmt. Elsewhere there is no logger, and the functions do nothing.

#[cfg(target_os = "none")]
mod logger;
mod ring;

pub use ring::Ring;

use embedded_io::Write;
use niwaki_link::{Identity, LOG_CHUNK, Refusal, log_frame};

/// Before anything is logged.
pub(crate) fn start() {
    #[cfg(all(target_os = "none", feature = "rtt"))]
    logger::show_probe();
}

/// The model can be run.
pub(crate) fn ready(identity: &Identity) {
    #[cfg(target_os = "none")]
    defmt::info!(
        "{=str}: {=str}, {=u16} layers, arena {=u32} bytes",
        identity.board.as_str(),
        identity.model.as_str(),
        identity.layers,
        identity.arena_bytes
    );
    #[cfg(not(target_os = "none"))]
    let _ = identity;
}

/// The model cannot be run.
pub(crate) fn unusable(error: niwaki::Error) {
    #[cfg(target_os = "none")]
    defmt::error!("the model cannot be used: {}", error);
    #[cfg(not(target_os = "none"))]
    let _ = error;
}

/// A run did not succeed.
pub(crate) fn failed(error: niwaki::Error) {
    #[cfg(target_os = "none")]
    defmt::error!("the model did not run: {}", error);
    #[cfg(not(target_os = "none"))]
    let _ = error;
}

/// A request was not carried out.
pub(crate) fn refused(refusal: Refusal) {
    #[cfg(target_os = "none")]
    defmt::warn!("refused: {=str}", refusal.reason());
    #[cfg(not(target_os = "none"))]
    let _ = refusal;
}

/// Sends what was logged since the last time.
pub(crate) fn send<W: Write>(serial: &mut W) -> Result<(), W::Error> {
    let mut piece = [0; LOG_CHUNK];
    while let Some((offset, len)) = take(&mut piece) {
        serial.write_all(&log_frame(offset, piece.get(..len).unwrap_or_default()))?;
    }
    Ok(())
}

#[cfg(target_os = "none")]
use logger::take;

#[cfg(not(target_os = "none"))]
fn take(_piece: &mut [u8]) -> Option<(u32, usize)> {
    None
}
