//! Numbers or percentages. Source: apimachinery pkg/util/intstr.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The number meant, given the total that a percentage is of; a text that is no percentage counts as 0.
pub fn scaled_value(value: &IntOrString, total: i32, round_up: bool) -> i32 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => percent(text).map_or(0, |percent| {
            let product = i64::from(percent) * i64::from(total);
            let rounded = if round_up { (product + 99).div_euclid(100) } else { product.div_euclid(100) };
            i32::try_from(rounded).unwrap_or(i32::MAX)
        }),
    }
}

/// The number before a `%`.
pub fn percent(text: &str) -> Option<i32> {
    text.strip_suffix('%')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surge_rounds_up_and_unavailability_down() {
        let quarter = IntOrString::String("25%".into());
        assert_eq!((scaled_value(&quarter, 10, true), scaled_value(&quarter, 10, false)), (3, 2));
        assert_eq!(scaled_value(&IntOrString::Int(4), 10, true), 4);
    }
}
