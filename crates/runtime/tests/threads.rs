//! A network whose large layers several threads share gives the same outputs.

mod common;

use common::Net;
use niwaki::{Model, Threads};
use niwaki_blob::{AlignedBytes, OpKind};
use niwaki_kernels::{bands, problem::Random};
use std::num::NonZeroUsize;

/// A convolution and a fully connected layer that are large enough to be shared, and a depthwise convolution that is not.
fn network() -> AlignedBytes {
    let random = &mut Random::new(5);
    let mut net = Net::default();
    let image = net.tensor([30, 29, 12], -5);
    let wide = net.tensor([30, 29, 16], 3);
    let [weights, bias, multipliers] = net.weights(3 * 3 * 12 * 16, 16, random);
    net.op(OpKind::Conv2d, image, wide, |op| {
        (op.weights, op.bias, op.multipliers, op.groups) = (weights, bias, multipliers, 1);
        op.p = [3, 3, 1, 1, 1, 1, 1, 1];
    });
    let small = net.tensor([15, 15, 16], 0);
    let [weights, bias, multipliers] = net.weights(3 * 3 * 16, 16, random);
    net.op(OpKind::DepthwiseConv2d, wide, small, |op| {
        (op.weights, op.bias, op.multipliers, op.groups) = (weights, bias, multipliers, 16);
        op.p = [3, 3, 2, 2, 1, 1, 1, 1];
    });
    let scores = net.tensor([1, 1, 300], 1);
    let [weights, bias, multipliers] = net.weights(15 * 15 * 16 * 300, 300, random);
    net.op(OpKind::FullyConnected, small, scores, |op| {
        (op.weights, op.bias, op.multipliers) = (weights, bias, multipliers);
    });
    net.finish("large", &[(image, &[12, 30, 29])], &[(scores, &[300])])
}

#[test]
fn outputs_are_the_same_on_any_number_of_threads() {
    let blob = network();
    let model = Model::read(&blob).unwrap();
    let outputs = |threads: Option<&Threads>| {
        let mut arena = vec![0; model.arena_bytes() + 15];
        let mut session = model.session_in(&mut arena).unwrap();
        if let Some(threads) = threads {
            session = session.on_threads(threads);
        }
        let mut layers = Vec::new();
        let random = &mut Random::new(9);
        session.input_mut(0).iter_mut().for_each(|x| *x = random.int8());
        session.run_observed(&mut |_: usize, _: niwaki::OpKind, output: &[i8]| layers.push(output.to_vec())).unwrap();
        (layers, session.output(0).to_vec())
    };
    let shared = model.blob().records().iter().filter(|record| {
        model.blob().op(record).is_some_and(|op| bands::work(&op) >= 1_000_000 && bands::most(&op) > 4)
    });
    assert_eq!(shared.count(), 2);
    let alone = outputs(None);
    assert_eq!(alone.0.len(), 3);
    for count in 1..=4 {
        let threads = Threads::new(NonZeroUsize::new(count).unwrap()).unwrap();
        assert!(outputs(Some(&threads)) == alone, "{count} threads");
    }
}
