//! Flex, ndarray and wgpu agree on the captured digits model: forward, loss and gradients.

use niwaki_tests::trained_digits;
use niwaki_train::{DeviceName, GraphModule, gradients, predict};

/// Largest difference between two lists, relative to the largest magnitude in either.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().chain(b).fold(1e-6f32, |max, x| max.max(x.abs()));
    a.iter().zip(b).fold(0.0f32, |max, (x, y)| max.max((x - y).abs())) / scale
}

#[test]
fn forward_loss_and_gradients_agree() {
    let graph = trained_digits();
    let samples = digits::split().expect("the data are committed").test.slice(0..64);
    let results = DeviceName::ALL.map(|name| {
        let device = name.open().unwrap_or_else(|error| panic!("{name}: {error}"));
        let module = GraphModule::new(&graph, &device).expect("a valid graph");
        let logits = predict(&module, &samples, 32).expect("runs");
        (name, logits, gradients(&graph, &samples, niwaki_train::Loss::CrossEntropy, 32, &device).expect("runs"))
    });
    let (_, logits, reference) = &results[0];
    assert!(
        reference.params.iter().any(|gradient| gradient.iter().any(|x| x.abs() > 1e-6)),
        "the gradients are not zero"
    );
    for (name, other, gradients) in &results[1..] {
        let off = distance(logits, other);
        println!("{name}: logits differ by {off:e}, loss by {:e}", (reference.loss - gradients.loss).abs());
        assert!(off < 1e-4, "{name}: logits differ by {off}");
        assert!((reference.loss - gradients.loss).abs() < 1e-4, "{name}: loss");
        for ((param, a), b) in graph.params.iter().zip(&reference.params).zip(&gradients.params) {
            let off = distance(a, b);
            assert!(off < 1e-3, "{name}: gradient of {} differs by {off}", param.name);
        }
    }
}
