//! Where something stands in the configuration: the path of keys to it, and its line and column in the file.

use std::fmt;

use serde::Deserialize as _;
use serde::de::value::{EnumAccessDeserializer, MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, VariantAccess as _,
    Visitor,
};
use serde_yaml::Value;

use super::node::{Node, key_text};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Key(String),
    Index(usize),
}

/// The path of keys to a value, written `profiles[1].redirect_uris.https[0].path`. The empty path is the whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place(Vec<Step>);

impl Place {
    /// The whole file.
    pub fn root() -> Self {
        Self::default()
    }

    /// The member `key` of what is here.
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// The entry `index` of the list that is here, counted from 0.
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// What `relative` names, written as a place is: `redirect_uris.https[0]`.
    pub fn below(&self, relative: &str) -> Self {
        relative.split('.').filter(|part| !part.is_empty()).fold(self.clone(), |place, part| {
            let mut pieces = part.split('[');
            let key = pieces.next().unwrap_or_default();
            let place = if key.is_empty() { place } else { place.key(key) };
            pieces.fold(place, |place, index| match index.trim_end_matches(']').parse() {
                Ok(index) => place.index(index),
                Err(_) => place,
            })
        })
    }

    /// What holds this; nothing for the whole file.
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    /// What holds this, what holds that, and so on to the whole file.
    pub(super) fn parents(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// The keys alone, without indices: `profiles.redirect_uris.https.path`.
    pub fn keys(&self) -> String {
        let keys = self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    /// What is there.
    pub(super) fn find<'n>(&self, tree: &'n Node) -> Option<&'n Node> {
        self.0.iter().try_fold(tree, |node, step| match (step, node) {
            (Step::Key(key), node) => node.member(key),
            (Step::Index(index), Node::List(entries)) => entries.get(*index),
            (Step::Index(_), _) => None,
        })
    }

    /// Line and column in `yaml`, both from 1: of the key for a member, of the value for an entry of a list.
    /// For something that is not there, of what would hold it.
    pub fn locate(&self, yaml: &str) -> Option<(usize, usize)> {
        let mut place = self.clone();
        loop {
            if place.0.is_empty() {
                return None;
            }
            let error = Finder(&place.0).deserialize(serde_yaml::Deserializer::from_str(yaml)).err();
            match error.filter(|error| error.to_string().contains(FOUND)).and_then(|error| error.location()) {
                Some(location) => return Some((location.line(), location.column())),
                None => place = place.parent()?,
            }
        }
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    if !key.is_empty() && is_plain(key) { write!(f, "{dot}{key}")? } else { write!(f, "{dot}{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

/// What the finder's error says when it stands on the place.
const FOUND: &str = "the place is here";

/// Goes along a path and breaks off where it ends: serde_yaml tells positions only with errors.
struct Finder<'p>(&'p [Step]);

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the path goes through")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom(FOUND));
        };
        let key = KeyFinder { wanted, is_last: rest.is_empty() };
        while let Some(is_it) = access.next_key_seed(KeyFinder { ..key })? {
            if is_it {
                return access.next_value_seed(Finder(rest));
            }
            access.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom("the place is not here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom(FOUND));
        };
        for _ in 0..*wanted {
            access.next_element::<IgnoredAny>()?;
        }
        access.next_element_seed(Finder(rest))?;
        Err(A::Error::custom("the place is not here"))
    }

    /// What has a tag is what it is without.
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        if self.0.is_empty() {
            return Err(A::Error::custom(FOUND));
        }
        let (IgnoredAny, content) = access.variant()?;
        content.newtype_variant_seed(self)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom(FOUND))
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom(FOUND))
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom(FOUND))
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom(FOUND))
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom(FOUND))
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Err(E::custom(FOUND))
    }
}

/// Compares a key, and breaks off on it when the path ends there.
#[derive(Clone, Copy)]
struct KeyFinder<'p> {
    wanted: &'p str,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for KeyFinder<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A key that is no text is compared as the tree has it.
impl<'de> Visitor<'de> for KeyFinder<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match (key == self.wanted, self.is_last) {
            (true, true) => Err(E::custom(FOUND)),
            (is_it, _) => Ok(is_it),
        }
    }
    fn visit_bool<E: serde::de::Error>(self, key: bool) -> Result<bool, E> {
        self.visit_str(&key_text(key.into()))
    }
    fn visit_i64<E: serde::de::Error>(self, key: i64) -> Result<bool, E> {
        self.visit_str(&key_text(key.into()))
    }
    fn visit_u64<E: serde::de::Error>(self, key: u64) -> Result<bool, E> {
        self.visit_str(&key_text(key.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, key: f64) -> Result<bool, E> {
        self.visit_str(&key_text(key.into()))
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
        self.visit_str(&key_text(Value::Null))
    }
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<bool, A::Error> {
        let key = Value::deserialize(MapAccessDeserializer::new(access))?;
        self.visit_str(&key_text(key))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<bool, A::Error> {
        let key = Value::deserialize(SeqAccessDeserializer::new(access))?;
        self.visit_str(&key_text(key))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<bool, A::Error> {
        let key = Value::deserialize(EnumAccessDeserializer::new(access))?;
        self.visit_str(&key_text(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "a: 1\nlist:\n  - x: 1\n    y: [p, q]\n  - x: 2\n";

    #[test]
    fn a_place_is_written_as_a_path() {
        let place = Place::root().key("profiles").index(1).below("redirect_uris.https[0].path");
        assert_eq!(place.to_string(), "profiles[1].redirect_uris.https[0].path");
        assert_eq!(place.keys(), "profiles.redirect_uris.https.path");
        assert_eq!(Place::root().key("a b").to_string(), "\"a b\"");
    }

    #[test]
    fn a_place_behind_a_tag_is_found() {
        let at = |place: &str| Place::root().below(place).locate("!t\na: 1\nlist: !u\n  - x: !v [1, 2]\n");
        assert_eq!(at("a"), Some((2, 1)));
        assert_eq!(at("list[0].x"), Some((4, 5)));
        assert_eq!(at("list[0].x[1]"), Some((4, 15)));
    }

    #[test]
    fn a_place_knows_its_line_and_column() {
        let at = |place: &str| Place::root().below(place).locate(YAML);
        assert_eq!(at("a"), Some((1, 1)));
        assert_eq!(at("list[0].y"), Some((4, 5)));
        assert_eq!(at("list[0].y[1]"), Some((4, 12)));
        assert_eq!(at("list[1].x"), Some((5, 5)));
    }

    #[test]
    fn keys_that_are_no_text_hide_nothing_behind_them() {
        let yaml = "~: 0\n8443: 1\ntrue: 2\n? {a: b}\n: 3\n? [c]\n: 4\n!tag key: 5\nlast: 6\n";
        let at = |key: &str| Place::root().key(key).locate(yaml);
        assert_eq!(at("8443"), Some((2, 1)));
        assert_eq!(at("true"), Some((3, 1)));
        assert_eq!(at("a: b"), Some((4, 3)));
        assert_eq!(at("!tag key"), Some((8, 1)));
        assert_eq!(at("last"), Some((9, 1)));
    }

    #[test]
    fn what_is_missing_is_at_what_would_hold_it() {
        assert_eq!(Place::root().below("list[1].y").locate(YAML), Some((5, 5)));
        assert_eq!(Place::root().below("b").locate(YAML), None);
    }
}
