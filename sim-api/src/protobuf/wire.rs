//! The wire format: fields with numbers, each an integer of changing length, four or eight bytes, or bytes with their length.

/// A field's content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    /// An integer.
    Number(u64),
    /// Eight bytes.
    Eight([u8; 8]),
    /// Bytes: a string, a message, bytes, or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes, which nothing in the API uses.
    Four,
}

/// The fields of a message, in the order they come.
pub(super) fn fields(bytes: &[u8]) -> Result<Vec<(u64, Field<'_>)>, String> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => Field::Eight(take(&mut rest, 8)?.try_into().map_err(|_| short())?),
            2 => {
                let length = varint(&mut rest)?;
                Field::Bytes(take(&mut rest, usize::try_from(length).map_err(|_| short())?)?)
            }
            5 => take(&mut rest, 4).map(|_| Field::Four)?,
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        match key >> 3 {
            0 => return Err(format!("proto: illegal tag 0 (wire type {})", key & 7)),
            number => found.push((number, field)),
        }
    }
    Ok(found)
}

/// An integer of changing length, taken from the front.
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first().ok_or_else(short)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("proto: integer overflow".to_owned())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, after) = rest.split_at_checked(length).ok_or_else(short)?;
    *rest = after;
    Ok(taken)
}

fn short() -> String {
    "unexpected EOF".to_owned()
}

/// Bytes as text.
pub(super) fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "proto: invalid UTF-8 in a string".to_owned())
}
