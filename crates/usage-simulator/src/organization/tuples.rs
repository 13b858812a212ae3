//! Tuples: the sets of dimension values that usage has, each kept once.

use std::collections::HashMap;

use usage_core::{Dimension, DimensionSet, Dimensions};

const COUNT: usize = Dimension::USAGE.len();

/// What the provider calls usage that no special API made.
const UNLABELED: &str = "unlabeled";

/// The order in which dimensions decide about the order of rows: that of the columns of every export.
const ROW_ORDER: [Dimension; COUNT] = [
    Dimension::ProjectId,
    Dimension::UserId,
    Dimension::ApiKeyId,
    Dimension::Model,
    Dimension::Batch,
    Dimension::ServiceTier,
    Dimension::VectorStoreId,
    Dimension::Size,
    Dimension::Source,
    Dimension::ContextLevel,
    Dimension::ApiSource,
];

/// Every tuple and every text in it, numbered.
#[derive(Clone, Debug)]
pub(super) struct Tuples {
    texts: Vec<Box<str>>,
    text_ids: HashMap<Box<str>, u32>,
    list: Vec<Tuple>,
    ids: HashMap<TupleKey, u32>,
    /// Whether tuples without an API source get one.
    labels_api_source: bool,
}

#[derive(Clone, Debug)]
struct Tuple {
    key: TupleKey,
    dimensions: Dimensions,
}

/// A tuple by the numbers of its texts; 0 is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TupleKey {
    values: [u32; COUNT],
    /// Tells apart rows that the provider sends with the identical tuple in one window.
    part: u32,
}

impl Tuples {
    /// No tuples yet. `labels_api_source` tells whether usage without an API source is filed as `unlabeled`.
    pub(super) fn new(labels_api_source: bool) -> Self {
        Self {
            // Number 0 is the absent value; the empty text sorts before every other.
            texts: vec!["".into()],
            text_ids: HashMap::from([("".into(), 0)]),
            list: Vec::new(),
            ids: HashMap::new(),
            labels_api_source,
        }
    }

    /// The number of the tuple, which is filed if it is new. Blank texts count as absent.
    pub(super) fn intern(&mut self, dimensions: &Dimensions, part: u32) -> u32 {
        let mut values = [0; COUNT];
        for dimension in Dimension::USAGE {
            values[dimension as usize] = match dimensions.get(dimension) {
                Some(text) => self.intern_text(text),
                None if dimension == Dimension::ApiSource && self.labels_api_source => {
                    self.intern_text(UNLABELED)
                }
                None => 0,
            };
        }
        let key = TupleKey { values, part };
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = number(self.list.len());
        let dimensions = self.spell(key);
        self.list.push(Tuple { key, dimensions });
        self.ids.insert(key, id);
        id
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn dimensions(&self, id: u32) -> &Dimensions {
        &self.list[id as usize].dimensions
    }

    /// The part of the tuple that a grouping keeps.
    pub(super) fn project(&self, id: u32, group_by: DimensionSet) -> TupleKey {
        let mut key = self.list[id as usize].key;
        for dimension in Dimension::USAGE {
            if !group_by.contains(dimension) {
                key.values[dimension as usize] = 0;
            }
        }
        if group_by.is_empty() {
            key.part = 0;
        }
        key
    }

    /// Whether the tuple's value of the dimension is one of these, given as numbers from [`Self::find_text`].
    pub(super) fn matches(&self, id: u32, dimension: Dimension, any_of: &[u32]) -> bool {
        any_of.contains(&self.list[id as usize].key.values[dimension as usize])
    }

    /// The number of a text, unless no usage has it.
    pub(super) fn find_text(&self, text: &str) -> Option<u32> {
        self.text_ids.get(text).copied().filter(|id| *id != 0)
    }

    /// The texts of a key, in the order that decides about the order of rows.
    pub(super) fn sort_key(&self, key: TupleKey) -> ([&str; COUNT], u32) {
        (ROW_ORDER.map(|dimension| self.text(key, dimension)), key.part)
    }

    /// The dimensions of a key.
    pub(super) fn spell(&self, key: TupleKey) -> Dimensions {
        let mut dimensions = Dimensions::default();
        for dimension in Dimension::USAGE {
            let value = Some(self.text(key, dimension)).filter(|text| !text.is_empty());
            match dimensions.text_mut(dimension) {
                Some(place) => *place = value.map(str::to_owned),
                None => dimensions.batch = value.map(|text| text == "true"),
            }
        }
        dimensions
    }

    /// The dimensions of every tuple.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Dimensions> {
        self.list.iter().map(|tuple| &tuple.dimensions)
    }

    fn text(&self, key: TupleKey, dimension: Dimension) -> &str {
        &self.texts[key.values[dimension as usize] as usize]
    }

    fn intern_text(&mut self, text: &str) -> u32 {
        if let Some(id) = self.text_ids.get(text) {
            return *id;
        }
        let id = number(self.texts.len());
        self.texts.push(text.into());
        self.text_ids.insert(text.into(), id);
        id
    }
}

/// Numbers things from 0. Four billion texts do not fit into memory, so the cut is never reached.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
