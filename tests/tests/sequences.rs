//! What sequences of tokens are made of, captured and run back on Burn: attention, encoders, layer normalisation, GELU,
//! embeddings, positional additions, gates that are stretched.

use burn::module::{Module, Param};
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use burn::nn::{
    Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig, PositionalEncoding,
    PositionalEncodingConfig,
};
use burn::tensor::activation::{gelu, gelu_approximate, sigmoid};
use burn::tensor::{Device, Distribution, Int, Tensor};
use niwaki_capture::{Ids, capture};
use niwaki_graph::{Graph, Op};
use niwaki_train::{DynTensor, GraphModule};

/// Captures at batch 1, runs module and graph at batch 3.
fn parity<M: Module, const D: usize, const E: usize>(
    model: &M,
    mut shape: [usize; D],
    forward: impl Fn(&M, Tensor<D>) -> Tensor<E>,
) -> Graph
where
    DynTensor: From<Tensor<D>> + From<Tensor<E>>,
{
    let device = Device::flex();
    let graph = capture(model, shape, &forward).unwrap_or_else(|error| panic!("{error}"));
    shape[0] = 3;
    let x = Tensor::<D>::random(shape, Distribution::Normal(0.0, 2.0), &device);
    let native = DynTensor::from(forward(model, x.clone()));
    let module = GraphModule::new(&graph, &device).expect("a valid graph");
    let captured = module.forward(vec![x.into()]).expect("runs").remove(0);
    assert_eq!(captured.shape(), native.shape(), "{graph}");
    for (a, b) in captured.into_vec().iter().zip(native.into_vec()) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}:\n{graph}");
    }
    graph
}

fn kinds(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.op.kind()).collect()
}

/// Burn's normalisations begin with factors of one and addends of zero, which would hide a mistake.
fn scattered(mut norm: LayerNorm) -> LayerNorm {
    let random = |x: Tensor<1>| x.random_like(Distribution::Normal(0.5, 1.0));
    norm.gamma = norm.gamma.map(random);
    norm.beta = norm.beta.map(|beta| beta.map(random));
    norm
}

#[test]
fn multi_head_attention() {
    let device = Device::flex();
    let model: MultiHeadAttention = MultiHeadAttentionConfig::new(12, 3).init(&device);
    let graph = parity(&model, [1, 5, 12], |m, x| m.forward(MhaInput::self_attn(x)).context);
    let expected = ["linear", "linear", "linear", "matmul", "softmax", "matmul", "linear"];
    let moving = |kind: &&str| !["reshape", "transpose"].contains(kind);
    assert_eq!(kinds(&graph).into_iter().filter(moving).collect::<Vec<_>>(), expected, "{graph}");
    // Scores are scaled in the product, and keys are read as they are.
    let products = graph.nodes.iter().filter_map(|node| match node.op {
        Op::MatMul(product) => Some((product.transposed, product.scale)),
        _ => None,
    });
    assert_eq!(products.collect::<Vec<_>>(), [(true, 0.5), (false, 1.0)]);
    // The weights as well.
    parity(&model, [1, 5, 12], |m, x| m.forward(MhaInput::self_attn(x)).weights);
}

#[test]
fn cross_attention_of_two_inputs() {
    let device = Device::flex();
    let model: MultiHeadAttention = MultiHeadAttentionConfig::new(8, 2).init(&device);
    let forward =
        |m: &MultiHeadAttention, (x, y): (Tensor<3>, Tensor<3>)| m.forward(MhaInput::new(x, y.clone(), y)).context;
    let graph = capture(&model, ([1, 3, 8], [1, 6, 8]), forward).unwrap_or_else(|error| panic!("{error}"));
    let [x, y] = [3, 6].map(|tokens| Tensor::<3>::random([2, tokens, 8], Distribution::Normal(0.0, 1.0), &device));
    let native = forward(&model, (x.clone(), y.clone())).into_data().iter::<f32>().collect::<Vec<_>>();
    let module = GraphModule::new(&graph, &device).expect("a valid graph");
    let captured = module.forward(vec![x.into(), y.into()]).expect("runs").remove(0).into_vec();
    for (a, b) in captured.iter().zip(native) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}:\n{graph}");
    }
}

