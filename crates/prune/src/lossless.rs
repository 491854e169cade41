//! Removing what does nothing: channels that are zero or constant, or that nothing reads. The outputs stay what they are.

use crate::{Decision, Removal};
use crate::{Group, PruneError, Role, Slice, Unit, constants::Constants, groups, shrink};
use niwaki_graph::{Graph, Op, ParamId};

/// What [`lossless`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dead {
    /// Units that were zero for every input, or whose readers' weights are all zero.
    pub silent: usize,
    /// Units that were another constant, which is now part of their readers' biases.
    pub constant: usize,
}

/// The graph without its dead channels, and how many there were.
///
/// A unit is dead where every layer that reads one of its channels either multiplies it with zeros, or finds a constant
/// there. Zero just leaves. Another constant is moved into the reader's bias, which a convolution with padding cannot
/// take (its border holds zeros, not the constant): such a unit stays. So does the last unit of a group.
///
/// Removing zeros changes no sum; moving constants changes the order of one sum, so float outputs agree to rounding.
///
/// Weights below 2^-30 of the largest of their tensor count as zeros, and become zeros: no sum in f32 feels them, and
/// training with weight decay leaves such numbers in dead channels.
pub fn lossless(graph: &Graph) -> Result<(Graph, Dead), PruneError> {
    let (live, _, dead) = rounds(graph, graph.clone())?;
    Ok((live, dead))
}

/// The graph without its dead channels, and the graph as it is but with zeros in everything that only dead channels use.
///
/// Both compute the same from the same numbers, which is what makes int8 of both equal bit for bit: constants are in
/// their readers' biases, and ranges that calibration finds in the smaller one hold in the other.
pub fn silence_dead(graph: &Graph) -> Result<(Graph, Graph), PruneError> {
    let mut numbers = graph.clone();
    for param in &mut numbers.params {
        // Each element says where it is, in its bits: cutting moves elements and computes nothing.
        param.data = (0..param.data.len()).map(place_to_number).collect();
    }
    let (live, numbers, _) = rounds(graph, numbers)?;
    let mut full = graph.clone();
    for (index, (param, numbers)) in live.params.iter().zip(&numbers.params).enumerate() {
        if index == full.params.len() {
            // A bias that a constant went into: of all outputs that the layer had.
            let node = live.nodes.iter().position(|node| node.op.params().contains(&ParamId(index)));
            let node = node.expect("a bias was added to a node");
            let outputs = match &graph.nodes[node].op {
                Op::Conv(conv) => graph.param(conv.weight).shape[0],
                Op::Linear(linear) => graph.param(linear.weight).shape[1],
                _ => unreachable!("only these get a bias"),
            };
            full.add_param(param.name.clone(), vec![outputs], vec![0.0; outputs]);
            full.nodes[node].op = live.nodes[node].op.clone();
        }
        let all = &mut full.params[index].data;
        all.fill(0.0);
        param.data.iter().zip(&numbers.data).for_each(|(x, number)| all[number_to_place(*number)] = *x);
    }
    // A convolution of one channel each still has as many groups as it had.
    for (node, whole) in full.nodes.iter_mut().zip(&graph.nodes) {
        if let (Op::Conv(conv), Op::Conv(whole)) = (&mut node.op, &whole.op) {
            conv.groups = whole.groups;
        }
    }
    full.validate()?;
    Ok((live, full))
}

fn place_to_number(place: usize) -> f32 {
    f32::from_bits(place as u32)
}

fn number_to_place(number: f32) -> usize {
    number.to_bits() as usize
}

/// Removes round by round; `beside`, a graph of the same shapes, loses the same.
fn rounds(graph: &Graph, mut beside: Graph) -> Result<(Graph, Graph, Dead), PruneError> {
    let (mut live, mut dead) = (graph.clone(), Dead::default());
    flush(&mut live);
    loop {
        let round = Round::of(&live)?;
        if round.decision.is_empty() {
            return Ok((live, beside, dead));
        }
        dead.silent += round.dead.silent;
        dead.constant += round.dead.constant;
        for (node, out, addend) in round.addends {
            if add_to_bias(&mut live, node, out, addend) {
                follow_bias(&mut beside, graph, &live, node);
            }
        }
        // What read only dead channels may be dead in the next round.
        live = shrink(&live, &round.decision)?;
        beside = shrink(&beside, &round.decision)?;
    }
}

/// Gives a node the bias that it got in another graph; its elements are the places of the outputs that are left.
fn follow_bias(beside: &mut Graph, whole: &Graph, live: &Graph, node: usize) {
    let (Op::Conv(niwaki_graph::Conv { weight, bias: Some(bias), .. })
    | Op::Linear(niwaki_graph::Linear { weight, bias: Some(bias) })) = &live.nodes[node].op
    else {
        unreachable!("only these get a bias");
    };
    let (shape, param) = (&whole.param(*weight).shape, beside.param(*weight));
    let places: Vec<f32> = match &live.nodes[node].op {
        Op::Conv(_) => {
            let (row, before) = (param.data.len() / param.shape[0], shape[1..].iter().product::<usize>());
            param.data.chunks(row).map(|row| place_to_number(number_to_place(row[0]) / before)).collect()
        }
        _ => param.data[..param.shape[1]].iter().map(|x| place_to_number(number_to_place(*x) % shape[1])).collect(),
    };
    let name = live.param(*bias).name.clone();
    let id = beside.add_param(name, vec![places.len()], places);
    match &mut beside.nodes[node].op {
        Op::Conv(conv) => conv.bias = Some(id),
        Op::Linear(linear) => linear.bias = Some(id),
        _ => unreachable!("only these get a bias"),
    }
}

