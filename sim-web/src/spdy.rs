//! SPDY/3.1 frames, as far as port-forward needs them: streams with headers, data, half-closes, pings.
//! Not modelled: flow control beyond granting the peer whatever it sent, priorities, pushed streams, settings.
//! Source: the SPDY/3.1 draft; the dictionary of its header compression is in `spdy_dictionary.bin`.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

const DICTIONARY: &[u8] = include_bytes!("spdy_dictionary.bin");
/// A frame may have this many bytes.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// A block of headers may have this many bytes when unpacked.
const HEADERS_BYTES_MAX: usize = 64 << 10;
const VERSION: u16 = 0x8003;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const WINDOW_UPDATE: u16 = 9;
/// The flag of the last frame of a direction.
const FIN: u8 = 1;

/// What the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// It opens a stream.
    Open {
        /// The stream.
        stream: u32,
        /// Its headers, names in lower case.
        headers: Vec<(String, String)>,
        /// Whether it will send nothing on it.
        fin: bool,
    },
    /// Bytes on a stream.
    Data {
        /// The stream.
        stream: u32,
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether they are the last.
        fin: bool,
    },
    /// It gives a stream up.
    Reset {
        /// The stream.
        stream: u32,
    },
    /// It wants to know whether we are there.
    Ping {
        /// What to send back.
        id: u32,
    },
    /// It is about to leave.
    GoAway,
    /// Anything that needs no answer.
    Other,
}

/// Reads the peer's frames from its bytes.
pub struct Decoder {
    buffer: Vec<u8>,
    unpack: Decompress,
}

impl Decoder {
    /// At the beginning of a connection.
    pub fn new() -> Decoder {
        Decoder { buffer: vec![], unpack: Decompress::new(true) }
    }

    /// Takes in bytes and yields the frames that are whole. The error says why the connection cannot go on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, String> {
        self.buffer.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(header) = self.buffer.first_chunk::<8>().copied() {
            let length = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
            if length > FRAME_BYTES_MAX {
                return Err(format!("a frame of {length} bytes is too large"));
            }
            if self.buffer.len() < 8 + length {
                break;
            }
            let payload: Vec<u8> = self.buffer.drain(..8 + length).skip(8).collect();
            frames.push(self.frame(&header, payload)?);
        }
        Ok(frames)
    }

    fn frame(&mut self, header: &[u8; 8], payload: Vec<u8>) -> Result<Frame, String> {
        let fin = header[4] & FIN != 0;
        if header[0] & 0x80 == 0 {
            let stream = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
            return Ok(Frame::Data { stream, bytes: payload, fin });
        }
        let word = |at: usize| payload.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
        match u16::from_be_bytes([header[2], header[3]]) {
            SYN_STREAM => {
                let block = payload.get(10..).ok_or("a frame that opens a stream is too short")?;
                Ok(Frame::Open { stream: word(0) & 0x7fff_ffff, headers: self.headers(block)?, fin })
            }
            RST_STREAM => Ok(Frame::Reset { stream: word(0) & 0x7fff_ffff }),
            PING => Ok(Frame::Ping { id: word(0) }),
            GOAWAY => Ok(Frame::GoAway),
            _ => Ok(Frame::Other),
        }
    }

    fn headers(&mut self, block: &[u8]) -> Result<Vec<(String, String)>, String> {
        let plain = self.inflate(block)?;
        let mut at = 0;
        let count = number(&plain, &mut at)?;
        let mut found = Vec::new();
        for _ in 0..count.min(1000) {
            let name = text(&plain, &mut at)?;
            found.push((name.to_ascii_lowercase(), text(&plain, &mut at)?));
        }
        Ok(found)
    }

    fn inflate(&mut self, block: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = vec![0; HEADERS_BYTES_MAX];
        let (in_before, out_before) = (self.unpack.total_in(), self.unpack.total_out());
        let mut dictionary_given = false;
        loop {
            let read = (self.unpack.total_in() - in_before) as usize;
            let written = (self.unpack.total_out() - out_before) as usize;
            match self.unpack.decompress(&block[read..], &mut out[written..], FlushDecompress::Sync) {
                Ok(Status::Ok | Status::BufError | Status::StreamEnd) => {
                    out.truncate((self.unpack.total_out() - out_before) as usize);
                    return Ok(out);
                }
                Err(error) if error.needs_dictionary().is_some() && !dictionary_given => {
                    self.unpack.set_dictionary(DICTIONARY).map_err(|e| e.to_string())?;
                    dictionary_given = true;
                }
                Err(error) => return Err(format!("the headers cannot be unpacked: {error}")),
            }
        }
    }
}

