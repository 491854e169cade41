//! Processes that end with us: on an error, at the end of a scope, and on Ctrl-C.

use anyhow::Context;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

static RUNNING: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder that nobody wants any more when we are told to end.
pub(crate) fn remove_with_us(folder: &Path) {
    lock(&FOLDERS).push(folder.into());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that is killed, if it still runs, when this is dropped or when we are told to end.
pub(crate) struct Running(Arc<Mutex<Child>>);

impl Running {
    /// Starts it. `what` is for the error message.
    pub(crate) fn start(command: &mut Command, what: &str) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("{what} did not start"))?;
        let child = Arc::new(Mutex::new(child));
        lock(&RUNNING).push(Arc::clone(&child));
        Ok(Self(child))
    }

    /// For its pipes.
    pub(crate) fn child(&self) -> MutexGuard<'_, Child> {
        lock(&self.0)
    }

    /// How it ended; `None` if it still runs.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Waits for its end, without holding the lock that Ctrl-C needs.
    pub(crate) fn wait(&self) -> ExitStatus {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&self.0);
        lock(&RUNNING).retain(|other| !Arc::ptr_eq(other, &self.0));
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = lock(child);
    // Both fail only where the process has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Makes Ctrl-C and a polite kill end the processes that we started as well.
pub(crate) fn end_with_us() {
    let handler = || {
        lock(&RUNNING).iter().for_each(|child| end(child));
        for folder in lock(&FOLDERS).iter() {
            // Fails where it is gone already.
            let _ = std::fs::remove_dir_all(folder);
        }
        std::process::exit(130);
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("note: Ctrl-C may leave processes behind: {error}");
    }
}
