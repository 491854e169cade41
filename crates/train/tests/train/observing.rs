//! Calibration's view: every value, on the right samples, in evaluation.

use crate::common::{difference, network, patterns};
use niwaki_graph::{Graph, Op, Unary};
use niwaki_train::{Device, GraphModule, Samples, TrainError, observe};
use std::collections::BTreeMap;

#[test]
fn every_value_is_seen_once_per_batch_with_its_own_data() {
    let (graph, samples) = (network(5, 3), patterns(1, 10, 3));
    // On an autodiff device too, calibration is evaluation.
    let module = GraphModule::new(&graph, &Device::flex().autodiff()).expect("can be run");
    let mut seen: BTreeMap<_, Vec<f32>> = BTreeMap::new();
    let mut calls = 0;
    observe(&module, &samples, 4, &mut |id, shape, data| {
        assert_eq!(shape, graph.value(id).shape);
        assert_eq!(data.len() % shape.iter().product::<usize>(), 0);
        seen.entry(id).or_default().extend(data);
        calls += 1;
    })
    .expect("fits");
    assert_eq!(calls, 3 * graph.values.len());
    assert_eq!(seen[&graph.inputs[0]], samples.inputs);
    for node in &graph.nodes {
        let (data, size) = (&seen[&node.output], graph.value(node.output).shape.iter().product::<usize>());
        assert_eq!(data.len(), 10 * size, "{}", node.name);
        if let Op::Unary(Unary::Relu) = node.op {
            let expected: Vec<f32> = seen[&node.inputs[0]].iter().map(|x| x.max(0.0)).collect();
            assert!(difference(data, &expected) == 0.0, "{}", node.name);
        }
    }
    assert_eq!(module.to_graph(), graph);
}

#[test]
fn data_that_do_not_fit_are_named() {
    let graph = network(5, 3);
    let module = GraphModule::new(&graph, &Device::flex()).expect("can be run");
    let wrong = Samples::new(vec![64], vec![0.0; 64], vec![0]).expect("lengths agree");
    let error = observe(&module, &wrong, 4, &mut |_, _, _| {}).expect_err("another shape");
    let message = "the graph's input `input0` is [1, 8, 8] per sample, the data are [64]: check the data set";
    assert_eq!(error.to_string(), message);
    let none = Samples { input_shape: vec![1, 8, 8], ..Samples::default() };
    assert!(matches!(observe(&module, &none, 4, &mut |_, _, _| {}), Err(TrainError::Empty(_))));
    assert!(matches!(observe(&module, &patterns(1, 2, 2), 0, &mut |_, _, _| {}), Err(TrainError::Empty(_))));
}

#[test]
fn graphs_that_cannot_be_run_are_refused() {
    let mut graph = Graph::default();
    let input = graph.add_input("input0", vec![1, 1, 1, 1, 2]);
    graph.outputs.push(input);
    let error = GraphModule::new(&graph, &Device::flex()).expect_err("six dimensions with the batch");
    let message =
        "value `input0` has shape [1, 1, 1, 1, 2]: at most four dimensions can be run; reshape it in the model";
    assert_eq!(error.to_string(), message);
    let mut graph = network(5, 3);
    let last = graph.values.len() - 1;
    graph.values[last].shape = vec![7];
    assert!(matches!(GraphModule::new(&graph, &Device::flex()), Err(TrainError::Graph(_))));
}
