//! As much msgpack as the prefill frames need, written as msgspec writes it: each integer in its shortest form.

use tilewright_core::{Error, Result};

const NAME: &str = "msgpack";
/// Values of a message: a message of small values must not become many times its size in memory.
const VALUES: usize = 1 << 16;
/// Values within values.
const DEPTH: usize = 16;

/// A value, its text and bytes where the message has them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Large(u64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Array(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
}

fn wrong(expected: &str, got: impl std::fmt::Display) -> Error {
    Error::range(NAME, "message", expected, got)
}

impl<'a> Value<'a> {
    /// The one value that the bytes hold.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader { left: bytes, values: 0 };
        let value = reader.value(0)?;
        if !reader.left.is_empty() {
            return Err(wrong("one value", format!("{} bytes more", reader.left.len())));
        }
        Ok(value)
    }

    /// The value of a key of a map; the last one, as msgspec takes it.
    pub(super) fn get(&self, key: &str) -> Option<&Value<'a>> {
        let Value::Map(pairs) = self else { return None };
        pairs.iter().rev().find(|(known, _)| *known == Value::Text(key)).map(|(_, value)| value)
    }
}

struct Reader<'a> {
    left: &'a [u8],
    values: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let split = self.left.split_at_checked(bytes);
        let (taken, left) = split
            .ok_or_else(|| wrong("as many bytes as it says", format!("{bytes} of {}", self.left.len())))?;
        self.left = left;
        Ok(taken)
    }

    fn unsigned(&mut self, bytes: usize) -> Result<u64> {
        Ok(self.take(bytes)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn signed(&mut self, bytes: usize) -> Result<i64> {
        let unused = 64 - 8 * bytes as u32;
        Ok((self.unsigned(bytes)? << unused) as i64 >> unused)
    }

    fn text(&mut self, bytes: u64) -> Result<Value<'a>> {
        let text = std::str::from_utf8(self.take(bytes as usize)?);
        Ok(Value::Text(text.map_err(|why| wrong("UTF-8", why))?))
    }

    fn array(&mut self, count: u64, depth: usize) -> Result<Value<'a>> {
        // Nothing is reserved for what may not be there.
        Ok(Value::Array((0..count).map(|_| self.value(depth + 1)).collect::<Result<_>>()?))
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<Value<'a>> {
        let pairs = (0..count).map(|_| Ok((self.value(depth + 1)?, self.value(depth + 1)?)));
        Ok(Value::Map(pairs.collect::<Result<_>>()?))
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>> {
        self.values += 1;
        if self.values > VALUES || depth > DEPTH {
            return Err(wrong(&format!("at most {VALUES} values, {DEPTH} deep"), "more"));
        }
        let kind = self.take(1)?[0];
        Ok(match kind {
            0x00..=0x7f => Value::Int(i64::from(kind)),
            0xe0..=0xff => Value::Int(i64::from(kind as i8)),
            0x80..=0x8f => self.map(u64::from(kind & 15), depth)?,
            0x90..=0x9f => self.array(u64::from(kind & 15), depth)?,
            0xa0..=0xbf => self.text(u64::from(kind & 31))?,
            0xc0 => Value::Nil,
            0xc2 | 0xc3 => Value::Bool(kind == 0xc3),
            0xc4..=0xc6 => {
                let length = self.unsigned(1 << (kind - 0xc4))?;
                Value::Bytes(self.take(length as usize)?)
            }
            0xca => Value::Float(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => Value::Float(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => {
                let value = self.unsigned(1 << (kind - 0xcc))?;
                i64::try_from(value).map_or(Value::Large(value), Value::Int)
            }
            0xd0..=0xd3 => Value::Int(self.signed(1 << (kind - 0xd0))?),
            0xd9..=0xdb => {
                let length = self.unsigned(1 << (kind - 0xd9))?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let count = self.unsigned(2 << (kind - 0xdc))?;
                self.array(count, depth)?
            }
            0xde | 0xdf => {
                let count = self.unsigned(2 << (kind - 0xde))?;
                self.map(count, depth)?
            }
            _ => return Err(wrong("no extension types", format!("the code {kind:#04x}"))),
        })
    }
}

/// Writes values.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// A code and a length, the code for lengths of one byte being `first` where there is one.
    fn length(&mut self, length: usize, fix: Option<(u8, usize)>, one: Option<u8>, two: u8) {
        match (fix, one, length) {
            (Some((code, below)), _, _) if length < below => self.0.push(code | length as u8),
            (_, Some(code), 0..=0xff) => self.0.extend([code, length as u8]),
            (_, _, 0..=0xffff) => {
                self.0.push(two);
                self.0.extend((length as u16).to_be_bytes());
            }
            _ => {
                self.0.push(two + 1);
                self.0.extend((length as u32).to_be_bytes());
            }
        }
    }

    pub(super) fn map(&mut self, count: usize) -> &mut Self {
        self.length(count, Some((0x80, 16)), None, 0xde);
        self
    }

    pub(super) fn array(&mut self, count: usize) -> &mut Self {
        self.length(count, Some((0x90, 16)), None, 0xdc);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.length(text.len(), Some((0xa0, 32)), Some(0xd9), 0xda);
        self.0.extend(text.as_bytes());
        self
    }

    /// What precedes bytes that are written elsewhere.
    pub(super) fn bytes_follow(&mut self, length: usize) -> &mut Self {
        self.length(length, None, Some(0xc4), 0xc5);
        self
    }

    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        match value {
            -32..=0x7f => self.0.push(value as u8),
            0x80..=0xff => self.0.extend([0xcc, value as u8]),
            0x100..=0xffff => {
                self.0.push(0xcd);
                self.0.extend((value as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.0.push(0xce);
                self.0.extend((value as u32).to_be_bytes());
            }
            0x1_0000_0000.. => {
                self.0.push(0xcf);
                self.0.extend((value as u64).to_be_bytes());
            }
            -0x80..-32 => self.0.extend([0xd0, value as u8]),
            -0x8000..-0x80 => {
                self.0.push(0xd1);
                self.0.extend((value as i16).to_be_bytes());
            }
            -0x8000_0000..-0x8000 => {
                self.0.push(0xd2);
                self.0.extend((value as i32).to_be_bytes());
            }
            _ => {
                self.0.push(0xd3);
                self.0.extend(value.to_be_bytes());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_their_shortest_form_and_come_back() {
        for edge in [
            0i64,
            -32,
            -33,
            127,
            128,
            255,
            256,
            65_535,
            65_536,
            1 << 32,
            i64::MAX,
            i64::MIN,
            -128,
            -129,
            -32_769,
        ] {
            for value in [edge, edge.saturating_sub(1), edge.saturating_add(1)] {
                let mut writer = Writer::default();
                writer.int(value);
                assert_eq!(Value::parse(&writer.0).unwrap(), Value::Int(value));
            }
        }
        let length = |value: i64| Writer::default().int(value).0.len();
        assert_eq!([127, 128, -32, -33, 255, 256, 65_536].map(length), [1, 2, 1, 2, 2, 3, 5]);
        assert_eq!(
            Value::parse(&[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]).unwrap(),
            Value::Large(u64::MAX)
        );
    }

    #[test]
    fn lies_and_depths_are_refused() {
        let nested = [&[0x91; 64][..], &[0xc0]].concat();
        let many = [&[0xdd, 0, 2, 0, 0][..], &[0xc0; 1 << 17]].concat();
        for bytes in [
            &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
            &[0xc6, 0xff, 0xff, 0xff, 0xff, 1],
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &nested,
            &many,
            &[],
            &[0xc1],
            &[0xd4, 0, 0],
            &[0xa1, 0xff],
            &[0xc0, 0xc0],
            &[0x81, 0xa1],
        ] {
            assert!(Value::parse(bytes).is_err(), "{:02x?}", &bytes[..bytes.len().min(8)]);
        }
    }
}
