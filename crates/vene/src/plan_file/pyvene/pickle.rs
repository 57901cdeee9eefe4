//! The few opcodes of Python's pickle that `torch.save` writes for a state dict.
//!
//! A pickle is a program, and whoever runs it does what its writer wished: it may import and call
//! anything. This reader knows five names and no others, keeps of dictionaries nothing but tensors by
//! name, and refuses every opcode that a state dict does not need. candle's own reader is made for
//! files that one trusts: it copies what is taken from the memo (forty opcodes make a trillion
//! objects), allocates texts by their claimed lengths, and panics on arguments that are missing.

use std::cell::RefCell;
use std::rc::Rc;

/// No state dict's pickle is longer.
pub(super) const LONGEST: u64 = 16 << 20;

/// Objects on the stack: Python writes entries of dictionaries a thousand at a time.
const HIGHEST: usize = 1 << 16;

/// Tuples within tuples: a tensor's arguments are three deep.
const DEEPEST: u8 = 8;

/// A tensor as the pickle describes it; its bytes lie in another entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Described {
    pub storage: Storage,
    /// In elements.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// Where a tensor's elements are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Storage {
    /// The entry's name behind `data/`.
    pub key: Rc<str>,
    pub element: Element,
    /// How many elements it has.
    pub count: usize,
}

/// The types of storage that state dicts of interventions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    F16,
    BF16,
    F32,
    F64,
    I64,
}

/// What may be named.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

const GLOBALS: [(&str, Global); 8] = [
    ("collections OrderedDict", Global::OrderedDict),
    ("torch._utils _rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils _rebuild_parameter", Global::RebuildParameter),
    ("torch HalfStorage", Global::Storage(Element::F16)),
    ("torch BFloat16Storage", Global::Storage(Element::BF16)),
    ("torch FloatStorage", Global::Storage(Element::F32)),
    ("torch DoubleStorage", Global::Storage(Element::F64)),
    ("torch LongStorage", Global::Storage(Element::I64)),
];

/// A dictionary, of which only tensors under texts are kept.
type Dict = Rc<RefCell<Vec<(Rc<str>, Rc<Described>)>>>;

/// A value on the stack. Cloning one copies no contents.
#[derive(Clone, Debug)]
enum Object {
    /// `None`, a flag, a float: nothing that matters here.
    Other,
    Whole(i64),
    Text(Rc<str>),
    Tuple(Rc<Vec<Object>>, u8),
    Global(Global),
    Dict(Dict),
    Storage(Rc<Storage>),
    Tensor(Rc<Described>),
    Mark,
}

type Result<T> = std::result::Result<T, String>;

