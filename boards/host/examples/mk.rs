//! tmp
use niwaki_blob::*;
fn main() {
    let mut w = Writer::new();
    let t = |off: u32, c: [u16; 3]| TensorRecord { offset: off, shape: c, zero_point: 0, reserved: 0, scale: 1.0 };
    let x = w.tensor(t(0, [8, 8, 16]));
    let y = w.tensor(t(1024, [8, 8, 16]));
    let z = w.tensor(t(0, [8, 8, 16]));
    let a = w.tensor(t(1024, [1, 1, 16]));
    let o = w.tensor(t(2048, [1, 1, 10]));
    let wc = w.data(&vec![1i8; 16 * 16 * 9]);
    let wd = w.data(&vec![1i8; 16 * 9]);
    let wf = w.data(&vec![1i8; 160]);
    let bias = w.data(&[0i32; 16]);
    let m = w.data(&[1i32 << 24; 16]);
    let m1 = w.data(&[1i32 << 26; 1]);
    let p = [3, 3, 1, 1, 1, 1, 1, 1];
    w.op(OpRecord { weights: wc, bias, multipliers: m, groups: 1, p, ..OpRecord::new(OpKind::Conv2d, x, y) });
    w.op(OpRecord { weights: wd, bias, multipliers: m, groups: 16, p, ..OpRecord::new(OpKind::DepthwiseConv2d, y, z) });
    w.op(OpRecord {
        multipliers: m1,
        q: [1, 0, 0],
        p: [8, 8, 1, 1, 1, 1, 0, 0],
        ..OpRecord::new(OpKind::AvgPool, z, a)
    });
    w.op(OpRecord { weights: wf, bias, multipliers: m, ..OpRecord::new(OpKind::FullyConnected, a, o) });
    let port = |n: &'static str, t: u16, l: u32| Interface { name: n, tensor: t, shape: [l].into_iter().collect() };
    let m = Manifest {
        name: "c",
        recipe_hash: [0; 32],
        inputs: [port("x", x, 1024)].into_iter().collect(),
        outputs: [port("y", o, 10)].into_iter().collect(),
    };
    std::fs::write("/tmp/conv.nwk", &*w.finish(&m, 2058, 0).unwrap()).unwrap();
}
