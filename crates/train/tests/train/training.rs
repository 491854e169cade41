//! Training: it learns, repeats itself bit for bit, keeps masks, distils, and says what is wrong.

use crate::common::{batch_norm, conv, difference, linear, network, patterns, relu};
use niwaki_graph::{Graph, Op, ParamId};
use niwaki_train::{
    Augment, ChaCha8Rng, Device, Features, GraphModule, Loss, Mask, Optimiser, Samples, Schedule, Teacher, TrainConfig,
    TrainError, TrainingData, evaluate, evaluate_by, feature_pairs, fit,
};
use rand::RngExt;

const CLASSES: usize = 5;

fn train(graph: &Graph, samples: &Samples, config: &TrainConfig) -> Result<Graph, TrainError> {
    fit(graph, samples, config, &Device::flex(), &mut |_| {})
}

fn accuracy(graph: &Graph, samples: &Samples) -> f64 {
    let module = GraphModule::new(graph, &Device::flex()).expect("can be run");
    evaluate(&module, samples, 64).expect("fits").accuracy()
}

fn bits(graph: &Graph) -> Vec<Vec<u32>> {
    graph.params.iter().map(|param| param.data.iter().map(|x| x.to_bits()).collect()).collect()
}

fn short() -> TrainConfig {
    TrainConfig { epochs: 4, learning_rate: 5e-3, ..TrainConfig::default() }
}

#[test]
fn every_optimiser_learns() {
    let (graph, samples, held_out) = (network(8, CLASSES), patterns(1, 400, CLASSES), patterns(2, 200, CLASSES));
    assert!(accuracy(&graph, &held_out) < 0.5);
    let optimisers = [(Optimiser::Adam, 5e-3), (Optimiser::AdamW, 5e-3), (Optimiser::Sgd { momentum: 0.9 }, 0.05)];
    for (optimiser, learning_rate) in optimisers {
        let config = TrainConfig { epochs: 15, optimiser, learning_rate, label_smoothing: 0.05, ..short() };
        let trained = train(&graph, &samples, &config).expect("trains");
        let accuracy = accuracy(&trained, &held_out);
        assert!(accuracy > 0.9, "{optimiser:?}: {accuracy}");
    }
}

/// Batches, channels and planes large enough that Burn shares the work between all cores.
fn wide() -> Graph {
    let mut graph = Graph::default();
    let x = graph.add_input("input0", vec![1, 8, 8]);
    let x = conv(&mut graph, "conv1", x, 64, 3, 1, 1);
    let x = batch_norm(&mut graph, "norm1", x);
    let x = relu(&mut graph, "relu1", x);
    let x = conv(&mut graph, "conv2", x, 64, 3, 1, 1);
    let x = relu(&mut graph, "relu2", x);
    let x = conv(&mut graph, "depthwise", x, 64, 3, 2, 64);
    let x = graph.push("flat", Op::Reshape { shape: vec![64 * 16] }, &[x]).expect("fits");
    let x = linear(&mut graph, "fc1", x, 256);
    let x = relu(&mut graph, "relu3", x);
    let x = linear(&mut graph, "fc2", x, CLASSES);
    graph.outputs.push(x);
    graph
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let (graph, samples) = (wide(), patterns(3, 300, CLASSES));
    let noise =
        |sample: &mut [f32], rng: &mut ChaCha8Rng| sample.iter_mut().for_each(|x| *x += rng.random_range(-0.1..0.1));
    let run = |seed| {
        let data = TrainingData { augment: Some(&noise as &Augment), ..TrainingData::from(&samples) };
        let config = TrainConfig { epochs: 3, batch: 128, seed, ..short() };
        bits(&fit(&graph, data, &config, &Device::flex(), &mut |_| {}).expect("trains"))
    };
    let first = run(7);
    for _ in 0..3 {
        assert!(run(7) == first, "two runs differ");
    }
    assert!(run(8) != first, "the seed changes nothing");
}

