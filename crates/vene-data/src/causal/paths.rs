//! Along which paths of a causal model a change would be passed on, in one setting.

use super::{CausalError, CausalModel, Setting};

impl CausalModel {
    /// The paths, two variables or more from parent to child, each of whose steps is live: some other
    /// value of the parent would give the child another value, all inputs being as they are. Short
    /// paths first.
    ///
    /// What is live depends on the setting: of a conjunction whose `a` is false, nothing that `b` does
    /// matters.
    ///
    /// ```
    /// # use vene::causal::examples::conjunction;
    /// let model = conjunction();
    /// let setting = model.run([("a", false), ("b", true)])?;
    /// assert_eq!(model.live_paths(&setting)?, [["a", "both"]]);
    /// # Ok::<(), vene::causal::CausalError>(())
    /// ```
    ///
    /// Of the setting only the inputs count.
    ///
    /// # Errors
    ///
    /// [`CausalError::Endless`] if the values of a parent are not known; those of [`CausalModel::run`].
    pub fn live_paths(&self, setting: &Setting) -> Result<Vec<Vec<&str>>, CausalError> {
        let actual = self.run(setting.inputs())?;
        let mut steps = vec![Vec::new(); self.variables.len()];
        for (parent, steps) in steps.iter_mut().enumerate() {
            let children = self.children(parent);
            if children.is_empty() {
                continue;
            }
            let Some(domain) = &self.variables[parent].domain else {
                return Err(CausalError::Endless { variable: self.names.list[parent].clone() });
            };
            for value in &domain.values {
                let changed =
                    self.intervene(actual.inputs(), [(&self.names.list[parent], value)])?;
                for &child in &children {
                    if changed.at(child) != actual.at(child) && !steps.contains(&child) {
                        steps.push(child);
                    }
                }
            }
            steps.sort_unstable();
        }
        let mut paths: Vec<Vec<usize>> = Vec::new();
        let mut longest: Vec<Vec<usize>> = (0..self.variables.len()).map(|at| vec![at]).collect();
        while !longest.is_empty() {
            let mut longer = Vec::new();
            for path in &longest {
                for &child in &steps[path[path.len() - 1]] {
                    longer.push(path.iter().copied().chain([child]).collect());
                }
            }
            paths.extend_from_slice(&longer);
            longest = longer;
        }
        let named =
            |path: Vec<usize>| path.iter().map(|&at| self.names.list[at].as_str()).collect();
        Ok(paths.into_iter().map(named).collect())
    }

    fn children(&self, parent: usize) -> Vec<usize> {
        let is_child = |at: &usize| self.variables[*at].parents.contains(&parent);
        (0..self.variables.len()).filter(is_child).collect()
    }
}
