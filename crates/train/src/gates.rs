//! Gates: numbers that multiply parts of a network, to find out how much each part matters.

use crate::config::{Progress, TrainConfig};
use crate::loss::{Goal, Head};
use crate::{DynTensor, GraphModule, Loss, Samples, TrainError, TrainingData, batch};
use burn::tensor::{Device, Int, Tensor, TensorData};
use niwaki_graph::{Graph, ParamId, ValueId};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// In [`Gates::params`]: an element that no gate multiplies.
pub const UNGATED: u32 = u32::MAX;

/// What each of some gates multiplies. Open gates are 1 and change nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gates {
    /// How many there are.
    pub count: usize,
    /// For every element of a parameter, its gate or [`UNGATED`].
    pub params: Vec<(ParamId, Vec<u32>)>,
    /// Values that a gate multiplies as a whole.
    pub values: Vec<(ValueId, usize)>,
}

/// How gates are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Penalty {
    /// On the number of gates that are not zero, through a hard-concrete distribution (Louizos et al. 2018,
    /// arXiv:1712.01312).
    L0,
    /// On their absolute values.
    L1,
}

/// What [`learn_gates`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// How open each gate is, 0 to 1.
    pub open: Vec<f32>,
    /// Their mean: the share that the penalty was steered to.
    pub density: f64,
}

/// Gates on a device.
struct OpenGates<'g> {
    gates: &'g Gates,
    /// Per gated parameter: for each element the gate's index, `count` for none.
    index: Vec<(ParamId, Tensor<1, Int>)>,
}

impl<'g> OpenGates<'g> {
    fn new(gates: &'g Gates, device: &Device) -> Self {
        let place = |unit: &u32| if *unit == UNGATED { gates.count as i32 } else { *unit as i32 };
        let index = gates.params.iter().map(|(id, units)| {
            let data: Vec<i32> = units.iter().map(place).collect();
            let count = data.len();
            (*id, Tensor::from_data(TensorData::new(data, [count]), device))
        });
        Self { gates, index: index.collect() }
    }

    /// The logits with gates of these openings.
    fn logits(&self, module: &GraphModule, head: Head, inputs: DynTensor, open: &Tensor<1>) -> Tensor<2> {
        let padded = Tensor::cat(vec![open.clone(), Tensor::ones([1], &open.device())], 0);
        let gated = module.substituted(&mut |id, weight| {
            let (_, index) = self.index.iter().find(|(gated, _)| *gated == id)?;
            let factors = DynTensor::from(padded.clone().select(0, index.clone())).reshape(&weight.shape());
            Some(weight.times(factors))
        });
        head.logits_with(
            &gated,
            inputs,
            &mut |id, value| match self.gates.values.iter().find(|(gated, _)| *gated == id) {
                Some((_, gate)) => {
                    let ones = vec![1; value.shape().len()];
                    let factor = DynTensor::from(open.clone().narrow(0, *gate, 1)).reshape(&ones);
                    value.times(factor)
                }
                None => value,
            },
        )
    }
}

/// What closing each gate changes in the loss, to first order: the absolute derivative by its opening at 1, averaged over
/// batches of `batch` (Molchanov et al. 2019, arXiv:1906.10771). Batch normalisation uses its running statistics.
///
/// # Errors
/// As [`crate::gradients`].
pub fn gate_gradients(
    graph: &Graph,
    gates: &Gates,
    samples: &Samples,
    loss: Loss,
    batch: usize,
    device: &Device,
) -> Result<Vec<f32>, TrainError> {
    mean_of_slopes(graph, gates, (samples, loss, batch), device, f64::abs)
}

/// What closing each gate changes in the loss of a trained network, to second order: half of the mean square of the
/// derivative by its opening, over batches of `batch` samples, times `batch` (the empirical Fisher information stands for
/// the curvature; Theis et al. 2018, arXiv:1801.05787). Unlike [`gate_gradients`] these add up over gates that do not
/// depend on each other, so that closing one large part compares with closing many small ones.
///
/// # Errors
/// As [`crate::gradients`].
pub fn gate_curvatures(
    graph: &Graph,
    gates: &Gates,
    samples: &Samples,
    loss: Loss,
    batch: usize,
    device: &Device,
) -> Result<Vec<f32>, TrainError> {
    let half = 0.5 * batch as f64;
    mean_of_slopes(graph, gates, (samples, loss, batch), device, |slope| half * slope * slope)
}

