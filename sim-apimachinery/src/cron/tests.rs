//! Schedules and their messages, as robfig/cron's own tests and documentation have them.

use super::*;

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[track_caller]
fn check(schedule: &str, from: &str, expected: &str) {
    let found = parse(schedule).unwrap().next(at(from));
    assert_eq!(found.map(|s| jiff::Timestamp::from_second(s).unwrap().to_string()).as_deref(), Some(expected), "{schedule}");
}

#[test]
fn the_next_moment_is_robfigs() {
    check("*/5 * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:05:00Z");
    check("0/15 * * * *", "2024-07-09T14:59:59Z", "2024-07-09T15:00:00Z");
    check("20-35/15 * * * *", "2024-07-09T14:45:00Z", "2024-07-09T15:20:00Z");
    check("30 8 * * mon-fri", "2024-03-01T09:00:00Z", "2024-03-04T08:30:00Z");
    check("0 0 29 feb ?", "2023-01-01T00:00:00Z", "2024-02-29T00:00:00Z");
    check("0 0 13 * fri", "2024-01-01T00:00:00Z", "2024-01-05T00:00:00Z");
    check("@monthly", "2024-01-31T12:00:00Z", "2024-02-01T00:00:00Z");
    check("@every 90s", "2024-01-01T00:00:10Z", "2024-01-01T00:01:40Z");
    check("@every 100ms", "2024-01-01T00:00:10Z", "2024-01-01T00:00:11Z");
}

#[test]
fn zones_move_the_clock() {
    check("TZ=Europe/Paris 30 2 * * *", "2024-07-01T00:00:00Z", "2024-07-01T00:30:00Z");
    check("CRON_TZ=America/New_York 0 0 * * *", "2012-03-11T05:30:00Z", "2012-03-12T04:00:00Z");
    // 02:30 does not exist on the day the clock is set forward.
    check("TZ=America/New_York 30 2 11 mar ?", "2012-03-11T05:00:00Z", "2013-03-11T06:30:00Z");
    // 01:00 exists twice on the day it is set back.
    check("TZ=America/New_York 0 * * * *", "2012-11-04T05:00:00Z", "2012-11-04T06:00:00Z");
}

#[test]
fn what_never_happens_has_no_next_moment() {
    assert_eq!(parse("0 0 30 feb *").unwrap().next(at("2024-01-01T00:00:00Z")), None);
}

#[test]
fn refusals_have_the_parsers_words() {
    for (text, message) in [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
        ("@nope", "unrecognized descriptor: @nope"),
        ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
        ("@every 5", "failed to parse duration @every 5: time: missing unit in duration \"5\""),
        ("TZ=Mars/Base 0 0 * * *", "provided bad location Mars/Base: unknown time zone Mars/Base"),
        ("TZ=0", "invalid schedule format: runtime error: slice bounds out of range [:-1]"),
    ] {
        assert_eq!(parse(text).err().as_deref(), Some(message), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_moves_forward(text in "[-*/,?@0-9a-z= ]{0,24}", from in 0_i64..4_000_000_000) {
        if let Ok(schedule) = parse(&text) {
            proptest::prop_assert!(schedule.next(from).is_none_or(|next| next > from));
        }
    }
}