#[test]
fn encoders_that_normalise_first_and_last() {
    let device = Device::flex();
    for first in [true, false] {
        let config = TransformerEncoderConfig::new(8, 20, 2, 2).with_norm_first(first);
        let mut model: TransformerEncoder = config.init(&device);
        for layer in &mut model.layers {
            layer.norm_1 = scattered(layer.norm_1.clone());
            layer.norm_2 = scattered(layer.norm_2.clone());
        }
        let graph = parity(&model, [1, 6, 8], |m, x| m.forward(TransformerEncoderInput::new(x)));
        let count = |kind: &str| kinds(&graph).into_iter().filter(|other| *other == kind).count();
        let counts = ["linear", "matmul", "softmax", "layer_norm", "gelu", "add"].map(count);
        assert_eq!(counts, [12, 4, 2, 4, 2, 4], "{graph}");
    }
}

#[test]
fn layer_norms() {
    let device = Device::flex();
    let norm = scattered(LayerNormConfig::new(6).init(&device));
    parity(&norm, [1, 6], |m, x: Tensor<2>| m.forward(x));
    parity(&norm, [1, 4, 6], |m, x: Tensor<3>| m.forward(x));
    parity(&norm, [1, 2, 3, 6], |m, x: Tensor<4>| m.forward(x));
    let norm = scattered(LayerNormConfig::new(6).with_bias(false).with_epsilon(0.1).init(&device));
    let graph = parity(&norm, [1, 4, 6], |m, x: Tensor<3>| m.forward(x));
    assert_eq!(kinds(&graph), ["layer_norm"]);
}

#[test]
fn gelus() {
    let linear: Linear = LinearConfig::new(6, 6).init(&Device::flex());
    let exact = parity(&linear, [1, 6], |m, x: Tensor<2>| gelu(m.forward(x) * 3.0));
    assert_eq!(kinds(&exact), ["linear", "affine", "gelu"]);
    let tanh = parity(&linear, [1, 6], |m, x: Tensor<2>| gelu_approximate(m.forward(x)));
    assert_eq!(kinds(&tanh), ["linear", "gelu_tanh"]);
    let spelled = parity(&linear, [1, 6], |m, x: Tensor<2>| {
        let x = m.forward(x);
        let inner = (x.clone() + x.clone() * x.clone() * x.clone() * 0.044715) * 0.797_884_6;
        x * 0.5 * (inner.tanh() + 1.0)
    });
    assert_eq!(kinds(&spelled), ["linear", "gelu_tanh"]);
    // Another constant is another function.
    let other = parity(&linear, [1, 6], |m, x: Tensor<2>| {
        let x = m.forward(x);
        let inner = (x.clone() + x.clone().powf_scalar(3.0) * 0.05) * 0.797_884_6;
        x * (inner.tanh() + 1.0) * 0.5
    });
    assert!(!kinds(&other).contains(&"gelu_tanh"));
}

/// Words with positions, a class token, and a head on the mean.
#[derive(Module, Debug)]
struct Words {
    table: Embedding,
    position: Param<Tensor<3>>,
    class: Param<Tensor<3>>,
    head: Linear,
}

impl Words {
    fn new(device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std: 1.0 };
        Self {
            table: EmbeddingConfig::new(11, 8).init(device),
            position: normal.init([1, 5, 8], device),
            class: normal.init([1, 1, 8], device),
            head: LinearConfig::new(8, 3).init(device),
        }
    }

    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let [batch, _] = ids.dims();
        let x = self.table.forward(ids);
        let class = self.class.val().expand([batch as i64, -1, -1]);
        let x = Tensor::cat(vec![class, x], 1) + self.position.val();
        self.head.forward(x.mean_dim(1).squeeze_dim::<2>(1))
    }
}