/// A function of each gate's derivative, averaged over batches.
fn mean_of_slopes(
    graph: &Graph,
    gates: &Gates,
    (samples, loss, batch): (&Samples, Loss, usize),
    device: &Device,
    of: impl Fn(f64) -> f64,
) -> Result<Vec<f32>, TrainError> {
    let mut bench = Bench::new(graph, gates, samples, loss, batch, device)?;
    let mut sums = vec![0.0f64; gates.count];
    let batches = batch::split(samples.len(), batch);
    let count = batches.len();
    for range in batches {
        let places: Vec<usize> = range.collect();
        let (_, slopes) = bench.slopes(&places, vec![1.0; gates.count], &mut |_| ());
        sums.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += of(f64::from(slope)));
    }
    Ok(sums.iter().map(|sum| (sum / count as f64) as f32).collect())
}

/// A network with gates and samples to run it on.
struct Bench<'a> {
    module: GraphModule,
    gates: OpenGates<'a>,
    head: Head,
    samples: &'a Samples,
    loss: Loss,
    /// Without autodiff.
    device: Device,
}

impl<'a> Bench<'a> {
    fn new(
        graph: &Graph,
        gates: &'a Gates,
        samples: &'a Samples,
        loss: Loss,
        batch: usize,
        device: &Device,
    ) -> Result<Self, TrainError> {
        samples.check(graph, batch)?;
        let head = Head::of(graph)?;
        samples.check_for(loss, head.classes)?;
        let plain = device.clone().without_autodiff();
        let autodiff = plain.clone().autodiff();
        let module = GraphModule::new(graph, &autodiff)?.with_training(false);
        Ok(Self { module, gates: OpenGates::new(gates, &autodiff), head, samples, loss, device: plain })
    }

    /// The loss at these openings, and its derivative by each.
    fn slopes(&mut self, places: &[usize], open: Vec<f32>, change: &mut dyn FnMut(&mut [f32])) -> (f32, Vec<f32>) {
        let mut data: Vec<f32> = places.iter().flat_map(|place| self.samples.input(*place).iter().copied()).collect();
        data.chunks_exact_mut(self.samples.sample_len()).for_each(change);
        let inputs = batch::to_tensor(data, &self.samples.input_shape, &self.device).into_autodiff();
        let count = open.len();
        let plain = Tensor::<1>::from_data(TensorData::new(open, [count]), &self.device);
        let open = Tensor::from_inner(plain).require_grad();
        let logits = self.gates.logits(&self.module, self.head, inputs, &open);
        let goal = Goal::of(self.samples, places, self.head, (self.loss, 0.0), &logits.device());
        let loss = goal.loss(logits);
        let gradients = loss.backward();
        let slopes = open.grad(&gradients).map_or_else(|| vec![0.0; count], crate::tensor::into_vec);
        (loss.inner().into_scalar(), slopes)
    }
}

/// Learns how open gates should be so that their mean is `density` and the loss small; weights stay as they are, and
/// batch normalisation uses its running statistics, which makes every gate's scale count.
///
/// The penalty's weight is the one at which the density is on its way down to the one asked for, over the first two
/// thirds of all steps. Of the configuration are used: loss, epochs, batch, seed, and the learning rate, which
/// is that of the gates: 0.05 to 0.2 suits.
///
/// # Errors
/// As [`crate::gradients`]; [`TrainError::Diverged`] when the loss is no longer a number.
pub fn learn_gates<'a>(
    graph: &Graph,
    gates: &Gates,
    data: impl Into<TrainingData<'a>>,
    (penalty, density): (Penalty, f64),
    config: &TrainConfig,
    device: &Device,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Learned, TrainError> {
    config.check()?;
    let data = data.into();
    let mut bench = Bench::new(graph, gates, data.samples, config.loss, config.batch, device)?;
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let mut augmenting = ChaCha8Rng::seed_from_u64(config.seed ^ 1);
    let mut state = Steering::new(gates.count, penalty, density);
    let mut order: Vec<usize> = (0..data.samples.len()).collect();
    let steps = batch::split(order.len(), config.batch).len();
    for epoch in 0..config.epochs {
        order.shuffle(&mut rng);
        let mut sum = 0.0;
        for (step, range) in batch::split(order.len(), config.batch).enumerate() {
            let (open, slopes_of_open) = state.draw(&mut rng);
            let mut change = |sample: &mut [f32]| {
                if let Some(augment) = data.augment {
                    augment(sample, &mut augmenting);
                }
            };
            let (loss, slopes) = bench.slopes(&order[range], open, &mut change);
            if !loss.is_finite() {
                let learning_rate = config.learning_rate;
                return Err(TrainError::Diverged { epoch: epoch + 1, step: step + 1, loss, learning_rate });
            }
            sum += f64::from(loss);
            let done = (epoch * steps + step + 1) as f64 / (config.epochs * steps) as f64;
            state.step(&slopes, &slopes_of_open, config.learning_rate, done);
            progress(&Progress {
                epoch: epoch + 1,
                epochs: config.epochs,
                step: step + 1,
                steps,
                learning_rate: config.learning_rate,
                loss: sum / (step + 1) as f64,
                accuracy: state.density(),
                validation: None,
            });
        }
    }
    Ok(Learned { open: state.expected(), density: state.density() })
}

