//! Big-endian fields of frames: a writer that cannot fail and a reader that cannot panic.
//! Never allocates by a length it has only been told: every length is checked against the bytes.

/// The body ends before its fields do, or a field has an impossible value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("malformed frame")
    }
}

impl std::error::Error for Malformed {}

/// Appends fields to a body.
#[derive(Debug, Default)]
pub struct Put(pub Vec<u8>);

impl Put {
    /// One byte.
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    /// Two bytes, the most significant first, as in all numbers here.
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Four bytes.
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Four bytes, two's complement.
    pub fn i32(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Eight bytes.
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Length (4 bytes) and bytes. What does not fit 4 GiB is cut; callers bound their fields far below.
    pub fn block(mut self, value: &[u8]) -> Self {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        let kept = usize::try_from(length).unwrap_or(usize::MAX);
        self.0.extend_from_slice(value.get(..kept).unwrap_or(value));
        self
    }

    /// The rest of the body.
    pub fn rest(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(value);
        self
    }
}

/// Takes fields from the front of a body.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a>(pub &'a [u8]);

impl<'a> Take<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }

    /// One byte; malformed at the end of the body.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes; malformed when fewer are left, as in all numbers here.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, two's complement.
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length (4 bytes) and as many bytes; malformed when fewer are left.
    pub fn block(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    /// As [`Take::block`]; malformed unless it is UTF-8.
    pub fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.block()?.to_vec()).or(Err(Malformed))
    }

    /// All that is left, which may be nothing.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// FNV-1a, 64 bits: finds torn records, keeps no secret.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
