//! Small originals in the formats of the real ones.

use std::io::Cursor;

/// A `.tar.gz` of these files.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_slice()).expect("in memory");
    }
    tar.into_inner().expect("whole").finish().expect("whole")
}

/// Batches of records: a label, then planes in which every pixel is unlike the next.
pub(crate) fn cifar(batch: usize) -> Vec<(String, Vec<u8>)> {
    let file = |(index, name): (usize, &str)| {
        let record = |image: usize| {
            let planes = (0..3 * 1024).map(move |place| (place * 7 + image * 31 + index * 101) as u8);
            std::iter::once(((image + index) % 10) as u8).chain(planes)
        };
        (format!("cifar-10-batches-bin/{name}.bin"), (0..batch).flat_map(record).collect())
    };
    ["data_batch_1", "data_batch_2", "data_batch_3", "test_batch"].into_iter().enumerate().map(file).collect()
}

/// A recording of a tone.
pub(crate) fn wav(rate: u32, samples: usize, step: f64) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("in memory");
    for n in 0..samples {
        writer.write_sample((8_000.0 * (n as f64 * step).sin()) as i16).expect("in memory");
    }
    writer.finalize().expect("in memory");
    bytes.into_inner()
}

/// A TensorFlow Lite file with one layer: a fully connected one with two outputs.
pub(crate) fn tflite(weights: &[f32], bias: [f32; 2]) -> Vec<u8> {
    let numbers = |numbers: &[f32]| Node::Bytes(numbers.iter().flat_map(|x| x.to_le_bytes()).collect(), 1);
    let sizes = |sizes: &[i32]| Node::Bytes(sizes.iter().flat_map(|x| x.to_le_bytes()).collect(), 4);
    let buffer = |content: Node| Node::Table(vec![(0, content)]);
    let tensor = |shape: &[i32], buffer: u32| Node::Table(vec![(0, sizes(shape)), (2, Node::Word(buffer))]);
    let operator = Node::Table(vec![(0, Node::Word(0)), (1, sizes(&[-1, 0, 1]))]);
    let tensors = vec![tensor(&[2, weights.len() as i32 / 2], 1), tensor(&[2], 2)];
    let graph = Node::Table(vec![(0, Node::List(tensors)), (3, Node::List(vec![operator]))]);
    let buffers = vec![buffer(numbers(&[])), buffer(numbers(weights)), buffer(numbers(&bias))];
    let code = Node::Table(vec![(3, Node::Word(9))]);
    let model = Node::Table(vec![(1, Node::List(vec![code])), (2, Node::List(vec![graph])), (4, Node::List(buffers))]);
    let mut file = b"\0\0\0\0TFL3".to_vec();
    model.refer(&mut file, 0);
    file
}

/// Something in a flatbuffer.
enum Node {
    Word(u32),
    /// A vector's bytes, and those of one element.
    Bytes(Vec<u8>, usize),
    List(Vec<Node>),
    /// Fields by number.
    Table(Vec<(usize, Node)>),
}

impl Node {
    /// Fills the word at this place: with the number, or with the offset of what is written behind everything.
    fn refer(&self, file: &mut Vec<u8>, at: usize) {
        let word = match self {
            Self::Word(word) => *word,
            _ => (self.write(file) - at) as u32,
        };
        file[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    /// Appends it and gives its place.
    fn write(&self, file: &mut Vec<u8>) -> usize {
        let start = file.len();
        match self {
            Self::Word(word) => file.extend(word.to_le_bytes()),
            Self::Bytes(bytes, width) => {
                file.extend(((bytes.len() / width) as u32).to_le_bytes());
                file.extend(bytes);
            }
            Self::List(nodes) => {
                file.extend((nodes.len() as u32).to_le_bytes());
                file.extend(vec![0; 4 * nodes.len()]);
                nodes.iter().enumerate().for_each(|(index, node)| node.refer(file, start + 4 + 4 * index));
            }
            Self::Table(fields) => {
                let entries = fields.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
                let mut directory = vec![0u16; 2 + entries];
                directory[0] = 2 * directory.len() as u16;
                directory[1] = 4 + 4 * fields.len() as u16;
                for (index, (number, _)) in fields.iter().enumerate() {
                    directory[2 + number] = 4 + 4 * index as u16;
                }
                file.extend(directory.iter().flat_map(|x| x.to_le_bytes()));
                let table = file.len();
                file.extend(((table - start) as u32).to_le_bytes());
                file.extend(vec![0; 4 * fields.len()]);
                for (index, (_, node)) in fields.iter().enumerate() {
                    node.refer(file, table + 4 + 4 * index);
                }
                return table;
            }
        }
        start
    }
}
