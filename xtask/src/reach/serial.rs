//! Serial ports: found by USB identity, opened, and their errors explained.

use crate::{
    board::usb_identity,
    reach::{Reached, UntilOver, Way},
};
use anyhow::{Context, anyhow, bail};
use serialport::{ErrorKind, SerialPort, SerialPortInfo, SerialPortType};
use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const BAUD: u32 = 115_200;

/// How long a board may take to show its port after it was flashed.
const PATIENCE: Duration = Duration::from_secs(15);

/// The port that the user named, or the one with this USB identity.
pub(crate) fn find(named: Option<&str>, usb: &str) -> anyhow::Result<String> {
    if let Some(port) = named {
        return Ok(port.to_string());
    }
    choose(&ports(), usb)
}

/// The same, open, when the board may still be starting.
pub(crate) fn wait(named: Option<&str>, usb: &str) -> anyhow::Result<(String, Box<dyn SerialPort>)> {
    let start = Instant::now();
    loop {
        let opened = find(named, usb).and_then(|port| Ok((port.clone(), open(&port)?)));
        match opened {
            Err(_) if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(100)),
            opened => return opened,
        }
    }
}

fn ports() -> Vec<SerialPortInfo> {
    serialport::available_ports().unwrap_or_default()
}

fn choose(ports: &[SerialPortInfo], usb: &str) -> anyhow::Result<String> {
    let (vendor, product) = usb_identity(usb)?;
    let is = |port: &&SerialPortInfo| match &port.port_type {
        SerialPortType::UsbPort(info) => (info.vid, info.pid) == (vendor, product),
        _ => false,
    };
    let names =
        |ports: &[&SerialPortInfo]| ports.iter().map(|port| port.port_name.clone()).collect::<Vec<_>>().join(", ");
    match ports.iter().filter(is).collect::<Vec<_>>().as_slice() {
        [] => {
            let others: Vec<&SerialPortInfo> = ports.iter().collect();
            let others =
                if others.is_empty() { "there is none at all".into() } else { format!("there is {}", names(&others)) };
            bail!(
                "no board is connected: no serial port has the USB identity {usb} ({others}); connect it with a cable \
                 that carries data, or name its port with --port"
            )
        }
        [port] => Ok(port.port_name.clone()),
        several => bail!(
            "{} serial ports have the USB identity {usb}: choose one with --port: {}",
            several.len(),
            names(several)
        ),
    }
}

/// Opens a port.
pub(crate) fn open(port: &str) -> anyhow::Result<Box<dyn SerialPort>> {
    let start = Instant::now();
    loop {
        // Short enough that the thread which reads notices soon when nobody listens any more.
        let opened = serialport::new(port, BAUD).timeout(Duration::from_millis(50)).open();
        match opened {
            Ok(port) => return Ok(port),
            // The conversation before may still be letting go of it.
            Err(error) if busy(&error) && start.elapsed() < Duration::from_secs(2) => {
                thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(explain(port, &error)),
        }
    }
}

fn busy(error: &serialport::Error) -> bool {
    let text = error.to_string().to_lowercase();
    error.kind == ErrorKind::NoDevice && text.contains("busy") || text.contains("resource busy")
}

fn explain(port: &str, error: &serialport::Error) -> anyhow::Error {
    let remedy = match error.kind {
        _ if busy(error) => "another program uses it: end that".to_string(),
        ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            "you may not use it: `sudo usermod -aG dialout $USER`, then log in again".into()
        }
        ErrorKind::NoDevice | ErrorKind::Io(io::ErrorKind::NotFound) => {
            let there: Vec<String> = ports().into_iter().map(|port| port.port_name).collect();
            let there = if there.is_empty() { "no serial port".into() } else { there.join(", ") };
            format!("there is {there}; is the board connected?")
        }
        _ => "is it a serial port?".into(),
    };
    anyhow!("the serial port {port} cannot be opened ({error}); {remedy}")
}

/// A board behind an open port.
pub(crate) fn reached(name: String, mut port: Box<dyn SerialPort>) -> anyhow::Result<Reached> {
    // Boards with USB of their own say nothing while nobody listens. Not every port has the line.
    let _ = port.write_data_terminal_ready(true);
    let over = Arc::default();
    let reader = port.try_clone().with_context(|| name.clone())?;
    let reader = Box::new(UntilOver(reader, Arc::clone(&over)));
    let way = Way { said: Arc::default(), running: None, over, patience: Duration::ZERO };
    Ok(Reached { name, reader, writer: Box::new(port), way })
}

/// Asks a board with USB of its own for its boot loader: such boards take 1200 baud for that. Gives whether there was one
/// to ask.
pub(crate) fn ask_for_boot_loader(named: Option<&str>, usb: &str) -> bool {
    let port = find(named, usb).ok();
    let asked = port.map(|port| serialport::new(port, 1200).timeout(Duration::from_millis(50)).open());
    // The port goes away while it is being closed.
    asked.is_some_and(|opened| opened.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serialport::UsbPortInfo;

    fn port(name: &str, vid: u16, pid: u16) -> SerialPortInfo {
        let info = UsbPortInfo { vid, pid, serial_number: None, manufacturer: None, product: None };
        SerialPortInfo { port_name: name.into(), port_type: SerialPortType::UsbPort(info) }
    }

    #[test]
    fn a_port_is_found_by_its_usb_identity() {
        let ports = [port("/dev/ttyACM0", 0x0483, 0x374b), port("/dev/ttyACM1", 0x2e8a, 0x000a)];
        assert_eq!(choose(&ports, "2e8a:000a").unwrap(), "/dev/ttyACM1");
        let none = choose(&ports, "1366:1051").unwrap_err().to_string();
        assert!(none.starts_with("no board is connected: no serial port has the USB identity 1366:1051"), "{none}");
        assert!(none.contains("there is /dev/ttyACM0, /dev/ttyACM1") && none.contains("--port"), "{none}");
        let twice = [port("a", 1, 2), port("b", 1, 2)];
        let several = choose(&twice, "0001:0002").unwrap_err().to_string();
        assert_eq!(several, "2 serial ports have the USB identity 0001:0002: choose one with --port: a, b");
    }

    #[test]
    fn a_port_that_is_not_there_is_named() {
        let error = open("/dev/no-such-port").map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("the serial port /dev/no-such-port cannot be opened"), "{error}");
        assert!(error.ends_with("is the board connected?"), "{error}");
    }
}
