//! What numbers a cluster profile may hold: a file is input like any other, and no sum over its numbers may overflow.

use serde_json::Value;

/// The longest time a table may say, in microseconds: an hour.
const TIME_MAX: u64 = 3_600_000_000;
/// The largest number of bytes: a million terabytes.
const BYTES_MAX: u64 = 1_000_000_000_000_000_000;
/// Fields that hold one number, or a table of them, and between what each number lies.
const FIELDS: [(&str, u64, u64); 17] = [
    ("pace", 1, 100_000),
    ("workShare", 1, 1_000_000),
    ("workDemandPercent", 1, 100_000),
    ("relistPeriod", 1_000_000, TIME_MAX * 1_000),
    ("eventsMergedPerMillion", 0, 1_000_000),
    ("cache", 0, 1_000_000),
    ("update", 0, 1_000_000),
    ("firstOfTwo", 0, 1_000_000),
    ("metricsPerPod", 0, TIME_MAX),
    ("schemaPerKind", 0, TIME_MAX),
    ("cpuMillis", 1, 1_000_000_000),
    ("memoryBytes", 1, BYTES_MAX),
    ("ephemeralStorageBytes", 0, BYTES_MAX),
    ("pods", 0, 1_000_000),
    ("bytesPerSecond", 1, BYTES_MAX),
    ("defaultSizeBytes", 0, BYTES_MAX),
    ("images", 0, BYTES_MAX),
];

/// Refuses a number that lies outside, and a table that does not ascend; says where.
pub(super) fn check(profile: &Value) -> Result<(), String> {
    check_at(profile, "", "")
}

/// `field` is the name above the value, `path` all of them.
fn check_at(value: &Value, field: &str, path: &str) -> Result<(), String> {
    match value {
        Value::Object(map) => map.iter().try_for_each(|(key, inner)| {
            // Sizes stand below the names of images.
            let field = if matches!(field, "images" | "sizes") { "images" } else { key };
            check_at(inner, field, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") })
        }),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| check_at(item, field, &format!("{path}[{at}]")))?;
            let numbers: Vec<u64> = items.iter().filter_map(Value::as_u64).collect();
            if numbers.is_sorted() { Ok(()) } else { Err(format!("{path}: a table goes from the least to the largest")) }
        }
        Value::Number(number) => {
            let (least, most) = FIELDS.iter().find(|(name, ..)| *name == field).map_or((0, TIME_MAX), |(_, least, most)| (*least, *most));
            let inside = number.as_u64().is_some_and(|n| (least..=most).contains(&n));
            if inside { Ok(()) } else { Err(format!("{path}: {number} is not between {least} and {most}")) }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Profile;

    fn with(pointer: &str, value: Value) -> Result<(), String> {
        let mut profile = serde_json::to_value(Profile::three_nodes()).expect("a profile is JSON");
        *profile.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is there")) = value;
        check(&profile)
    }

    #[test]
    fn shipped_profiles_keep_to_the_limits() {
        for name in Profile::NAMES {
            let profile = Profile::named(name).expect("it is shipped");
            assert_eq!(check(&serde_json::to_value(profile).expect("a profile is JSON")), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_number_outside_is_told_with_its_place() {
        let told = |pointer: &str, value: Value| with(pointer, value).expect_err("it is refused");
        assert_eq!(
            told("/links/schemaPerKind", u64::MAX.into()),
            format!("links.schemaPerKind: {} is not between 0 and 3600000000", u64::MAX)
        );
        assert_eq!(told("/links/commit/4", u64::MAX.into()), format!("links.commit[4]: {} is not between 0 and 3600000000", u64::MAX));
        assert_eq!(told("/nodes/0/cpuMillis", (-5).into()), "nodes[0].cpuMillis: -5 is not between 1 and 1000000000");
        assert_eq!(told("/pace", serde_json::json!([5, 4, 3, 2, 1])), "pace: a table goes from the least to the largest");
        assert_eq!(with("/nodes/0/images", serde_json::json!({"app:1": 5_000_000_000_u64})), Ok(()));
    }
}
