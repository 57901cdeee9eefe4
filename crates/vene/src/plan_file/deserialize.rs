//! Sections of a file by `serde`: a struct says which keys there are, and what is wrong is still told in its place.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::Value;
use super::error::PlanFileError;
use super::table::Item;

/// Reads a value of a file.
///
/// # Errors
/// Keys that the type does not have, values of another kind, and what the type refuses itself, each in its place.
pub(super) fn read<T: DeserializeOwned>(item: &Item<'_>) -> Result<T, PlanFileError> {
    T::deserialize(Reading(item)).map_err(|failure| failure.at(item))
}

/// What went wrong; where, is known to the value that was being read.
#[derive(Debug)]
enum Failure {
    Placed(Box<PlanFileError>),
    Expected(String),
    Missing(&'static str),
    Other(String),
}

impl Failure {
    fn at(self, item: &Item<'_>) -> PlanFileError {
        match self {
            Self::Placed(error) => *error,
            Self::Expected(expected) => item.expected(expected),
            Self::Missing(key) => PlanFileError::MissingKey {
                place: item.place.clone(),
                key,
                expected: "a value".to_owned(),
            },
            Self::Other(problem) => item.contradiction(problem),
        }
    }

    fn placed(self, item: &Item<'_>) -> Self {
        Self::Placed(Box::new(self.at(item)))
    }
}

impl From<PlanFileError> for Failure {
    fn from(error: PlanFileError) -> Self {
        Self::Placed(Box::new(error))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{self:?}")
    }
}

impl std::error::Error for Failure {}

impl Error for Failure {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Expected(expected.to_string())
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Expected(expected.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// A value that is being read.
struct Reading<'i, 'a>(&'i Item<'a>);

type Read<T> = Result<T, Failure>;

impl<'de> Reading<'_, '_> {
    fn sequence<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let items = self.0.list("a list")?;
        visitor.visit_seq(Items(items.iter())).map_err(|failure| failure.placed(self.0))
    }

    fn map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let entries = self.0.entries("a table")?;
        let entries = Entries { entries: entries.into_iter(), value: None };
        visitor.visit_map(entries).map_err(|failure| failure.placed(self.0))
    }
}

macro_rules! whole_numbers {
    ($($method:ident, $visit:ident, $type:ty;)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            let expected = if <$type>::MIN == 0 { "a whole number from 0 on" } else { "a whole number" };
            let number: $type = self.0.whole(expected)?;
            visitor.$visit(number).map_err(|failure: Failure| failure.placed(self.0))
        }
    )+};
}

impl<'de> Deserializer<'de> for Reading<'_, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let read = match &self.0.node.value {
            Value::Flag(flag) => visitor.visit_bool(*flag),
            Value::Integer(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => visitor.visit_i128(*number),
            },
            Value::Number(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(_) => return self.sequence(visitor),
            Value::Table(_) => return self.map(visitor),
        };
        read.map_err(|failure: Failure| failure.placed(self.0))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_bool(self.0.flag()?)
    }

    whole_numbers! {
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
        deserialize_i8, visit_i8, i8;
        deserialize_i16, visit_i16, i16;
        deserialize_i32, visit_i32, i32;
        deserialize_i64, visit_i64, i64;
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_f64(self.0.number()?).map_err(|failure: Failure| failure.placed(self.0))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_str(self.0.text("a text")?).map_err(|failure: Failure| failure.placed(self.0))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Read<V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.0.table("a table", fields)?;
        self.map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let text = self.0.text(&format!("the name of a {name}"))?;
        if !variants.contains(&text) {
            return Err(self.0.unknown(name, text, variants).into());
        }
        visitor.visit_enum(Name(text))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple_struct identifier
    }
}

/// The items of a list.
struct Items<'i, 'a>(std::slice::Iter<'i, Item<'a>>);

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let Some(item) = self.0.next() else { return Ok(None) };
        seed.deserialize(Reading(item)).map(Some).map_err(|failure| failure.placed(item))
    }
}

/// The entries of a table.
struct Entries<'a> {
    entries: std::vec::IntoIter<(&'a str, Item<'a>)>,
    value: Option<Item<'a>>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        let Some(item) = self.value.take() else {
            return Err(Failure::custom("a key without a value"));
        };
        seed.deserialize(Reading(&item)).map_err(|failure| failure.placed(&item))
    }
}

/// A variant by its name.
struct Name<'a>(&'a str);

impl<'de> EnumAccess<'de> for Name<'_> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Self)> {
        let name: serde::de::value::StrDeserializer<'_, Failure> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Name<'_> {
    type Error = Failure;

    fn unit_variant(self) -> Read<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Read<T::Value> {
        Err(Failure::custom("a name stands alone"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Read<V::Value> {
        Err(Failure::custom("a name stands alone"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Read<V::Value> {
        Err(Failure::custom("a name stands alone"))
    }
}
