//! What a firmware occupies: sections and symbols of its ELF file.

use anyhow::Context;
use object::{
    Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind,
    elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, SectionFlags as Flags, SectionType},
    read::elf::ElfFile32,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Range, path::Path};

/// Bytes of a firmware by section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sections {
    /// Code, the vector table included.
    pub(crate) text: u64,
    /// Constants, the blob included.
    pub(crate) rodata: u64,
    /// Variables with an initial value: in RAM, and the value in flash.
    pub(crate) data: u64,
    /// Variables that start as zero or with no value.
    pub(crate) bss: u64,
}

impl Sections {
    /// Bytes that have to be flashed.
    pub(crate) fn flash(&self) -> u64 {
        self.text + self.rodata + self.data
    }

    /// Bytes of RAM, without the stack.
    pub(crate) fn ram(&self) -> u64 {
        self.data + self.bss
    }

    fn place(&mut self, part: Part) -> &mut u64 {
        match part {
            Part::Text => &mut self.text,
            Part::Rodata => &mut self.rodata,
            Part::Data => &mut self.data,
            Part::Bss => &mut self.bss,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Text,
    Rodata,
    Data,
    Bss,
}

/// Where a section counts; `None` for what is not loaded.
fn part(kind: SectionType, flags: Flags, name: &str) -> Option<Part> {
    let has = |flag: Flags| flags.0 & flag.0 != 0;
    match () {
        () if !has(SHF_ALLOC) => None,
        () if kind == SHT_NOBITS || name.starts_with(".uninit") => Some(Part::Bss),
        () if has(SHF_WRITE) => Some(Part::Data),
        () if has(SHF_EXECINSTR) || name == ".vector_table" => Some(Part::Text),
        () => Some(Part::Rodata),
    }
}

fn place_of<'a>(section: &impl ObjectSection<'a>) -> Option<Part> {
    let SectionFlags::Elf { sh_type, sh_flags } = section.flags() else { return None };
    part(sh_type, sh_flags, section.name().unwrap_or_default())
}

/// What one crate contributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The crate, or a word for what belongs to none.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) sections: Sections,
}

/// A firmware's sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    pub(crate) sections: Sections,
    /// RAM for the stack, from the linker script's `_stack_start` and `_stack_end`.
    pub(crate) stack_bytes: u64,
    /// By crate, the largest in flash first.
    pub(crate) groups: Vec<Group>,
}

/// Reads a 32-bit ELF file.
pub(crate) fn sizes(path: &Path) -> anyhow::Result<Sizes> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let file: ElfFile32 = ElfFile32::parse(&*bytes).with_context(|| path.display().to_string())?;
    let mut sections = Sections::default();
    for section in file.sections() {
        if let Some(part) = place_of(&section) {
            *sections.place(part) += section.size();
        }
    }
    let address = |name: &str| file.symbols().find(|symbol| symbol.name() == Ok(name)).map(|symbol| symbol.address());
    let stack = address("_stack_start").zip(address("_stack_end"));
    let stack_bytes = stack.map_or(0, |(start, end)| start.saturating_sub(end));
    Ok(Sizes { sections, stack_bytes, groups: groups(&file, sections) })
}

/// Where a symbol's bytes lie in the memory of the board; `None` if there is no such symbol. An address of code is that
/// of its first byte.
pub(crate) fn symbol(path: &Path, name: &str) -> anyhow::Result<Option<Range<u64>>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let file: ElfFile32 = ElfFile32::parse(&*bytes).with_context(|| path.display().to_string())?;
    let found = file.symbols().find(|symbol| symbol.name() == Ok(name));
    Ok(found.map(|symbol| {
        let start = if symbol.kind() == SymbolKind::Text { symbol.address() & !1 } else { symbol.address() };
        start..start + symbol.size()
    }))
}

