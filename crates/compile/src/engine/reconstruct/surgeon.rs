//! The optimal brain surgeon: what the loss rises by when units leave one after the other and the weights that stay make
//! up for them as well as they can (Hassibi and Stork 1993; by layers and with blocks: Frantar and Alistarh 2022,
//! arXiv:2208.11580).
//!
//! A layer's outputs change by `w' A w` for `w` that leaves, where `A` is the inverse of that part of the inverse of the
//! inputs' second moments; what stays is changed along, and so are the moments. How much a channel's change matters to
//! the loss is its curvature by a gate on the channel, relative to the channel's mean square.

use super::{BATCH, PLACES, solve::Normal, spread, window::Window};
use crate::{
    CompileError,
    engine::{Bench, curvatures, gates},
};
use niwaki_graph::Graph;
use niwaki_prune::{NO_UNIT, Sites};
use niwaki_train::{Gates, GraphModule, Samples, UNGATED, observe};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Terms that have left are dropped from the moments when there are so many: before, they only cost time.
const RUN: usize = 16;

/// Units of some output channels, which share their products.
struct Strip {
    channels: Vec<usize>,
    /// Each unit, and its products.
    units: Vec<(usize, Vec<usize>)>,
}

/// The rise of the loss for every unit, site after site, for each multiply-accumulate that leaves with it; that of units
/// after those that leave before them. Units without weights of a layer's own, such as branches, get the curvature of
/// their gates.
pub(in crate::engine) fn surgeon(
    graph: &Graph,
    sites: &Sites,
    labelled: &Samples,
    bench: &Bench<'_>,
) -> Result<Vec<f32>, CompileError> {
    let windows: Vec<Window> = graph.nodes.iter().filter_map(|node| Window::of(graph, node)).collect();
    let mut rises: Vec<Vec<f64>> = sites.sites.iter().map(|site| vec![0.0; site.units]).collect();
    let samples = spread(graph, bench.data.samples);
    let weight = row_weights(graph, &windows, labelled, bench)?;
    for (window, curvatures) in windows.iter().zip(&weight) {
        let maps: Vec<_> = (sites.sites.iter().enumerate())
            .flat_map(|(at, site)| {
                site.gates.iter().filter(|(id, _)| *id == window.weight).map(move |(_, map)| (at, map))
            })
            .collect();
        if maps.is_empty() {
            continue;
        }
        let mut inputs = Vec::new();
        observe(&GraphModule::new(graph, bench.device)?, &samples, BATCH, &mut |id, shape, data| {
            if id == window.input {
                window.inputs(shape, data, PLACES, &mut inputs);
            }
        })?;
        // Of inputs alone: nothing is missing.
        let moments = Normal::of(&inputs, &vec![0.0; inputs.len() / (window.terms + 1)], window.terms + 1, 1);
        for (at, map) in maps {
            let found = leave(graph, window, &moments, curvatures, map);
            found.into_iter().for_each(|(unit, rise)| rises[at][unit] += rise);
        }
    }
    let others = of_others(graph, sites, &windows, labelled, bench)?;
    let each = sites.sites.iter().zip(&mut rises).zip(others);
    let per_mac = each.flat_map(|((site, rises), others)| {
        rises.iter().zip(others).zip(&site.macs).map(|((rise, other), macs)| (rise + other) / (*macs).max(1) as f64)
    });
    Ok(per_mac.map(|rise| rise as f32).collect())
}

/// What every unit of a map costs in one layer.
fn leave(graph: &Graph, window: &Window, moments: &Normal, curvatures: &[f64], map: &[u32]) -> Vec<(usize, f64)> {
    let weights = &graph.param(window.weight).data;
    let weight = |channel: usize, term: usize| f64::from(weights[window.place(channel, term)]);
    let mut strips: Vec<Strip> = Vec::new();
    let mut places: BTreeMap<u32, (BTreeSet<usize>, BTreeSet<usize>)> = BTreeMap::new();
    for channel in 0..window.channels {
        for term in 0..window.terms {
            let place = window.place(channel, term);
            if map[place] != NO_UNIT && weights[place] != 0.0 {
                let (channels, terms) = places.entry(map[place]).or_default();
                channels.insert(channel);
                terms.insert(term);
            }
        }
    }
    for (unit, (channels, terms)) in places {
        let (channels, unit) = (channels.into_iter().collect(), (unit as usize, terms.into_iter().collect()));
        match strips.iter_mut().find(|strip| strip.channels == channels) {
            Some(strip) => strip.units.push(unit),
            None => strips.push(Strip { channels, units: vec![unit] }),
        }
    }
    let found: Vec<Vec<(usize, f64)>> = strips
        .par_iter()
        .map(|strip| {
            let used = |term: &usize| strip.channels.iter().any(|channel| weight(*channel, *term) != 0.0);
            // The bias makes up for what leaves, too.
            let terms: Vec<usize> = (0..window.terms).filter(used).chain([window.terms]).collect();
            let rows: Vec<Vec<f64>> = strip
                .channels
                .iter()
                .map(|channel| {
                    let own = |term: &usize| if *term == window.terms { 0.0 } else { weight(*channel, *term) };
                    terms.iter().map(own).collect()
                })
                .collect();
            let units = strip.units.iter().map(|(unit, of)| {
                let place = |term: &usize| terms.binary_search(term).expect("a weight of the unit is not zero");
                (*unit, of.iter().map(place).collect())
            });
            let curvatures: Vec<f64> = strip.channels.iter().map(|channel| curvatures[*channel]).collect();
            let scale = 1.0 / moments.rows as f64;
            let rises = eliminate(moments.inverse(&terms), rows, &curvatures, units.collect());
            rises.into_iter().map(|(unit, rise)| (unit, rise * scale)).collect()
        })
        .collect();
    found.concat()
}

