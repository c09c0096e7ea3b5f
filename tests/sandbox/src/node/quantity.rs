//! Kubernetes quantities, as far as the downward API needs them.

/// The value of a quantity in thousandths; `None` if it is not a quantity.
fn milli(quantity: &str) -> Option<u128> {
    let split = quantity
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction: u128 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let number = whole.parse::<u128>().ok()? * 1000 + fraction;
    let factor = match suffix {
        "m" => return Some(number / 1000),
        "" => 1,
        "k" => 1000,
        "M" => 1000_u128.pow(2),
        "G" => 1000_u128.pow(3),
        "T" => 1000_u128.pow(4),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    Some(number * factor)
}

/// `quantity` in units of `divisor`, rounded up as the kubelet does.
pub(crate) fn divided(quantity: &str, divisor: &str) -> Option<String> {
    let divisor = match divisor {
        "" | "0" => "1",
        other => other,
    };
    let divisor = milli(divisor).filter(|&value| value > 0)?;
    Some(milli(quantity)?.div_ceil(divisor).to_string())
}

#[cfg(test)]
mod tests {
    use super::divided;

    #[test]
    fn quantities_are_divided_and_rounded_up() {
        for (quantity, divisor, expected) in [
            ("250m", "", "1"),
            ("250m", "1m", "250"),
            ("1.5", "1m", "1500"),
            ("2", "0", "2"),
            ("64Mi", "1Mi", "64"),
            ("64Mi", "1", "67108864"),
            ("1G", "1k", "1000000"),
        ] {
            assert_eq!(
                divided(quantity, divisor).as_deref(),
                Some(expected),
                "{quantity} / {divisor}"
            );
        }
        assert_eq!(divided("much", "1"), None);
    }
}
