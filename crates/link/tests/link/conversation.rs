//! Boards that are silent, hang, vanish, are reset or refuse: each gives its own error. And logs come through.

use crate::simulated::{Fault, SimulatedLine, settings};
use niwaki_link::{
    Client, Device, LinkError, LogEvent, Mode, Refusal, Request, Response, Settings, Streams, Transport, log_frame,
};
use std::{cell::RefCell, io, rc::Rc, time::Duration, time::Instant};

#[test]
fn a_silent_board_gives_a_clear_error_in_time() {
    // A pipe whose other end stays open and says nothing.
    let (reader, _other_end) = io::pipe().unwrap();
    let limits = Settings { start: Duration::from_millis(300), ..settings() };
    let start = Instant::now();
    let Err(error) = Client::connect(Streams::new("/dev/ttyACM0", reader, io::sink()), limits, |_| {}) else {
        panic!("nobody answered")
    };
    assert!(start.elapsed() >= Duration::from_millis(300) && start.elapsed() < Duration::from_secs(2));
    let text = error.to_string();
    assert_eq!(text, "the board does not answer within 0.3 s on /dev/ttyACM0: is the right firmware running?");
}

#[test]
fn a_closed_line_is_not_waited_for() {
    let streams = Streams::new("QEMU", io::empty(), io::sink());
    let Err(error) = Client::connect(streams, settings(), |_| {}) else { panic!("nobody answered") };
    assert!(matches!(&error, LinkError::Broken { .. }), "{error}");
}

/// A line whose board can be exchanged for a fresh one, silenced, or made to say something.
struct Shared(Rc<RefCell<Line>>);
type Line = SimulatedLine<Box<dyn FnMut(usize) -> Option<Fault>>>;

impl Transport for Shared {
    fn name(&self) -> &str {
        "a simulated line"
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().send(bytes)
    }

    fn receive(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        self.0.borrow_mut().receive(buffer, patience)
    }
}

fn line(length: u32) -> Rc<RefCell<Line>> {
    Rc::new(RefCell::new(SimulatedLine::new(length, Box::new(|_| None))))
}

#[test]
fn a_reset_is_noticed_by_the_next_answer() {
    let line = line(5);
    let mut client = Client::connect(Shared(line.clone()), settings(), |_| {}).unwrap();
    client.load(&[1; 5]).unwrap();
    // Its message that it has started got lost.
    line.borrow_mut().device = Device::new();
    assert!(matches!(client.run(Mode::Whole), Err(LinkError::Reset { .. })));
}

#[test]
fn a_reset_is_noticed_by_the_board_saying_so() {
    let line = line(5);
    let mut client = Client::connect(Shared(line.clone()), settings(), |_| {}).unwrap();
    line.borrow_mut().say(&Device::booted());
    assert!(matches!(client.load(&[1; 5]), Err(LinkError::Reset { .. })));
}

#[test]
fn a_hanging_run_is_told_from_silence() {
    let line = line(5);
    let mut client = Client::connect(Shared(line.clone()), settings(), |_| {}).unwrap();
    line.borrow_mut().spoil = Box::new(|_| Some(Fault::Drop));
    assert!(matches!(client.run(Mode::Whole), Err(LinkError::Unfinished { .. })));
    assert!(matches!(client.output(), Err(LinkError::Silent { .. })));
}

#[test]
fn a_request_is_carried_out_once_per_number() {
    struct Counting(u32);
    impl niwaki_link::Handler for Counting {
        fn handle(&mut self, _request: Request<'_>) -> Response<'_> {
            self.0 += 1;
            Response::Refused(Refusal::Failed)
        }
    }
    // Every request arrives twice: the host sends, loses patience, sends again.
    let mut seen = Counting(0);
    let mut device = Device::new();
    struct Twice<'a>(&'a mut Device, &'a mut Counting, Vec<u8>);
    impl Transport for Twice<'_> {
        fn name(&self) -> &str {
            "twice"
        }
        fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
            for byte in bytes.iter().chain(bytes) {
                let answer = self.0.feed(*byte, self.1).map(<[u8]>::to_vec);
                self.2.extend(answer.unwrap_or_default());
            }
            Ok(())
        }
        fn receive(&mut self, buffer: &mut [u8], _patience: Duration) -> io::Result<usize> {
            let len = self.2.len().min(buffer.len());
            buffer[..len].copy_from_slice(&self.2[..len]);
            self.2.drain(..len);
            Ok(len)
        }
    }
    let Err(error) = Client::connect(Twice(&mut device, &mut seen, Vec::new()), settings(), |_| {}) else {
        panic!("it was refused")
    };
    assert!(matches!(error, LinkError::Refused(Refusal::Failed)));
    assert_eq!(seen.0, 1);
}

#[test]
fn wrong_input_lengths_do_not_reach_the_board() {
    let line = line(5);
    let mut client = Client::connect(Shared(line.clone()), settings(), |_| {}).unwrap();
    let before = line.borrow().passed;
    assert!(matches!(client.load(&[0; 6]), Err(LinkError::InputLength { expected: 5, given: 6 })));
    assert_eq!(line.borrow().passed, before);
}

#[test]
fn logs_come_through_and_gaps_show() {
    let heard = RefCell::new(Vec::new());
    let line = line(5);
    let listen = |event: LogEvent<'_>| {
        heard.borrow_mut().push(match event {
            LogEvent::Bytes(bytes) => Ok(bytes.to_vec()),
            LogEvent::Lost(count) => Err(count),
        });
    };
    let mut client = Client::connect(Shared(line.clone()), settings(), listen).unwrap();
    line.borrow_mut().say(&log_frame(0, b"one"));
    client.load(&[1; 5]).unwrap();
    line.borrow_mut().say(&log_frame(10, b"two"));
    client.run(Mode::Whole).unwrap();
    assert_eq!(*heard.borrow(), [Ok(b"one".to_vec()), Err(7), Ok(b"two".to_vec())]);
}
