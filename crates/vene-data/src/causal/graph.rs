//! The graph of a causal model as text that Mermaid draws, as in Markdown on many sites.

use std::fmt::Write as _;

use super::{CausalModel, Setting};

impl CausalModel {
    /// The graph, with the values of a setting if there is one.
    ///
    /// ```
    /// # use vene::causal::examples::conjunction;
    /// let text = conjunction().mermaid(None);
    /// assert_eq!(
    ///     text,
    ///     r#"flowchart TD
    ///     v0["a"]
    ///     v1["b"]
    ///     v2["both"]
    ///     v0 --> v2
    ///     v1 --> v2
    /// "#
    /// );
    /// ```
    pub fn mermaid(&self, setting: Option<&Setting>) -> String {
        let mut text = "flowchart TD\n".to_owned();
        for (index, name) in self.names.list.iter().enumerate() {
            let value = setting.and_then(|setting| setting.get(name));
            let label = value.map_or_else(|| name.clone(), |value| format!("{name} = {value}"));
            let label = label.replace('#', "#35;").replace('"', "#quot;");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    v{index}[\"{label}\"]");
        }
        for (child, variable) in self.variables.iter().enumerate() {
            for parent in &variable.parents {
                let _ = writeln!(text, "    v{parent} --> v{child}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn labels_are_escaped_and_hold_values() {
        let model = CausalModel::builder()
            .input("#\"1\"", ["say \"x\""])
            .computed("same", ["#\"1\""], |[value]| value.clone())
            .build()
            .unwrap();
        let setting = model.run([("#\"1\"", "say \"x\"")]).unwrap();
        let text = model.mermaid(Some(&setting));
        assert_eq!(
            text.lines().nth(1).unwrap(),
            r##"    v0["#35;#quot;1#quot; = say #quot;x#quot;"]"##
        );
    }
}