/// The tensors of a pickled state dict, by name.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(Rc<str>, Rc<Described>)>> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new() };
    while !machine.step()? {
        if machine.stack.len() > HIGHEST {
            return Err("it piles up more than any state dict needs".to_owned());
        }
    }
    match machine.pop()? {
        Object::Dict(dict) => Ok(dict.take()),
        _ => Err("it holds no dictionary of tensors".to_owned()),
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Object>,
    memo: Vec<(u32, Object)>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| "it is cut short".to_owned())?;
        self.at += count;
        Ok(taken)
    }

    fn number<const SIZE: usize>(&mut self) -> Result<[u8; SIZE]> {
        let mut number = [0; SIZE];
        number.copy_from_slice(self.take(SIZE)?);
        Ok(number)
    }

    /// A text up to the end of its line.
    fn line(&mut self) -> Result<&'a str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("it is cut short")?;
        let line = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| "it names something that is no text".to_owned())
    }

    fn push(&mut self, object: Object) {
        self.stack.push(object);
    }

    fn pop(&mut self) -> Result<Object> {
        self.stack.pop().ok_or_else(|| "it takes from an empty stack".to_owned())
    }

    /// What was pushed since the last mark.
    fn marked(&mut self) -> Result<Vec<Object>> {
        let mark = self.stack.iter().rposition(|object| matches!(object, Object::Mark));
        let mark = mark.ok_or("it takes up to a mark that is not there")?;
        let marked = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(marked)
    }

    fn tuple(&mut self, items: Vec<Object>) -> Result<()> {
        let depth = |object: &Object| if let Object::Tuple(_, depth) = object { *depth } else { 0 };
        let depth = 1 + items.iter().map(depth).max().unwrap_or(0);
        if depth > DEEPEST {
            return Err("its tuples are nested too deeply".to_owned());
        }
        self.push(Object::Tuple(Rc::new(items), depth));
        Ok(())
    }

    fn last(&mut self, count: usize) -> Result<Vec<Object>> {
        let start = self.stack.len().checked_sub(count).ok_or("it takes from an empty stack")?;
        Ok(self.stack.split_off(start))
    }

    fn remember(&mut self, index: u32) -> Result<()> {
        let object = self.stack.last().cloned().ok_or("it remembers what is not there")?;
        // Written in order, so that the newest are at the end.
        match self.memo.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(place) => self.memo[place].1 = object,
            Err(place) if place == self.memo.len() => self.memo.push((index, object)),
            Err(_) => return Err("its memo is out of order".to_owned()),
        }
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<()> {
        let place = self.memo.binary_search_by_key(&index, |(index, _)| *index);
        let place = place.map_err(|_| "it recalls what it never remembered")?;
        self.push(self.memo[place].1.clone());
        Ok(())
    }

    /// Does what the next opcode says; true at the end.
    fn step(&mut self) -> Result<bool> {
        let [opcode] = self.number::<1>()?;
        match opcode {
            // PROTO
            0x80 => match self.number::<1>()? {
                [2] => {}
                [other] => return Err(format!("it is of protocol {other}; torch.save writes 2")),
            },
            b'.' => return Ok(true),
            b'(' => self.push(Object::Mark),
            b'N' | 0x88 | 0x89 => self.push(Object::Other),
            // BINFLOAT
            b'G' => {
                self.take(8)?;
                self.push(Object::Other);
            }
            b'K' => {
                let number = u8::from_le_bytes(self.number()?);
                self.push(Object::Whole(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.number()?);
                self.push(Object::Whole(number.into()));
            }
            b'J' => {
                let number = i32::from_le_bytes(self.number()?);
                self.push(Object::Whole(number.into()));
            }
            // LONG1
            0x8a => {
                let [length] = self.number::<1>()?;
                let bytes = self.take(length.into())?;
                if bytes.len() > 8 {
                    return Err("it holds a number of more than 64 bits".to_owned());
                }
                let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut number = [if negative { 0xff } else { 0 }; 8];
                number[..bytes.len()].copy_from_slice(bytes);
                self.push(Object::Whole(i64::from_le_bytes(number)));
            }
            // BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes(self.number()?) as usize;
                let text = std::str::from_utf8(self.take(length)?);
                let text = text.map_err(|_| "it holds a text that is none")?;
                self.push(Object::Text(text.into()));
            }
            b')' => self.tuple(Vec::new())?,
            0x85..=0x87 => {
                let items = self.last((opcode - 0x84).into())?;
                self.tuple(items)?;
            }
            b't' => {
                let items = self.marked()?;
                self.tuple(items)?;
            }
            b'}' => self.push(Object::Dict(Dict::default())),
            b's' => {
                let entry = self.last(2)?;
                self.set(&entry)?;
            }
            b'u' => {
                let entries = self.marked()?;
                self.set(&entries)?;
            }
            // BINPUT, LONG_BINPUT
            b'q' => {
                let index = u8::from_le_bytes(self.number()?);
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.number()?);
                self.remember(index)?;
            }
            // BINGET, LONG_BINGET
            b'h' => {
                let index = u8::from_le_bytes(self.number()?);
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.number()?);
                self.recall(index)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let full = format!("{module} {name}");
                let known = GLOBALS.iter().find(|(known, _)| *known == full);
                let (_, global) = known.ok_or_else(|| {
                    let name = vene_named::shown(&format!("{module}.{name}"));
                    format!("it asks for {name}, which no state dict of tensors needs")
                })?;
                self.push(Object::Global(*global));
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Storage(Rc::new(storage(&id)?)));
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let made = call(&callable, &arguments)?;
                self.push(made);
            }
            // BUILD: the attributes of an OrderedDict, such as versions of modules.
            b'b' => {
                self.pop()?;
                if !matches!(self.stack.last(), Some(Object::Dict(_))) {
                    return Err("it sets attributes of something else than a dictionary".to_owned());
                }
            }
            other => {
                return Err(format!("it has the opcode {other:#04x}, which no state dict needs"));
            }
        }
        Ok(false)
    }

    /// Sets keys and values, one after the other, of the dictionary below them.
    fn set(&mut self, entries: &[Object]) -> Result<()> {
        let Some(Object::Dict(dict)) = self.stack.last() else {
            return Err("it sets an entry of something else than a dictionary".to_owned());
        };
        let (pairs, []) = entries.as_chunks::<2>() else {
            return Err("it sets a key without a value".to_owned());
        };
        for pair in pairs {
            if let [Object::Text(name), Object::Tensor(tensor)] = pair {
                dict.borrow_mut().push((name.clone(), tensor.clone()));
            }
        }
        Ok(())
    }
}

