//! Inputs, drawn at random: uniformly, or so that each value of a variable comes up as often.
//!
//! Uniform inputs seldom show what is rare. Of four objects out of a hundred, two are equal once in a
//! hundred times, so that a data set of hierarchical equality would hold next to no equal pairs.
//! Balanced inputs are traced back from the value that is wanted: one of the combinations of its
//! parents' values that give it is drawn, then one for each of these, and so on up to the inputs. In a
//! tree this never fails, and all variables on the way are balanced too. Where two paths meet in
//! an ancestor, they may want different things of it; so what was drawn is always run, and drawn again
//! if the value did not come about.

use vene_random::Draws;

use super::domain::Combinations;
use super::function::Rule;
use super::{CausalError, CausalModel, Setting, Value};

/// How often is drawn before one says that there is nothing.
pub(super) const PATIENCE: usize = 10_000;

pub(super) type Filter<'m> = Box<dyn Fn(&Setting) -> bool + 'm>;

/// Draws settings of a model: a data set of inputs and labels.
///
/// The same model, seed and settings of the sampler give the same data on every machine, and the first
/// of many are those of few.
///
/// ```
/// use vene::causal::{Sampler, examples::hierarchical_equality};
///
/// let model = hierarchical_equality(100);
/// let settings = Sampler::of(&model)
///     .balanced("output")
///     .keep(|setting| setting["w"] != setting["y"])
///     .seed(7)
///     .settings(50)?;
/// assert_eq!(settings.iter().filter(|setting| setting["output"].is_true()).count(), 25);
/// # Ok::<(), vene::causal::CausalError>(())
/// ```
pub struct Sampler<'m> {
    model: &'m CausalModel,
    seed: u64,
    balanced: Option<String>,
    filters: Vec<Filter<'m>>,
}

impl<'m> Sampler<'m> {
    /// Uniform over the values of each input, with seed 0.
    pub fn of(model: &'m CausalModel) -> Self {
        Self { model, seed: 0, balanced: None, filters: Vec::new() }
    }

    /// Another seed gives other settings.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The values of this variable (such as the output) take turns. Its ancestors are balanced along
    /// with it as far as that goes.
    #[must_use]
    pub fn balanced(mut self, variable: impl Into<String>) -> Self {
        self.balanced = Some(variable.into());
        self
    }

    /// Keeps those settings only for which this is true; of several filters, all must be.
    #[must_use]
    pub fn keep(mut self, filter: impl Fn(&Setting) -> bool + 'm) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Draws so many. They may repeat.
    ///
    /// # Errors
    ///
    /// [`CausalError::NotFound`] if 10,000 draws gave no setting that filters keep, and
    /// [`CausalError::Endless`] for a balanced variable whose values are not known; unknown variables; those
    /// of [`CausalModel::run`].
    pub fn settings(&self, count: usize) -> Result<Vec<Setting>, CausalError> {
        let variable = self.balanced.as_deref().map(|name| self.model.index(name)).transpose()?;
        let values = variable.map(|variable| self.model.balanced_values(variable)).transpose()?;
        let wanted = |row: usize| {
            let values = values.as_ref()?;
            Some((variable?, values[row % values.len()]))
        };
        (0..count)
            .map(|row| {
                let mut draws = Draws::new([self.seed, row as u64]);
                self.model.draw(&mut draws, wanted(row), &self.filters)
            })
            .collect()
    }
}

impl CausalModel {
    /// The values over which a variable is balanced: those that can come about, as far as one knows.
    pub(super) fn balanced_values(&self, variable: usize) -> Result<Vec<&Value>, CausalError> {
        let Some(domain) = &self.variables[variable].domain else {
            return Err(CausalError::Endless { variable: self.names.list[variable].clone() });
        };
        Ok(match &self.variables[variable].classes {
            Some(classes) => {
                classes.given().into_iter().map(|value| &domain.values[value]).collect()
            }
            None => domain.values.iter().collect(),
        })
    }

