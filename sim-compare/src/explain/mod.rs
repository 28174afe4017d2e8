//! Says what two recordings differ in, by class: steps (states of objects) that are missing or extra, fields with another value,
//! other times, other order, events. Equal differences of several objects are one entry ("5 ×").
//! Promises: what a difference weighs is what the figures lose by it, so the weights of all add up to what is lost.

mod events;
mod fields;
mod order;
mod steps;
mod words;

use std::collections::BTreeMap;

use crate::comparer::{Comparer, Comparison};

pub(crate) use words::state_name;

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    MissingObject,
    ExtraObject,
    MissingStep,
    ExtraStep,
    OtherField,
    OtherTime,
    OtherOrder,
    MissingEvent,
    ExtraEvent,
    EventCount,
}

impl Class {
    /// In a word or two, for readers.
    pub fn name(self) -> &'static str {
        match self {
            Class::MissingObject => "missing object",
            Class::ExtraObject => "extra object",
            Class::MissingStep => "missing step",
            Class::ExtraStep => "extra step",
            Class::OtherField => "other field",
            Class::OtherTime => "other time",
            Class::OtherOrder => "other order",
            Class::MissingEvent => "missing event",
            Class::ExtraEvent => "extra event",
            Class::EventCount => "event count",
        }
    }
}

/// What differs, for all objects of a group together.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What kind of difference it is.
    pub class: Class,
    /// Which objects: kind and name, random parts blanked.
    pub object: String,
    /// What: the step, the field's path, or the event.
    pub what: String,
    /// How: values on both sides, by how much a time differs, counts.
    pub how: String,
    /// How often.
    pub count: u64,
    /// What each figure loses by it, in the order of [`crate::FIGURES`].
    pub losses: [f64; 5],
    /// The first few places, in order of time.
    pub examples: Vec<Example>,
    /// Whether recordings of one real cluster differ in this, too; false until [`Difference::excuse`] says so.
    pub real_too: bool,
}

/// One place of a difference. Times are seconds since the recordings began.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The object's name in the real recording, or in the other if it is only there.
    pub object: String,
    pub real_time: Option<f64>,
    pub other_time: Option<f64>,
}

/// So many examples are kept.
const EXAMPLES_MAX: usize = 3;

impl Difference {
    /// What all figures together lose by it.
    pub fn weight(&self) -> f64 {
        self.losses.iter().sum()
    }

    /// Marks what is no fault of the other side: `real` is what two recordings of the real cluster differ in, either way round.
    pub fn excuse(&mut self, real: &[Difference]) {
        let own = self.class.mirrored();
        self.real_too =
            real.iter().any(|d| d.object == self.object && d.what == self.what && (d.class == self.class || Some(d.class) == own));
    }
}

impl Class {
    /// The class when the sides are swapped, if it is another.
    fn mirrored(self) -> Option<Class> {
        Some(match self {
            Class::MissingObject => Class::ExtraObject,
            Class::ExtraObject => Class::MissingObject,
            Class::MissingStep => Class::ExtraStep,
            Class::ExtraStep => Class::MissingStep,
            Class::MissingEvent => Class::ExtraEvent,
            Class::ExtraEvent => Class::MissingEvent,
            _ => return None,
        })
    }
}

pub(crate) fn differences(comparer: &Comparer, comparison: &Comparison) -> Vec<Difference> {
    let mut found = Gathered::default();
    let names = words::Names::new(comparer, comparison);
    steps::gather(comparison, &names, &mut found);
    fields::gather(comparer, comparison, &mut found);
    order::gather(comparer, comparison, &names, &mut found);
    let mut all: Vec<Difference> = found.groups.into_iter().map(|(key, group)| group.difference(key)).collect();
    all.extend(events::differences(comparison));
    all.sort_by(|a, b| b.weight().total_cmp(&a.weight()).then_with(|| key_of(a).cmp(&key_of(b))));
    all
}

fn key_of(difference: &Difference) -> (Class, &str, &str) {
    (difference.class, &difference.object, &difference.what)
}

/// Differences being put together, by class, object and what.
#[derive(Default)]
struct Gathered {
    groups: BTreeMap<(Class, String, String), Group>,
}

#[derive(Default)]
struct Group {
    count: u64,
    losses: [f64; 5],
    examples: Vec<Example>,
    /// How, in words: each with how often it is so.
    hows: BTreeMap<String, u64>,
    /// By how many seconds the other side is late, least and most.
    late: Option<(f64, f64)>,
}

impl Gathered {
    fn group(&mut self, class: Class, object: &str, what: String) -> &mut Group {
        self.groups.entry((class, object.to_owned(), what)).or_default()
    }
}

impl Group {
    /// Counts one more place, which costs `loss` in the figure with that index.
    fn add(&mut self, figure: usize, loss: f64, example: Example) {
        self.count += 1;
        self.losses[figure] += loss;
        self.examples.push(example);
    }

    fn say(&mut self, how: String) {
        *self.hows.entry(how).or_default() += 1;
    }

    fn difference(mut self, (class, object, what): (Class, String, String)) -> Difference {
        let time = |e: &Example| e.real_time.or(e.other_time).unwrap_or_default();
        self.examples.sort_by(|a, b| time(a).total_cmp(&time(b)).then_with(|| a.object.cmp(&b.object)));
        let how = match self.late {
            Some((least, most)) => words::late(least, most),
            None => words::joined(&self.hows),
        };
        let (count, losses) = (self.count, self.losses);
        self.examples.truncate(EXAMPLES_MAX);
        Difference { class, object, what, how, count, losses, examples: self.examples, real_too: false }
    }
}
