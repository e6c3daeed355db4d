//! Reads the pickles of CIFAR's Python version, and no others.
//!
//! A pickle is a program for a stack machine that may call any function. We run none: this reader
//! knows the operations of these very files in the order in which Python 2 wrote them, a dictionary
//! of texts, numbers, lists of them, and one array of bytes. Anything else is an error.

use std::ops::Range;

/// A value of the dictionary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Numbers(Vec<i64>),
    Texts(Vec<String>),
    Array(Array),
    /// An entry that no one asks for: a number, or an empty list.
    Other,
}

/// A matrix of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Whether its columns lie one after another, and not its rows.
    pub(crate) by_columns: bool,
    /// Where its bytes are in the file.
    pub(crate) bytes: Range<usize>,
}

/// The dictionary of a file, in its order.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Value)>, String> {
    let mut reader = Reader { bytes, at: 0 };
    reader.dictionary().map_err(|problem| format!("{problem} at byte {}", reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

// Operations, by the names of Python's module `pickletools`.
const PROTO: u8 = 0x80;
const EMPTY_DICT: u8 = b'}';
const EMPTY_LIST: u8 = b']';
const MARK: u8 = b'(';
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';
const SETITEM: u8 = b's';
const SETITEMS: u8 = b'u';
const APPEND: u8 = b'a';
const APPENDS: u8 = b'e';
const SHORT_BINSTRING: u8 = b'U';
const BINSTRING: u8 = b'T';
const BININT: u8 = b'J';
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const GLOBAL: u8 = b'c';
const NONE: u8 = b'N';
const TRUE: u8 = 0x88;
const FALSE: u8 = 0x89;
const TUPLE: u8 = b't';
const TUPLE1: u8 = 0x85;
const TUPLE2: u8 = 0x86;
const TUPLE3: u8 = 0x87;
const REDUCE: u8 = b'R';
const BUILD: u8 = b'b';
const STOP: u8 = b'.';

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes the operation `code` if it is the next.
    fn next_is(&mut self, code: u8) -> bool {
        let is = self.peek() == Some(code);
        self.at += usize::from(is);
        is
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or("the file ends early")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut number = [0; N];
        number.copy_from_slice(self.take(N)?);
        Ok(number)
    }

    /// Takes these operations, each of which may be followed by one that stores its result.
    fn expect(&mut self, codes: &[u8]) -> Result<(), String> {
        for &code in codes {
            if !self.next_is(code) {
                let found = self.peek().map_or("the end".into(), |b| format!("{b:#04x}"));
                return Err(format!("expected the operation {code:#04x}, found {found}"));
            }
            self.stored()?;
        }
        Ok(())
    }

    /// Skips an operation that stores a result for later, which these files never ask for.
    fn stored(&mut self) -> Result<(), String> {
        if self.next_is(BINPUT) {
            self.take(1)?;
        } else if self.next_is(LONG_BINPUT) {
            self.take(4)?;
        }
        Ok(())
    }

    fn text(&mut self) -> Result<Option<Range<usize>>, String> {
        let length = if self.next_is(SHORT_BINSTRING) {
            usize::from(self.number::<1>()?[0])
        } else if self.next_is(BINSTRING) {
            u32::from_le_bytes(self.number()?) as usize
        } else {
            return Ok(None);
        };
        let start = self.at;
        self.take(length)?;
        let end = self.at;
        self.stored()?;
        Ok(Some(start..end))
    }

    fn integer(&mut self) -> Result<Option<i64>, String> {
        Ok(if self.next_is(BININT1) {
            Some(self.number::<1>()?[0].into())
        } else if self.next_is(BININT2) {
            Some(u16::from_le_bytes(self.number()?).into())
        } else if self.next_is(BININT) {
            Some(i32::from_le_bytes(self.number()?).into())
        } else {
            None
        })
    }

    fn string(&self, range: Range<usize>) -> String {
        String::from_utf8_lossy(&self.bytes[range]).into_owned()
    }

    fn dictionary(&mut self) -> Result<Vec<(String, Value)>, String> {
        if !self.next_is(PROTO) || self.number::<1>()?[0] != 2 {
            return Err("the file is no pickle of protocol 2".into());
        }
        self.expect(&[EMPTY_DICT])?;
        let mut entries = Vec::new();
        while !self.next_is(STOP) {
            let many = self.next_is(MARK);
            loop {
                let key = self.text()?.ok_or("expected the text of a key")?;
                let (key, value) = (self.string(key), self.value()?);
                entries.push((key, value));
                if !many || self.next_is(SETITEMS) {
                    break;
                }
            }
            if !many {
                self.expect(&[SETITEM])?;
            }
        }
        Ok(entries)
    }

    fn value(&mut self) -> Result<Value, String> {
        if let Some(text) = self.text()? {
            return Ok(Value::Text(self.string(text)));
        }
        if self.integer()?.is_some() {
            return Ok(Value::Other);
        }
        if self.peek() == Some(EMPTY_LIST) { self.list() } else { self.array().map(Value::Array) }
    }

    /// A list of numbers, or one of texts, in one piece or in several.
    fn list(&mut self) -> Result<Value, String> {
        self.expect(&[EMPTY_LIST])?;
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        loop {
            if self.next_is(MARK) {
                while !self.next_is(APPENDS) {
                    match (self.integer()?, self.text()?) {
                        (Some(number), None) => numbers.push(number),
                        (None, Some(text)) => texts.push(self.string(text)),
                        _ => return Err("a list has something else than numbers or texts".into()),
                    }
                }
                continue;
            }
            // One more item, unless it is not appended: then it is the key of the next entry.
            let before = self.at;
            match (self.integer()?, self.text()?, self.next_is(APPEND)) {
                (Some(number), None, true) => numbers.push(number),
                (None, Some(text), true) => texts.push(self.string(text)),
                _ => {
                    self.at = before;
                    break;
                }
            }
        }
        match (numbers.is_empty(), texts.is_empty()) {
            (true, true) => Ok(Value::Other),
            (false, true) => Ok(Value::Numbers(numbers)),
            (true, false) => Ok(Value::Texts(texts)),
            (false, false) => Err("a list has numbers and texts".into()),
        }
    }

    /// An array of NumPy: its class, its shape, its type, whether it lies by columns, its bytes.
    fn array(&mut self) -> Result<Array, String> {
        self.global(b"numpy.core.multiarray\n_reconstruct\n")?;
        self.global(b"numpy\nndarray\n")?;
        self.known_integer(0)?;
        self.expect(&[TUPLE1])?;
        self.known_text("b")?;
        self.expect(&[TUPLE3, REDUCE, MARK])?;
        self.known_integer(1)?;
        let (rows, columns) = (self.size()?, self.size()?);
        self.expect(&[TUPLE2])?;
        self.global(b"numpy\ndtype\n")?;
        self.known_text("u1")?;
        self.known_integer(0)?;
        self.known_integer(1)?;
        self.expect(&[TUPLE3, REDUCE, MARK])?;
        self.known_integer(3)?;
        self.known_text("|")?;
        self.expect(&[NONE, NONE, NONE])?;
        self.known_integer(-1)?;
        self.known_integer(-1)?;
        self.known_integer(0)?;
        self.expect(&[TUPLE, BUILD])?;
        let by_columns = self.next_is(TRUE);
        if !by_columns {
            self.expect(&[FALSE])?;
        }
        let bytes = self.text()?.ok_or("expected the bytes of an array")?;
        self.expect(&[TUPLE, BUILD])?;
        if rows.checked_mul(columns) != Some(bytes.len()) {
            let got = bytes.len();
            return Err(format!("an array of {rows} × {columns} has {got} bytes"));
        }
        Ok(Array { rows, columns, by_columns, bytes })
    }

    fn size(&mut self) -> Result<usize, String> {
        let size = self.integer()?.and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| "expected the size of an array".into())
    }

    fn known_integer(&mut self, known: i64) -> Result<(), String> {
        let is = self.integer()? == Some(known);
        if is { Ok(()) } else { Err(format!("expected the number {known}")) }
    }

    fn known_text(&mut self, known: &str) -> Result<(), String> {
        let is = self.text()?.is_some_and(|text| &self.bytes[text] == known.as_bytes());
        if is { Ok(()) } else { Err(format!("expected the text {known:?}")) }
    }

    fn global(&mut self, name: &[u8]) -> Result<(), String> {
        let is = self.next_is(GLOBAL) && self.bytes[self.at..].starts_with(name);
        if !is {
            let name = String::from_utf8_lossy(name).replace('\n', " ");
            return Err(format!("expected {}, and nothing is called", name.trim_end()));
        }
        self.at += name.len();
        self.stored()
    }
}
