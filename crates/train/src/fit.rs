//! The training loop.

use crate::config::{Mask, Optimiser, Progress, TrainConfig};
use crate::loss::{self, Goal, Head};
use crate::teacher::{OpenTeacher, run};
use crate::{Evaluation, GraphModule, Loss, Samples, TrainError, batch, evaluate_by};
use burn::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use niwaki_graph::{Graph, ParamId};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Changes one sample's elements in place, with random numbers that follow from the seed.
pub type Augment<'a> = dyn Fn(&mut [f32], &mut ChaCha8Rng) + 'a;

/// What to train on.
#[derive(Clone, Copy)]
pub struct TrainingData<'a> {
    /// The samples to learn.
    pub samples: &'a Samples,
    /// Samples to evaluate on after every epoch; they do not influence the weights.
    pub validation: Option<&'a Samples>,
    /// Changes each sample every time it is used.
    pub augment: Option<&'a Augment<'a>>,
}

impl<'a> From<&'a Samples> for TrainingData<'a> {
    /// Neither validation nor augmentation.
    fn from(samples: &'a Samples) -> Self {
        Self { samples, validation: None, augment: None }
    }
}

/// Trains a graph from the weights it has, and returns it with the weights of the last step.
///
/// The same seed on the same machine gives bit-identical weights on the CPU devices. `progress` is called after every
/// step.
///
/// # Errors
/// [`TrainError::Diverged`] when the loss is no longer a number; before the first step, as [`crate::evaluate`],
/// [`GraphModule::new`] and [`TrainConfig::check`], [`TrainError::Mask`] and [`TrainError::Teacher`] for ones that do
/// not fit.
pub fn fit<'a>(
    graph: &Graph,
    data: impl Into<TrainingData<'a>>,
    config: &TrainConfig,
    device: &Device,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Graph, TrainError> {
    let data = data.into();
    let mut trainer = Trainer::new(graph, data, config, device)?;
    let mut order: Vec<usize> = (0..data.samples.len()).collect();
    for epoch in 0..config.epochs {
        order.shuffle(&mut trainer.rng);
        let count = config.samples.unwrap_or(order.len()).clamp(1, order.len());
        trainer.epoch(epoch, &order[..count], progress)?;
    }
    Ok(trainer.module.to_graph())
}

/// Everything that lives as long as one call of [`fit`].
struct Trainer<'a> {
    data: TrainingData<'a>,
    config: &'a TrainConfig,
    head: Head,
    module: GraphModule,
    optimiser: ModuleOptimizer,
    /// Parameters whose learning rate is multiplied with a factor of their own.
    sizes: Vec<(ParamGroup, f64)>,
    /// What to zero after each step.
    drop: Vec<(ParamId, Tensor<1, Bool>)>,
    teacher: Option<OpenTeacher>,
    rng: ChaCha8Rng,
    /// Without autodiff.
    device: Device,
}

impl<'a> Trainer<'a> {
    fn new(
        graph: &Graph,
        data: TrainingData<'a>,
        config: &'a TrainConfig,
        device: &Device,
    ) -> Result<Self, TrainError> {
        config.check()?;
        let device = device.clone().without_autodiff();
        let head = Head::of(graph)?;
        for samples in [data.samples].into_iter().chain(data.validation) {
            samples.check(graph, config.batch)?;
            check_samples(samples, config, head)?;
        }
        let module = GraphModule::new(graph, &device.clone().autodiff())?;
        let drop: Vec<_> =
            config.masks.iter().map(|mask| dropped(graph, &module, mask, &device)).collect::<Result<_, _>>()?;
        Ok(Self {
            data,
            config,
            head,
            optimiser: optimiser(config, &module),
            sizes: if config.relative { module.sizes() } else { Vec::new() },
            module: module.zeroed(&drop),
            drop,
            teacher: OpenTeacher::open(config, graph, data.samples, &device)?,
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            device,
        })
    }

