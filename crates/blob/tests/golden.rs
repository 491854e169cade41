//! The format does not change unnoticed: a blob is what it was, byte for byte.
//!
//! A change of format edits SPEC.md, `VERSION` and the golden file in one commit. To write the file anew:
//! `NIWAKI_BLESS=1 cargo test -p niwaki-blob --test golden`.

use niwaki_blob::{
    AlignedBytes, Blob, Interface, Manifest, Op, OpKind, OpRecord, Shape, TensorRecord, Writer, arena_bytes, op_set,
};
use std::fmt::Write as _;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/two_layers.hex");

/// A convolution and a softmax. Every field of the records differs from its neighbours.
fn two_layers() -> AlignedBytes {
    let mut writer = Writer::new();
    let mut tensor = |offset, shape, zero_point, scale| {
        writer.tensor(TensorRecord { offset, shape, zero_point, reserved: 0, scale })
    };
    let image = tensor(0, [5, 6, 2], -7, 0.5);
    let scores = tensor(64, [2, 1, 4], 9, 0.25);
    let shares = tensor(80, [2, 1, 4], -128, 0.00390625);
    let weights: Vec<i8> = (0..24).map(|i| i * 5 - 60).collect();
    let mut conv = OpRecord::new(OpKind::Conv2d, image, scores);
    (conv.shift, conv.min, conv.max, conv.groups) = (3, -100, 101, 2);
    conv.p = [2, 3, 4, 5, 2, 1, 1, 0];
    conv.weights = writer.data(&weights);
    conv.bias = writer.data(&[1i32, -2, 300_000, -400_000]);
    conv.multipliers = writer.data(&[2i32, 1 << 30, 0x7fff_fffe, 0]);
    writer.op(conv);
    let mut softmax = OpRecord::new(OpKind::Softmax, scores, shares);
    let table: Vec<u16> = (0..256).map(|step| (1u16 << 15) >> (step / 16)).collect();
    softmax.weights = writer.data(&table);
    writer.op(softmax);
    let interface = |name, tensor, shape: &[u32]| Interface { name, tensor, shape: shape.iter().copied().collect() };
    let manifest = Manifest {
        name: "two layers",
        recipe_hash: core::array::from_fn(|i| i as u8),
        inputs: [interface("image", image, &[2, 5, 6])].into_iter().collect(),
        outputs: [interface("shares", shares, &[4, 2, 1])].into_iter().collect(),
    };
    writer.finish(&manifest, 96, 48).unwrap()
}

/// Lines of sixteen bytes, each after its offset; `#` begins a comment.
fn parse(text: &str) -> Vec<u8> {
    let mut bytes = vec![];
    for line in text.lines().map(|line| line.split('#').next().unwrap().trim()).filter(|line| !line.is_empty()) {
        let (offset, values) = line.split_once(':').unwrap();
        assert_eq!(usize::from_str_radix(offset, 16), Ok(bytes.len()));
        bytes.extend(values.split_whitespace().map(|value| u8::from_str_radix(value, 16).unwrap()));
    }
    bytes
}

fn print(bytes: &[u8]) -> String {
    let mut text = String::from("# The blob of tests/golden.rs. SPEC.md says what the bytes mean.\n");
    for (line, values) in bytes.chunks(16).enumerate() {
        let values: Vec<String> = values.iter().map(|value| format!("{value:02x}")).collect();
        writeln!(text, "{:04x}: {}", line * 16, values.join(" ")).unwrap();
    }
    text
}

#[test]
fn the_writer_writes_the_golden_bytes() {
    let blob = two_layers();
    if std::env::var_os("NIWAKI_BLESS").is_some() {
        std::fs::write(PATH, print(&blob)).unwrap();
    }
    let golden = parse(&std::fs::read_to_string(PATH).unwrap());
    assert_eq!(print(&blob), print(&golden));
}

#[test]
fn the_reader_understands_the_golden_bytes() {
    let golden = AlignedBytes::new(&parse(&std::fs::read_to_string(PATH).unwrap()));
    let blob = Blob::read(&golden).unwrap();
    assert_eq!((blob.tensor_bytes(), blob.scratch_bytes(), arena_bytes(&golden)), (96, 48, 144));
    assert_eq!(blob.op_set(), 1 << 1 | 1 << 9);
    assert_eq!(op_set(&golden), blob.op_set());
    let manifest = blob.manifest().unwrap();
    assert_eq!((manifest.name, manifest.recipe_hash[31]), ("two layers", 31));
    assert_eq!((manifest.inputs[0].name, &manifest.inputs[0].shape[..]), ("image", &[2, 5, 6][..]));
    assert_eq!((blob.inputs(), blob.outputs()), (&[0u16][..], &[2u16][..]));
    let Some(Op::Conv2d(conv)) = blob.op(&blob.records()[0]) else { panic!("not a convolution") };
    assert_eq!(conv.input, Shape { height: 5, width: 6, channels: 2 });
    assert_eq!(conv.output, Shape { height: 2, width: 1, channels: 4 });
    assert_eq!((conv.window.kernel, conv.window.stride), ([2, 3], [4, 5]));
    assert_eq!((conv.window.dilation, conv.window.padding), ([2, 1], [1, 0]));
    assert_eq!((conv.groups, conv.input_zero_point, conv.weights.len()), (2, -7, 24));
    assert_eq!((conv.weights[0], conv.weights[23]), (-60, 55));
    assert_eq!(conv.bias, [1, -2, 300_000, -400_000]);
    assert_eq!(conv.requantise.multipliers, [2, 1 << 30, 0x7fff_fffe, 0]);
    assert_eq!((conv.requantise.shift, conv.requantise.zero_point), (3, 9));
    assert_eq!((conv.requantise.activation.min, conv.requantise.activation.max), (-100, 101));
    let Some(Op::Softmax(softmax)) = blob.op(&blob.records()[1]) else { panic!("not a softmax") };
    assert_eq!((softmax.table[0], softmax.table[255]), (1 << 15, 1));
}
