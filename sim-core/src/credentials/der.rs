//! The little of DER (X.690) that certificates and requests for them are made of: elements are read and written.
//! Reading never panics; what is not well formed is `None`.

use crate::time::{SECOND, SimTime};

/// Tags.
pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const UTF8_STRING: u8 = 0x0c;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// Its tag.
    pub tag: u8,
    /// Its content.
    pub content: &'a [u8],
    /// Tag, length and content.
    pub whole: &'a [u8],
}

/// The first element, and what follows it.
pub fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let count = usize::from(length & 0x7f);
        let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
        (digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit)), &rest[count..])
    };
    let content = rest.get(..length)?;
    let head = bytes.len() - rest.len();
    Some((Element { tag, content, whole: &bytes[..head + length] }, &rest[length..]))
}

/// All elements, one after the other.
pub fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = first(bytes)?;
        found.push(element);
        bytes = rest;
    }
    Some(found)
}

/// The elements of the only element, which has this tag.
pub fn inside(bytes: &[u8], tag: u8) -> Option<Vec<Element<'_>>> {
    let (element, rest) = first(bytes)?;
    if element.tag == tag && rest.is_empty() { elements(element.content) } else { None }
}

/// An element with this content.
pub fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|d| *d == 0).collect();
        out.push(0x80 | digits.len() as u8);
        out.extend(digits);
    }
    out.extend_from_slice(content);
    out
}

/// A sequence of elements.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    write(SEQUENCE, &parts.concat())
}

/// A positive integer from its bytes.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    let pad = digits.first().is_none_or(|b| *b >= 0x80);
    write(INTEGER, &[if pad { &[0_u8][..] } else { &[] }, &digits].concat())
}

/// A bit string of whole bytes.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    write(BIT_STRING, &[&[0], bytes].concat())
}

/// A bit string of single bits, named by their numbers; zeros at the end are left out.
pub fn bits(set: &[u8]) -> Vec<u8> {
    let Some(last) = set.iter().max() else { return write(BIT_STRING, &[0]) };
    let mut bytes = vec![0_u8; usize::from(last / 8) + 1];
    set.iter().for_each(|bit| bytes[usize::from(bit / 8)] |= 0x80 >> (bit % 8));
    write(BIT_STRING, &[&[7 - last % 8], bytes.as_slice()].concat())
}

/// A moment, in whole seconds: two digits of the year until 2049, four afterwards.
pub fn time(at: SimTime) -> Vec<u8> {
    let time = at.to_time().0;
    let long = time.strftime("%Y%m%d%H%M%SZ").to_string();
    if long.as_str() < "20500000000000Z" { write(UTC_TIME, &long.as_bytes()[2..]) } else { write(GENERALIZED_TIME, long.as_bytes()) }
}

/// The moment an element tells.
pub fn read_time(element: &Element<'_>) -> Option<SimTime> {
    let text = std::str::from_utf8(element.content).ok()?;
    let long = match element.tag {
        UTC_TIME if text.as_bytes().first()? < &b'5' => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let number = |from: usize, to: usize| long.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let when = jiff::civil::DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, 0).ok()?;
    let seconds = when.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    // A moment beyond the end of simulated time is its end.
    Some(SimTime(u64::try_from(seconds).unwrap_or(0).saturating_mul(SECOND)))
}
