//! The part of the pickle format that state dictionaries use, without running any of it. Of tensors
//! only the names are known that may occur.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::element::element_width;
use crate::weights_error::WeightsError;

/// Index of a node in [`Pickle::nodes`].
pub(super) type Id = usize;

/// A value of a pickle. Parts are referred to by index, so that a value used many times is stored
/// once and the memory stays in proportion to the file.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Int(i64),
    Text(&'a str),
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function, by module and name; one of [`is_known`].
    Global(&'a str, &'a str),
    /// The result of calling a function; nothing is called.
    Call {
        function: Id,
        arguments: Id,
    },
    /// A reference to data outside the pickle.
    Persistent(Id),
    /// None, a boolean, a float or bytes: nothing that tensors depend on.
    Other,
}

/// The instructions that a pickle may have, each of which adds at most one value; the state
/// dictionary of the largest network has fewer than 100 000.
const MAX_INSTRUCTIONS: usize = 1 << 22;

/// The classes and functions that tensors are described by.
fn is_known(module: &str, name: &str) -> bool {
    match module {
        "collections" => name == "OrderedDict",
        "torch._utils" => matches!(name, "_rebuild_tensor_v2" | "_rebuild_parameter"),
        "torch" => element_width(name).is_some(),
        _ => false,
    }
}

/// What a pickle describes: every value, and which one is the result.
pub(super) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    pub(super) root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads one pickle and leaves the cursor after it. Only what state dictionaries consist of is
    /// understood, and no code is run.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, WeightsError> {
        Machine::default().run(cursor)
    }

    #[expect(clippy::indexing_slicing, reason = "ids come from `Machine::push` alone")]
    pub(super) fn get(&self, id: Id) -> &Node<'a> {
        &self.nodes[id]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter()
    }

    pub(super) fn text(&self, id: Id) -> Option<&'a str> {
        if let Node::Text(text) = self.get(id) { Some(text) } else { None }
    }

    pub(super) fn size(&self, id: Id) -> Option<usize> {
        if let Node::Int(value) = self.get(id) { usize::try_from(*value).ok() } else { None }
    }

    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        if let Node::Sequence(items) = self.get(id) { Some(items) } else { None }
    }

    pub(super) fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        self.sequence(id)?.iter().map(|&item| self.size(item)).collect()
    }

    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        if let Node::Dict(entries) = self.get(id) { Some(entries) } else { None }
    }
}

