//! Reads settings types out of a tree and says everything that is wrong, not only the first: unknown and missing members are set
//! down without stopping, a bad value stops serde, so it is taken out and the rest is read again.

use std::cell::{LazyCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::hints::{plain_reason, plain_words};
use super::node::{Node, Text};
use super::place::Place;

/// The most problems that are looked for; nobody mends more in one go.
const MOST_PROBLEMS: usize = 100;

/// What is wrong with a part of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Finding {
    /// A key nobody knows; with the keys that are known there.
    Unknown { place: Place, known: &'static [&'static str] },
    /// A key that must be there.
    Missing { place: Place },
    /// A value that is not what it must be.
    Bad { place: Place, reason: String },
}

impl Finding {
    pub fn place(&self) -> &Place {
        match self {
            Self::Unknown { place, .. } | Self::Missing { place } | Self::Bad { place, .. } => place,
        }
    }
}

/// Which members each settings type must have, by the type's name: serde tells the first that is missing, not all. Made when something
/// is wrong: it is a large part of what reading costs.
pub(super) type Required = LazyCell<HashMap<String, Vec<String>>>;

/// Reads a `T` from what is at `place`. What is wrong is in the list; nothing comes back when too much of it is missing.
pub(super) fn read<T: DeserializeOwned>(node: &Node, place: &Place, required: &Required) -> (Option<T>, Vec<Finding>) {
    let first = |required| Pass { taken_out: HashSet::new(), findings: RefCell::new(Vec::new()), required };
    let mut pass = first(None);
    loop {
        match T::deserialize(Reader { node, place: place.clone(), pass: &pass }) {
            Ok(value) => return (Some(value), pass.findings.into_inner()),
            Err(_) if pass.required.is_none() => pass = first(Some(required)),
            Err(stop) => {
                let at = stop.place.unwrap_or_else(|| place.clone());
                match stop.why {
                    Why::Said => {}
                    Why::Missing(field) if pass.taken_out.contains(&at.key(field)) => {}
                    Why::Missing(field) => pass.add(Finding::Missing { place: at.key(field) }),
                    Why::Bad(reason) => pass.add(Finding::Bad { place: at.clone(), reason }),
                }
                let enough = pass.findings.borrow().len() >= MOST_PROBLEMS;
                // What was taken out and still stops would stop for ever.
                if enough || at == *place || !pass.taken_out.insert(at) {
                    return (None, pass.findings.into_inner());
                }
            }
        }
    }
}

/// One reading of the tree.
struct Pass<'r> {
    taken_out: HashSet<Place>,
    findings: RefCell<Vec<Finding>>,
    /// None until something is found to be wrong.
    required: Option<&'r Required>,
}

impl Pass<'_> {
    fn add(&self, finding: Finding) {
        let mut findings = self.findings.borrow_mut();
        if !findings.contains(&finding) && findings.len() < MOST_PROBLEMS {
            findings.push(finding);
        }
    }
}

/// Why serde stopped.
#[derive(Debug)]
struct Stop {
    /// Where; filled in by the innermost reader that sees it.
    place: Option<Place>,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// What is wrong is within, and set down already.
    Said,
    /// A member is missing: it is not there, or was taken out.
    Missing(&'static str),
    /// The value is not what it must be.
    Bad(String),
}

impl std::error::Error for Stop {}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Said => f.write_str("set down already"),
            Why::Missing(field) => write!(f, "{field} is missing"),
            Why::Bad(reason) => f.write_str(reason),
        }
    }
}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self { place: None, why: Why::Bad(plain_reason(reason.to_string())) }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Str(_) => "a text".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Map => "a mapping".to_owned(),
            de::Unexpected::Unit => "nothing".to_owned(),
            de::Unexpected::Bool(_) => "a truth value".to_owned(),
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) | de::Unexpected::Float(_) => "a number".to_owned(),
            other => other.to_string(),
        };
        Self::custom(format_args!("{found} where {} is expected", plain_words(&expected.to_string())))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = plain_words(&expected.to_string());
        match found {
            de::Unexpected::Unsigned(number) => Self::custom(format_args!("{number} where {expected} is expected")),
            de::Unexpected::Signed(number) => Self::custom(format_args!("{number} where {expected} is expected")),
            _ => Self::custom(format_args!("not {expected}")),
        }
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("{found:?} is not one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { place: None, why: Why::Missing(field) }
    }
}

#[derive(Clone)]
struct Reader<'t, 'p> {
    node: &'t Node,
    place: Place,
    pass: &'p Pass<'p>,
}

impl<'t, 'p> Reader<'t, 'p> {
    fn child(&self, node: &'t Node, place: Place) -> Option<Self> {
        (!self.pass.taken_out.contains(&place)).then_some(Self { node, place, pass: self.pass })
    }

    fn members(&self, members: &'t [(String, Node)]) -> Vec<(&'t str, Self)> {
        let child =
            |(key, node): &'t (String, Node)| Some((key.as_str(), self.child(node, self.place.key(key.as_str()))?));
        members.iter().filter_map(child).collect()
    }

