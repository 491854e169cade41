//! The plugin on small loops, each of which the manual of its core gives a cost: assembled by the Rust compiler, run by
//! QEMU.

use super::{Estimates, Estimator, Places};
use crate::{children::Running, workplace::Workplace};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Times that a body is executed.
const TIMES: u64 = 50;

/// An emulated machine, and what the core on it is priced as.
struct Machine {
    name: &'static str,
    target: &'static str,
    core: &'static str,
    /// Where its vector table lies.
    origin: u32,
    /// Cycles of a loop's end, `subs` and a branch that is taken.
    again: u64,
    /// Cycles on top of a branch that is taken.
    refill: u64,
}

/// Assembles whatever the cores from Cortex-M3 on have.
const V7EM: &str = "thumbv7em-none-eabihf";

/// A body's instructions, and the cycles that the core's manual gives them together. r0 is the address of 64 bytes, r7
/// is the loop's.
type Case = (&'static str, u64);

/// The cost of each case's body, as the plugin has it.
fn costs(machine: &Machine, cases: &[Case]) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let program = assemble(folder.path(), machine.target, machine.origin, cases);
    let marks: Vec<u64> = cases
        .iter()
        .enumerate()
        .flat_map(|(at, _)| [format!("begin_{at}"), format!("end_{at}")])
        .map(|name| crate::elf::symbol(&program, &name).unwrap().unwrap().start)
        .collect();
    let estimator = Estimator::of(&Workplace::new(true), machine.core, "qemu-system-arm").unwrap();
    let estimator = estimator.expect("a QEMU that can load the plugin");
    let out = folder.path().join("out");
    let mut command = Command::new("qemu-system-arm");
    command.args(["-machine", machine.name, "-display", "none", "-monitor", "none", "-serial", "none"]);
    command.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(&program);
    estimator.attach(&mut command, &Places { marks, ignored: Vec::new() }, &out);
    finish(&mut command);
    let estimates = Estimates::read(&out).unwrap();
    let cost = |at: usize| {
        let regions = estimates.regions(2 * at, 2 * at + 1).unwrap();
        let [region] = &regions[..] else { panic!("{} regions", regions.len()) };
        // The last branch is not taken.
        let body = region.cycles + machine.refill - TIMES * machine.again;
        assert_eq!(body % TIMES, 0, "{}: {} cycles", cases[at].0, region.cycles);
        body / TIMES
    };
    (0..cases.len()).map(cost).collect()
}

