//! A captured graph, run back on Burn, matches the module; quantised, the host's runtime matches the graph.

use niwaki_blob::OpKind;
use niwaki_tests::{packed, zoo};
use niwaki_train::{Device, DynTensor, GraphModule, Samples};

/// The graph's output for every sample.
fn run_graph(module: &GraphModule, samples: &Samples) -> Vec<f32> {
    let shape: Vec<usize> = [samples.len()].into_iter().chain(samples.input_shape.iter().copied()).collect();
    let input = DynTensor::from_vec(samples.inputs.clone(), &shape, &Device::flex());
    module.forward(vec![input]).expect("runs").remove(0).into_vec()
}

#[test]
fn captured_graphs_match_their_modules() {
    for specimen in zoo::all() {
        let samples = specimen.samples(5);
        let module = GraphModule::new(&specimen.graph, &Device::flex()).expect("a valid graph");
        let mut shape = specimen.shape.clone();
        shape[0] = samples.len();
        let input = DynTensor::from_vec(samples.inputs.clone(), &shape, &Device::flex());
        let native = (specimen.forward)(input).into_vec();
        let captured = run_graph(&module, &samples);
        assert_eq!(native.len(), captured.len(), "{}", specimen.name);
        for (a, b) in native.iter().zip(&captured) {
            assert!((a - b).abs() <= 1e-5, "{}: {a} and {b}", specimen.name);
        }
    }
}

/// int8 against float: on inputs that calibration saw, within a few steps of the output on average.
#[test]
fn quantised_networks_follow_the_float_ones() {
    for specimen in zoo::all() {
        let samples = specimen.samples(64);
        let module = GraphModule::new(&specimen.graph, &Device::flex()).expect("a valid graph");
        let float = run_graph(&module, &samples);
        let (plan, blob) = packed(&specimen.graph, &samples);
        let model = niwaki::Model::read(&blob).expect("reads");
        let mut arena = vec![0i8; model.arena_bytes() + 15];
        let mut session = model.session_in(&mut arena).expect("fits");
        let (order, back) = (plan.memory_order(&plan.inputs[0]), plan.memory_order(&plan.outputs[0]));
        let step = model.output(0).expect("has an output").quantisation.scale;
        let mut reals = vec![0.0; back.len()];
        let (mut sum, mut largest) = (0.0, 0.0f32);
        for index in 0..samples.len() {
            let ordered: Vec<f32> = order.iter().map(|place| samples.input(index)[*place]).collect();
            session.quantise_input(0, &ordered);
            session.run().expect("runs");
            session.dequantise_output(0, &mut reals);
            for (real, place) in reals.iter().zip(&back) {
                let off = (real - float[index * back.len() + place]).abs() / step;
                sum += off;
                largest = largest.max(off);
            }
        }
        let mean = sum / float.len() as f32;
        println!("{}: off by {mean:.2} output steps on average, {largest:.2} at most", specimen.name);
        assert!(mean < 2.0 && largest < 16.0, "{}: {mean} on average, {largest} at most", specimen.name);
    }
}

#[test]
fn the_zoo_uses_every_operation() {
    let mut used = 0;
    for specimen in zoo::all() {
        let (_, blob) = packed(&specimen.graph, &specimen.samples(8));
        used |= niwaki::op_set(&blob);
    }
    for kind in OpKind::ALL.into_iter().filter(|kind| kind.plain()) {
        assert!(used & kind.bit() != 0, "no network in the zoo uses {}", kind.name());
    }
}

/// Every byte of the arena that a run changes lies inside `ARENA_BYTES`, and the last one is used.
#[test]
fn the_arena_is_exact() {
    for specimen in zoo::all() {
        let (plan, blob) = packed(&specimen.graph, &specimen.samples(8));
        let model = niwaki::Model::read(&blob).expect("reads");
        assert_eq!(model.arena_bytes(), niwaki::arena_bytes(&blob));
        let touched = [0x55i8, -0x56].map(|fill| {
            let mut arena = vec![fill; model.arena_bytes() + 64];
            let start = arena.as_ptr().align_offset(16);
            let mut session = model.session_in(&mut arena).expect("fits");
            session.input_mut(0).fill(3);
            session.run().expect("runs");
            (0..arena.len() - start).filter(|place| arena[start + place] != fill).max()
        });
        let last = touched.into_iter().flatten().max().expect("a run writes something");
        assert!(last < model.arena_bytes(), "{}: byte {last} of {}", specimen.name, model.arena_bytes());
        // Convolution outputs may end in bytes that equal both fills only by chance of one in 65536.
        let end = plan.tensors.iter().map(|tensor| tensor.offset + tensor.elements()).max();
        assert_eq!(end, Some(plan.arena_bytes), "{}", specimen.name);
        assert_eq!(last + 1, model.arena_bytes(), "{}: bytes at the end are never used", specimen.name);
    }
}
