//! Follows execution from one straight piece of code to the next, and adds up.

use crate::{
    decode::{Instruction, Kind, decode},
    price::Core,
    tally::{Tally, class},
};

/// Where counting is done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Addresses at which totals are put down.
    pub(crate) marks: Vec<u64>,
    /// Ranges, the end not included, that do not count.
    pub(crate) ignored: Vec<(u64, u64)>,
}

impl Places {
    pub(crate) fn mark(&self, address: u64) -> Option<usize> {
        self.marks.iter().position(|mark| *mark == address)
    }

    pub(crate) fn ignores(&self, address: u64) -> bool {
        self.ignored.iter().any(|(start, end)| (*start..*end).contains(&address))
    }
}

/// An instruction in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) address: u64,
    /// The second is 0 for the short ones.
    pub(crate) code: [u16; 2],
    pub(crate) long: bool,
}

/// A piece of code that is executed from its first instruction to its last, with everything about it that does not
/// depend on what happens.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    address: u64,
    end: u64,
    first: Instruction,
    last: Instruction,
    /// It is always executed behind another piece, which its price allows for.
    continues: bool,
    mark: Option<usize>,
    tally: Tally,
}

/// A load or store whose price depends on whether and where it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Access {
    class: usize,
    /// Bytes, if being unaligned costs.
    width: u8,
    /// Cycles that were not counted yet, because a condition decides.
    owed: u32,
}

/// What is to be watched of one instruction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// A piece begins here.
    pub(crate) piece: Option<usize>,
    /// Its access matters.
    pub(crate) access: Option<usize>,
}

/// Everything that was seen.
pub(crate) struct Trace {
    core: Core,
    places: Places,
    pieces: Vec<Piece>,
    accesses: Vec<Access>,
    /// The piece executed last.
    last: Option<usize>,
    pub(crate) total: Tally,
}

impl Trace {
    pub(crate) fn new(core: Core, places: Places) -> Self {
        Self { core, places, pieces: Vec::new(), accesses: Vec::new(), last: None, total: Tally::default() }
    }

    /// Takes a block of code that is executed from the front, at most to its end. Says what to watch of each instruction.
    pub(crate) fn translate(&mut self, block: &[Placed]) -> Vec<Watch> {
        let mut watches = Vec::new();
        let (mut previous, mut conditional): (Option<Instruction>, u32) = (None, 0);
        let mut cut = true;
        for placed in block {
            let mut watch = Watch::default();
            let this = decode(placed.code[0], placed.code[1], placed.long);
            if self.places.ignores(placed.address) {
                (previous, cut) = (None, true);
                watches.push(watch);
                continue;
            }
            let mark = self.places.mark(placed.address);
            let end = placed.address + if placed.long { 4 } else { 2 };
            if cut || mark.is_some() {
                let continues = previous.is_some();
                let tally = Tally::default();
                let piece = Piece { address: placed.address, end, first: this, last: this, continues, mark, tally };
                watch.piece = Some(self.pieces.len());
                self.pieces.push(piece);
                cut = false;
            }
            let price = self.core.price(&this, previous.as_ref());
            let single = matches!(this.kind, Kind::Load | Kind::Store { .. });
            let owed = if conditional > 0 && single { price.saturating_sub(1) } else { 0 };
            let can_be_unaligned = this.kind == Kind::Load && this.width > 1 && self.core.loads_unaligned();
            let width = if can_be_unaligned { this.width } else { 0 };
            let class = class(this.kind);
            if owed > 0 || width > 0 {
                watch.access = Some(self.accesses.len());
                self.accesses.push(Access { class, width, owed });
            }
            if let Some(piece) = self.pieces.last_mut() {
                piece.tally.instructions[class] += 1;
                piece.tally.cycles[class] += u64::from(price - owed);
                (piece.last, piece.end) = (this, end);
            }
            conditional = conditional.saturating_sub(1).max(this.block_length(placed.code[0]));
            previous = Some(this);
            watches.push(watch);
        }
        watches
    }

    /// A piece is about to be executed. Gives its mark, if it has one: the totals are those of everything before.
    pub(crate) fn enter(&mut self, index: usize) -> Option<(usize, Tally)> {
        let piece = self.pieces.get(index)?;
        if let Some(last) = self.last.and_then(|last| self.pieces.get(last)) {
            if piece.address == last.end {
                if !piece.continues && self.core.pairs() {
                    // Two blocks in a row: what was not known when the second was priced.
                    let (apart, joined) =
                        (self.core.price(&piece.first, None), self.core.price(&piece.first, Some(&last.last)));
                    let cycles = &mut self.total.cycles[class(piece.first.kind)];
                    *cycles = (*cycles + u64::from(joined)).saturating_sub(u64::from(apart));
                }
            } else if let Some(cycles) = self.core.refill(last.last.kind) {
                self.total.cycles[class(last.last.kind)] += u64::from(cycles);
                self.total.taken += 1;
            }
        }
        let marked = piece.mark.map(|mark| (mark, self.total.clone()));
        self.total.add(&piece.tally);
        self.last = Some(index);
        marked
    }

    /// An access took place.
    pub(crate) fn access(&mut self, index: usize, address: u64) {
        if let Some(Access { class, width, owed }) = self.accesses.get(index).copied() {
            self.total.cycles[class] += u64::from(owed) + self.core.unaligned(width, address);
        }
    }
}
