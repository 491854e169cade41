//! Operations computed in bands give the bytes that they give as a whole.

use niwaki_kernels::{
    ALL_OPS, Isa, Operands, bands,
    problem::{self, Problem, Variant},
    run, scratch_bytes,
};

#[test]
fn bands_are_together_what_the_whole_is() {
    let (mut cut, mut kinds) = (0, std::collections::HashSet::new());
    let connected = Variant::ALL.map(|variant| Problem::fully_connected(33, 41, variant, 2));
    for problem in problem::all(2).filter(|problem| !problem.in_place).chain(connected) {
        let op = problem.op();
        for parts in [2, 3, 7] {
            let Some(bands) = (0..parts).map(|part| bands::band(&op, part, parts)).collect::<Option<Vec<_>>>() else {
                continue;
            };
            assert!(bands::work(&op) > 0 || problem.weights.is_empty(), "{}", problem.name);
            let expected = problem.solve(Isa::Scalar).unwrap();
            for isa in Isa::AVAILABLE.iter().filter(|isa| isa.is_available()) {
                let mut output = vec![0x5a; expected.len()];
                let mut rest = &mut output[..];
                for band in &bands {
                    let (place, behind) = rest.split_at_mut(band.output);
                    let mut scratch = vec![0x5a; scratch_bytes(*isa, &band.op)];
                    let input = Operands::One(&problem.a[band.reads()]);
                    assert!(run::<ALL_OPS>(*isa, &band.op, input, place, &mut scratch));
                    rest = behind;
                }
                assert!(rest.is_empty(), "{}: bands do not fill the output", problem.name);
                assert!(output == expected, "{}: {isa:?} in {parts} bands", problem.name);
            }
            cut += 1;
            kinds.insert(problem.kind);
        }
    }
    assert!(cut > 1000 && kinds.len() == 6, "{cut} of {kinds:?}");
}

#[test]
fn what_has_too_few_rows_is_not_cut() {
    let problem = problem::all(2).find(|problem| problem.kind == problem::OpKind::Conv2d).unwrap();
    let op = problem.op();
    let rows = problem.output.height;
    assert!(bands::band(&op, 0, rows + 1).is_none() && bands::band(&op, 0, 0).is_none());
    assert!(bands::band(&op, 1, 1).is_none() && bands::band(&op, 0, 1).is_some());
}
