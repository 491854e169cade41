//! Lowering of element-wise arithmetic and activation functions.

use super::{Lowering, Problem, Result, Slot};
use burn_ir::{ActivationOperationIr, BinaryOpIr, FloatOperationIr, NumericOperationIr, ScalarIr, TensorIr};
use niwaki_graph::{Binary, Op, Unary};

impl Lowering<'_> {
    pub(super) fn lower_numeric(&mut self, op: &NumericOperationIr) -> Result<Slot> {
        use NumericOperationIr as Ir;
        match op {
            Ir::Add(d) => self.lower_add(d),
            Ir::Sub(d) => match (self.scalar(&d.lhs, &d.out), self.scalar(&d.rhs, &d.out)) {
                (Some(a), _) => self.affine(-1.0, a, &d.rhs, &d.out),
                (_, Some(b)) => self.affine(1.0, -b, &d.lhs, &d.out),
                _ => self.binary(Binary::Sub, d),
            },
            Ir::Mul(d) => match (self.scalar(&d.lhs, &d.out), self.scalar(&d.rhs, &d.out)) {
                (Some(a), _) => self.affine(a, 0.0, &d.rhs, &d.out),
                (_, Some(b)) => self.affine(b, 0.0, &d.lhs, &d.out),
                _ => self.binary(Binary::Mul, d),
            },
            Ir::Div(d) => match self.scalar(&d.rhs, &d.out) {
                Some(b) => self.affine(1.0 / b, 0.0, &d.lhs, &d.out),
                None => self.lower_masked_average(d).unwrap_or(Err(Problem::NoCounterpart)),
            },
            Ir::AddScalar(d) => self.affine(1.0, number(d.rhs), &d.lhs, &d.out),
            Ir::SubScalar(d) => self.affine(1.0, -number(d.rhs), &d.lhs, &d.out),
            Ir::MulScalar(d) => self.affine(number(d.rhs), 0.0, &d.lhs, &d.out),
            Ir::DivScalar(d) => self.affine(1.0 / number(d.rhs), 0.0, &d.lhs, &d.out),
            Ir::Neg(d) => self.affine(-1.0, 0.0, &d.input, &d.out),
            Ir::PowiScalar(d) => self.power(number(d.rhs), &d.lhs, &d.out),
            Ir::Clamp(d) => self.clamp(number(d.min), number(d.max), &d.tensor, &d.out),
            Ir::ClampMin(d) => self.clamp(number(d.rhs), f64::INFINITY, &d.lhs, &d.out),
            Ir::ClampMax(d) => self.clamp(f64::NEG_INFINITY, number(d.rhs), &d.lhs, &d.out),
            // Reductions are named here where they touch the batch, which no other wording would help with.
            Ir::MaxDim(d) | Ir::MinDim(d) | Ir::ArgMax(d) if d.axis == 0 => Err(Problem::MixesBatch),
            _ => Err(Problem::NoCounterpart),
        }
    }

    pub(super) fn lower_float(&mut self, op: &FloatOperationIr) -> Result<Slot> {
        match op {
            FloatOperationIr::Tanh(d) => self.unary(Unary::Tanh, &d.input, &d.out),
            FloatOperationIr::PowfScalar(d) => self.power(number(d.rhs), &d.lhs, &d.out),
            _ => Err(Problem::NoCounterpart),
        }
    }

    pub(super) fn lower_activation(&mut self, op: &ActivationOperationIr) -> Result<Slot> {
        use ActivationOperationIr as Ir;
        match op {
            Ir::Gelu(d) => self.unary(Unary::Gelu, &d.input, &d.out),
            Ir::Relu(d) => self.unary(Unary::Relu, &d.input, &d.out),
            Ir::Sigmoid(d) => self.unary(Unary::Sigmoid, &d.input, &d.out),
            Ir::LeakyRelu(d) => self.unary(Unary::LeakyRelu { slope: d.rhs.elem() }, &d.lhs, &d.out),
            Ir::HardSigmoid(d) => {
                let unary = Unary::HardSigmoid { alpha: d.alpha.elem(), beta: d.beta.elem() };
                self.unary(unary, &d.tensor, &d.out)
            }
            Ir::Softmax(d) => {
                let axis = d.axis.checked_sub(1).ok_or(Problem::MixesBatch)?;
                let x = self.value(&d.input)?;
                self.emit(Op::Softmax { axis }, &[x], &d.out)
            }
            _ => Err(Problem::NoCounterpart),
        }
    }

    fn lower_add(&mut self, d: &BinaryOpIr) -> Result<Slot> {
        if let Some(slot) = self.add_bias(&d.lhs, &d.rhs).or_else(|| self.add_bias(&d.rhs, &d.lhs)) {
            return Ok(slot);
        }
        match (self.scalar(&d.lhs, &d.out), self.scalar(&d.rhs, &d.out)) {
            (Some(a), _) => self.affine(1.0, a, &d.rhs, &d.out),
            (_, Some(b)) => self.affine(1.0, b, &d.lhs, &d.out),
            _ => self.binary(Binary::Add, d),
        }
    }

    /// The number that a constant operand amounts to. Parameters do not count, even of one element: as a number they
    /// could not be trained any more.
    fn scalar(&self, tensor: &TensorIr, out: &TensorIr) -> Option<f64> {
        let constant = self.constant(tensor).filter(|constant| constant.name.is_none())?;
        let larger = constant.shape.iter().product::<usize>() > out.shape.iter().product();
        constant.uniform().filter(|_| !larger).map(f64::from)
    }

    fn binary(&mut self, op: Binary, d: &BinaryOpIr) -> Result<Slot> {
        let (a, b) = (self.value_or_constant(&d.lhs)?, self.value_or_constant(&d.rhs)?);
        if [a, b].iter().filter(|id| self.graph.value(**id).shape[..] != d.out.shape[1..]).count() > 1 {
            return Err(Problem::Broadcast(d.lhs.shape.to_vec(), d.rhs.shape.to_vec()));
        }
        self.emit(Op::Binary(op), &[a, b], &d.out)
    }

    /// Squares and cubes are products.
    fn power(&mut self, exponent: f64, x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        let x = self.value(x)?;
        if exponent != 2.0 && exponent != 3.0 {
            return Err(Problem::NoCounterpart);
        }
        let mut product = x;
        if exponent == 3.0 {
            product = self.push(Op::Binary(Binary::Mul), &[x, x], out)?;
        }
        self.emit(Op::Binary(Binary::Mul), &[product, x], out)
    }

    fn affine(&mut self, scale: f64, offset: f64, x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        if x.shape != out.shape {
            return Err(Problem::Broadcast(x.shape.to_vec(), out.shape.to_vec()));
        }
        self.unary(Unary::Affine { scale: scale as f32, offset: offset as f32 }, x, out)
    }

    /// Open ends become the largest number: infinity cannot be written to a graph file.
    fn clamp(&mut self, min: f64, max: f64, x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        let finite = |bound: f64| (bound as f32).clamp(f32::MIN, f32::MAX);
        self.unary(Unary::Clamp { min: finite(min), max: finite(max) }, x, out)
    }

    fn unary(&mut self, op: Unary, x: &TensorIr, out: &TensorIr) -> Result<Slot> {
        let x = self.value(x)?;
        self.emit(Op::Unary(op), &[x], out)
    }
}

fn number(scalar: ScalarIr) -> f64 {
    scalar.elem()
}
