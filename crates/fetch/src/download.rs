//! Downloads over HTTPS: resumed where they ended, checked when they are whole.

use crate::{Original, hex};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::{
    fs::{File, OpenOptions},
    io::{IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use ureq::{
    Agent,
    http::{StatusCode, header},
};

/// How often a download that breaks off is taken up again.
const ATTEMPTS: u32 = 5;

/// Gets originals.
#[derive(Clone, Debug, Default)]
pub struct Downloader {
    /// Where all originals lie under their file names, instead of at their publishers'.
    pub mirror: Option<String>,
    /// No progress bars.
    pub quiet: bool,
}

impl Downloader {
    /// An original's file in this folder, downloaded unless it is there.
    ///
    /// # Errors
    /// If it cannot be had, or is not what it should be.
    pub fn get(&self, original: &Original, folder: &Path) -> anyhow::Result<PathBuf> {
        let (whole, part) = (folder.join(original.file), folder.join(format!("{}.part", original.file)));
        if whole.is_file() {
            return Ok(whole);
        }
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let url = match &self.mirror {
            Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), original.file),
            None => original.url.clone(),
        };
        let resumed = part.is_file();
        self.complete(&url, original, &part)?;
        if let Some(expected) = &original.sha256 {
            let mut found = digest(&part)?;
            if found != *expected && resumed {
                // What an earlier run left was not the beginning of this file.
                std::fs::remove_file(&part).with_context(|| part.display().to_string())?;
                self.complete(&url, original, &part)?;
                found = digest(&part)?;
            }
            if found != *expected {
                std::fs::remove_file(&part).with_context(|| part.display().to_string())?;
                bail!(
                    "{url} has SHA-256 {found} instead of {expected}; the file was removed. Run this again, or have another \
                     server's copy with --mirror URL"
                );
            }
        }
        std::fs::rename(&part, &whole).with_context(|| whole.display().to_string())?;
        Ok(whole)
    }

    /// Downloads until the file is whole, taking it up again after a failure.
    fn complete(&self, url: &str, original: &Original, part: &Path) -> anyhow::Result<()> {
        let mut attempt = 1;
        loop {
            match self.attempt(url, original, part) {
                Ok(()) => return Ok(()),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error)) if attempt == ATTEMPTS => {
                    let left = part.metadata().map_or(0, |part| part.len());
                    let kept = format!("{left} bytes are kept: run this again to go on from there");
                    return Err(error.context(format!("{url} cannot be downloaded; {kept}")));
                }
                Err(Failure::Passing(_)) => std::thread::sleep(Duration::from_millis(250 << attempt)),
            }
            attempt += 1;
        }
    }

    /// Asks once for what is missing.
    fn attempt(&self, url: &str, original: &Original, part: &Path) -> Result<(), Failure> {
        let have = part.metadata().map_or(0, |part| part.len());
        let agent: Agent = Agent::config_builder()
            .https_only(url.starts_with("https:"))
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .build()
            .into();
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| Failure::Passing(error.into()))?;
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT => have,
            // The server does not resume.
            StatusCode::OK => 0,
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                // Nothing comes after what is here: it is whole, or another file's. The check will tell.
                return match &original.sha256 {
                    Some(_) => Ok(()),
                    None => {
                        std::fs::remove_file(part).map_err(|error| unwritable(part, error))?;
                        Err(Failure::Passing(anyhow::anyhow!("the server does not go on at byte {have}")))
                    }
                };
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failure::Passing(anyhow::anyhow!("the server says {status}")));
            }
            status => return Err(Failure::Final(anyhow::anyhow!("{url}: the server says {status}"))),
        };
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()).map(|rest| start + rest);
        let mut file = match start {
            0 => File::create(part),
            _ => OpenOptions::new().append(true).open(part),
        }
        .map_err(|error| unwritable(part, error))?;
        let bar = self.bar(original.file, start, length.or(original.bytes));
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut at = start;
        loop {
            let count = body.read(&mut buffer).map_err(|error| Failure::Passing(error.into()))?;
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).map_err(|error| unwritable(part, error))?;
            at += count as u64;
            bar.set_position(at);
        }
        match length {
            Some(length) if length != at => {
                Err(Failure::Passing(anyhow::anyhow!("it ended after {at} of {length} bytes")))
            }
            _ => Ok(()),
        }
    }

    fn bar(&self, what: &str, start: u64, length: Option<u64>) -> Bar {
        if self.quiet {
            return Bar(ProgressBar::hidden());
        }
        if !std::io::stderr().is_terminal() {
            eprintln!("downloading {what}");
        }
        let (bar, template) = match length {
            Some(length) => (ProgressBar::new(length), "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
            None => (ProgressBar::no_length(), "{msg} {bytes} {bytes_per_sec}"),
        };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_string());
        bar.set_position(start);
        bar.reset_eta();
        Bar(bar)
    }
}

/// A bar that is gone when it is dropped.
struct Bar(ProgressBar);

impl Bar {
    fn set_position(&self, at: u64) {
        self.0.set_position(at);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

enum Failure {
    /// Trying again may help.
    Passing(anyhow::Error),
    Final(anyhow::Error),
}

/// A folder that is full or not to be written to: nothing that is downloaded already is lost.
fn unwritable(part: &Path, error: std::io::Error) -> Failure {
    let remedy = "free some room there, or choose another folder with --to; what is downloaded is kept";
    Failure::Final(anyhow::Error::new(error).context(format!("cannot write {}; {remedy}", part.display())))
}

/// A file's SHA-256.
fn digest(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hex(&hasher.finalize()))
}
