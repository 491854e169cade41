//! probe
use niwaki_link::*;
use std::process::*;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut child =
        Command::new(&args[0]).args(&args[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    struct Kill(u32);
    impl Drop for Kill {
        fn drop(&mut self) {
            let _ = Command::new("kill").arg(self.0.to_string()).status();
        }
    }
    let _kill = Kill(child.id());
    let streams = Streams::new("child", child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let t = Instant::now();
    let mut client = Client::connect(
        streams,
        Settings {
            repeat: std::time::Duration::from_millis(std::env::var("REPEAT").map_or(250, |x| x.parse().unwrap())),
            start: std::time::Duration::from_secs(20),
            ..Settings::default()
        },
        |e| println!("log {e:?}"),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    println!("{:?} after {:?}", client.identity(), t.elapsed());
    if let Some(cal) = client.identity().counter.calibration {
        for n in
            [0, 1, 2, 3, 10, 11, 1000, 1001, 100_000, 2_621_000, 2_621_440, 2_621_441, 6_000_000, 6_000_001, 50_000_000]
        {
            let t = Instant::now();
            let ticks = client.known_loop(n).unwrap();
            println!("{n}: {ticks} ticks = {} instructions {:?}", cal.instructions(ticks), t.elapsed());
        }
    }
    let n = client.identity().input_bytes as usize;
    let input: Vec<u8> = (0..n).map(|x| x as u8).collect();
    for mode in [Mode::Whole, Mode::Whole, Mode::Layers, Mode::Layers, Mode::Digest] {
        let r = client.infer(&input, mode).unwrap();
        println!("{mode:?} {:?}", r.1);
        if mode == Mode::Layers {
            println!("{:?}", client.profile());
        }
        if mode == Mode::Digest {
            println!("{:x?}", client.digests());
        }
    }
    let t = Instant::now();
    for i in 0..std::env::var("N").map_or(500, |x| x.parse().unwrap()) {
        let t = Instant::now();
        client.infer(&input, Mode::Whole).unwrap();
        let e = t.elapsed();
        if e.as_millis() > 50 {
            println!("slow {i} {e:?}");
        }
    }
    println!("500 in {:?}, repeats {}", t.elapsed(), client.repeats());
    child.kill().unwrap();
}