    fn epoch(&mut self, epoch: usize, order: &[usize], progress: &mut dyn FnMut(&Progress)) -> Result<(), TrainError> {
        let batches = batch::split(order.len(), self.config.batch);
        let steps = batches.len();
        let (mut loss_sum, mut correct, mut seen) = (0.0, 0, 0);
        for (step, range) in batches.enumerate() {
            let factor = self.config.schedule.factor(epoch * steps + step, self.config.epochs * steps);
            let learning_rate = self.config.learning_rate * factor;
            let chosen = &order[range];
            let (loss, right) = self.step(chosen, learning_rate);
            if !loss.is_finite() {
                return Err(TrainError::Diverged { epoch: epoch + 1, step: step + 1, loss, learning_rate });
            }
            loss_sum += f64::from(loss) * chosen.len() as f64;
            correct += right;
            seen += chosen.len();
            let last = step + 1 == steps;
            progress(&Progress {
                epoch: epoch + 1,
                epochs: self.config.epochs,
                step: step + 1,
                steps,
                learning_rate,
                loss: loss_sum / seen as f64,
                accuracy: correct as f64 / seen as f64,
                validation: if last { self.validate()? } else { None },
            });
        }
        Ok(())
    }

    /// One step on the chosen samples; returns the loss and how many were right, both before the step. Takes none
    /// where the loss is not a number.
    fn step(&mut self, chosen: &[usize], learning_rate: f64) -> (f32, usize) {
        let samples = self.data.samples;
        let mut inputs = self.gather(chosen);
        batch::mix(&mut inputs, samples.sample_len(), self.config.mix, &mut self.rng);
        let inputs = batch::to_tensor(inputs, &samples.input_shape, &self.device);
        let taught = self.teacher.as_ref().map(|teacher| match teacher.known(chosen, &self.device) {
            Some(logits) => (logits, Vec::new()),
            None => teacher.run(inputs.clone()),
        });
        let watched = self.teacher.as_ref().map_or(&[][..], |teacher| &teacher.student_features);
        let inputs = inputs.into_autodiff();
        let (logits, features) = match &self.config.fake_quantisation {
            None => run(&self.module, self.head, inputs, watched, &mut |_, value| value),
            Some(fake) => {
                run(&fake.weights(&self.module), self.head, inputs, watched, &mut |id, value| fake.value(id, value))
            }
        };
        let host = crate::tensor::into_vec(logits.clone().inner());
        let right = self.count_right(chosen, &host, taught.as_ref().map(|(logits, _)| logits));
        let own = self.teacher.as_ref().is_none_or(|teacher| teacher.weight < 1.0).then(|| {
            let config = (self.config.loss, self.config.label_smoothing);
            Goal::of(samples, chosen, self.head, config, &logits.device()).loss(logits.clone())
        });
        let loss = match (&self.teacher, taught, own) {
            (Some(teacher), Some(taught), own) => teacher.mix(self.config.loss, own, (logits, features), taught),
            (_, _, Some(own)) => own,
            _ => unreachable!("without a teacher there is a loss of one's own"),
        };
        let value: f32 = loss.clone().inner().into_scalar();
        if value.is_finite() {
            let gradients = GradientsParams::from_grads(loss.backward(), &self.module);
            let stepped = self.optimiser.step(self.rates(learning_rate), self.module.clone(), gradients);
            self.module = stepped.zeroed(&self.drop);
        }
        (value, right)
    }

    /// Each parameter's learning rate.
    fn rates(&self, learning_rate: f64) -> ModuleLearningRate {
        let all = ModuleLrScheduler::new(learning_rate);
        let each = |all: ModuleLrScheduler, (group, size): &(ParamGroup, f64)| {
            all.with_group(group.clone(), learning_rate * size)
        };
        self.sizes.iter().fold(all, each).step()
    }