    /// A text that came out of a variable may be a number: everything in the environment is text.
    fn variable_as<T: std::str::FromStr>(&self) -> Option<T> {
        match self.node {
            Node::Text(Text { value, written: Some(_) }) => value.parse().ok(),
            _ => None,
        }
    }

    /// Sets the place of a stop, and hides what came out of a variable.
    fn stopped<V>(&self, result: Result<V, Stop>) -> Result<V, Stop> {
        result.map_err(|mut stop| {
            stop.place.get_or_insert_with(|| self.place.clone());
            if let (Node::Text(Text { value, written: Some(written) }), Why::Bad(reason)) = (self.node, &mut stop.why) {
                let escaped = format!("{value:?}");
                *reason = reason.replace(escaped.trim_matches('"'), written).replace(value.as_str(), written);
            }
            stop
        })
    }
}

impl<'de> Deserializer<'de> for Reader<'_, '_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let result = match self.node {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, Some(value)) => visitor.visit_f64(value),
                (None, None, None) => Err(de::Error::custom("a number out of all bounds")),
            },
            Node::Text(text) => visitor.visit_str(&text.value),
            Node::List(entries) => {
                let child = |(index, node)| self.child(node, self.place.index(index));
                visitor.visit_seq(Entries(entries.iter().enumerate().filter_map(child).collect::<Vec<_>>().into_iter()))
            }
            Node::Map(members) => visitor.visit_map(Members::new(self.members(members))),
        };
        self.stopped(result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.node {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let members = match self.node {
            Node::Map(members) => members.as_slice(),
            // All of a section's members are commented out.
            Node::Null => &[],
            // A list would be taken for the members in their order.
            Node::List(_) => return self.stopped(Err(de::Error::invalid_type(de::Unexpected::Seq, &visitor))),
            Node::Bool(_) | Node::Number(_) | Node::Text(_) => return self.deserialize_any(visitor),
        };
        for required in self.pass.required.and_then(|required| required.get(name)).into_iter().flatten() {
            if self.node.member(required).is_none() {
                self.pass.add(Finding::Missing { place: self.place.key(required.as_str()) });
            }
        }
        let mut known = self.members(members);
        known.retain(|(key, member)| {
            let is_known = fields.contains(key);
            if !is_known {
                self.pass.add(Finding::Unknown { place: member.place.clone(), known: fields });
            }
            is_known
        });
        self.stopped(visitor.visit_map(Members::new(known)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let result = match self.node {
            Node::Text(text) => visitor.visit_enum(Variant { name: &text.value, content: None }),
            Node::Map(members) if members.len() == 1 => {
                let (name, node) = &members[0];
                match self.child(node, self.place.key(name.as_str())) {
                    Some(content) => visitor.visit_enum(Variant { name, content: Some(content) }),
                    None => Err(Stop { place: None, why: Why::Said }),
                }
            }
            _ => Err(de::Error::custom(format_args!("write one of {}", variants.join(", ")))),
        };
        self.stopped(result)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.variable_as() {
            Some(value) => self.stopped(visitor.visit_bool(value)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.variable_as() {
            Some(value) => self.stopped(visitor.visit_u64(value)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_u64(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        identifier ignored_any
    }
}

struct Entries<'t, 'p>(std::vec::IntoIter<Reader<'t, 'p>>);

impl<'de> SeqAccess<'de> for Entries<'_, '_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        self.0.next().map(|entry| entry.clone().stopped(seed.deserialize(entry))).transpose()
    }
}

struct Members<'t, 'p> {
    rest: std::vec::IntoIter<(&'t str, Reader<'t, 'p>)>,
    value: Option<Reader<'t, 'p>>,
}

impl<'t, 'p> Members<'t, 'p> {
    fn new(members: Vec<(&'t str, Reader<'t, 'p>)>) -> Self {
        Self { rest: members.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Members<'_, '_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        let key: StrDeserializer<'_, Stop> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        match self.value.take() {
            Some(value) => value.clone().stopped(seed.deserialize(value)),
            None => Err(de::Error::custom("a value without a key")),
        }
    }
}

struct Variant<'t, 'p> {
    name: &'t str,
    content: Option<Reader<'t, 'p>>,
}

impl<'de, 't, 'p> EnumAccess<'de> for Variant<'t, 'p> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Stop> {
        let name: StrDeserializer<'_, Stop> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(de::Error::custom(format_args!("{} stands alone: nothing goes below it", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stop> {
        match self.content {
            Some(content) => content.clone().stopped(seed.deserialize(content)),
            None => Err(de::Error::custom(format_args!("{} needs a value: write `{}: …`", self.name, self.name))),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Stop> {
        Err(de::Error::custom("no setting is a tuple"))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Stop> {
        match self.content {
            Some(content) => content.deserialize_struct("", fields, visitor),
            None => Err(de::Error::custom(format_args!("{} needs members below it", self.name))),
        }
    }
}
