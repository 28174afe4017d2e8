//! The hash at the end of a generated object's name: SHA-256 of its content as Go writes JSON, in an alphabet without
//! vowels. The name itself does not count, as in kubectl 1.32 (kustomize 5.5). Source: kustomize api/hasher.

use serde_json::{Value, json};

/// The hash of a config map or secret.
pub fn of(object: &Value) -> String {
    let field = |path: &str| object.pointer(path).cloned().unwrap_or_else(|| "".into());
    let mut content = json!({"kind": object["kind"], "name": "", "data": field("/data")});
    if object["kind"] == "Secret" {
        content["type"] = field("/type");
    }
    for extra in ["binaryData", "stringData"] {
        if let Some(map) = object.get(extra).filter(|m| m.is_object()) {
            content[extra] = map.clone();
        }
    }
    let digest = sha256(go_json(&content).as_bytes());
    digest.chars().take(10).map(consonant).collect()
}

fn consonant(digit: char) -> char {
    match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    }
}

/// JSON with sorted keys, and the signs that Go escapes for the sake of HTML.
fn go_json(value: &Value) -> String {
    let mut text = value.to_string();
    for (sign, escape) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")] {
        text = text.replace(sign, escape);
    }
    text
}

/// FIPS 180-4, in hexadecimal.
fn sha256(message: &[u8]) -> String {
    let constants = roots(64, 3);
    let mut state: Vec<u32> = roots(8, 2);
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64) + if padded.len() % 64 > 56 { 64 } else { 0 }, 0);
    let length = padded.len();
    padded[length - 8..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        compress(&mut state, block, &constants);
    }
    state.iter().map(|word| format!("{word:08x}")).collect()
}

fn compress(state: &mut [u32], block: &[u8], constants: &[u32]) {
    let mut words: Vec<u32> = block.chunks(4).map(|b| b.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))).collect();
    for at in 16..64 {
        let (near, far) = (words[at - 15], words[at - 2]);
        let a = near.rotate_right(7) ^ near.rotate_right(18) ^ (near >> 3);
        let b = far.rotate_right(17) ^ far.rotate_right(19) ^ (far >> 10);
        words.push(words[at - 16].wrapping_add(a).wrapping_add(words[at - 7]).wrapping_add(b));
    }
    let mut v = state.to_vec();
    for (word, constant) in words.iter().zip(constants) {
        let high = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
        let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
        let first = v[7].wrapping_add(high).wrapping_add(choice).wrapping_add(*constant).wrapping_add(*word);
        let low = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
        let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        v.rotate_right(1);
        v[4] = v[4].wrapping_add(first);
        v[0] = first.wrapping_add(low).wrapping_add(majority);
    }
    state.iter_mut().zip(v).for_each(|(s, v)| *s = s.wrapping_add(v));
}

/// The first 32 bits of the fractions of the square (2) or cube (3) roots of the first primes.
fn roots(count: usize, power: u32) -> Vec<u32> {
    let primes = (2_u128..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0));
    primes.take(count).map(|p| root(p, power)).collect()
}

fn root(prime: u128, power: u32) -> u32 {
    let target = prime << (32 * power);
    let (mut low, mut high) = (0_u128, 1_u128 << 40);
    while high - low > 1 {
        let middle = u128::midpoint(low, high);
        match middle.checked_pow(power) {
            Some(value) if value <= target => low = middle,
            _ => high = middle,
        }
    }
    low as u32
}

#[cfg(test)]
mod tests {
    #[test]
    fn sha256_is_the_standard_one() {
        assert_eq!(super::sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(super::sha256(&[b'a'; 120]), super::sha256("a".repeat(120).as_bytes()));
        assert_eq!(super::sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(
            super::sha256(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        );
    }
}
