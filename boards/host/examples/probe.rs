//! probe
use niwaki_link::*;
use std::process::*;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut child =
        Command::new(&args[0]).args(&args[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let streams = Streams::new("child", child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let t = Instant::now();
    let mut client =
        Client::connect(streams, Settings { start: std::time::Duration::from_secs(60), ..Settings::default() }, |e| {
            println!("log {e:?}")
        })
        .unwrap_or_else(|e| panic!("{e}"));
    println!("{:?} after {:?}", client.identity(), t.elapsed());
    if let Some(cal) = client.identity().counter.calibration {
        for n in [100u32] {
            let t = Instant::now();
            let ticks = client.known_loop(n).unwrap();
            println!("{n}: {ticks} ticks = {} instructions {:?}", cal.instructions(ticks), t.elapsed());
        }
    }
    let n = client.identity().input_bytes as usize;
    let input: Vec<u8> = (0..n).map(|x| x as u8).collect();
    for mode in [Mode::Whole, Mode::Whole, Mode::Layers, Mode::Layers, Mode::Digest] {
        let r = client.infer(&input, mode).unwrap();
        println!("{mode:?} {r:?}");
        if mode == Mode::Layers {
            println!("{:?}", client.profile());
        }
        if mode == Mode::Digest {
            println!("{:x?}", client.digests());
        }
    }
    let t = Instant::now();
    for _ in 0..50 {
        client.infer(&input, Mode::Whole).unwrap();
    }
    println!("500 in {:?}, repeats {}", t.elapsed(), client.repeats());
    child.kill().unwrap();
}
