//! Tests of the pruner on whole graphs: couplings, decisions, and that masked and shrunk graphs agree.

mod agreement;
mod allocation;
mod attention;
mod coupling;
mod coupling_layout;
mod decision;
mod interpreter;
mod lossless;
mod net;
mod random_graph;
mod report;
mod scores;
mod structures;
mod support;
