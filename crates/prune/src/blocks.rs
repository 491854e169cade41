//! Blocks of weights: which ones stay, as masks. Kernels skip the others.
//!
//! A block is some output channels times four products that follow each other in memory: four input channels at one tap
//! of a convolution, four inputs of a linear layer. What a kernel reads together leaves together.

use crate::{PruneError, allocate::check_share, report::reaches_output};
use niwaki_graph::{Graph, Node, Op, ParamId, ValueId};
use serde::{Deserialize, Serialize};

/// Products in a block, of every output channel: the kernels' width.
pub const BLOCK_TERMS: usize = 4;

/// Output channels times products of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockShape {
    /// One output channel: keeps most accuracy.
    #[serde(rename = "1x4")]
    OneByFour,
    /// Two output channels.
    #[default]
    #[serde(rename = "2x4")]
    TwoByFour,
    /// Four output channels: fastest.
    #[serde(rename = "4x4")]
    FourByFour,
}

impl BlockShape {
    /// Output channels in a block.
    pub const fn rows(self) -> usize {
        match self {
            Self::OneByFour => 1,
            Self::TwoByFour => 2,
            Self::FourByFour => 4,
        }
    }
}

/// Which blocks of one weight stay.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockMask {
    /// The node's name.
    pub layer: String,
    /// Its weight.
    pub param: ParamId,
    /// One entry per element of the weight, in its own C order.
    pub keep: Vec<bool>,
    /// Blocks that stay.
    pub kept: usize,
    /// Blocks in all.
    pub blocks: usize,
}

/// Masks that remove the share `ratio` of the blocks of every convolution and linear layer: those with the smallest sum
/// of squares, the part of the weights' energy that one-shot pruning loses.
///
/// Left whole: convolutions in groups (a depthwise filter has no input channels to skip), layers that compute the
/// network's outputs, weights that several nodes share, and layers with less than two blocks.
pub fn block_masks(graph: &Graph, shape: BlockShape, ratio: f64) -> Result<Vec<BlockMask>, PruneError> {
    check_share("the share of blocks to remove", ratio)?;
    let mut masks = Vec::new();
    for node in &graph.nodes {
        let Some(places) = places(graph, node) else { continue };
        let param = node.op.params()[0];
        let weight = &graph.param(param).data;
        let blocks: Vec<Vec<usize>> = blocks(&places, shape.rows());
        if blocks.len() < 2 {
            continue;
        }
        let energy = |block: &Vec<usize>| block.iter().map(|place| f64::from(weight[*place]).powi(2)).sum::<f64>();
        let mut order: Vec<usize> = (0..blocks.len()).collect();
        let scores: Vec<f64> = blocks.iter().map(energy).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
        let removed = ((blocks.len() as f64 * ratio).round() as usize).min(blocks.len() - 1);
        let mut keep = vec![true; weight.len()];
        for place in order[..removed].iter().flat_map(|block| &blocks[*block]) {
            keep[*place] = false;
        }
        let kept = blocks.len() - removed;
        masks.push(BlockMask { layer: node.name.clone(), param, keep, kept, blocks: blocks.len() });
    }
    Ok(masks)
}

/// Zeroes what the masks drop.
pub fn apply_block_masks(graph: &mut Graph, masks: &[BlockMask]) {
    for mask in masks {
        let weights = graph.params[mask.param.0].data.iter_mut();
        weights.zip(&mask.keep).filter(|(_, keep)| !**keep).for_each(|(weight, _)| *weight = 0.0);
    }
}

/// The elements of every block, as places in the weight.
pub(crate) fn blocks(rows: &[Vec<usize>], height: usize) -> Vec<Vec<usize>> {
    let mut blocks = Vec::new();
    for group in rows.chunks(height) {
        let terms = group.first().map_or(0, Vec::len);
        for start in (0..terms).step_by(BLOCK_TERMS) {
            let end = (start + BLOCK_TERMS).min(terms);
            blocks.push(group.iter().flat_map(|row| row[start..end].iter().copied()).collect());
        }
    }
    blocks
}

/// A layer that computes this many outputs of the network, as that of an autoencoder, can spare weights as others can; of
/// a classifier's last layer all are needed.
const MANY: usize = 64;

/// For every output channel, the places of its weights in the order of the products in memory; `None` where blocks do
/// not apply.
pub(crate) fn places(graph: &Graph, node: &Node) -> Option<Vec<Vec<usize>>> {
    let weight = *node.op.params().first()?;
    let shared = graph.nodes.iter().filter(|other| other.op.params().contains(&weight)).count() > 1;
    let shape = &graph.param(weight).shape;
    let outputs = if matches!(node.op, Op::Linear(_)) { shape.get(1) } else { shape.first() };
    if shared || (outputs.is_none_or(|outputs| *outputs < MANY) && reaches_output(graph, node.output)) {
        return None;
    }
    match &node.op {
        Op::Conv(conv) if conv.groups == 1 => {
            let (inputs, taps) = (shape[1], shape[2..].iter().product::<usize>());
            let row = |out: usize| {
                let order = (0..taps).flat_map(|tap| (0..inputs).map(move |input| (tap, input)));
                order.map(|(tap, input)| (out * inputs + input) * taps + tap).collect()
            };
            Some((0..shape[0]).map(row).collect())
        }
        Op::Linear(_) => {
            let (inputs, outputs) = (shape[0], shape[1]);
            let order = input_order(graph, node.inputs[0]).filter(|order| order.len() == inputs);
            let order = order.unwrap_or_else(|| (0..inputs).collect());
            Some((0..outputs).map(|out| order.iter().map(|input| input * outputs + out).collect()).collect())
        }
        _ => None,
    }
}

