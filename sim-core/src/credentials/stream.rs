//! Bytes that depend on a text only: the digests of the text and a counter, one after the other. Keys of the simulator are
//! drawn from it, so whoever knows the text knows the key.

use std::convert::Infallible;

use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::sha2::{Digest, Sha256};

/// The stream of a text.
pub struct Stream {
    seed: [u8; 32],
    block: u64,
    left: Vec<u8>,
}

impl Stream {
    /// At its beginning.
    pub fn new(text: &str) -> Stream {
        Stream { seed: Sha256::digest(text.as_bytes()).into(), block: 0, left: Vec::new() }
    }

    fn byte(&mut self) -> u8 {
        if self.left.is_empty() {
            self.block += 1;
            let input = [&self.seed[..], &self.block.to_be_bytes()[..]].concat();
            self.left = Sha256::digest(&input).to_vec();
        }
        self.left.pop().unwrap_or_default()
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        target.iter_mut().for_each(|byte| *byte = self.byte());
        Ok(())
    }
}

impl TryCryptoRng for Stream {}