/// `("storage", type, key, location, count)`.
fn storage(id: &Object) -> Result<Storage> {
    if let Object::Tuple(items, _) = id
        && let [
            Object::Text(kind),
            Object::Global(Global::Storage(element)),
            Object::Text(key),
            Object::Text(_),
            Object::Whole(count),
        ] = items.as_slice()
        && **kind == *"storage"
    {
        let count = usize::try_from(*count).map_err(|_| "a storage has a negative size")?;
        return Ok(Storage { key: key.clone(), element: *element, count });
    }
    Err("it refers to something else than a storage of numbers".to_owned())
}

fn call(callable: &Object, arguments: &Object) -> Result<Object> {
    let Object::Tuple(arguments, _) = arguments else {
        return Err("it calls without arguments".to_owned());
    };
    match (callable, arguments.as_slice()) {
        (Object::Global(Global::OrderedDict), []) => Ok(Object::Dict(Dict::default())),
        (
            Object::Global(Global::RebuildTensor),
            [
                Object::Storage(storage),
                Object::Whole(offset),
                Object::Tuple(shape, _),
                Object::Tuple(strides, _),
                ..,
            ],
        ) => {
            let numbers =
                |items: &[Object]| -> Result<Vec<usize>> { items.iter().map(whole).collect() };
            Ok(Object::Tensor(Rc::new(Described {
                storage: storage.as_ref().clone(),
                offset: usize::try_from(*offset)
                    .map_err(|_| "a tensor begins before its storage")?,
                shape: numbers(shape)?,
                strides: numbers(strides)?,
            })))
        }
        (Object::Global(Global::RebuildParameter), [Object::Tensor(tensor), ..]) => {
            Ok(Object::Tensor(tensor.clone()))
        }
        _ => Err("it calls something with arguments that do not belong to it".to_owned()),
    }
}

fn whole(object: &Object) -> Result<usize> {
    match object {
        Object::Whole(number) => {
            usize::try_from(*number).map_err(|_| "a tensor has a negative extent".to_owned())
        }
        _ => Err("a tensor has an extent that is no number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// `{"a": tensor of shape (2, 3)}`, as torch.save writes it.
    pub(crate) fn state_dict() -> Vec<u8> {
        let mut bytes =
            b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00aq\x02".to_vec();
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04");
        bytes
            .extend(b"ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpuq\x07");
        bytes.extend(
            b"K\x06tq\x08QK\x00K\x02K\x03\x86q\x09K\x03K\x01\x86q\x0a\x89h\x00)Rq\x0btq\x0cRq\x0d",
        );
        bytes.extend(b"u}q\x0eX\x09\x00\x00\x00_metadataq\x0fh\x00)Rq\x10sb.");
        bytes
    }

    #[test]
    fn a_state_dict_is_read() {
        let tensors = read(&state_dict()).unwrap();
        assert_eq!(tensors.len(), 1);
        let (name, tensor) = &tensors[0];
        assert_eq!(&**name, "a");
        let storage = Storage { key: "0".into(), element: Element::F32, count: 6 };
        let expected = Described { storage, offset: 0, shape: vec![2, 3], strides: vec![3, 1] };
        assert_eq!(**tensor, expected);
    }

    #[test]
    fn what_would_run_something_is_refused() {
        let refused = |bytes: &[u8], said: &str| {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(said), "{error}");
        };
        refused(b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00lst R.", "os.system");
        refused(b"\x80\x02ccollections\nOrderedDict\n(K\x01tR.", "arguments that do not belong");
        refused(b"\x80\x04.", "protocol 4");
        refused(b"\x80\x02i", "opcode 0x69");
        refused(b"\x80\x02\x81", "opcode 0x81");
    }

    #[test]
    fn claimed_lengths_and_copies_cost_nothing() {
        // A text of 4 GiB that is not there.
        assert_eq!(read(b"X\xff\xff\xff\xffa").unwrap_err(), "it is cut short");
        // Each tuple holds the one before it twice: 2^60 objects, if they were copied.
        let mut bytes = b"\x80\x02)q\x00".to_vec();
        for index in 0..60 {
            bytes.extend([b'h', index, b'h', index, 0x86, b'q', index + 1]);
        }
        assert!(read(&bytes).unwrap_err().contains("too deeply"));
        // Sixteen million objects on the stack.
        let error = read(&vec![b'N'; 1 << 24]).unwrap_err();
        assert!(error.contains("piles up"), "{error}");
        // Tuples in tuples in tuples.
        let mut bytes = b"\x80\x02)".to_vec();
        bytes.extend([0x85; 100_000]);
        assert!(read(&bytes).unwrap_err().contains("too deeply"));
        // A dictionary that holds itself.
        assert!(read(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.").is_ok());
    }

    proptest! {
        #[test]
        fn damage_is_an_error_and_no_panic(
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            length in any::<prop::sample::Index>(),
        ) {
            let mut bytes = state_dict();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = read(&bytes);
            let _ = read(&bytes[..length.index(bytes.len())]);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