fn number(bytes: &[u8], at: &mut usize) -> Result<usize, String> {
    let found = bytes.get(*at..*at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    *at += 4;
    found.map(|n| n as usize).ok_or_else(|| "the headers end too early".to_owned())
}

fn text(bytes: &[u8], at: &mut usize) -> Result<String, String> {
    let length = number(bytes, at)?;
    let end = at.checked_add(length).ok_or("the headers are too long")?;
    let found = bytes.get(*at..end).ok_or("the headers end too early")?;
    *at = end;
    Ok(String::from_utf8_lossy(found).into_owned())
}

/// Writes our frames.
pub struct Encoder {
    pack: Compress,
}

impl Encoder {
    /// At the beginning of a connection.
    pub fn new() -> Encoder {
        Encoder { pack: Compress::new(Compression::fast(), true) }
    }

    /// Accepts a stream.
    pub fn reply(&mut self, stream: u32) -> Vec<u8> {
        let mut block = Vec::with_capacity(256);
        // A list of no headers. There is room for it, so it is packed in one go.
        let _packed = self.pack.compress_vec(&0_u32.to_be_bytes(), &mut block, FlushCompress::Sync);
        let mut payload = stream.to_be_bytes().to_vec();
        payload.extend(block);
        control(SYN_REPLY, 0, &payload)
    }

    /// Sends bytes on a stream.
    pub fn data(&self, stream: u32, bytes: &[u8], fin: bool) -> Vec<u8> {
        let mut out = stream.to_be_bytes().to_vec();
        out.extend(length_with_flags(bytes.len(), if fin { FIN } else { 0 }));
        out.extend_from_slice(bytes);
        out
    }

    /// Answers a ping.
    pub fn pong(&self, id: u32) -> Vec<u8> {
        control(PING, 0, &id.to_be_bytes())
    }

    /// Lets the peer send as many bytes again as it has sent.
    pub fn grant(&self, stream: u32, bytes: usize) -> Vec<u8> {
        let mut payload = stream.to_be_bytes().to_vec();
        payload.extend((bytes as u32).to_be_bytes());
        control(WINDOW_UPDATE, 0, &payload)
    }
}

fn control(kind: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = VERSION.to_be_bytes().to_vec();
    out.extend(kind.to_be_bytes());
    out.extend(length_with_flags(payload.len(), flags));
    out.extend_from_slice(payload);
    out
}

fn length_with_flags(length: usize, flags: u8) -> [u8; 4] {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    [flags, a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that opens stream 1 with these headers, packed as a client does it, with the dictionary.
    fn open(headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
        for part in headers.iter().flat_map(|(n, v)| [n, v]) {
            plain.extend((part.len() as u32).to_be_bytes());
            plain.extend(part.as_bytes());
        }
        let mut pack = Compress::new(Compression::best(), true);
        pack.set_dictionary(DICTIONARY).expect("a fresh stream takes a dictionary");
        let mut block = Vec::with_capacity(1024);
        pack.compress_vec(&plain, &mut block, FlushCompress::Sync).expect("there is room");
        let mut payload = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        payload.extend(block);
        control(SYN_STREAM, 0, &payload)
    }

    #[test]
    fn a_stream_is_opened_with_its_headers() {
        let frames = Decoder::new().feed(&open(&[("streamtype", "data"), ("Port", "8000")])).expect("it is sound");
        let headers = vec![("streamtype".to_owned(), "data".to_owned()), ("port".to_owned(), "8000".to_owned())];
        assert_eq!(frames, [Frame::Open { stream: 1, headers, fin: false }]);
    }

    #[test]
    fn frames_may_arrive_in_pieces() {
        let mut decoder = Decoder::new();
        let bytes = Encoder::new().data(3, b"hello", true);
        assert!(decoder.feed(&bytes[..7]).expect("sound so far").is_empty());
        let frames = decoder.feed(&bytes[7..]).expect("it is sound");
        assert_eq!(frames, [Frame::Data { stream: 3, bytes: b"hello".to_vec(), fin: true }]);
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic() {
        for bytes in [
            &[0x80, 3, 0, 1, 0, 0, 0, 2, 1, 2][..],
            &[0x80, 3, 0, 1, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 9],
            &[1, 2, 3, 4, 0, 255, 255, 255],
        ] {
            assert!(Decoder::new().feed(bytes).is_err(), "{bytes:?}");
        }
    }
}
