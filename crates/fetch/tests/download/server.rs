//! A file server on this machine, which can break off and can refuse to resume.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// How the server behaves.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// It resumes where it is asked to.
    Resumes,
    /// It breaks every first answer off after so many bytes, and resumes.
    BreaksOff(usize),
    /// It always starts from the beginning.
    StartsOver,
}

/// What was asked for, and from which byte.
type Log = Mutex<Vec<(String, Option<usize>)>>;

/// A running server; it ends with the process.
pub(crate) struct Server {
    /// Its address.
    pub(crate) url: String,
    asked: Arc<Log>,
}

impl Server {
    /// Serves these files.
    pub(crate) fn start(files: HashMap<&'static str, Vec<u8>>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that has gone is no failure of the server.
                let _ = answer(stream, &files, manner, &log);
            }
        });
        Self { url, asked }
    }

    /// The files that were asked for, and from which byte.
    pub(crate) fn asked(&self) -> Vec<(String, Option<usize>)> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn answer(
    mut stream: TcpStream,
    files: &HashMap<&'static str, Vec<u8>>,
    manner: Manner,
    log: &Log,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let name = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_string();
    let mut from = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let range = line.to_lowercase().strip_prefix("range: bytes=").map(str::to_string);
        from = from.or(range.and_then(|range| range.trim_end_matches('-').parse::<usize>().ok()));
    }
    log.lock().expect("no panic").push((name.clone(), from));
    let Some(file) = files.get(name.as_str()) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let start = from.filter(|_| manner != Manner::StartsOver);
    if start.is_some_and(|start| start >= file.len()) {
        return stream.write_all(b"HTTP/1.1 416 Range\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let status = start.map_or("200 OK".to_string(), |start| {
        format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{}", file.len() - 1, file.len())
    });
    let rest = &file[start.unwrap_or(0)..];
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
    stream.write_all(head.as_bytes())?;
    let end = match manner {
        Manner::BreaksOff(after) if from.is_none() => after.min(rest.len()),
        _ => rest.len(),
    };
    stream.write_all(&rest[..end])
}
