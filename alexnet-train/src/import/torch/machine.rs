//! Runs the few operations of a pickle that state dicts are made of, in protocols 2 to 5. Objects
//! are kept in a list and refer to each other by number, so that memory is a few times the bytes of
//! the pickle, whatever it repeats or nests.

use std::collections::HashMap;

use super::objects::{Global, Id, Object, Storage, Tensor};
use crate::import::problem::{Problem, Result};
use crate::import::source::MOST_SIZES;

/// The bytes of the longest name of a module, of something in it, or of a storage.
const LONGEST_NAME: usize = 256;

/// The most arguments of a call. Those of PyTorch have seven.
const MOST_ARGUMENTS: usize = 16;

/// The objects of a pickle, and which of them is its result.
pub(crate) fn run(bytes: &[u8]) -> Result<(Vec<Object>, Id)> {
    let mut machine = Machine {
        bytes,
        at: 0,
        objects: vec![],
        stack: vec![],
        marks: vec![],
        memo: HashMap::new(),
    };
    loop {
        match machine.step() {
            Ok(None) => {}
            Ok(Some(result)) => return Ok((machine.objects, result)),
            Err(Fault::Pickle(what)) => {
                let what = format!("its pickle cannot be read: {what} at byte {}", machine.at);
                return Err(Problem::new(what));
            }
            Err(Fault::Problem(problem)) => return Err(problem),
        }
    }
}

/// Why a step cannot be made.
enum Fault {
    /// The pickle is wrong here.
    Pickle(String),
    /// It wants what is not allowed.
    Problem(Problem),
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Self::Pickle(what.to_owned())
    }
}

