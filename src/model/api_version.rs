/// Parses a version of an API of Azure Resource Manager: a date, which `-preview`
/// may follow.
pub fn parse_api_version(text: &str) -> Result<String, String> {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    let is_date = date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok();
    if is_date {
        return Ok(text.to_owned());
    }
    Err("a version is a date, such as 2024-05-01, or one with -preview after it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_date() {
        for version in ["2024-05-01", "2025-09-01-preview"] {
            assert_eq!(parse_api_version(version).as_deref(), Ok(version));
        }
        for other in [
            "",
            "latest",
            "2024-5-1",
            "20240501",
            "2024-13-01",
            "2024-05-01-beta",
            "2024-05-01&a=b",
        ] {
            assert!(parse_api_version(other).is_err(), "{other}");
        }
    }
}