/// The order in memory of a vector that was flattened from channels, rows and columns: pixel by pixel.
fn input_order(graph: &Graph, value: ValueId) -> Option<Vec<usize>> {
    let node = &graph.nodes[graph.producer(value)?];
    match &node.op {
        Op::Unary(_) => input_order(graph, node.inputs[0]),
        Op::Reshape { .. } => {
            let from = &graph.value(node.inputs[0]).shape;
            let (channels, pixels) = (*from.first()?, from[1..].iter().product::<usize>());
            Some((0..pixels).flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel)).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use niwaki_graph::{Conv, Linear};

    /// A convolution to six channels over four and two taps, flattened into a layer of eight, then two outputs.
    fn graph() -> Graph {
        let mut graph = Graph::default();
        let x = graph.add_input("x", vec![4, 3]);
        let weight = graph.add_param("conv.weight", vec![6, 4, 2], (0..48).map(|k| (k as f32 * 0.37).sin()).collect());
        let conv = Conv { weight, bias: None, stride: vec![1], padding: vec![[0, 0]], dilation: vec![1], groups: 1 };
        let y = graph.push("conv", Op::Conv(conv), &[x]).unwrap();
        let y = graph.push("flatten", Op::Reshape { shape: vec![12] }, &[y]).unwrap();
        let mut linear = |name: &str, shape: [usize; 2], from: ValueId| {
            let data = (0..shape[0] * shape[1]).map(|k| (k as f32 * 0.73).cos()).collect();
            let weight = graph.add_param(format!("{name}.weight"), shape.to_vec(), data);
            graph.push(name, Op::Linear(Linear { weight, bias: None }), &[from]).unwrap()
        };
        let y = linear("hidden", [12, 8], y);
        let y = linear("head", [8, 2], y);
        graph.outputs.push(y);
        graph
    }

    #[test]
    fn blocks_are_channels_of_one_tap_and_the_head_stays() {
        let graph = graph();
        let masks = block_masks(&graph, BlockShape::TwoByFour, 0.5).unwrap();
        assert_eq!(masks.iter().map(|mask| mask.layer.as_str()).collect::<Vec<_>>(), ["conv", "hidden"]);
        assert_eq!((masks[0].blocks, masks[0].kept), (6, 3));
        // Rows 2r and 2r + 1, all four channels of a tap: all kept or all dropped.
        for pair in 0..3 {
            for tap in 0..2 {
                let places =
                    [0, 1].into_iter().flat_map(|row| (0..4).map(move |i| ((2 * pair + row) * 4 + i) * 2 + tap));
                let kept: Vec<bool> = places.map(|place| masks[0].keep[place]).collect();
                assert!(kept.iter().all(|keep| *keep == kept[0]), "pair {pair}, tap {tap}: {kept:?}");
            }
        }
    }

    #[test]
    fn linear_blocks_follow_memory_after_a_flatten() {
        let masks = block_masks(&graph(), BlockShape::OneByFour, 0.5).unwrap();
        // 12 inputs of 6 channels at 2 places: memory order is 0 2 4 6 8 10 1 3 5 7 9 11.
        let order = [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11];
        let (mask, outputs) = (&masks[1], 8);
        assert_eq!((mask.blocks, mask.kept), (24, 12));
        for out in 0..outputs {
            for block in order.chunks(4) {
                let kept: Vec<bool> = block.iter().map(|input| mask.keep[input * outputs + out]).collect();
                assert!(kept.iter().all(|keep| *keep == kept[0]), "output {out}, inputs {block:?}");
            }
        }
    }

    #[test]
    fn the_weakest_leave_and_the_ratio_is_reached() {
        let mut graph = graph();
        for (shape, ratio) in
            [(BlockShape::OneByFour, 0.25), (BlockShape::FourByFour, 0.75), (BlockShape::TwoByFour, 0.0)]
        {
            let masks = block_masks(&graph, shape, ratio).unwrap();
            for mask in &masks {
                let wanted = (mask.blocks as f64 * (1.0 - ratio)).round();
                assert!((mask.kept as f64 - wanted).abs() <= 1.0, "{mask:?}");
            }
        }
        let masks = block_masks(&graph, BlockShape::TwoByFour, 0.5).unwrap();
        let energy = |keep: bool, mask: &BlockMask| -> f32 {
            let data = &graph.param(mask.param).data;
            data.iter().zip(&mask.keep).filter(|(_, kept)| **kept == keep).map(|(w, _)| w * w).sum()
        };
        assert!(masks.iter().all(|mask| energy(true, mask) > energy(false, mask)));
        apply_block_masks(&mut graph, &masks);
        // Pruned weights are the weakest: the same blocks leave again.
        assert_eq!(block_masks(&graph, BlockShape::TwoByFour, 0.5).unwrap(), masks);
        assert!(block_masks(&graph, BlockShape::TwoByFour, 1.0).is_err());
    }
}
