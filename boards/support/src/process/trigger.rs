//! The trigger of a process: a line of a GPIO chip where the user names one, else nothing.

use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin};
use std::{format, string::String};

/// High during every inference.
pub(super) struct Trigger(Option<line::Line>);

impl Trigger {
    /// `gpiochip0:17`, or none.
    pub(super) fn open(line: Option<&str>) -> Result<Self, String> {
        let Some(text) = line else { return Ok(Self(None)) };
        let parts = text.split_once(':').and_then(|(chip, line)| Some((chip, line.parse().ok()?)));
        let (chip, number) = parts.ok_or_else(|| format!("\"{text}\" is no GPIO line; one is gpiochip0:17"))?;
        let open = line::open(chip, number).map_err(|reason| format!("the trigger {text} cannot be used: {reason}"))?;
        Ok(Self(Some(open)))
    }

    fn set(&mut self, high: bool) -> Result<(), ErrorKind> {
        self.0.as_ref().map_or(Ok(()), |line| line::set(line, high))
    }
}

impl ErrorType for Trigger {
    type Error = ErrorKind;
}

impl OutputPin for Trigger {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.set(true)
    }
}

/// Linux's character devices.
#[cfg(all(feature = "gpio", target_os = "linux"))]
mod line {
    use embedded_hal::digital::ErrorKind;
    use gpio_cdev::{Chip, LineHandle, LineRequestFlags};
    use std::{
        format,
        string::{String, ToString},
    };

    pub(super) type Line = LineHandle;

    pub(super) fn open(chip: &str, line: u32) -> Result<Line, String> {
        let requested = Chip::new(format!("/dev/{chip}"))
            .and_then(|mut chip| chip.get_line(line))
            .and_then(|line| line.request(LineRequestFlags::OUTPUT, 0, "niwaki"));
        requested.map_err(|error| error.to_string())
    }

    pub(super) fn set(line: &Line, high: bool) -> Result<(), ErrorKind> {
        line.set_value(u8::from(high)).map_err(|_| ErrorKind::Other)
    }
}

#[cfg(not(all(feature = "gpio", target_os = "linux")))]
mod line {
    use embedded_hal::digital::ErrorKind;
    use std::string::String;

    /// None can be made.
    pub(super) enum Line {}

    pub(super) fn open(_chip: &str, _line: u32) -> Result<Line, String> {
        Err("this program has no GPIO".into())
    }

    pub(super) fn set(line: &Line, _high: bool) -> Result<(), ErrorKind> {
        match *line {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_there_is_named() {
        assert!(Trigger::open(None).is_ok_and(|mut none| none.set_high() == Ok(())));
        let error = |text| Trigger::open(Some(text)).err().unwrap();
        assert_eq!(error("17"), "\"17\" is no GPIO line; one is gpiochip0:17");
        let message = error("gpiochip999:17");
        assert!(message.starts_with("the trigger gpiochip999:17 cannot be used: "), "{message}");
    }
}