fn groups(file: &ElfFile32, total: Sections) -> Vec<Group> {
    // Several symbols can name the same bytes; one of a crate says most.
    let mut symbols: BTreeMap<u64, (String, u64, Part)> = BTreeMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
        let place = section.and_then(|section| place_of(&section));
        let (Some(place), Ok(name)) = (place, symbol.name()) else { continue };
        // Bit 0 of a function's address says Thumb.
        let address = if symbol.kind() == SymbolKind::Text { symbol.address() & !1 } else { symbol.address() };
        let new = (group(name), symbol.size(), place);
        let known = symbols.get(&address);
        if known.is_none_or(|known| known.0 == NO_CRATE || new.1 > known.1) {
            symbols.insert(address, new);
        }
    }
    let mut groups: BTreeMap<String, Sections> = BTreeMap::new();
    let mut rest = total;
    for (name, size, place) in symbols.into_values() {
        *groups.entry(name).or_default().place(place) += size;
        let left = rest.place(place);
        *left = left.saturating_sub(size);
    }
    if rest != Sections::default() {
        groups.insert("(unnamed and padding)".into(), rest);
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(name, sections)| Group { name, sections }).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.sections.flash() + group.sections.bss));
    groups
}

const NO_CRATE: &str = "(no crate)";

/// The crate that a symbol belongs to: the first name in its path, or in the type that an impl is for.
fn group(symbol: &str) -> String {
    if symbol.starts_with(".L") {
        return "(constants and the blob)".into();
    }
    let Ok(name) = rustc_demangle::try_demangle(symbol) else { return NO_CRATE.into() };
    let name = format!("{name:#}");
    let start = name.trim_start_matches(['<', '&', '*', '[', '(']);
    let start = start.strip_prefix("mut ").or_else(|| start.strip_prefix("dyn ")).unwrap_or(start);
    let end = start.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(start.len());
    let path = &start[..end];
    // `<u32 as core::fmt::Display>::fmt`: a primitive has no crate; the trait has.
    match start[end..].strip_prefix(" as ") {
        Some(of) => group_of_trait(of),
        None if path.is_empty() => NO_CRATE.into(),
        None => path.to_string(),
    }
}

fn group_of_trait(name: &str) -> String {
    name.split("::").next().unwrap_or(NO_CRATE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::elf::SHT_PROGBITS;

    #[test]
    fn symbols_are_grouped_by_crate() {
        assert_eq!(group("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE"), "core");
        assert_eq!(group("_RNvCs1234_7mycrate3foo"), "mycrate");
        assert_eq!(group("_ZN42_$LT$u32$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE"), "core");
        let of_reference = "_ZN111_$LT$$RF$mut$u20$postcard..ser..serializer..Serializer$LT$F$GT$$u20$as$u20$serde_core..ser..\
                            SerializeStruct$GT$15serialize_field17h04824102e7858192E";
        assert_eq!(group(of_reference), "postcard");
        assert_eq!(group("memcpy"), NO_CRATE);
        assert_eq!(group(".Lanon.88b94e7312261267de5bd5db2f6d1e4d.173"), "(constants and the blob)");
    }

    #[test]
    fn sections_count_where_they_lie() {
        let (bits, both) = (SHT_PROGBITS, |flag: Flags| Flags(SHF_ALLOC.0 | flag.0));
        assert_eq!(part(bits, Flags(0), ".defmt"), None);
        assert_eq!(part(bits, SHF_ALLOC, ".vector_table"), Some(Part::Text));
        assert_eq!(part(bits, SHF_ALLOC, ".rodata"), Some(Part::Rodata));
        assert_eq!(part(bits, both(SHF_EXECINSTR), ".text"), Some(Part::Text));
        assert_eq!(part(bits, both(SHF_WRITE), ".data"), Some(Part::Data));
        assert_eq!(part(SHT_NOBITS, both(SHF_WRITE), ".bss"), Some(Part::Bss));
    }

    #[test]
    fn flash_and_ram_follow_from_sections() {
        let sections = Sections { text: 100, rodata: 20, data: 3, bss: 4 };
        assert_eq!((sections.flash(), sections.ram()), (123, 7));
    }
}
