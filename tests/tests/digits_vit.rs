//! The vision transformer for digits: its stored weights, its heads and neurons, its int8 network.

use digits_vit::DigitsVit;
use niwaki_graph::Graph;
use niwaki_prune::{Allocation, Limits, Norm, Report, groups, mask, shrink};
use niwaki_tests::{packed, root};
use niwaki_train::{Device, DynTensor, GraphModule, Samples, evaluate};

/// Captured, with the committed weights.
fn trained() -> Graph {
    let project = digits_vit::project();
    let mut graph = (project.capture)(&DigitsVit::new(&Device::flex())).expect("only supported operations");
    let stored = Graph::load(&root().join("models/digits-vit/weights.safetensors")).expect("the weights are committed");
    for param in &mut graph.params {
        let found = stored.params.iter().find(|other| other.name == param.name).expect("the weights are of this model");
        param.data.clone_from(&found.data);
    }
    graph
}

fn module(graph: &Graph) -> GraphModule {
    GraphModule::new(graph, &Device::flex()).expect("a valid graph")
}

fn outputs(graph: &Graph, samples: &Samples) -> Vec<f32> {
    let shape = [&[samples.len()], &samples.input_shape[..]].concat();
    let input = DynTensor::from_vec(samples.inputs.clone(), &shape, &Device::flex());
    module(graph).forward(vec![input]).expect("runs").remove(0).into_vec()
}

#[test]
fn int8_is_within_a_point_of_float() {
    let (graph, data) = (trained(), digits::split().expect("the data are committed"));
    let (plan, blob) = packed(&graph, &data.train.slice(0..512));
    let model = niwaki::Model::read(&blob).expect("reads");
    let mut arena = vec![0i8; model.arena_bytes() + 15];
    let mut session = model.session_in(&mut arena).expect("fits");
    let order = plan.memory_order(&plan.inputs[0]);
    let right = (0..data.test.len()).filter(|index| {
        let ordered: Vec<f32> = order.iter().map(|place| data.test.input(*index)[*place]).collect();
        session.quantise_input(0, &ordered);
        session.run().expect("runs");
        let scores = session.output(0);
        let best = (0..scores.len()).max_by_key(|class| (scores[*class], std::cmp::Reverse(*class)));
        best == Some(data.test.labels[*index])
    });
    let int8 = right.count() as f64 / data.test.len() as f64;
    let float = evaluate(&module(&graph), &data.test, 256).expect("evaluates").accuracy();
    println!("float {float:.4}, int8 {int8:.4}");
    assert!(float > 0.96 && int8 > float - 0.01, "float {float}, int8 {int8}");
    // Nothing moves bytes: heads are split, merged and turned by reading them in another order.
    assert!(plan.steps.iter().all(|step| !matches!(step.kernel, niwaki_plan::Kernel::Transpose { .. })));
}

#[test]
fn heads_and_neurons_really_leave() {
    let (graph, data) = (trained(), digits::split().expect("the data are committed"));
    let found = groups(&graph).expect("a valid graph");
    let widths: Vec<usize> = found.prunable.iter().map(|group| group.units.len()).collect();
    assert_eq!(widths, [4, 64, 4, 64], "{found}");
    let scores = Norm::L1.scores(&graph, &found);
    let decision = Allocation::Uniform { ratio: 0.5 }.decide(&found, &scores, Limits::default()).expect("scores fit");
    let (small, masked) = (shrink(&graph, &decision).expect("fits"), mask(&graph, &decision).expect("fits"));
    let shape = |name: &str| small.params.iter().find(|param| param.name == name).map(|param| param.shape.clone());
    for layer in 0..2 {
        let at = |part: &str| shape(&format!("encoder.layers.{layer}.{part}.weight")).expect("it is there");
        assert_eq!((at("mha.query"), at("mha.output")), (vec![32, 16], vec![16, 32]));
        assert_eq!((at("pwff.linear_inner"), at("pwff.linear_outer")), (vec![32, 32], vec![32, 32]));
    }
    let report = Report::new(&graph, &small);
    assert!(report.after.parameters * 10 < report.before.parameters * 6, "{report:?}");
    assert!(small.total_macs() * 10 < graph.total_macs() * 6);
    let samples = data.test.slice(0..64);
    for (a, b) in outputs(&small, &samples).iter().zip(outputs(&masked, &samples)) {
        assert!((a - b).abs() < 1e-5, "shrunk {a}, masked {b}");
    }
}