    /// Draws inputs until the variable has the value that is wanted and the filters keep the setting.
    pub(super) fn draw(
        &self,
        draws: &mut Draws,
        wanted: Option<(usize, &Value)>,
        filters: &[Filter<'_>],
    ) -> Result<Setting, CausalError> {
        for _ in 0..PATIENCE {
            let mut given = match wanted {
                Some((variable, value)) => self.trace_back(draws, variable, value),
                None => vec![None; self.variables.len()],
            };
            for (index, value) in given.iter_mut().enumerate().take(self.names.inputs) {
                if value.is_none() {
                    *value = self.draw_input(draws, index);
                }
            }
            let setting = self.compute(given)?;
            if wanted.is_none_or(|(variable, value)| setting.at(variable) == value)
                && filters.iter().all(|filter| filter(&setting))
            {
                return Ok(setting);
            }
        }
        let mut of = String::new();
        if let Some((variable, value)) = wanted {
            of = format!(" with {} = {value}", self.names.list[variable]);
        }
        let kept = if filters.is_empty() { "" } else { " that the filters keep" };
        Err(CausalError::NotFound { wanted: format!("inputs{of}{kept}"), tries: PATIENCE })
    }

    fn draw_input(&self, draws: &mut Draws, index: usize) -> Option<Value> {
        let variable = &self.variables[index];
        match (&variable.rule, &variable.domain) {
            (Rule::Generated(generator), _) => Some(generator(draws.bits())),
            (_, Some(domain)) => Some(domain.values[draws.below(domain.len())].clone()),
            // Inputs have one of the two.
            (_, None) => None,
        }
    }

    /// Draws inputs that give a variable its value, as far as it is known which do; `None` for the
    /// other variables. Where two children want different things of a parent, one of them has its way.
    fn trace_back(&self, draws: &mut Draws, index: usize, value: &Value) -> Vec<Option<Value>> {
        let mut wanted = vec![None; self.variables.len()];
        wanted[index] = Some(value.clone());
        // Children stand behind their parents: each variable is asked once all its children have been.
        for at in (self.names.inputs..=index).rev() {
            let Some(value) = wanted[at].take() else { continue };
            let variable = &self.variables[at];
            let (Some(classes), Some(domain)) = (&variable.classes, &variable.domain) else {
                continue;
            };
            let class = domain.position(&value).map_or(&[][..], |value| &classes.0[value]);
            if class.is_empty() {
                continue;
            }
            let number = class[draws.below(class.len())] as usize;
            let domains =
                variable.parents.iter().filter_map(|&p| self.variables[p].domain.as_ref());
            let values = Combinations::new(domains.collect()).get(number);
            for (&parent, value) in variable.parents.iter().zip(values) {
                wanted[parent] = Some(value.clone());
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::examples::{conjunction, hierarchical_equality};
    use super::*;

    fn share(settings: &[Setting], variable: &str) -> f64 {
        let count = settings.iter().filter(|setting| setting[variable].is_true()).count();
        count as f64 / settings.len() as f64
    }

    #[test]
    fn the_settings_of_a_seed_are_those_of_always() {
        let model = hierarchical_equality(9);
        let drawn = |sampler: Sampler<'_>| -> Vec<String> {
            let settings = sampler.seed(1).settings(4).unwrap();
            let digits = |setting: &Setting| setting.inputs().map(|(_, v)| v.to_string()).collect();
            settings.iter().map(digits).collect()
        };
        // Worked out in Python from the definitions. Whoever changes these changes every data set that
        // was ever drawn.
        assert_eq!(drawn(Sampler::of(&model)), ["7948", "4697", "9312", "8692"]);
        assert_eq!(drawn(Sampler::of(&model).balanced("output")), ["4496", "9464", "1136", "9966"]);
    }

    #[test]
    fn few_settings_begin_many() {
        let model = hierarchical_equality(50);
        let sampler = Sampler::of(&model).balanced("output").seed(3);
        assert_eq!(sampler.settings(5).unwrap(), sampler.settings(20).unwrap()[..5]);
        let other = Sampler::of(&model).balanced("output").seed(4);
        assert_ne!(sampler.settings(5).unwrap(), other.settings(5).unwrap());
    }

    /// 4000 draws: standard deviations below 0.008.
    #[test]
    fn inputs_are_uniform_unless_balanced() {
        let model = hierarchical_equality(10);
        let uniform = Sampler::of(&model).settings(4000).unwrap();
        assert!((share(&uniform, "left") - 0.1).abs() < 0.03);
        assert!((share(&uniform, "output") - 0.82).abs() < 0.03);
        let balanced = Sampler::of(&model).balanced("output").settings(4000).unwrap();
        assert_eq!(share(&balanced, "output"), 0.5);
        assert!((share(&balanced, "left") - 0.5).abs() < 0.03);
        assert!((share(&balanced, "right") - 0.5).abs() < 0.03);
        for object in 1..=10 {
            let count = balanced.iter().filter(|setting| setting["w"] == object.into()).count();
            assert!((300..500).contains(&count), "{object}: {count}");
        }
    }

    #[test]
    fn paths_that_meet_are_drawn_again_until_they_agree() {
        let model = CausalModel::builder()
            .input("n", 0..20)
            .computed("even", ["n"], |[n]| n.integer().map(|n| n % 2 == 0))
            .computed("large", ["n"], |[n]| n.integer().map(|n| n >= 18))
            .computed("both", ["even", "large"], |[even, large]| even.is_true() && large.is_true())
            .build()
            .unwrap();
        let settings = Sampler::of(&model).balanced("both").settings(40).unwrap();
        assert_eq!(share(&settings, "both"), 0.5);
        assert!(
            settings.iter().all(|setting| setting["both"].is_true() == (setting["n"] == 18.into()))
        );
    }

    #[test]
    fn inputs_that_are_generated_are_balanced_by_trying() {
        let model = CausalModel::builder()
            .generated_input("n", |random| (random % 1000) as i64)
            .computed("small", ["n"], |[n]| n.integer().map(|n| n < 100))
            .values("small", [false, true])
            .build()
            .unwrap();
        let settings = Sampler::of(&model).balanced("small").settings(100).unwrap();
        assert_eq!(share(&settings, "small"), 0.5);
        let error = Sampler::of(&model).balanced("n").settings(1).unwrap_err();
        assert_eq!(error, CausalError::Endless { variable: "n".to_owned() });
    }

    #[test]
    fn what_is_never_found_ends() {
        let model = conjunction();
        let sampler = Sampler::of(&model).balanced("both").keep(|setting| setting["a"].is_true());
        let settings = sampler.settings(10).unwrap();
        assert!(settings.iter().all(|setting| setting["a"].is_true()));
        let error = sampler.keep(|setting| setting["b"].is_true()).settings(10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "10000 draws gave no inputs with both = false that the filters keep: is there any? \
             Filters may leave nothing over"
        );
    }

    #[test]
    fn values_that_cannot_come_about_are_not_waited_for() {
        let model = CausalModel::builder()
            .input("n", [1, 2])
            .computed("odd", ["n"], |[n]| if *n == 1.into() { "yes" } else { "no" })
            .values("odd", ["yes", "no", "unknown"])
            .computed("label", ["odd"], |[odd]| odd.text().map(|odd| odd.len() as u32))
            .build()
            .unwrap();
        // 7 is a value of `label` by an intervention on `odd` alone.
        assert_eq!(model.values("label").unwrap().unwrap(), [2, 3, 7].map(Value::from));
        let settings = Sampler::of(&model).balanced("label").settings(10).unwrap();
        assert_eq!(settings.iter().filter(|setting| setting["label"] == 2.into()).count(), 5);
    }
}
