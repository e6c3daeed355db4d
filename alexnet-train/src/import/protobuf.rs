//! The fields of a protobuf message, one after another, in a file that is not read whole. Who reads
//! a message knows its fields: what is in them is read only where it is asked for.

use std::ops::Range;

use super::file::SourceFile;
use super::problem::{Problem, Result};

/// A message, of which some fields were read.
#[derive(Debug)]
pub(crate) struct Message {
    rest: Range<u64>,
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// Its number.
    pub(crate) number: u32,
    /// Its value.
    pub(crate) value: Value,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// An integer, a boolean or a word.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64(u64),
    /// A message, a text, or numbers one after another: where it is in the file.
    Bytes(Range<u64>),
    /// Four bytes, little-endian.
    Fixed32(u32),
}

impl Message {
    /// The message in a range of a file.
    pub(crate) fn new(range: Range<u64>) -> Self {
        Self { rest: range }
    }

    /// The next field; nothing at the end.
    pub(crate) fn next(&mut self, file: &mut SourceFile) -> Result<Option<Field>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint(file)?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0);
        let number =
            number.ok_or_else(|| self.wrong(&format!("a field of number {}", tag >> 3)))?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint(file)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array(file)?)),
            2 => {
                let length = self.varint(file)?;
                let end = self.rest.start.saturating_add(length);
                if end > self.rest.end {
                    return Err(Problem::ends_early(end, file.length()));
                }
                let range = self.rest.start..end;
                self.rest.start = end;
                Value::Bytes(range)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array(file)?)),
            kind => return Err(self.wrong(&format!("a field of kind {kind}"))),
        };
        Ok(Some(Field { number, value }))
    }

    fn varint(&mut self, file: &mut SourceFile) -> Result<u64> {
        let mut value = 0;
        for place in 0..10 {
            let [byte] = self.array(file)?;
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.wrong("an integer of more than 64 bits"))
    }

    fn array<const N: usize>(&mut self, file: &mut SourceFile) -> Result<[u8; N]> {
        let (start, end) = (self.rest.start, self.rest.start + N as u64);
        if end > self.rest.end {
            return Err(Problem::ends_early(end, file.length()));
        }
        let mut bytes = [0; N];
        file.read(start, &mut bytes)?;
        self.rest.start = end;
        Ok(bytes)
    }

    fn wrong(&self, what: &str) -> Problem {
        let at = self.rest.start;
        Problem::new(format!("it is damaged, or no file of weights: {what} before byte {at}"))
    }
}

impl Value {
    /// The bytes of a message, a text or packed numbers.
    pub(crate) fn range(self) -> Result<Range<u64>> {
        match self {
            Self::Bytes(range) => Ok(range),
            other => Err(Problem::new("it is damaged, or no file of weights")
                .expected("a field with bytes", format!("{other:?}"))),
        }
    }

    /// A short text.
    pub(crate) fn text(self, file: &mut SourceFile) -> Result<String> {
        let bytes = file.bytes(self.range()?, LONGEST_TEXT)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// An integer.
    pub(crate) fn integer(self) -> Result<u64> {
        match self {
            Self::Varint(value) => Ok(value),
            other => Err(Problem::new("it is damaged, or no file of weights")
                .expected("a field with an integer", format!("{other:?}"))),
        }
    }

    /// Integers, one or packed, of which there may be `most`.
    pub(crate) fn integers(self, file: &mut SourceFile, most: usize) -> Result<Vec<u64>> {
        let range = match self {
            Self::Varint(value) => return Ok(vec![value]),
            other => other.range()?,
        };
        let (mut message, mut values) = (Message::new(range), Vec::new());
        while !message.rest.is_empty() {
            if values.len() == most {
                let problem = Problem::new("it is damaged, or no file of weights");
                return Err(problem.expected(format!("at most {most} numbers"), "more"));
            }
            values.push(message.varint(file)?);
        }
        Ok(values)
    }
}

/// The bytes of the longest text that is read: a name.
const LONGEST_TEXT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<Field>> {
        let mut file = SourceFile::of_bytes(bytes.to_vec());
        let mut message = Message::new(0..bytes.len() as u64);
        let mut fields = Vec::new();
        while let Some(field) = message.next(&mut file)? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn fields_of_every_kind() {
        let bytes = b"\x08\xac\x02\x12\x02hi\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0\xa2\x06\x00";
        let got = fields(bytes).unwrap();
        let want = [
            (1, Value::Varint(300)),
            (2, Value::Bytes(5..7)),
            (3, Value::Fixed32(1)),
            (4, Value::Fixed64(2)),
            (100, Value::Bytes(24..24)),
        ];
        assert_eq!(got, want.map(|(number, value)| Field { number, value }));
    }

    /// Lengths that lie, fields without number, groups, and integers without end.
    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
            b"\x12\x05hi",
            b"\x00\x01",
            b"\x0b\x0c",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\x80",
            b"\x0d\x01",
        ] {
            assert!(fields(bytes).is_err(), "{bytes:?}");
        }
    }
}