/// Runs a program that ends by itself.
fn finish(command: &mut Command) {
    let running = Running::start(command, "QEMU").unwrap();
    let start = Instant::now();
    let status = loop {
        match running.ended() {
            Some(status) => break status,
            None if start.elapsed() > Duration::from_secs(60) => panic!("the program does not end"),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(status.success(), "{status}");
}

/// A program that runs every body in a loop of its own, between the symbols `begin_N` and `end_N`.
fn assemble(folder: &Path, target: &str, origin: u32, cases: &[Case]) -> std::path::PathBuf {
    let mut text = String::from(
        ".section .vectors, \"a\"\n.word 0x20001000\n.word start\n.text\n.thumb_func\n.global start\nstart:\n",
    );
    // The floating-point unit is switched off at first; a core that has none does not mind.
    text += "ldr r0, =0xe000ed88\nldr r1, [r0]\nldr r2, =0x00f00000\norrs r1, r2\nstr r1, [r0]\ndsb\nisb\n";
    for (at, (body, _)) in cases.iter().enumerate() {
        text += &format!(
            "ldr r0, =0x20002000\nmovs r7, #{TIMES}\nmovs r1, #0\nnop\n.global begin_{at}\nbegin_{at}:\n\
             1: {body}\nsubs r7, #1\nbne 1b\n.global end_{at}\nend_{at}:\nnop\nb 2f\n.ltorg\n2:\n"
        );
    }
    text += "movs r0, #0x18\nldr r1, =0x20026\nbkpt #0xab\n.thumb_func\nreturns: bx lr\n.thumb_func\n\
             pops: push {lr}\npop {pc}\n.ltorg\n";
    let source = format!(
        "#![no_std]\n#![no_main]\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! {{ loop {{}} }}\n\
         core::arch::global_asm!({text:?}, options(raw));\n"
    );
    let script =
        format!("ENTRY(start)\nSECTIONS {{ . = {origin:#x}; .text : {{ KEEP(*(.vectors)) KEEP(*(.text)) }} }}\n");
    let [rust, linker, program] = ["micro.rs", "micro.x", "micro.elf"].map(|name| folder.join(name));
    std::fs::write(&rust, source).unwrap();
    std::fs::write(&linker, script).unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "--target", target, "-C", "panic=abort"]);
    rustc.arg("-C").arg(format!("link-arg=-T{}", linker.display())).arg("-o").arg(&program).arg(&rust);
    let output = rustc.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

#[track_caller]
fn check(machine: &Machine, cases: &[Case]) {
    for ((body, expected), found) in cases.iter().zip(costs(machine, cases)) {
        assert_eq!(found, *expected, "{}: {body}", machine.core);
    }
}

/// What Armv6-M has, with the costs of Cortex-M0+ and then of M0.
const V6M: [(&str, u64, u64); 11] = [
    ("adds r1, #1; muls r2, r1; lsrs r3, r1, #4", 3, 3),
    ("ldr r1, [r0]", 2, 2),
    ("ldrb r1, [r0, #1]; ldrh r2, [r0, #2]", 4, 4),
    ("str r1, [r0, #4]", 2, 2),
    ("ldr r2, =0x12345678", 2, 2),
    ("push {r1-r4}; pop {r1-r4}", 10, 10),
    ("mov r2, r0; ldm r2!, {r3, r4, r5}", 5, 5),
    ("mov r2, r0; stm r2!, {r3, r4}", 4, 4),
    ("b 3f; nop; 3:", 2, 3),
    ("bl returns", 5, 7),
    ("bl pops", 3 + 2 + 4, 4 + 2 + 5),
];

#[test]
fn cortex_m0_costs_what_its_manual_says() {
    let machine =
        Machine { name: "microbit", target: "thumbv6m-none-eabi", core: "cortex-m0", origin: 0, again: 4, refill: 2 };
    check(&machine, &V6M.map(|(body, _, cycles)| (body, cycles)));
    let machine = Machine { core: "cortex-m0plus", again: 3, refill: 1, ..machine };
    check(&machine, &V6M.map(|(body, cycles, _)| (body, cycles)));
}

/// What Cortex-M3 and M4 have in common.
const V7M: [Case; 24] = [
    ("adds r1, #1; ubfx r2, r1, #3, #5; mul r3, r1, r2; clz r4, r3", 4),
    ("ldr r1, [r0]", 2),
    ("ldr r1, [r0]; ldr r2, [r0, #4]; ldrb r3, [r0, #8]", 4),
    ("ldr r1, [r0]; str r1, [r0, #4]", 3),
    ("str r1, [r0, #4]; ldr r1, [r0]", 3),
    ("str r1, [r0]; str r1, [r0, #4]", 2),
    ("movs r2, #8; nop; str r1, [r0, r2]", 4),
    ("ldr r1, [r0]; movs r2, #8; nop; str r1, [r0, r2]", 6),
    // An address that was loaded or computed just before.
    ("str r0, [r0]; ldr r1, [r0]; ldr r2, [r1]", 5),
    ("add r1, r0, #8; ldr r2, [r1]", 4),
    ("ldrd r1, r2, [r0]; strd r1, r2, [r0]", 6),
    ("ldm r0, {r1-r4}; stm r0, {r1-r4}", 10),
    ("push {r1-r4}; pop {r1-r4}", 10),
    ("udiv r1, r0, r7", 7),
    ("b 3f; nop; 3:", 3),
    ("bl returns", 6),
    ("bl pops", 3 + 2 + 4),
    ("adr r2, 3f; orr r2, r2, #1; mov pc, r2; nop; .balign 4; 3:", 3 + 2),
    ("movs r2, #0; tbb [pc, r2]; 4: .byte (3f - 4b) / 2; .balign 2; 3:", 1 + 2 + 2),
    ("cbz r1, 3f; nop; 3:", 3),
    // Conditions: executed, and not.
    ("cmp r7, r7; ite eq; moveq r2, #1; movne r2, #2", 4),
    ("cmp r7, r7; it eq; ldreq r2, [r0]", 4),
    ("cmp r7, r7; it ne; ldrne r2, [r0]", 3),
    // Not aligned: a halfword, a word, a word at an odd address.
    ("ldrh r1, [r0, #1]; nop; ldr r1, [r0, #2]; nop; ldr r1, [r0, #1]", 3 + 1 + 3 + 1 + 4),
];

#[test]
fn cortex_m3_costs_what_its_manual_says() {
    let machine = Machine { name: "mps2-an385", target: V7EM, core: "cortex-m3", origin: 0, again: 4, refill: 2 };
    check(&machine, &V7M);
    check(
        &machine,
        &[("mla r1, r2, r3, r4; mls r1, r2, r3, r4", 4), ("smull r1, r2, r3, r4; umlal r1, r2, r3, r4", 12)],
    );
}

#[test]
fn cortex_m4_and_what_is_priced_like_it() {
    let m4 = Machine { name: "mps2-an386", target: V7EM, core: "cortex-m4f", origin: 0, again: 4, refill: 2 };
    check(&m4, &V7M);
    let more = [
        ("mla r1, r2, r3, r4; smull r1, r2, r3, r4; umlal r1, r2, r3, r4; smlad r1, r2, r3, r4", 4),
        ("sxtb16 r1, r2; smmulr r1, r2, r3; ssat r1, #8, r2; pkhbt r1, r2, r3", 4),
        ("vadd.f32 s0, s1, s2; vmul.f32 s4, s5, s6; vmov r1, s8; vcvt.s32.f32 s9, s10", 4),
        ("vadd.f32 s0, s1, s2; vmul.f32 s4, s0, s6", 3),
        ("vmla.f32 s0, s1, s2; vfma.f32 s0, s1, s2", 6),
        ("vdiv.f32 s0, s1, s2; vsqrt.f32 s3, s4", 28),
        ("vldr s0, [r0]; vstr s0, [r0]", 4),
        ("vldm r0, {s0-s3}; vstm r0, {s0-s3}", 10),
    ];
    check(&m4, &more);
    check(&Machine { name: "mps2-an500", core: "cortex-m7", ..m4 }, &V7M);
    check(&Machine { name: "mps2-an505", core: "cortex-m33", origin: 0x1000_0000, ..m4 }, &V7M);
}

#[test]
fn a_range_that_is_ignored_costs_nothing_and_no_core_is_priced_by_guess() {
    let folder = tempfile::tempdir().unwrap();
    let program = assemble(folder.path(), V7EM, 0, &[("bl returns", 0)]);
    let place = |name: &str| crate::elf::symbol(&program, name).unwrap().unwrap().start;
    let returns = place("returns");
    let places = Places { marks: vec![place("begin_0"), place("end_0")], ignored: vec![(returns, returns + 2)] };
    let run = |core: &str| {
        let estimator = Estimator::of(&Workplace::new(true), core, "qemu-system-arm").unwrap().unwrap();
        let out = folder.path().join("out");
        let mut command = Command::new("qemu-system-arm");
        command.args(["-machine", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "none"]);
        command.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(&program);
        estimator.attach(&mut command, &places, &out);
        finish(&mut command);
        (estimator.priced(), Estimates::read(&out).unwrap().regions(0, 1).unwrap().remove(0))
    };
    let (priced, counts) = run("cortex-m3");
    // The call falls through to what is behind it.
    assert_eq!((priced, counts.instructions, counts.cycles), (true, 3 * TIMES, TIMES * 5 - 2));
    assert_eq!(counts.mix["branch"], [2 * TIMES, TIMES * 4 - 2]);
    let (priced, counts) = run("cortex-m55");
    assert_eq!((priced, counts.instructions, counts.cycles), (false, 3 * TIMES, 0));
}