/// Lets the cheapest unit leave, again and again; each with what it cost, at least what the one before did.
fn eliminate(
    mut inverse: Vec<Vec<f64>>,
    mut rows: Vec<Vec<f64>>,
    curvatures: &[f64],
    mut units: Vec<(usize, Vec<usize>)>,
) -> Vec<(usize, f64)> {
    let mut left: Vec<(usize, f64)> = Vec::with_capacity(units.len());
    let mut gone: Vec<usize> = Vec::new();
    while !units.is_empty() {
        let priced = units.iter().enumerate().map(|(at, (_, terms))| {
            let part = invert(terms.iter().map(|i| terms.iter().map(|j| inverse[*i][*j]).collect()).collect());
            let cost = |row: &Vec<f64>| -> f64 {
                let product = |a: &Vec<f64>| a.iter().zip(terms).map(|(a, j)| a * row[*j]).sum::<f64>();
                part.iter().zip(terms).map(|(a, i)| row[*i] * product(a)).sum()
            };
            let cost: f64 = rows.iter().zip(curvatures).map(|(row, curvature)| curvature * cost(row)).sum();
            (at, cost, part)
        });
        let (at, cost, part) = priced.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there is one left");
        let (unit, terms) = units.swap_remove(at);
        let before = left.last().map_or(0.0, |(_, cost)| *cost);
        left.push((unit, cost.max(before)));
        let sources: Vec<Vec<f64>> = terms.iter().map(|term| inverse[*term].clone()).collect();
        let spread = |row: &mut [f64]| {
            let own: Vec<f64> = terms.iter().map(|term| row[*term]).collect();
            for (a, source) in part.iter().zip(&sources) {
                let factor: f64 = a.iter().zip(&own).map(|(a, x)| a * x).sum();
                row.iter_mut().zip(source).for_each(|(x, source)| *x -= factor * source);
            }
        };
        rows.iter_mut().for_each(|row| spread(row));
        gone.extend(&terms);
        for (place, row) in inverse.iter_mut().enumerate() {
            if !gone.contains(&place) {
                spread(row);
            }
        }
        if gone.len() >= RUN {
            drop_terms(&mut inverse, &mut rows, &mut units, &mut gone);
        }
    }
    left
}

/// Leaves out terms that are gone.
fn drop_terms(
    inverse: &mut Vec<Vec<f64>>,
    rows: &mut [Vec<f64>],
    units: &mut [(usize, Vec<usize>)],
    gone: &mut Vec<usize>,
) {
    let stays: Vec<bool> = (0..inverse.len()).map(|term| !gone.contains(&term)).collect();
    let keep = |row: &mut Vec<f64>| {
        let mut stays = stays.iter();
        row.retain(|_| *stays.next().expect("as long as a row"));
    };
    let mut rest = stays.iter();
    inverse.retain(|_| *rest.next().expect("as many as rows"));
    inverse.iter_mut().chain(rows.iter_mut()).for_each(keep);
    let mut place = 0;
    let places: Vec<usize> = stays
        .iter()
        .map(|stays| {
            place += usize::from(*stays);
            place.saturating_sub(1)
        })
        .collect();
    units.iter_mut().flat_map(|(_, terms)| terms).for_each(|term| *term = places[*term]);
    gone.clear();
}

