//! Gates: their derivatives are slopes, and learning finds the parts that matter.

use crate::common::{network, patterns};
use niwaki_graph::{Graph, Op, ParamId, Unary};
use niwaki_train::{
    Device, Gates, GraphModule, Loss, Penalty, TrainConfig, UNGATED, evaluate, fit, gate_gradients, learn_gates,
};

const CLASSES: usize = 5;

/// One gate per input of the last layer, and one for the value before the mean.
fn gates(graph: &Graph) -> Gates {
    let fc = graph.params.iter().position(|param| param.name == "fc.weight").expect("in the graph");
    let inputs = graph.params[fc].shape[0];
    // The first input's last weight is left out.
    let mut units: Vec<u32> = (0..inputs * CLASSES).map(|place| (place / CLASSES) as u32).collect();
    units[CLASSES - 1] = UNGATED;
    let value = graph.values.iter().position(|value| value.name == "relu2").expect("in the graph");
    Gates {
        count: inputs + 1,
        params: vec![(ParamId(fc), units)],
        values: vec![(niwaki_graph::ValueId(value), inputs)],
    }
}

fn loss(graph: &Graph) -> f64 {
    let module = GraphModule::new(graph, &Device::flex()).expect("can be run");
    evaluate(&module, &patterns(4, 40, CLASSES), 40).expect("fits").loss
}

#[test]
fn derivatives_are_slopes() {
    let graph = network(8, CLASSES);
    let (gates, samples) = (gates(&graph), patterns(4, 40, CLASSES));
    let found = gate_gradients(&graph, &gates, &samples, Loss::CrossEntropy, 40, &Device::flex()).expect("fits");
    let step = 1e-2;
    let fc = gates.params[0].0;
    for gate in [0, 3, 8] {
        let scaled = |factor: f32| {
            let mut moved = graph.clone();
            if gate == 8 {
                // The value's gate: an affine map in its place.
                let place = moved.nodes.iter().position(|node| node.name == "relu2").expect("in the graph");
                let value = moved.nodes[place].output;
                let scaled = moved.add_value("scaled", moved.value(value).shape.clone());
                for node in moved.nodes.iter_mut().filter(|node| node.inputs.contains(&value)) {
                    node.inputs[0] = scaled;
                }
                let op = Op::Unary(Unary::Affine { scale: factor, offset: 0.0 });
                let node = niwaki_graph::Node { name: "scaled".into(), op, inputs: vec![value], output: scaled };
                moved.nodes.insert(place + 1, node);
            } else {
                let weights = moved.params[fc.0].data.iter_mut().zip(&gates.params[0].1);
                weights.filter(|(_, unit)| **unit == gate).for_each(|(weight, _)| *weight *= factor);
            }
            loss(&moved)
        };
        let slope = ((scaled(1.0 + step) - scaled(1.0 - step)) / (2.0 * f64::from(step))).abs();
        let own = f64::from(found[gate as usize]);
        assert!((own - slope).abs() < 1e-2 * slope.max(1e-2), "gate {gate}: {own}, slope {slope}");
    }
}

#[test]
fn learned_gates_reach_their_density_and_keep_what_matters() {
    let samples = patterns(1, 300, CLASSES);
    let config = TrainConfig { epochs: 10, learning_rate: 5e-3, ..TrainConfig::default() };
    let graph = fit(&network(8, CLASSES), &samples, &config, &Device::flex(), &mut |_| {}).expect("trains");
    let fc = graph.params.iter().position(|param| param.name == "fc.weight").expect("in the graph");
    let units: Vec<u32> = (0..8 * CLASSES).map(|place| (place / CLASSES) as u32).collect();
    let gates = Gates { count: 8, params: vec![(ParamId(fc), units)], values: Vec::new() };
    let config = TrainConfig { epochs: 15, learning_rate: 0.1, ..TrainConfig::default() };
    for penalty in [Penalty::L0, Penalty::L1] {
        let learn = || {
            learn_gates(&graph, &gates, &samples, (penalty, 0.5), &config, &Device::flex(), &mut |_| {})
                .expect("learns")
        };
        let learned = learn();
        assert!((learned.density - 0.5).abs() < 0.05, "{penalty:?}: {}", learned.density);
        assert_eq!(learn(), learned, "the same seed gives the same gates");
        // Half of the channels by these gates against the other half: the open ones are worth more.
        let mut order: Vec<usize> = (0..8).collect();
        order.sort_by(|a, b| learned.open[*a].total_cmp(&learned.open[*b]));
        let without = |gone: &[usize]| {
            let mut cut = graph.clone();
            gone.iter().for_each(|row| cut.params[fc].data[row * CLASSES..(row + 1) * CLASSES].fill(0.0));
            loss(&cut)
        };
        let (closed, open) = (without(&order[..4]), without(&order[4..]));
        assert!(closed < open, "{penalty:?}: {closed} without the closed ones, {open} without the open ones");
    }
}
