//! Compressed bodies, by hand: the format is simple where nothing has to be found that repeats.

/// How many bytes of zero bits a bomb has. Every two bits stand for 258 spaces.
const BOMB_BYTES: usize = 1 << 20;

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const LARGEST_STORED: usize = u16::MAX as usize;

/// The body in the format, though no shorter.
pub(super) fn stored(body: &[u8]) -> Vec<u8> {
    let mut bits = Bits::new(HEADER.to_vec());
    bits.stored(body);
    bits.finish(update(!0, body), body.len() as u64)
}

/// Half of the body, and then a block of a kind that does not exist.
pub(super) fn corrupt(body: &[u8]) -> Vec<u8> {
    let mut bits = Bits::new(HEADER.to_vec());
    let (first, second) = body.split_at(body.len() / 2);
    for chunk in first.chunks(LARGEST_STORED) {
        bits.stored_block(chunk, false);
    }
    bits.put(0b111, 3);
    bits.align();
    bits.bytes.extend(second);
    bits.finish(update(!0, body), body.len() as u64)
}

/// More than a gigabyte of spaces, then the body.
pub(super) fn bomb(body: &[u8]) -> Vec<u8> {
    spaces_then(body, BOMB_BYTES)
}

fn spaces_then(body: &[u8], zero_bytes: usize) -> Vec<u8> {
    let mut bits = Bits::new(HEADER.to_vec());
    // A block with codes of its own: 0 repeats 258 bytes, 10 is a space, 11 ends the block; and 0 is a distance of 1.
    bits.put(0b0, 1);
    bits.put(0b10, 2);
    // 286 literals and lengths, 2 distances, 18 lengths of the codes for the lengths of codes.
    bits.put(286 - 257, 5);
    bits.put(2 - 1, 5);
    bits.put(18 - 4, 4);
    // Those lengths, in the order 16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1: a run of zeros takes one bit, a length
    // of 1 or 2 two bits.
    for length in [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2] {
        bits.put(length, 3);
    }
    bits.zero_lengths(32);
    bits.code(0b11, 2); // the space has length 2
    bits.zero_lengths(138);
    bits.zero_lengths(85);
    bits.code(0b11, 2); // so has the end of the block
    bits.zero_lengths(28);
    for _ in 0..3 {
        bits.code(0b10, 2); // the repetition of 258 and the two distances have length 1
    }
    bits.code(0b10, 2); // a space
    bits.zero_bytes(zero_bytes);
    bits.code(0b11, 2); // the end
    bits.stored(body);

    let spaces = 1 + 258 * 4 * zero_bytes as u64;
    let check = update(repeat(!0, b' ', spaces), body);
    bits.finish(check, spaces + body.len() as u64)
}

/// Bits, the lowest of a byte first.
struct Bits {
    bytes: Vec<u8>,
    open: u32,
    count: u32,
}

impl Bits {
    const fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            open: 0,
            count: 0,
        }
    }

    /// A number, its lowest bit first.
    fn put(&mut self, value: u32, width: u32) {
        self.open |= value << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push(self.open.to_le_bytes()[0]);
            self.open >>= 8;
            self.count -= 8;
        }
    }

    /// A code, its highest bit first.
    fn code(&mut self, code: u32, width: u32) {
        self.put(code.reverse_bits() >> (32 - width), width);
    }

    /// 11 to 138 codes of length 0.
    fn zero_lengths(&mut self, count: u32) {
        self.code(0b0, 1);
        self.put(count - 11, 7);
    }

    fn zero_bytes(&mut self, count: usize) {
        for _ in 0..count {
            self.put(0, 8);
        }
    }

    fn align(&mut self) {
        self.put(0, (8 - self.count % 8) % 8);
    }

    /// The rest of the data as it is, and its end.
    fn stored(&mut self, body: &[u8]) {
        let mut chunks = body.chunks(LARGEST_STORED).peekable();
        if body.is_empty() {
            self.stored_block(body, true);
        }
        while let Some(chunk) = chunks.next() {
            self.stored_block(chunk, chunks.peek().is_none());
        }
    }

    fn stored_block(&mut self, chunk: &[u8], is_last: bool) {
        self.put(u32::from(is_last), 3);
        self.align();
        // Chunks are at most as long as this fits.
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((!length).to_le_bytes());
        self.bytes.extend(chunk);
    }

    fn finish(mut self, check: u32, length: u64) -> Vec<u8> {
        self.bytes.extend((!check).to_le_bytes());
        // The format keeps the length modulo 2^32.
        self.bytes.extend(&length.to_le_bytes()[..4]);
        self.bytes
    }
}

/// The running checksum (CRC-32, not yet inverted) after one more byte.
fn step(check: u32, byte: u8) -> u32 {
    (0..8).fold(check ^ u32::from(byte), |check, _| {
        (check >> 1) ^ (0xedb8_8320 * (check & 1))
    })
}

fn update(check: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(check, |check, byte| step(check, *byte))
}

/// The running checksum after so many more of the same byte. A step is affine over bits, so steps can be squared and
/// a gigabyte takes thirty of them.
fn repeat(check: u32, byte: u8, mut count: u64) -> u32 {
    let mut steps = Affine {
        constant: step(0, byte),
        columns: std::array::from_fn(|bit| step(1 << bit, byte) ^ step(0, byte)),
    };
    let mut check = check;
    while count > 0 {
        if count & 1 == 1 {
            check = steps.apply(check);
        }
        steps = steps.twice();
        count >>= 1;
    }
    check
}

struct Affine {
    constant: u32,
    columns: [u32; 32],
}

impl Affine {
    fn linear(&self, value: u32) -> u32 {
        let set = (0..32).filter(|bit| value >> bit & 1 == 1);
        set.fold(0, |sum, bit| sum ^ self.columns[bit])
    }

    fn apply(&self, value: u32) -> u32 {
        self.linear(value) ^ self.constant
    }

    fn twice(&self) -> Self {
        Self {
            constant: self.apply(self.constant),
            columns: self.columns.map(|column| self.linear(column)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_format() {
        assert_eq!(!update(!0, b"123456789"), 0xcbf4_3926);
        for count in [0, 1, 258, 1_000_003] {
            let spaces = vec![b' '; count];
            assert_eq!(repeat(!0, b' ', count as u64), update(!0, &spaces), "{count}");
        }
    }

    #[test]
    fn a_bomb_is_small() {
        let bomb = bomb(b"{}");
        assert!(
            (BOMB_BYTES..BOMB_BYTES + 200).contains(&bomb.len()),
            "{}",
            bomb.len()
        );
    }
}