/// Weights of convolutions and linear layers that are too small to be felt become zeros.
fn flush(graph: &mut Graph) {
    let weight = |op: &Op| match op {
        Op::Conv(conv) => Some(conv.weight),
        Op::Linear(linear) => Some(linear.weight),
        _ => None,
    };
    for id in graph.nodes.iter().filter_map(|node| weight(&node.op)).collect::<Vec<_>>() {
        let data = &mut graph.params[id.0].data;
        let largest = data.iter().fold(0.0f32, |most, w| most.max(w.abs()));
        let felt = largest / (1u32 << 30) as f32;
        data.iter_mut().filter(|w| w.abs() < felt).for_each(|w| *w = 0.0);
    }
}

/// What can be removed at once.
struct Round {
    decision: Decision,
    dead: Dead,
    /// Node, output channel, and what to add to its bias.
    addends: Vec<(usize, usize, f64)>,
}

impl Round {
    fn of(graph: &Graph) -> Result<Self, PruneError> {
        let constants = Constants::new(graph);
        let mut round = Self { decision: Decision::default(), dead: Dead::default(), addends: Vec::new() };
        for group in groups(graph)?.prunable {
            let removal = round.group(graph, &constants, &group);
            round.decision.groups.push(removal);
        }
        Ok(round)
    }

    fn group(&mut self, graph: &Graph, constants: &Constants, group: &Group) -> Removal {
        let mut remove = Vec::new();
        for (index, unit) in group.units.iter().enumerate() {
            // One unit has to stay, even if all are dead.
            if remove.len() + 1 == group.units.len() {
                break;
            }
            if let Some(addends) = addends(graph, constants, unit) {
                let kind = if addends.is_empty() { &mut self.dead.silent } else { &mut self.dead.constant };
                *kind += 1;
                self.addends.extend(addends);
                remove.push(index);
            }
        }
        Removal { group: group.name.clone(), units: group.units.len(), remove }
    }
}

/// What a unit's readers get added to their biases when it leaves; `None` where it is not dead.
fn addends(graph: &Graph, constants: &Constants, unit: &Unit) -> Option<Vec<(usize, usize, f64)>> {
    let mut all = Vec::new();
    let mut readers = unit.slices.iter().filter(|slice| slice.role == Role::Consumer).peekable();
    readers.peek()?;
    for slice in readers {
        let param = graph.param(slice.param);
        if slice.places(&param.shape).all(|place| param.data[place] == 0.0) {
            continue;
        }
        let users: Vec<usize> =
            (0..graph.nodes.len()).filter(|node| graph.nodes[*node].op.params().contains(&slice.param)).collect();
        for node in &users {
            let found = reads(graph, constants, *node, *slice)?;
            // A constant that differs from zero changes the bias, which no other node may share.
            let shared = |id: ParamId| graph.nodes.iter().filter(|node| node.op.params().contains(&id)).count() > 1;
            if !found.is_empty() && (users.len() > 1 || graph.nodes[*node].op.params().into_iter().any(shared)) {
                return None;
            }
            all.extend(found);
        }
    }
    Some(all)
}

/// What one node adds up from a slice of its weight: nothing for zeros, one addend per output for another constant;
/// `None` where the channel is not constant, or its border matters.
fn reads(graph: &Graph, constants: &Constants, node: usize, slice: Slice) -> Option<Vec<(usize, usize, f64)>> {
    let input = graph.nodes[node].inputs[0];
    let weight = graph.param(slice.param);
    match &graph.nodes[node].op {
        Op::Conv(conv) => {
            let (outputs, inputs) = (weight.shape[0], weight.shape[1]);
            let taps: usize = weight.shape[2..].iter().product();
            let bordered = conv.padding.iter().any(|pair| *pair != [0, 0]);
            let mut found = Vec::new();
            for out in 0..outputs {
                let filter = &weight.data[(out * inputs + slice.index) * taps..][..taps];
                let channel = out / (outputs / conv.groups) * inputs + slice.index;
                match constants.at(input, channel) {
                    _ if filter.iter().all(|w| *w == 0.0) => {}
                    Some(0.0) => {}
                    Some(c) if !bordered => {
                        let sum: f64 = filter.iter().map(|w| f64::from(*w)).sum();
                        found.push((node, out, f64::from(c) * sum));
                    }
                    _ => return None,
                }
            }
            Some(found)
        }
        Op::Linear(_) if graph.value(input).shape.len() == 1 => {
            let constant = constants.at(input, slice.index)?;
            let row = &weight.data[slice.index * weight.shape[1]..][..weight.shape[1]];
            let addend = |(out, w): (usize, &f32)| (node, out, f64::from(constant) * f64::from(*w));
            Some(row.iter().enumerate().map(addend).filter(|(.., addend)| *addend != 0.0).collect())
        }
        _ => None,
    }
}

/// Adds to one element of a node's bias; whether the node had none, and got one.
fn add_to_bias(graph: &mut Graph, node: usize, out: usize, addend: f64) -> bool {
    let (bias, outputs) = match &graph.nodes[node].op {
        Op::Conv(conv) => (conv.bias, graph.param(conv.weight).shape[0]),
        Op::Linear(linear) => (linear.bias, graph.param(linear.weight).shape[1]),
        _ => unreachable!("only these read constants"),
    };
    let id = bias.unwrap_or_else(|| {
        let name = format!("{}.bias", graph.nodes[node].name);
        let id = graph.add_param(name, vec![outputs], vec![0.0; outputs]);
        match &mut graph.nodes[node].op {
            Op::Conv(conv) => conv.bias = Some(id),
            Op::Linear(linear) => linear.bias = Some(id),
            _ => unreachable!("only these read constants"),
        }
        id
    });
    let value = &mut graph.params[id.0].data[out];
    *value = (f64::from(*value) + addend) as f32;
    bias.is_none()
}
