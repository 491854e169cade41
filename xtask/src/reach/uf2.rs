//! UF2, the file format that boot loaders take from a drive (<https://github.com/microsoft/uf2>): blocks of 512 bytes,
//! each with 256 bytes of flash.

use anyhow::{Context, ensure};
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use std::{collections::BTreeMap, path::Path};

const MAGIC_START: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const MAGIC_END: u32 = 0x0ab1_6f30;
const FAMILY_IS_THERE: u32 = 0x2000;
const BLOCK: usize = 512;
/// Place of the last magic number.
const END: usize = BLOCK - 4;
const PAYLOAD: u32 = 256;

/// The UF2 file of a firmware, an ELF file.
pub(crate) fn image(firmware: &Path, family: u32) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(firmware).with_context(|| firmware.display().to_string())?;
    let pages = pages(&bytes).with_context(|| firmware.display().to_string())?;
    ensure!(!pages.is_empty(), "{}: nothing to flash", firmware.display());
    Ok(blocks(&pages, family))
}

type Pages = BTreeMap<u32, [u8; PAYLOAD as usize]>;

/// What is flashed, by address, in whole pages. What no segment covers is zero.
fn pages(elf: &[u8]) -> anyhow::Result<Pages> {
    let file: ElfFile32 = ElfFile32::parse(elf)?;
    let endian = file.endian();
    let mut pages = Pages::new();
    for segment in file.elf_header().program_headers(endian, elf)? {
        let data = segment.data(endian, elf).ok().context("a segment is not in the file")?;
        // What is loaded, and where it lies in flash: variables are copied from there.
        if segment.p_type(endian) != object::elf::PT_LOAD || data.is_empty() {
            continue;
        }
        let start = segment.p_paddr(endian);
        for (offset, byte) in data.iter().enumerate() {
            let address = start.checked_add(offset as u32).context("a segment lies beyond the end of memory")?;
            let page = pages.entry(address - address % PAYLOAD).or_insert([0; PAYLOAD as usize]);
            page[(address % PAYLOAD) as usize] = *byte;
        }
    }
    Ok(pages)
}

fn blocks(pages: &Pages, family: u32) -> Vec<u8> {
    let count = pages.len() as u32;
    let mut file = Vec::with_capacity(pages.len() * BLOCK);
    for (number, (address, page)) in (0u32..).zip(pages) {
        let start = file.len();
        let [first, second] = MAGIC_START;
        for word in [first, second, FAMILY_IS_THERE, *address, PAYLOAD, number, count, family] {
            file.extend(word.to_le_bytes());
        }
        file.extend(page);
        file.resize(start + END, 0);
        file.extend(MAGIC_END.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    const RP2040: u32 = 0xe48b_ff56;

    /// A 32-bit ELF file with segments of these physical addresses and contents.
    fn elf(segments: &[(u32, &[u8])]) -> Vec<u8> {
        let mut header = vec![0x7f, b'E', b'L', b'F', 1, 1, 1];
        header.resize(16, 0);
        for half in [2u16, 40] {
            header.extend(half.to_le_bytes());
        }
        for word in [1u32, 0, 52, 0, 0] {
            header.extend(word.to_le_bytes());
        }
        for half in [52u16, 32, segments.len() as u16, 40, 0, 0] {
            header.extend(half.to_le_bytes());
        }
        let mut place = 52 + 32 * segments.len() as u32;
        for (address, data) in segments {
            let size = data.len() as u32;
            // Type, offset, virtual address (elsewhere), physical address, sizes, flags, alignment.
            for word in [1, place, 0x2000_0000, *address, size, size, 5, 4] {
                header.extend(word.to_le_bytes());
            }
            place += size;
        }
        for (_, data) in segments {
            header.extend(*data);
        }
        header
    }

    fn word(file: &[u8], place: usize) -> u32 {
        u32::from_le_bytes(file[place..place + 4].try_into().unwrap())
    }

    #[test]
    fn blocks_are_as_the_format_says() {
        let data: Vec<u8> = (0..300).map(|byte| byte as u8).collect();
        let file = blocks(&pages(&elf(&[(0x1000_0000, &data)])).unwrap(), RP2040);
        assert_eq!(file.len(), 2 * BLOCK);
        for (number, block) in file.chunks(BLOCK).enumerate() {
            assert_eq!(&block[..4], b"UF2\n");
            assert_eq!((word(block, 4), word(block, 8)), (0x9e5d_5157, 0x2000));
            assert_eq!((word(block, 12), word(block, 16)), (0x1000_0000 + 256 * number as u32, 256));
            assert_eq!((word(block, 20), word(block, 24), word(block, 28)), (number as u32, 2, RP2040));
            assert_eq!(word(block, 508), 0x0ab1_6f30);
            assert!(block[32 + 256..508].iter().all(|byte| *byte == 0));
        }
        assert_eq!(file[32..32 + 256], data[..256]);
        assert_eq!(file[BLOCK + 32..BLOCK + 32 + 44], data[256..]);
        assert!(file[BLOCK + 32 + 44..BLOCK + 32 + 256].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn segments_that_share_a_page_share_a_block() {
        let both = elf(&[(0x1000_0010, &[1, 2]), (0x1000_0020, &[3])]);
        let pages = pages(&both).unwrap();
        assert_eq!(pages.len(), 1);
        let page = pages[&0x1000_0000];
        assert_eq!((page[0x0f], page[0x10], page[0x11], page[0x20]), (0, 1, 2, 3));
    }

    #[test]
    fn what_is_no_firmware_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.elf");
        std::fs::write(&path, b"text").unwrap();
        assert!(image(&path, RP2040).is_err());
        std::fs::write(&path, elf(&[])).unwrap();
        assert!(image(&path, RP2040).unwrap_err().to_string().ends_with("nothing to flash"));
    }
}