/// Temperature and stretch of the hard-concrete distribution, as its authors have them.
const BETA: f64 = 2.0 / 3.0;
const LOW: f64 = -0.1;
const HIGH: f64 = 1.1;

/// The gates' own parameters, their optimiser, and the density they are held to.
struct Steering {
    penalty: Penalty,
    target: f64,
    /// L0: the logarithm of the odds of being open; L1: the opening itself.
    values: Vec<f64>,
    /// Moving average of each slope.
    slopes: Vec<f64>,
    /// Moving average of the slopes' mean square: one for all gates, so that those that matter little move little.
    square: f64,
    steps: i32,
}

impl Steering {
    fn new(count: usize, penalty: Penalty, target: f64) -> Self {
        let start = if penalty == Penalty::L0 { 2.0 } else { 1.0 };
        Self { penalty, target, values: vec![start; count], slopes: vec![0.0; count], square: 0.0, steps: 0 }
    }

    /// Openings for one step, and their derivatives by the gates' parameters.
    fn draw(&self, rng: &mut ChaCha8Rng) -> (Vec<f32>, Vec<f64>) {
        let one = |value: &f64, rng: &mut ChaCha8Rng| match self.penalty {
            Penalty::L1 => (*value as f32, 1.0),
            Penalty::L0 => {
                let u: f64 = rng.random_range(1e-6..1.0 - 1e-6);
                let s = sigmoid((u.ln() - (1.0 - u).ln() + value) / BETA);
                let stretched = s * (HIGH - LOW) + LOW;
                let inside = (0.0..1.0).contains(&stretched);
                (stretched.clamp(0.0, 1.0) as f32, if inside { s * (1.0 - s) / BETA * (HIGH - LOW) } else { 0.0 })
            }
        };
        self.values.iter().map(|value| one(value, rng)).unzip()
    }

    /// Share of the gates that are open: the expected one for L0, the mean opening for L1.
    fn density(&self) -> f64 {
        self.density_less(0.0)
    }

    fn openness(&self, value: f64) -> f64 {
        match self.penalty {
            Penalty::L0 => sigmoid(value - BETA * (-LOW / HIGH).ln()),
            Penalty::L1 => value.clamp(0.0, 1.0),
        }
    }

    fn expected(&self) -> Vec<f32> {
        self.values.iter().map(|value| self.openness(*value) as f32).collect()
    }

    /// One step down the loss: `slopes` of the loss by the openings, those of the openings by the parameters. Then the
    /// penalty, whose weight is whatever brings the density to where it has to be by now: the same amount is taken off
    /// all parameters. For L1 that is the projection onto the L1 ball (Duchi et al. 2008).
    fn step(&mut self, slopes: &[f32], slopes_of_open: &[f64], learning_rate: f64, done: f64) {
        self.steps += 1;
        let own: Vec<f64> = slopes.iter().zip(slopes_of_open).map(|(a, b)| f64::from(*a) * b).collect();
        let square = own.iter().map(|slope| slope * slope).sum::<f64>() / own.len().max(1) as f64;
        self.square = 0.99 * self.square + 0.01 * square;
        let scale = (self.square / (1.0 - 0.99f64.powi(self.steps))).sqrt() + 1e-12;
        let correction = 1.0 - 0.9f64.powi(self.steps);
        for ((value, average), slope) in self.values.iter_mut().zip(&mut self.slopes).zip(own) {
            *average = 0.9 * *average + 0.1 * slope;
            *value -= learning_rate * (*average / correction / scale).clamp(-5.0, 5.0);
        }
        let goal = 1.0 + (self.target - 1.0) * (done * 1.5).min(1.0);
        let (mut low, mut high) = (-20.0, 20.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.density_less(middle) > goal { low = middle } else { high = middle }
        }
        let (least, most) = if self.penalty == Penalty::L0 { (-12.0, 12.0) } else { (0.0, 1.0) };
        self.values.iter_mut().for_each(|value| *value = (*value - high).clamp(least, most));
    }

    /// The density if all parameters were less by this.
    fn density_less(&self, by: f64) -> f64 {
        self.values.iter().map(|value| self.openness(value - by)).sum::<f64>() / self.values.len().max(1) as f64
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
