//! fc
use niwaki_blob::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (i, o): (u16, u16) = (a[1].parse().unwrap(), a[2].parse().unwrap());
    let mut w = Writer::new();
    let t = |off: u32, c: [u16; 3]| TensorRecord { offset: off, shape: c, zero_point: 0, reserved: 0, scale: 1.0 };
    let x = w.tensor(t(0, [1, 1, i]));
    let y = w.tensor(t(u32::from(i), [1, 1, o]));
    let weights = w.data(&vec![1i8; usize::from(i) * usize::from(o)]);
    let bias = w.data(&vec![0i32; usize::from(o)]);
    let multipliers = w.data(&vec![1i32 << 26; usize::from(o)]);
    w.op(OpRecord { weights, bias, multipliers, ..OpRecord::new(OpKind::FullyConnected, x, y) });
    let p =
        |n: &'static str, t: u16, l: u16| Interface { name: n, tensor: t, shape: [u32::from(l)].into_iter().collect() };
    let m = Manifest {
        name: "fc",
        recipe_hash: [0; 32],
        inputs: [p("x", x, i)].into_iter().collect(),
        outputs: [p("y", y, o)].into_iter().collect(),
    };
    std::fs::write(&a[3], &*w.finish(&m, u32::from(i) + u32::from(o), 0).unwrap()).unwrap();
}