#[test]
fn masked_weights_stay_zero() {
    let (graph, samples) = (network(8, CLASSES), patterns(4, 100, CLASSES));
    let masks: Vec<Mask> = ["conv1.weight", "depthwise.weight", "fc.weight", "fc.bias", "norm1.gamma"]
        .into_iter()
        .map(|name| {
            let param = graph.params.iter().position(|param| param.name == name).expect("in the graph");
            let keep = (0..graph.params[param].data.len()).map(|place| place % 3 != 1).collect();
            Mask { param: ParamId(param), keep }
        })
        .collect();
    for optimiser in [Optimiser::Adam, Optimiser::AdamW, Optimiser::Sgd { momentum: 0.9 }] {
        let config = TrainConfig { optimiser, masks: masks.clone(), ..short() };
        let trained = train(&graph, &samples, &config).expect("trains");
        for mask in &masks {
            let (before, after) = (graph.param(mask.param), trained.param(mask.param));
            for ((before, after), keep) in before.data.iter().zip(&after.data).zip(&mask.keep) {
                match keep {
                    true => assert_ne!(before, after, "kept weights are trained"),
                    false => assert_eq!(after.to_bits(), 0, "masked weights are zero"),
                }
            }
        }
    }
    // Without any step, masks are applied all the same.
    let masked = train(&graph, &samples, &TrainConfig { epochs: 0, masks: masks.clone(), ..short() }).expect("trains");
    assert_eq!(masked.param(masks[0].param).data[1], 0.0);
}

#[test]
fn weights_decay_and_vectors_do_not() {
    let (graph, samples) = (network(8, CLASSES), patterns(4, 30, CLASSES));
    let (learning_rate, decay) = (0.01, 0.5);
    for optimiser in [Optimiser::AdamW, Optimiser::Sgd { momentum: 0.9 }, Optimiser::Adam] {
        let one_step = |weight_decay| {
            let schedule = Schedule::Constant;
            let config = TrainConfig { epochs: 1, learning_rate, weight_decay, optimiser, schedule, ..short() };
            train(&graph, &samples, &config).expect("trains")
        };
        let (with, without) = (one_step(decay), one_step(0.0));
        for ((param, with), without) in graph.params.iter().zip(&with.params).zip(&without.params) {
            if param.shape.len() == 1 {
                assert_eq!(with.data, without.data, "{}", param.name);
            } else if optimiser != Optimiser::Adam {
                let expected = param.data.iter().zip(&without.data).map(|(old, new)| new - 0.005 * old);
                assert!(difference(&with.data, &expected.collect::<Vec<_>>()) < 1e-6, "{}", param.name);
            } else {
                assert_ne!(with.data, without.data, "{}", param.name);
            }
        }
    }
}

#[test]
fn masks_that_do_not_fit_are_named() {
    let (graph, samples) = (network(8, CLASSES), patterns(4, 20, CLASSES));
    let refuse = |param, count| {
        let masks = vec![Mask { param: ParamId(param), keep: vec![true; count] }];
        train(&graph, &samples, &TrainConfig { masks, ..short() }).expect_err("does not fit").to_string()
    };
    let expected = "mask of 3 elements for parameter `conv1.weight` of 72: one entry per element is needed; shrink \
                    the mask with the parameter";
    assert_eq!(refuse(0, 3), expected);
    assert!(refuse(99, 3).contains("no such parameter"));
    let mean = graph.params.iter().position(|param| param.name == "norm1.running_mean").expect("in the graph");
    assert!(refuse(mean, 8).contains("running statistics"));
}

#[test]
fn a_student_learns_from_its_teacher_alone() {
    let (samples, held_out) = (patterns(5, 400, CLASSES), patterns(6, 200, CLASSES));
    let config = TrainConfig { epochs: 30, ..short() };
    let teacher = train(&network(12, CLASSES), &samples, &config).expect("trains");
    assert!(accuracy(&teacher, &held_out) > 0.9);
    // Labels that say nothing: only the teacher can be learnt from.
    let unlabelled = Samples { labels: vec![0; samples.len()], ..samples };
    let distillation = Some(Teacher::new(teacher, 2.0, 1.0));
    let config = TrainConfig { distillation, ..config };
    let student = train(&network(8, CLASSES), &unlabelled, &config).expect("trains");
    let accuracy = accuracy(&student, &held_out);
    assert!(accuracy > 0.85, "{accuracy}");
    let other = Some(Teacher::new(network(8, 7), 2.0, 1.0));
    let error = train(&network(8, CLASSES), &unlabelled, &TrainConfig { distillation: other, ..short() });
    assert_eq!(error, Err(TrainError::Teacher { teacher: 7, student: 5 }));
}

