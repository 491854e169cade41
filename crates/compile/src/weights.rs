//! Weights that come from outside: published ones, whose names are another framework's.

use niwaki_graph::{Graph, Op, ParamId};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// Fills convolutions and linear layers, in the graph's order, with the tensors of a safetensors file, in the order of
/// their names: for each layer `PREFIX.weight` and, where it has one, `PREFIX.bias`.
///
/// Convolutions are `[out, in / groups, height, width]`, linear layers `[out, in]`, elements `f32`.
///
/// # Errors
/// A sentence that names the layer that does not fit, or the file that cannot be read.
pub fn weights_in_order(graph: &mut Graph, path: &Path) -> Result<(), String> {
    let wrong = |reason: String| format!("{}: {reason}", path.display());
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
    let mut prefixes: Vec<&str> = file.names().iter().filter_map(|name| name.strip_suffix(".weight")).collect();
    prefixes.sort_unstable();
    let layers: Vec<(String, ParamId, Option<ParamId>, bool)> = graph
        .nodes
        .iter()
        .filter_map(|node| match &node.op {
            Op::Conv(conv) => Some((node.name.clone(), conv.weight, conv.bias, false)),
            Op::Linear(linear) => Some((node.name.clone(), linear.weight, linear.bias, true)),
            _ => None,
        })
        .collect();
    if prefixes.len() != layers.len() {
        return Err(wrong(format!("it has weights of {} layers, the model has {}", prefixes.len(), layers.len())));
    }
    for ((layer, weight, bias, transposed), prefix) in layers.into_iter().zip(prefixes) {
        let parts = [(Some(weight), "weight"), (bias, "bias")];
        for (id, part) in parts.into_iter().filter_map(|(id, part)| Some((id?, part))) {
            let name = format!("{prefix}.{part}");
            let tensor = file.tensor(&name).map_err(|error| wrong(error.to_string()))?;
            let param = &mut graph.params[id.0];
            let expected: Vec<usize> = match transposed {
                true => param.shape.iter().rev().copied().collect(),
                false => param.shape.clone(),
            };
            if tensor.shape() != expected || tensor.dtype() != Dtype::F32 {
                let (found, kind) = (tensor.shape(), tensor.dtype());
                return Err(wrong(format!("`{name}` is {kind:?} {found:?}, layer `{layer}` takes F32 {expected:?}")));
            }
            let data = tensor.data().as_chunks::<4>().0;
            let element = |place: usize| f32::from_le_bytes(data[place]);
            param.data = match (transposed, expected.as_slice()) {
                (true, &[rows, columns]) => {
                    (0..rows * columns).map(|place| element(place % rows * columns + place / rows)).collect()
                }
                _ => (0..data.len()).map(element).collect(),
            };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use niwaki_graph::Linear;
    use safetensors::tensor::TensorView;

    fn file(shape: Vec<usize>) -> tempfile::NamedTempFile {
        let bytes: Vec<u8> = (0..6).flat_map(|x| (x as f32).to_le_bytes()).collect();
        let tensor = TensorView::new(Dtype::F32, shape, &bytes).expect("six elements");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(&file, safetensors::serialize([("0_fc.weight", tensor)], None).expect("one tensor"))
            .expect("written");
        file
    }

    fn linear(inputs: usize, outputs: usize) -> Graph {
        let mut graph = Graph::default();
        let x = graph.add_input("x", vec![inputs]);
        let weight = graph.add_param("fc.weight", vec![inputs, outputs], vec![0.0; inputs * outputs]);
        let y = graph.push("fc", Op::Linear(Linear { weight, bias: None }), &[x]).expect("shapes fit");
        graph.outputs = vec![y];
        graph
    }

    #[test]
    fn linear_layers_are_transposed() {
        let mut graph = linear(3, 2);
        weights_in_order(&mut graph, file(vec![2, 3]).path()).expect("fits");
        assert_eq!(graph.params[0].data, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = weights_in_order(&mut linear(2, 3), file(vec![2, 3]).path()).expect_err("transposed");
        assert!(error.ends_with("`0_fc.weight` is F32 [2, 3], layer `fc` takes F32 [3, 2]"), "{error}");
        let error = weights_in_order(&mut Graph::default(), file(vec![2, 3]).path()).expect_err("no layer");
        assert!(error.ends_with("it has weights of 1 layers, the model has 0"), "{error}");
    }
}
