//! Builds graphs with random weights in a few words.

use niwaki_graph::{BatchNorm, Binary, Conv, Graph, LayerNorm, Linear, MatMul, Op, ParamId, Pool, Unary, ValueId};

/// Pseudo-random numbers that are the same everywhere (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from -1 to 1.
    pub(crate) fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn list(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.unit()).collect()
    }
}

/// A graph in the making.
pub(crate) struct Net {
    pub(crate) graph: Graph,
    random: Random,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self { graph: Graph::default(), random: Random::new(seed) }
    }

    /// Ends the graph at these outputs.
    pub(crate) fn finish(mut self, outputs: &[ValueId]) -> Graph {
        self.graph.outputs = outputs.to_vec();
        self.graph.validate().expect("the test's graph is valid");
        self.graph
    }

    pub(crate) fn input(&mut self, shape: &[usize]) -> ValueId {
        self.graph.add_input("x", shape.to_vec())
    }

    pub(crate) fn shape(&self, value: ValueId) -> Vec<usize> {
        self.graph.value(value).shape.clone()
    }

    pub(crate) fn push(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> ValueId {
        self.graph.push(name, op, inputs).expect("the test's operands fit")
    }

    /// A random parameter whose sums over `fan_in` elements stay near 1.
    pub(crate) fn param(&mut self, name: String, shape: &[usize], fan_in: usize) -> ParamId {
        let scale = 1.7 / (fan_in as f32).sqrt();
        let data = self.random.list(shape.iter().product()).into_iter().map(|x| x * scale).collect();
        self.graph.add_param(name, shape.to_vec(), data)
    }

    /// The attributes of a convolution that keeps odd kernels' sizes.
    pub(crate) fn conv_op(&mut self, name: &str, x: ValueId, out: usize, kernel: usize, groups: usize) -> Conv {
        let shape = self.shape(x);
        let spatial = shape.len() - 1;
        let mut weight = vec![out, shape[0] / groups];
        weight.extend(vec![kernel; spatial]);
        let fan_in = weight[1..].iter().product();
        Conv {
            weight: self.param(format!("{name}.weight"), &weight, fan_in),
            bias: Some(self.param(format!("{name}.bias"), &[out], 4)),
            stride: vec![1; spatial],
            padding: vec![[(kernel - 1) / 2, kernel / 2]; spatial],
            dilation: vec![1; spatial],
            groups,
        }
    }

    pub(crate) fn grouped(&mut self, name: &str, x: ValueId, out: usize, kernel: usize, groups: usize) -> ValueId {
        let conv = self.conv_op(name, x, out, kernel, groups);
        self.push(name, Op::Conv(conv), &[x])
    }

    pub(crate) fn conv(&mut self, name: &str, x: ValueId, out: usize, kernel: usize) -> ValueId {
        self.grouped(name, x, out, kernel, 1)
    }

    pub(crate) fn depthwise(&mut self, name: &str, x: ValueId, multiplier: usize) -> ValueId {
        let channels = self.shape(x)[0];
        self.grouped(name, x, channels * multiplier, 3, channels)
    }

    pub(crate) fn linear(&mut self, name: &str, x: ValueId, out: usize) -> ValueId {
        let inputs = *self.shape(x).last().expect("not a scalar");
        let weight = self.param(format!("{name}.weight"), &[inputs, out], inputs);
        let bias = Some(self.param(format!("{name}.bias"), &[out], 4));
        self.push(name, Op::Linear(Linear { weight, bias }), &[x])
    }

    pub(crate) fn batch_norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let channels = self.shape(x)[0];
        let [gamma, beta, mean] =
            ["gamma", "beta", "mean"].map(|part| self.param(format!("{name}.{part}"), &[channels], 2));
        let var = self.random.list(channels).into_iter().map(|x| 1.0 + 0.5 * x).collect();
        let var = self.graph.add_param(format!("{name}.var"), vec![channels], var);
        let norm = BatchNorm { gamma, beta, mean, var, epsilon: 1e-5, momentum: 0.1 };
        self.push(name, Op::BatchNorm(norm), &[x])
    }

    pub(crate) fn layer_norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let size = *self.shape(x).last().expect("not a scalar");
        let [gamma, beta] = ["gamma", "beta"].map(|part| self.param(format!("{name}.{part}"), &[size], 2));
        self.push(name, Op::LayerNorm(LayerNorm { gamma, beta: Some(beta), epsilon: 1e-5 }), &[x])
    }

    pub(crate) fn constant(&mut self, name: &str, shape: &[usize]) -> ValueId {
        let data = self.param(name.into(), shape, 4);
        self.push(name, Op::Constant(data), &[])
    }

    /// Self-attention over `[tokens, width]` as Burn's module does it; the inner width may be another.
    pub(crate) fn attention(&mut self, name: &str, x: ValueId, heads: usize, size: usize) -> ValueId {
        let [tokens, width] = self.shape(x)[..] else { panic!("a sequence") };
        let [query, key, value] = ["query", "key", "value"].map(|part| {
            let y = self.linear(&format!("{name}.{part}"), x, heads * size);
            let y = self.reshape(&format!("{name}.{part}.split"), y, &[tokens, heads, size]);
            self.transpose(&format!("{name}.{part}.heads"), y, &[1, 0, 2])
        });
        let product = MatMul { transposed: true, scale: 1.0 / (size as f32).sqrt() };
        let scores = self.push(&format!("{name}.scores"), Op::MatMul(product), &[query, key]);
        let weights = self.push(&format!("{name}.weights"), Op::Softmax { axis: 2 }, &[scores]);
        let product = MatMul { transposed: false, scale: 1.0 };
        let context = self.push(&format!("{name}.context"), Op::MatMul(product), &[weights, value]);
        let y = self.transpose(&format!("{name}.tokens"), context, &[1, 0, 2]);
        let y = self.reshape(&format!("{name}.merge"), y, &[tokens, heads * size]);
        self.linear(&format!("{name}.output"), y, width)
    }

    pub(crate) fn unary(&mut self, name: &str, unary: Unary, x: ValueId) -> ValueId {
        self.push(name, Op::Unary(unary), &[x])
    }

    pub(crate) fn binary(&mut self, name: &str, binary: Binary, a: ValueId, b: ValueId) -> ValueId {
        self.push(name, Op::Binary(binary), &[a, b])
    }

    pub(crate) fn concat(&mut self, name: &str, inputs: &[ValueId], axis: usize) -> ValueId {
        self.push(name, Op::Concat { axis }, inputs)
    }

    pub(crate) fn reshape(&mut self, name: &str, x: ValueId, shape: &[usize]) -> ValueId {
        self.push(name, Op::Reshape { shape: shape.to_vec() }, &[x])
    }

    pub(crate) fn flatten(&mut self, name: &str, x: ValueId) -> ValueId {
        let size = self.shape(x).iter().product();
        self.reshape(name, x, &[size])
    }

    pub(crate) fn transpose(&mut self, name: &str, x: ValueId, perm: &[usize]) -> ValueId {
        self.push(name, Op::Transpose { perm: perm.to_vec() }, &[x])
    }

    pub(crate) fn global_pool(&mut self, name: &str, x: ValueId, keep_dims: bool) -> ValueId {
        self.push(name, Op::GlobalAvgPool { keep_dims }, &[x])
    }

    /// A window of 2 in every spatial dimension, one element of padding before.
    pub(crate) fn pool_op(&self, x: ValueId, count_include_pad: bool) -> Pool {
        let spatial = self.shape(x).len() - 1;
        Pool { kernel: vec![2; spatial], stride: vec![2; spatial], padding: vec![[1, 0]; spatial], count_include_pad }
    }
}
