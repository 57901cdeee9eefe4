//! What all variables are in one run of a causal model.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Index;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Value;

/// The value of each variable, inputs first, each variable behind its parents.
///
/// `setting["left"]` is the value of `left`; it panics if there is no such variable, as a map's
/// does. See [`Setting::get`] for one that doesn't.
#[derive(Clone)]
pub struct Setting {
    names: Arc<Names>,
    values: Vec<Value>,
}

/// The variables of a model, inputs first, each behind its parents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub list: Vec<String>,
    /// How many of them are inputs.
    pub inputs: usize,
    pub index: HashMap<String, usize>,
}

impl Setting {
    /// With a value for each name.
    pub(super) fn new(names: Arc<Names>, values: Vec<Value>) -> Self {
        Self { names, values }
    }

    /// A variable's value; `None` if the model has no such variable.
    pub fn get(&self, variable: &str) -> Option<&Value> {
        self.names.index.get(variable).map(|&index| &self.values[index])
    }

    /// Each variable and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.list.iter().map(String::as_str).zip(&self.values)
    }

    /// Those of the inputs: what [`CausalModel::run`](super::CausalModel::run) takes.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.iter().take(self.names.inputs)
    }

    pub(super) fn at(&self, index: usize) -> &Value {
        &self.values[index]
    }

    pub(super) fn is_of(&self, names: &Arc<Names>) -> bool {
        Arc::ptr_eq(&self.names, names) || self.names == *names
    }
}

impl Index<&str> for Setting {
    type Output = Value;

    fn index(&self, variable: &str) -> &Value {
        match self.get(variable) {
            Some(value) => value,
            None => panic!("no variable `{variable}`; there are {}", self.names.list.join(", ")),
        }
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values && self.is_of(&other.names)
    }
}

impl Eq for Setting {}

impl Hash for Setting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

/// `w = 1, x = 2, equal = false`
impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{name} = {value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

/// A map, in the order of [`Setting::iter`].
impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::examples::conjunction;

    #[test]
    fn a_setting_is_read_by_name() {
        let setting = conjunction().run([("b", true), ("a", false)]).unwrap();
        assert_eq!(setting.to_string(), "a = false, b = true, both = false");
        assert_eq!(setting.inputs().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
        assert!(setting["b"].is_true());
        assert_eq!(setting.get("c"), None);
        let json = serde_json::to_string(&setting).unwrap();
        assert_eq!(json, r#"{"a":false,"b":true,"both":false}"#);
    }

    #[test]
    #[should_panic(expected = "no variable `c`; there are a, b, both")]
    fn an_unknown_name_is_named() {
        let setting = conjunction().run([("a", false), ("b", true)]).unwrap();
        let _ = setting["c"];
    }

    #[test]
    fn settings_of_like_models_are_compared_by_value() {
        let (one, other) = (conjunction(), conjunction());
        let inputs = [("a", true), ("b", true)];
        assert_eq!(one.run(inputs).unwrap(), other.run(inputs).unwrap());
        let fixed = other.intervene(inputs, [("both", false)]).unwrap();
        assert_ne!(one.run(inputs).unwrap(), fixed);
    }
}
