//! The scalar kernels against an independent reading of SPEC.md in wide integers.

mod generated;
mod meaning;
mod naive;