type Step<T> = std::result::Result<T, Fault>;

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// The heights of the stack at its open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Does the next operation; the result of the pickle after its last one.
    fn step(&mut self) -> Step<Option<Id>> {
        // The letters are those of Python's module `pickletools`.
        let [operation] = self.number()?;
        match operation {
            0x80 => {
                let [protocol] = self.number()?; // PROTO
                if !(2..=5).contains(&protocol) {
                    return Err(Fault::Pickle(format!("protocol {protocol}, expected 2 to 5")));
                }
            }
            0x95 => _ = self.take(8)?, // FRAME, which only says how much to read ahead
            b'.' => return self.pop().map(Some), // STOP
            b'N' | 0x88 | 0x89 => self.push(Object::Other), // NONE, NEWTRUE, NEWFALSE
            b'G' => {
                self.take(8)?; // BINFLOAT
                self.push(Object::Other);
            }
            b'K' => self.int(1)?, // BININT1
            b'M' => self.int(2)?, // BININT2
            b'J' => {
                let value = i32::from_le_bytes(self.number()?); // BININT
                self.push(Object::Int(value.into()));
            }
            0x8a => {
                let [length] = self.number()?; // LONG1
                self.long(length.into())?;
            }
            0x8c => {
                let [length] = self.number()?; // SHORT_BINUNICODE
                self.text(length.into())?;
            }
            b'U' => {
                let [length] = self.number()?; // SHORT_BINSTRING, a text of Python 2
                self.text(length.into())?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.number()?); // BINUNICODE, BINSTRING
                self.text(length as usize)?;
            }
            b'}' => self.push(Object::Dict(vec![])), // EMPTY_DICT
            b']' => self.push(Object::List(vec![])), // EMPTY_LIST
            b')' => self.push(Object::Tuple(vec![])), // EMPTY_TUPLE
            b'(' => self.marks.push(self.stack.len()), // MARK
            b't' => {
                let items = self.since_mark()?; // TUPLE
                self.push(Object::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = vec![]; // TUPLE1 to TUPLE3
                for _ in 0..operation - 0x84 {
                    items.insert(0, self.pop()?);
                }
                self.push(Object::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?; // APPEND
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?; // APPENDS
                self.extend_list(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?); // SETITEM
                self.extend_dict(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?; // SETITEMS
                self.extend_dict(&items)?;
            }
            b'q' => {
                let [place] = self.number()?; // BINPUT
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.number()?); // LONG_BINPUT
                self.remember(place)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?, // MEMOIZE
            b'h' => {
                let [place] = self.number()?; // BINGET
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.number()?); // LONG_BINGET
                self.recall(place)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?); // GLOBAL
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?); // STACK_GLOBAL
                self.global(&module, &name)?;
            }
            b'Q' => {
                let id = self.pop()?; // BINPERSID
                let storage = self.storage(id)?;
                self.push(storage);
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?); // REDUCE
                let made = self.make(callable, arguments)?;
                self.push(made);
            }
            // BUILD: attributes of an OrderedDict, the versions of modules, which no one asks for.
            b'b' => {
                self.pop()?;
                match self.stack.last().map(|id| &self.objects[*id]) {
                    Some(Object::Dict(_)) => {}
                    _ => return Err("attributes of something else than a dictionary".into()),
                }
            }
            other => {
                return Err(Fault::Pickle(format!(
                    "operation {other:#04x}, which no state dict has"
                )));
            }
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("it ends early")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut number = [0; N];
        number.copy_from_slice(self.take(N)?);
        Ok(number)
    }

    /// An unsigned integer of so many bytes.
    fn int(&mut self, bytes: usize) -> Step<()> {
        let value = self.take(bytes)?.iter().rev().fold(0, |value, b| value << 8 | i64::from(*b));
        self.push(Object::Int(value));
        Ok(())
    }

    /// An integer of so many bytes, in two's complement.
    fn long(&mut self, bytes: usize) -> Step<()> {
        if bytes > 8 {
            return Err("an integer of more than 64 bits".into());
        }
        let taken = self.take(bytes)?;
        let sign = if taken.last().is_some_and(|byte| *byte >= 0x80) { -1 } else { 0 };
        let value = taken.iter().rev().fold(sign, |value, byte| value << 8 | i64::from(*byte));
        self.push(Object::Int(value));
        Ok(())
    }

    fn text(&mut self, length: usize) -> Step<()> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Object::Text(text));
        Ok(())
    }

    /// A name that ends with its line.
    fn line(&mut self) -> Step<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take(LONGEST_NAME).position(|byte| *byte == b'\n');
        let line = self.take(length.ok_or("a name without end")? + 1)?;
        Ok(String::from_utf8_lossy(&line[..line.len() - 1]).into_owned())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    fn pop(&mut self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(id) if self.stack.len() >= floor => Ok(id),
            _ => Err("its stack is empty".into()),
        }
    }

    fn pop_text(&mut self) -> Step<String> {
        let id = self.pop()?;
        match &self.objects[id] {
            Object::Text(text) => Ok(text.clone()),
            _ => Err("a name that is no text".into()),
        }
    }

    fn since_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("its mark is missing")?;
        match mark <= self.stack.len() {
            true => Ok(self.stack.split_off(mark)),
            false => Err("its stack is empty".into()),
        }
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Step<()> {
        match self.stack.last().map(|id| &mut self.objects[*id]) {
            Some(Object::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => Err("items of something else than a list".into()),
        }
    }

    /// Adds keys and values, which alternate.
    fn extend_dict(&mut self, items: &[Id]) -> Step<()> {
        let (pairs, rest) = items.as_chunks::<2>();
        match self.stack.last().map(|id| &mut self.objects[*id]) {
            Some(Object::Dict(dict)) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => Err("entries of something else than a dictionary".into()),
        }
    }

    fn remember(&mut self, place: u32) -> Step<()> {
        let id = *self.stack.last().ok_or("its stack is empty")?;
        self.memo.insert(place, id);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Step<()> {
        let id = *self.memo.get(&place).ok_or("it recalls what it did not remember")?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Step<()> {
        let global = Global::named(module, name).map_err(Fault::Problem)?;
        self.push(Object::Global(global));
        Ok(())
    }

    /// `("storage", class, key, location, count)`.
    fn storage(&self, id: Id) -> Step<Object> {
        let parts = self.arguments(id).ok_or("something from outside that is no storage")?;
        match parts[..] {
            [
                Object::Text(word),
                Object::Global(Global::Storage(dtype)),
                Object::Text(key),
                Object::Text(_),
                Object::Int(count),
            ] if word == "storage" && key.len() <= LONGEST_NAME => {
                let count = u64::try_from(*count).map_err(|_| "a storage of negative length")?;
                Ok(Object::Storage(Storage { key: key.clone(), dtype: *dtype, count }))
            }
            _ => Err("a storage that is not described as PyTorch does".into()),
        }
    }

    /// What a callable of the list makes of its arguments.
    fn make(&self, callable: Id, arguments: Id) -> Step<Object> {
        let (Object::Global(global), Some(parts)) =
            (&self.objects[callable], self.arguments(arguments))
        else {
            return Err("a call of something that cannot be called".into());
        };
        match (global, &parts[..]) {
            (Global::OrderedDict, []) => Ok(Object::Dict(vec![])),
            (Global::RebuildParameter, [Object::Tensor(tensor), ..]) => {
                Ok(Object::Tensor(tensor.clone()))
            }
            (
                Global::RebuildTensor,
                [
                    Object::Storage(storage),
                    Object::Int(offset),
                    Object::Tuple(shape),
                    Object::Tuple(strides),
                    ..,
                ],
            ) => {
                let offset = u64::try_from(*offset).map_err(|_| "a negative offset")?;
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                let storage = storage.clone();
                Ok(Object::Tensor(Box::new(Tensor { storage, offset, shape, strides })))
            }
            _ => Err(Fault::Pickle(format!("a call of {global:?} with other arguments"))),
        }
    }

    /// The items of a tuple that is short enough for arguments.
    fn arguments(&self, id: Id) -> Option<Vec<&Object>> {
        match &self.objects[id] {
            Object::Tuple(parts) if parts.len() <= MOST_ARGUMENTS => {
                Some(parts.iter().map(|id| &self.objects[*id]).collect())
            }
            _ => None,
        }
    }

    fn sizes(&self, ids: &[Id]) -> Step<Vec<usize>> {
        if ids.len() > MOST_SIZES {
            return Err(Fault::Pickle(format!("{} sizes of a tensor", ids.len())));
        }
        let size = |id: &Id| match &self.objects[*id] {
            Object::Int(size) => usize::try_from(*size).ok(),
            _ => None,
        };
        let sizes: Option<_> = ids.iter().map(size).collect();
        sizes.ok_or_else(|| "a size that is no size".into())
    }
}