/// Logits that are known beforehand are learnt from as those of a teacher that runs.
#[test]
fn a_teacher_that_was_asked_before_need_not_run() {
    let samples = patterns(5, 60, CLASSES);
    let teacher = network(12, CLASSES);
    let module = GraphModule::new(&teacher, &Device::flex()).expect("can be run");
    let known = std::sync::Arc::new(niwaki_train::predict(&module, &samples, 60).expect("fits"));
    let learn = |known| {
        let distillation = Some(Teacher { known, ..Teacher::new(teacher.clone(), 2.0, 0.7) });
        train(&network(6, CLASSES), &samples, &TrainConfig { epochs: 2, distillation, ..short() }).expect("trains")
    };
    let (asked, ran) = (learn(Some(known.clone())), learn(None));
    for (a, b) in asked.params.iter().zip(&ran.params) {
        assert!(difference(&a.data, &b.data) < 1e-4, "{}", a.name);
    }
    let other = std::sync::Arc::new(known.iter().map(|x| -x).collect());
    assert_ne!(learn(Some(other)), asked, "what is known is what is learnt from");
}

/// With steps relative to a layer's size, a network whose first layer is a hundred times as large, on inputs a hundred
/// times as small, learns the same.
#[test]
fn relative_steps_do_not_depend_on_scale() {
    let (graph, samples) = (network(6, CLASSES), patterns(5, 100, CLASSES));
    let (mut large, mut small_inputs) = (graph.clone(), samples.clone());
    large.params[0].data.iter_mut().for_each(|w| *w *= 100.0);
    small_inputs.inputs.iter_mut().for_each(|x| *x /= 100.0);
    let distance = |relative| {
        let config = TrainConfig { epochs: 3, learning_rate: 0.02, relative, weight_decay: 0.0, ..short() };
        let a = train(&graph, &samples, &config).expect("trains");
        let b = train(&large, &small_inputs, &config).expect("trains");
        let scaled: Vec<f32> = b.params[0].data.iter().map(|w| w / 100.0).collect();
        difference(&a.params[0].data, &scaled)
    };
    let (relative, absolute) = (distance(true), distance(false));
    assert!(relative < 1e-3 && absolute > 1e-2, "{relative} apart with relative steps, {absolute} without");
}

/// A student of half the width, from unlabelled samples, with features matched: the loss of features falls.
#[test]
fn features_of_a_wider_teacher_are_matched() {
    let (samples, held_out) = (patterns(5, 300, CLASSES), patterns(6, 200, CLASSES));
    let teacher = train(&network(12, CLASSES), &samples, &TrainConfig { epochs: 20, ..short() }).expect("trains");
    let unlabelled = Samples::unlabelled(samples.input_shape.clone(), samples.inputs.clone()).expect("fits");
    let pairs = feature_pairs(&network(6, CLASSES), &teacher);
    let names: Vec<_> = pairs.iter().map(|pair| pair.teacher.as_str()).collect();
    assert_eq!(names, ["pool", "mean"], "what the hidden layers read");
    let features = Some(Features { pairs, weight: 3.0 });
    let distillation = Some(Teacher { features, ..Teacher::new(teacher.clone(), 2.0, 1.0) });
    let config = TrainConfig { epochs: 30, distillation, ..short() };
    let mut seen = Vec::new();
    let student = fit(&network(6, CLASSES), &unlabelled, &config, &Device::flex(), &mut |at| seen.push(*at));
    let accuracy = accuracy(&student.expect("trains"), &held_out);
    assert!(accuracy > 0.8, "{accuracy}");
    let last = seen.last().expect("steps");
    assert!(last.loss < 0.3 * seen[0].loss && last.accuracy > 0.9, "agrees with its teacher: {last:?}");
    // Without a teacher, or with one that gives only half, labels are missing.
    let error = train(&network(6, CLASSES), &unlabelled, &short()).expect_err("no labels");
    assert_eq!(error, TrainError::Unlabelled);
    let half = Some(Teacher::new(teacher, 2.0, 0.5));
    let error = train(&network(6, CLASSES), &unlabelled, &TrainConfig { distillation: half, ..short() });
    assert_eq!(error, Err(TrainError::Unlabelled));
}