#[test]
fn embeddings_of_indices() {
    let device = Device::flex();
    let model = Words::new(&device);
    let ids = [3.0, 0.0, 10.0, 7.0, 1.0, 1.0, 9.0, 2.0];
    let int = Tensor::<2>::from_data(burn::tensor::TensorData::new(ids.to_vec(), [2, 4]), &device).int();
    let native: Vec<f32> = model.forward(int).into_data().iter().collect();
    let whole = capture(&model, Ids([1, 4]), Words::forward).unwrap_or_else(|error| panic!("{error}"));
    let converted = capture(&model, [1, 4], |m, x: Tensor<2>| m.forward(x.int())).unwrap_or_else(|e| panic!("{e}"));
    for graph in [whole, converted] {
        assert_eq!(
            kinds(&graph),
            ["embedding", "constant", "concat", "constant", "add", "transpose", "global_avg_pool", "linear"]
        );
        let module = GraphModule::new(&graph, &device).expect("a valid graph");
        let input = DynTensor::from_vec(ids.to_vec(), &[2, 4], &device);
        let captured = module.forward(vec![input]).expect("runs").remove(0).into_vec();
        for (a, b) in captured.iter().zip(&native) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}:\n{graph}");
        }
        // Constants keep their names: they are trained and stored as the module's own.
        assert!(["position", "class", "table.weight"].iter().all(|name| graph.params.iter().any(|p| p.name == *name)));
    }
}

#[test]
fn sinusoids_are_a_constant() {
    let model: PositionalEncoding = PositionalEncodingConfig::new(8).with_max_sequence_size(20).init(&Device::flex());
    let graph = parity(&model, [1, 6, 8], |m, x: Tensor<3>| m.forward(x));
    assert_eq!(kinds(&graph), ["constant", "add"]);
    assert_eq!(graph.params[0].shape, [6, 8]);
}

#[test]
fn stretched_operands_and_means() {
    let linear: Linear = LinearConfig::new(6, 6).init(&Device::flex());
    parity(&linear, [1, 3, 4, 6], |m, x: Tensor<4>| {
        let x = m.forward(x);
        x.clone() * sigmoid(x.mean_dims(&[2, 3]))
    });
    parity(&linear, [1, 4, 6], |m, x: Tensor<3>| {
        let x = m.forward(x);
        x.clone().mean_dim(1) - x
    });
    parity(&linear, [1, 4, 6], |m, x: Tensor<3>| m.forward(x).mean_dim(1).squeeze_dim::<2>(1));
    parity(&linear, [1, 4, 6], |m, x: Tensor<3>| m.forward(x).sum_dim(2));
    parity(&linear, [1, 6], |m, x: Tensor<2>| m.forward(x).mean_dim(1));
    parity(&linear, [1, 3, 4, 6], |m, x: Tensor<4>| m.forward(x).mean_dim(1));
    parity(&linear, [1, 4, 6], |m, x: Tensor<3>| m.forward(x) * m.bias.as_ref().unwrap().val().reshape([1, 1, 6]));
}

/// `attention` on heads that are apart already is recorded whole.
#[test]
fn burns_attention_function() {
    let linear: Linear = LinearConfig::new(6, 6).init(&Device::flex());
    let graph = parity(&linear, [1, 2, 5, 6], |m, x: Tensor<4>| {
        let (q, k, v) = (m.forward(x.clone()), x.clone(), x * 0.5);
        burn::tensor::module::attention(q, k, v, None, None, Default::default())
    });
    assert!(kinds(&graph).ends_with(&["matmul", "softmax", "matmul"]), "{graph}");
}

#[test]
fn a_mask_is_refused_with_what_to_do() {
    let device = Device::flex();
    let model: MultiHeadAttention = MultiHeadAttentionConfig::new(8, 2).init(&device);
    let error = capture(&model, [1, 4, 8], |m, x: Tensor<3>| {
        let mask = burn::nn::attention::generate_autoregressive_mask(x.dims()[0], 4, &x.device());
        m.forward(MhaInput::self_attn(x).mask_attn(mask)).context
    });
    let error = error.expect_err("masks are not supported").to_string();
    assert!(error.contains("MaskFill") && error.contains("without a mask"), "{error}");
    let model: MultiHeadAttention = MultiHeadAttentionConfig::new(8, 2).with_quiet_softmax(true).init(&device);
    let error = capture(&model, [1, 4, 8], |m, x: Tensor<3>| m.forward(MhaInput::self_attn(x)).context);
    let error = error.expect_err("quiet softmax is not supported").to_string();
    assert!(error.contains("Exp") && error.contains("`softmax`"), "{error}");
}