/// The stack machine that a pickle is a program for.
#[derive(Default)]
struct Machine<'a> {
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(mut self, cursor: &mut Cursor<'a>) -> Result<Pickle<'a>, WeightsError> {
        for _ in 0..MAX_INSTRUCTIONS {
            let at = cursor.position;
            let opcode = cursor.u8()?;
            if opcode == b'.' {
                let root = self.pop(at)?;
                return Ok(Pickle { nodes: self.nodes, root });
            }
            self.step(opcode, at, cursor)?;
        }
        let expected = format!("a pickle of at most {MAX_INSTRUCTIONS} instructions");
        Err(WeightsError::malformed(cursor.position, expected, "a longer one"))
    }

    fn step(&mut self, code: u8, at: usize, cursor: &mut Cursor<'a>) -> Result<(), WeightsError> {
        match code {
            // PROTO, FRAME
            0x80 => drop(cursor.u8()?),
            0x95 => drop(cursor.length()?),
            // NONE, NEWTRUE, NEWFALSE, BINFLOAT
            b'N' | 0x88 | 0x89 => self.push(Node::Other),
            b'G' => {
                cursor.take(8)?;
                self.push(Node::Other);
            }
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let value = i32::from_le_bytes(cursor.array()?);
                self.push(Node::Int(value.into()));
            }
            b'K' => {
                let value = cursor.u8()?;
                self.push(Node::Int(value.into()));
            }
            b'M' => {
                let value = cursor.u16()?;
                self.push(Node::Int(value.into()));
            }
            0x8a => {
                let length = cursor.u8()?;
                let digits = cursor.take(length.into())?;
                self.push(long(digits).map_or(Node::Other, Node::Int));
            }
            // BINUNICODE, SHORT_BINUNICODE
            b'X' => {
                let length = cursor.u32()? as usize;
                let text = cursor.text(length)?;
                self.push(Node::Text(text));
            }
            0x8c => {
                let length = cursor.u8()?;
                let text = cursor.text(length.into())?;
                self.push(Node::Text(text));
            }
            // BINBYTES, SHORT_BINBYTES
            b'B' => {
                let length = cursor.u32()? as usize;
                cursor.take(length)?;
                self.push(Node::Other);
            }
            b'C' => {
                let length = cursor.u8()?;
                cursor.take(length.into())?;
                self.push(Node::Other);
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (cursor.line()?, cursor.line()?);
                self.global(at, module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop(at)?, self.pop(at)?);
                let (Some(&Node::Text(module)), Some(&Node::Text(name))) =
                    (self.nodes.get(module), self.nodes.get(name))
                else {
                    return Err(WeightsError::malformed(at, "a module and a name", "other values"));
                };
                self.global(at, module, name)?;
            }
            // MARK, EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT
            b'(' => self.marks.push(self.stack.len()),
            b')' | b']' => self.push(Node::Sequence(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            // TUPLE, TUPLE1, TUPLE2, TUPLE3
            b't' => {
                let items = self.pop_marked(at)?;
                self.push(Node::Sequence(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::with_capacity(3);
                for _ in 0x84..code {
                    items.push(self.pop(at)?);
                }
                items.reverse();
                self.push(Node::Sequence(items));
            }
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' => {
                let item = self.pop(at)?;
                self.append(at, &[item])?;
            }
            b'e' => {
                let items = self.pop_marked(at)?;
                self.append(at, &items)?;
            }
            b's' => {
                let (value, key) = (self.pop(at)?, self.pop(at)?);
                self.set_items(at, &[key, value])?;
            }
            b'u' => {
                let items = self.pop_marked(at)?;
                self.set_items(at, &items)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let slot = cursor.u8()?;
                self.remember(at, slot.into())?;
            }
            b'r' => {
                let slot = cursor.u32()?;
                self.remember(at, slot)?;
            }
            0x94 => self.remember(at, u32::try_from(self.memo.len()).unwrap_or(u32::MAX))?,
            b'h' => {
                let slot = cursor.u8()?;
                self.recall(at, slot.into())?;
            }
            b'j' => {
                let slot = cursor.u32()?;
                self.recall(at, slot)?;
            }
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop(at)?, self.pop(at)?);
                let ordered = matches!(
                    self.nodes.get(function),
                    Some(Node::Global("collections", "OrderedDict"))
                );
                self.push(if ordered {
                    // Its entries follow; only files of Python 2 hand them to the call.
                    if !matches!(self.nodes.get(arguments), Some(Node::Sequence(items)) if items.is_empty())
                    {
                        return Err(WeightsError::malformed(at, "an empty OrderedDict", "one with arguments"));
                    }
                    Node::Dict(Vec::new())
                } else {
                    Node::Call { function, arguments }
                });
            }
            // BUILD: attributes of an object, such as the version notes of a state dictionary.
            b'b' => drop(self.pop(at)?),
            // BINPERSID
            b'Q' => {
                let id = self.pop(at)?;
                self.push(Node::Persistent(id));
            }
            other => {
                let expected = "an instruction of a state dictionary's pickle";
                return Err(WeightsError::malformed(at, expected, format!("byte {other:#04x}")));
            }
        }
        Ok(())
    }

    fn push(&mut self, node: Node<'a>) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// Refuses what is not needed for tensors already where it is named, whether called or not.
    fn global(&mut self, at: usize, module: &'a str, name: &'a str) -> Result<(), WeightsError> {
        if !is_known(module, name) {
            let expected = "only what tensors are made of, which runs no code";
            return Err(WeightsError::malformed(at, expected, format!("{module}.{name}")));
        }
        self.push(Node::Global(module, name));
        Ok(())
    }

    /// The topmost value above the last mark.
    fn pop(&mut self, at: usize) -> Result<Id, WeightsError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(WeightsError::malformed(at, "a value on the stack", "none"));
        }
        self.stack.pop().ok_or_else(|| WeightsError::malformed(at, "a value on the stack", "none"))
    }

    fn pop_marked(&mut self, at: usize) -> Result<Vec<Id>, WeightsError> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| WeightsError::malformed(at, "a mark on the stack", "none"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self, at: usize) -> Result<Id, WeightsError> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| WeightsError::malformed(at, "a value on the stack", "none"))
    }

    fn append(&mut self, at: usize, items: &[Id]) -> Result<(), WeightsError> {
        let list = self.top(at)?;
        let Some(Node::Sequence(list)) = self.nodes.get_mut(list) else {
            return Err(WeightsError::malformed(at, "a list to append to", "another value"));
        };
        list.extend(items);
        Ok(())
    }

    fn set_items(&mut self, at: usize, items: &[Id]) -> Result<(), WeightsError> {
        let dict = self.top(at)?;
        let Some(Node::Dict(entries)) = self.nodes.get_mut(dict) else {
            return Err(WeightsError::malformed(at, "a dictionary to add to", "another value"));
        };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(WeightsError::malformed(
                at,
                "pairs of keys and values",
                "a key without a value",
            ));
        }
        entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn remember(&mut self, at: usize, slot: u32) -> Result<(), WeightsError> {
        let top = self.top(at)?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, at: usize, slot: u32) -> Result<(), WeightsError> {
        let Some(&id) = self.memo.get(&slot) else {
            return Err(WeightsError::malformed(
                at,
                "a value kept before",
                format!("empty slot {slot}"),
            ));
        };
        self.stack.push(id);
        Ok(())
    }
}

/// A little-endian two's complement number, where it fits.
fn long(digits: &[u8]) -> Option<i64> {
    let sign = if digits.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut bytes = [sign; 8];
    bytes.get_mut(..digits.len())?.copy_from_slice(digits);
    Some(i64::from_le_bytes(bytes))
}