/// The inverse of a positive definite matrix, by elimination.
fn invert(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..matrix.len() {
        let pivot = 1.0 / matrix[i][i].max(f64::MIN_POSITIVE);
        matrix[i][i] = 1.0;
        matrix[i].iter_mut().for_each(|x| *x *= pivot);
        let source = matrix[i].clone();
        for (_, row) in matrix.iter_mut().enumerate().filter(|(k, _)| *k != i) {
            let factor = std::mem::take(&mut row[i]);
            row.iter_mut().zip(&source).for_each(|(x, source)| *x -= factor * source);
        }
    }
    matrix
}

/// For every layer, by output channel: how much a change of its mean square matters to the loss.
fn row_weights(
    graph: &Graph,
    windows: &[Window],
    labelled: &Samples,
    bench: &Bench<'_>,
) -> Result<Vec<Vec<f64>>, CompileError> {
    let mut gates = Gates::default();
    for window in windows {
        let mut map = vec![0; graph.param(window.weight).data.len()];
        for channel in 0..window.channels {
            (0..window.terms).for_each(|term| map[window.place(channel, term)] = (gates.count + channel) as u32);
        }
        gates.params.push((window.weight, map));
        gates.count += window.channels;
    }
    let all = curvatures(graph, &gates, labelled, bench)?;
    // Without the bias, as the gate is.
    let mut squares = vec![(0.0, 0usize); gates.count];
    observe(&GraphModule::new(graph, bench.device)?, &spread(graph, labelled), BATCH, &mut |id, shape, data| {
        let mut first = 0;
        for window in windows {
            if id == window.output {
                let mut rows = Vec::new();
                let every: Vec<usize> = (0..window.channels).collect();
                window.outputs(shape, data, &every, PLACES, &mut rows);
                for row in rows.chunks_exact(window.channels) {
                    for (channel, x) in row.iter().enumerate() {
                        let bias = window.bias.map_or(0.0, |bias| graph.param(bias).data[channel]);
                        let (sum, count) = &mut squares[first + channel];
                        *sum += f64::from(x - bias).powi(2);
                        *count += 1;
                    }
                }
            }
            first += window.channels;
        }
    })?;
    let each = all.iter().zip(&squares).map(|(curvature, (sum, count))| match *sum > 0.0 {
        true => curvature * *count as f64 / sum,
        false => 0.0,
    });
    let each: Vec<f64> = each.collect();
    let mut rest = &each[..];
    Ok(windows.iter().map(|window| rest.split_off(..window.channels).unwrap_or_default().to_vec()).collect())
}

/// Curvatures of what no layer's weights hold.
fn of_others(
    graph: &Graph,
    sites: &Sites,
    windows: &[Window],
    labelled: &Samples,
    bench: &Bench<'_>,
) -> Result<Vec<Vec<f64>>, CompileError> {
    let mut gates = gates(sites);
    gates.params.retain(|(id, _)| windows.iter().all(|window| window.weight != *id));
    let used = |map: &Vec<u32>| map.iter().any(|gate| *gate != UNGATED);
    let any = !gates.values.is_empty() || gates.params.iter().any(|(_, map)| used(map));
    let all = if any { curvatures(graph, &gates, labelled, bench)? } else { vec![0.0; gates.count] };
    let mut rest = &all[..];
    Ok(sites.sites.iter().map(|site| rest.split_off(..site.units).unwrap_or_default().to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_multiply_to_one() {
        let matrix = vec![vec![4.0, 1.0, 0.5], vec![1.0, 3.0, 0.25], vec![0.5, 0.25, 2.0]];
        let inverse = invert(matrix.clone());
        for (i, row) in matrix.iter().enumerate() {
            let product = |j: usize| row.iter().zip(&inverse).map(|(a, column)| a * column[j]).sum::<f64>();
            assert!((0..3).all(|j| (product(j) - f64::from(u8::from(i == j))).abs() < 1e-12), "row {i} of {inverse:?}");
        }
    }

    #[test]
    fn what_another_input_makes_up_for_leaves_first() {
        // Inputs 0 and 1 are nearly the same, 2 is alone; of equal weights one of the pair costs least, and the other
        // much more once it carries both.
        let moments = vec![vec![1.0, 0.99, 0.0], vec![0.99, 1.0, 0.0], vec![0.0, 0.0, 1.0]];
        let units = (0..3).map(|unit| (unit, vec![unit])).collect();
        let order = eliminate(invert(moments), vec![vec![1.0, 1.0, 1.0]], &[1.0], units);
        assert!(order[0].0 < 2 && order[0].1 < 0.03, "{order:?}");
        assert!(order[1].0 == 2 && (order[1].1 - 1.0).abs() < 1e-9, "{order:?}");
        assert!(order[2].0 < 2 && order[2].1 > 3.9, "{order:?}");
    }
}
