//! Names that a user types: suggestions where one does not exist.

/// `no model "digts"; there are digits, kws; did you mean "digits"?`
pub(crate) fn unknown(kind: &str, name: &str, existing: &[String]) -> String {
    let list = match existing {
        [] => "there are none".to_string(),
        [one] => format!("there is {one}"),
        many => format!("there are {}", many.join(", ")),
    };
    let meant = nearest(name, existing).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    format!("no {kind} \"{name}\"; {list}{meant}")
}

/// The name that was probably meant, if one is near enough.
pub(crate) fn nearest<'a>(name: &str, existing: &'a [String]) -> Option<&'a str> {
    let alike = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let best = existing.iter().map(|other| (alike(other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.8).map(|(_, other)| other.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["host", "mps2-an385", "mps2-an386", "nrf52840-dk"].map(String::from).to_vec()
    }

    #[test]
    fn a_typing_error_finds_the_name() {
        assert_eq!(nearest("mps2-an368", &names()), Some("mps2-an386"));
        assert_eq!(nearest("nrf52840dk", &names()), Some("nrf52840-dk"));
        assert_eq!(nearest("HOST", &names()), Some("host"));
    }

    #[test]
    fn something_else_finds_none() {
        assert_eq!(nearest("esp32", &names()), None);
        assert_eq!(nearest("", &names()), None);
    }

    #[test]
    fn the_message_lists_what_exists() {
        let text = unknown("board", "hots", &names());
        assert_eq!(
            text,
            "no board \"hots\"; there are host, mps2-an385, mps2-an386, nrf52840-dk; did you mean \"host\"?"
        );
        assert_eq!(unknown("model", "x", &[]), "no model \"x\"; there are none");
    }
}