    /// How many of the chosen samples' logits have their largest at the label, or where the teacher has it.
    fn count_right(&self, chosen: &[usize], logits: &[f32], taught: Option<&Tensor<2>>) -> usize {
        let width = self.head.classes;
        let tops = logits.chunks_exact(width).map(loss::top_one);
        let labels = &self.data.samples.labels;
        match (self.config.loss, taught) {
            (Loss::MeanSquared, _) => 0,
            (Loss::CrossEntropy, Some(taught)) if labels.is_empty() || self.config.mix > 0.0 => {
                let taught = crate::tensor::into_vec(taught.clone());
                tops.zip(taught.chunks_exact(width)).filter(|(top, row)| *top == loss::top_one(row)).count()
            }
            (Loss::CrossEntropy, _) => tops.zip(chosen).filter(|(top, place)| *top == labels[**place]).count(),
        }
    }

    /// The chosen samples one after the other, augmented.
    fn gather(&mut self, chosen: &[usize]) -> Vec<f32> {
        let samples = self.data.samples;
        let mut inputs = Vec::with_capacity(chosen.len() * samples.sample_len());
        for index in chosen {
            let start = inputs.len();
            inputs.extend_from_slice(samples.input(*index));
            if let Some(augment) = self.data.augment {
                augment(&mut inputs[start..], &mut self.rng);
            }
        }
        inputs
    }

    fn validate(&self) -> Result<Option<Evaluation>, TrainError> {
        let evaluate = |samples| evaluate_by(self.config.loss, &self.module, samples, self.config.batch);
        self.data.validation.map(evaluate).transpose()
    }
}

/// Checks that samples have what the loss needs; a teacher that gives all of it needs no labels.
fn check_samples(samples: &Samples, config: &TrainConfig, head: Head) -> Result<(), TrainError> {
    let alone = config.distillation.as_ref().is_some_and(|teacher| teacher.weight == 1.0);
    let missing = samples.labels.is_empty() && samples.targets.is_empty();
    match alone && missing {
        true => Ok(()),
        false => samples.check_for(config.loss, head.classes),
    }
}

/// The mask on the device, true where an element is to become zero.
fn dropped(
    graph: &Graph,
    module: &GraphModule,
    mask: &Mask,
    device: &Device,
) -> Result<(ParamId, Tensor<1, Bool>), TrainError> {
    let refuse = |name: &str, param, remedy| {
        Err(TrainError::Mask { name: name.to_string(), mask: mask.keep.len(), param, remedy })
    };
    match graph.params.get(mask.param.0) {
        None => refuse(&format!("#{}", mask.param.0), 0, "the graph has no such parameter; renumber the mask with it"),
        Some(param) if param.data.len() != mask.keep.len() => {
            refuse(&param.name, param.data.len(), "one entry per element is needed; shrink the mask with the parameter")
        }
        Some(param) if module.is_running(mask.param) => {
            refuse(&param.name, param.data.len(), "running statistics cannot be masked; mask the convolution's weights")
        }
        Some(_) => {
            let drop: Vec<bool> = mask.keep.iter().map(|keep| !keep).collect();
            let count = drop.len();
            Ok((mask.param, Tensor::from_data(TensorData::new(drop, [count]), device)))
        }
    }
}

/// Burn's optimiser; vectors (biases, scales, offsets) form a group of their own, without weight decay.
fn optimiser(config: &TrainConfig, module: &GraphModule) -> ModuleOptimizer {
    const EPSILON: f32 = 1e-8;
    let vectors = ParamGroup::from_ids(module.vector_ids());
    let decay = (config.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.weight_decay as f32));
    match config.optimiser {
        Optimiser::Adam => {
            let adam = AdamConfig::new().with_epsilon(EPSILON);
            let all = adam.clone().with_weight_decay(decay).init();
            all.with_group(vectors, adam.build(), None)
        }
        Optimiser::AdamW => {
            let adam = |decay: f64| AdamWConfig::new().with_epsilon(EPSILON).with_weight_decay(decay as f32);
            adam(config.weight_decay).init().with_group(vectors, adam(0.0).build(), None)
        }
        Optimiser::Sgd { momentum } => {
            let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0);
            let sgd = SgdConfig::new().with_momentum(Some(momentum));
            let all = sgd.clone().with_weight_decay(decay).init();
            all.with_group(vectors, sgd.build(), None)
        }
    }
}
