//! Why a text is no RFC 3339 time, in the words of Go's `time.Parse`.
//! Not modelled: leap seconds; the day is checked against its month, as Go does.

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const LAYOUT_MICRO: &str = "2006-01-02T15:04:05.000000Z07:00";

/// A piece of the layout: its text, how many digits it takes, its range and the word for that range.
const PIECES: [(&str, usize, u32, u32, &str); 6] = [
    ("2006", 4, 0, 9999, "year"),
    ("01", 2, 1, 12, "month"),
    ("02", 2, 1, 31, "day"),
    ("15", 2, 0, 23, "hour"),
    ("04", 2, 0, 59, "minute"),
    ("05", 2, 0, 59, "second"),
];
const SEPARATORS: [&str; 6] = ["-", "-", "T", ":", ":", ""];

enum Wrong {
    Piece { rest: String, piece: &'static str },
    Range(&'static str),
    Extra(String),
}

/// The error text, or `None` if the text is a time.
pub(super) fn error(text: &str, micro: bool) -> Option<String> {
    if text.is_empty() && !micro {
        return Some(told(text, micro, &Wrong::Piece { rest: String::new(), piece: "2006" }));
    }
    parse(text, micro).err().map(|wrong| told(text, micro, &wrong))
}

fn told(text: &str, micro: bool, wrong: &Wrong) -> String {
    let layout = if micro { LAYOUT_MICRO } else { LAYOUT };
    match wrong {
        Wrong::Piece { rest, piece } => format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {piece:?}"),
        Wrong::Range(what) => format!("parsing time {text:?}: {what} out of range"),
        Wrong::Extra(rest) => format!("parsing time {text:?}: extra text: {rest:?}"),
    }
}

fn parse(text: &str, micro: bool) -> Result<(), Wrong> {
    let mut rest = text;
    let mut numbers = [0; 6];
    for (index, ((piece, digits, low, high, word), separator)) in PIECES.into_iter().zip(SEPARATORS).enumerate() {
        let number = rest.get(..digits).filter(|t| t.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse::<u32>().ok());
        let number = number.ok_or_else(|| Wrong::Piece { rest: rest.to_owned(), piece })?;
        if number < low || number > high {
            return Err(Wrong::Range(word));
        }
        numbers[index] = number;
        rest = &rest[digits..];
        rest = rest.strip_prefix(separator).ok_or_else(|| Wrong::Piece { rest: rest.to_owned(), piece: separator })?;
    }
    rest = fraction(rest, micro)?;
    rest = zone(rest)?;
    if !rest.is_empty() {
        return Err(Wrong::Extra(rest.to_owned()));
    }
    let [year, month, day, ..] = numbers;
    if day > days_in(year, month) { Err(Wrong::Range("day")) } else { Ok(()) }
}

fn fraction(rest: &str, micro: bool) -> Result<&str, Wrong> {
    let wrong = || Wrong::Piece { rest: rest.to_owned(), piece: ".000000" };
    let digits = match rest.strip_prefix(['.', ',']) {
        Some(digits) => digits,
        None if micro => return Err(wrong()),
        None => return Ok(rest),
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    match (micro, count) {
        (true, 6) => Ok(&digits[count..]),
        (true, _) => Err(wrong()),
        (false, 0) => Ok(rest),
        (false, _) => Ok(&digits[count..]),
    }
}

fn zone(rest: &str) -> Result<&str, Wrong> {
    let wrong = || Wrong::Piece { rest: rest.to_owned(), piece: "Z07:00" };
    if let Some(rest) = rest.strip_prefix('Z') {
        return Ok(rest);
    }
    let offset = rest.get(..6).ok_or_else(wrong)?;
    let bytes = offset.as_bytes();
    let digits = [1, 2, 4, 5].iter().all(|i| bytes[*i].is_ascii_digit());
    if !matches!(bytes[0], b'+' | b'-') || bytes[3] != b':' || !digits {
        return Err(wrong());
    }
    Ok(&rest[6..])
}

fn days_in(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