/// An autoencoder: linear, eight features squeezed through three; a plane of that dimension is learnt.
#[test]
fn a_regression_learns_its_input_or_its_targets() {
    let mut graph = Graph::default();
    let x = graph.add_input("input0", vec![8]);
    let x = linear(&mut graph, "encoder", x, 3);
    let x = linear(&mut graph, "decoder", x, 8);
    graph.outputs.push(x);
    let row = |k: usize| (0..8).map(move |i| ((k * 7 % 11) as f32 / 11.0 - 0.5) * (i as f32 * 0.9).sin());
    let samples = Samples::unlabelled(vec![8], (0..200).flat_map(row).collect()).expect("fits");
    let config = TrainConfig { loss: Loss::MeanSquared, epochs: 60, learning_rate: 2e-2, weight_decay: 0.0, ..short() };
    let error = |graph: &Graph, samples: &Samples| {
        let module = GraphModule::new(graph, &Device::flex()).expect("can be run");
        evaluate_by(Loss::MeanSquared, &module, samples, 64).expect("fits").loss
    };
    let trained = train(&graph, &samples, &config).expect("trains");
    assert!(error(&trained, &samples) < 0.02 * error(&graph, &samples), "{}", error(&trained, &samples));
    // Targets instead: the negative of the input.
    let negative = samples.inputs.iter().map(|x| -x).collect();
    let opposite = samples.clone().with_targets(negative);
    let trained = train(&graph, &opposite, &config).expect("trains");
    assert!(error(&trained, &opposite) < 0.02 * error(&graph, &opposite));
    assert!(error(&trained, &samples) > error(&trained, &opposite));
    let short_of_one = samples.with_targets(vec![0.0; 1599]);
    let error = train(&graph, &short_of_one, &config).expect_err("one target is missing").to_string();
    assert!(error.contains("200 x 8 target elements") && error.contains("1599"), "{error}");
}

#[test]
fn progress_counts_steps_and_validates_after_each_epoch() {
    let (graph, samples, validation) = (network(8, CLASSES), patterns(7, 50, CLASSES), patterns(8, 30, CLASSES));
    let data = TrainingData { validation: Some(&validation), ..TrainingData::from(&samples) };
    let config = TrainConfig { epochs: 2, batch: 16, ..short() };
    let mut seen = Vec::new();
    let trained = fit(&graph, data, &config, &Device::flex(), &mut |progress| seen.push(*progress)).expect("trains");
    assert_eq!(seen.len(), 2 * 4);
    assert!(seen.iter().enumerate().all(|(i, at)| (at.epoch, at.step, at.steps) == (i / 4 + 1, i % 4 + 1, 4)));
    assert!(seen.iter().all(|at| at.validation.is_some() == (at.step == 4)));
    assert!(seen.iter().all(|at| at.loss.is_finite() && (0.0..=1.0).contains(&at.accuracy)));
    let module = GraphModule::new(&trained, &Device::flex()).expect("can be run");
    assert_eq!(seen[7].validation, Some(evaluate(&module, &validation, 16).expect("fits")));
}

#[test]
fn a_loss_that_is_no_number_is_an_error() {
    let (graph, mut samples) = (network(8, CLASSES), patterns(9, 40, CLASSES));
    samples.inputs[70] = f32::NAN;
    let error = train(&graph, &samples, &short()).expect_err("one pixel is NaN");
    assert!(matches!(error, TrainError::Diverged { epoch: 1, .. }), "{error}");
    assert!(error.to_string().contains("lower the learning rate"), "{error}");
}

#[test]
fn labels_without_an_output_are_named() {
    let (graph, samples) = (network(8, 3), patterns(9, 40, CLASSES));
    let error = train(&graph, &samples, &short()).expect_err("five classes, three outputs");
    assert_eq!(error, TrainError::Label { sample: 3, label: 3, classes: 3 });
}
