//! The shapes of the four MLPerf Tiny reference models, layer by layer, named as in data/cmsis-nn.csv.

use super::layer::Layer;
use niwaki_blob::OpKind;

/// A model: its name, and its layers' names and shapes.
pub(crate) type Model = (&'static str, Vec<(String, Layer)>);

/// All four.
pub(crate) fn all() -> [Model; 4] {
    [("KWS", keywords()), ("IC", images()), ("VWW", persons()), ("AD", anomalies())]
}

fn named(layers: Vec<(&str, Layer)>) -> Vec<(String, Layer)> {
    layers.into_iter().map(|(name, layer)| (name.to_string(), layer)).collect()
}

fn average(shape: [usize; 3]) -> Layer {
    Layer::pool(OpKind::AvgPool, shape, [shape[0], shape[1]], 1)
}

fn softmax(classes: usize) -> Layer {
    Layer::same(OpKind::Softmax, [1, 1, classes])
}

fn keywords() -> Vec<(String, Layer)> {
    let mut layers = vec![("conv0".to_string(), Layer::conv([49, 10, 1], 64, [10, 4], 2))];
    for at in 1..=4 {
        layers.push((format!("dw{at}"), Layer::depthwise([25, 5, 64], [3, 3], 1)));
        layers.push((format!("pw{at}"), Layer::conv([25, 5, 64], 64, [1, 1], 1)));
    }
    layers.extend(named(vec![
        ("avg", average([25, 5, 64])),
        ("fc", Layer::connected(64, 12)),
        ("softmax", softmax(12)),
    ]));
    layers
}

fn images() -> Vec<(String, Layer)> {
    let three = |input, channels, stride| Layer::conv(input, channels, [3, 3], stride);
    let add = |shape| Layer::same(OpKind::Add, shape);
    named(vec![
        ("conv0", three([32, 32, 3], 16, 1)),
        ("s1c1", three([32, 32, 16], 16, 1)),
        ("s1c2", three([32, 32, 16], 16, 1)),
        ("s1add", add([32, 32, 16])),
        ("s2c1", three([32, 32, 16], 32, 2)),
        ("s2c2", three([16, 16, 32], 32, 1)),
        ("s2sc", Layer::conv([32, 32, 16], 32, [1, 1], 2)),
        ("s2add", add([16, 16, 32])),
        ("s3c1", three([16, 16, 32], 64, 2)),
        ("s3c2", three([8, 8, 64], 64, 1)),
        ("s3sc", Layer::conv([16, 16, 32], 64, [1, 1], 2)),
        ("s3add", add([8, 8, 64])),
        ("avg", average([8, 8, 64])),
        ("fc", Layer::connected(64, 10)),
        ("softmax", softmax(10)),
    ])
}

fn persons() -> Vec<(String, Layer)> {
    let mut layers = vec![("conv0".to_string(), Layer::conv([96, 96, 3], 8, [3, 3], 2))];
    let outputs = [16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256];
    let (mut size, mut channels) = (48, 8);
    for (at, outputs) in (1..).zip(outputs) {
        // Every second layer at first, then the sixth and the twelfth.
        let stride = if [2, 4, 6, 12].contains(&at) { 2 } else { 1 };
        layers.push((format!("dw{at}"), Layer::depthwise([size, size, channels], [3, 3], stride)));
        size /= stride;
        layers.push((format!("pw{at}"), Layer::conv([size, size, channels], outputs, [1, 1], 1)));
        channels = outputs;
    }
    layers.extend(named(vec![
        ("avg", average([3, 3, 256])),
        ("fc", Layer::connected(256, 2)),
        ("softmax", softmax(2)),
    ]));
    layers
}

fn anomalies() -> Vec<(String, Layer)> {
    let sizes = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640];
    let layer = |(at, pair): (usize, &[usize])| (format!("fc{at}"), Layer::connected(pair[0], pair[1]));
    (1..).zip(sizes.windows(2)).map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::peers::Peers;

    /// The peers' table has the same layers, with the same number of products and bytes.
    #[test]
    fn layers_are_those_that_peers_were_measured_on() {
        let peers = Peers::read();
        for (model, layers) in all() {
            assert_eq!(peers.layers("cortex-m4", model).count(), layers.len(), "{model}");
            for (name, layer) in layers {
                let peer = peers.layer("cortex-m4", model, &name).unwrap();
                let outputs: usize = layer.output().iter().product();
                assert_eq!(peer.macs, layer.terms() as u64 * outputs as u64, "{model} {name}");
                assert_eq!(peer.output_bytes, outputs as u64, "{model} {name}");
                assert_eq!(peer.input_bytes, layer.input.iter().product::<usize>() as u64, "{model} {name}");
            }
        }
    }
}
