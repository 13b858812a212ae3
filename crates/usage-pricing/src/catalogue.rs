//! The catalogue: prices of three layers, and the price of a row.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use usage_core::{Dimension, DimensionSet, Dimensions, Endpoint, Metrics, Provider};

use crate::class::PriceClass;
use crate::cost::Cost;
use crate::entry::{Layer, LayerEntries, STANDARD, day_or_dash, kind_id, tier_name};
use crate::error::CatalogueError;
use crate::index::{Index, Wanted};
use crate::price_file;
use crate::record::{PriceBasis, PriceRecord, PriceRef};
use crate::seed;
use crate::unpriced::Unpriced;

/// Dated prices of every provider, model, service tier and processing.
///
/// Three layers, the higher before the lower for the days it holds: the data of `genai-prices`, an overlay of this
/// crate for what that lacks, and the user's file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    layers: Arc<[LayerEntries]>,
    indexes: Arc<BTreeMap<Provider, Index>>,
    version: Arc<str>,
}

/// One row of usage, as far as its price depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Usage<'a> {
    /// Which surface reported it.
    pub endpoint: Endpoint,
    /// The UTC day on which its window starts.
    pub day: NaiveDate,
    /// Who and what it belongs to.
    pub dimensions: &'a Dimensions,
    /// How much it was.
    pub metrics: &'a Metrics,
    /// What the read was grouped by: without the tier in it, an absent tier says nothing.
    pub grouped_by: DimensionSet,
}

/// The price of a row, and its cost at that price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The price, or the record of why there is none.
    pub price: PriceRef,
    /// The cost, or why it is not known.
    pub cost: Result<Cost, Unpriced>,
    /// Whether the price is the default of a price file, since nothing else has one for the model.
    pub fallback: bool,
}

impl Catalogue {
    /// The catalogue without a user's file.
    pub fn bundled() -> Result<Self, CatalogueError> {
        Self::of(vec![seed::read()?, price_file::overlay()?])
    }

    /// The catalogue with the user's prices on top, in place of an earlier file of theirs. Messages name the file
    /// `name`.
    ///
    /// ```
    /// use usage_pricing::Catalogue;
    ///
    /// let error = Catalogue::bundled()?
    ///     .with_user_file("prices.toml", "[[price]]\nprovider = \"openai\"\nmodle = \"gpt-5\"\n")
    ///     .unwrap_err();
    /// assert!(error.to_string().starts_with("prices.toml:3: unknown field `modle`"), "{error}");
    /// # Ok::<(), usage_pricing::CatalogueError>(())
    /// ```
    pub fn with_user_file(self, name: &str, content: &str) -> Result<Self, CatalogueError> {
        let user = price_file::read(Layer::User, name, content)?;
        let below = self.layers.iter().filter(|layer| layer.layer < Layer::User);
        Self::of(below.cloned().chain([user]).collect())
    }

    fn of(layers: Vec<LayerEntries>) -> Result<Self, CatalogueError> {
        let versions: Vec<&str> = layers.iter().map(|layer| layer.version.as_str()).collect();
        let version = versions.join("+");
        let indexes = Provider::ALL
            .into_iter()
            .map(|provider| {
                let index = Index::new(&layers, |entry| entry.key.provider == provider, &version)?;
                Ok((provider, index))
            })
            .collect::<Result<_, CatalogueError>>()?;
        Ok(Self {
            layers: layers.into(),
            indexes: Arc::new(indexes),
            version: version.into(),
        })
    }

    /// Which data this is: the seed's release, and of each layer a hash of its bytes, for example
    /// `genai-prices-0.2.1.c1a5e7d2+overlay.1a2b3c4d+user.5e6f7a8b`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The price of a row and its cost.
    pub fn price(&self, usage: &Usage<'_>) -> Priced {
        match self.find(usage) {
            Ok((price, fallback)) => Priced {
                cost: price.cost(usage.endpoint, usage.metrics),
                price: Arc::clone(price),
                fallback,
            },
            Err(reason) => Priced {
                price: Arc::new(self.without_price(usage, &reason)),
                cost: Err(reason),
                fallback: false,
            },
        }
    }

    fn find(&self, usage: &Usage<'_>) -> Result<(&PriceRef, bool), Unpriced> {
        match usage.endpoint {
            Endpoint::VectorStores => return Err(Unpriced::Level),
            Endpoint::Costs => return Err(Unpriced::Charges),
            _ => {}
        }
        let provider = usage.endpoint.provider();
        let index = self.indexes.get(&provider).ok_or(Unpriced::NoModel)?;
        let tier = usage.dimensions.get(Dimension::ServiceTier);
        if let Some(free) = tier.and_then(|tier| index.free_tier(tier, usage.day)) {
            return Ok((free, false));
        }
        let needed = usage.endpoint.dimensions().intersection(PRICED_BY);
        if let Some(dimension) = needed.difference(usage.grouped_by).iter().next() {
            return Err(Unpriced::NotGrouped { dimension });
        }

        let wanted = Wanted {
            decisions: usage.endpoint == Endpoint::Decisions,
            tier: tier_name(tier),
            batch: usage.dimensions.batch.unwrap_or(false),
            day: usage.day,
        };
        let model = model_of(usage).ok_or(Unpriced::NoModel)?;
        let Some(views) = index.names.resolve(model) else {
            let default = index.default_price(&wanted).map(|price| (price, true));
            return default.ok_or_else(|| Unpriced::UnknownModel {
                model: model.to_owned(),
            });
        };
        let price = index.price_of(&views, &wanted, |class| is_counted(usage.endpoint, class));
        price
            .map(|price| (price, false))
            .map_err(|gap| Unpriced::NoPrice {
                model: model.to_owned(),
                tier: wanted.tier.to_owned(),
                batch: wanted.batch,
                decisions: wanted.decisions,
                from: gap.from,
                until: gap.until,
            })
    }

    /// The record of a price that is missing: which catalogue lacks it, and for which days. It says only what the
    /// reason depends on, so that one id is one record.
    fn without_price(&self, usage: &Usage<'_>, reason: &Unpriced) -> PriceRecord {
        let provider = usage.endpoint.provider();
        let record = |what: String, model: &str| PriceRecord {
            price_id: format!("{provider}/unpriced/{what}"),
            catalogue_version: self.version.to_string(),
            provider,
            model: model.to_owned(),
            endpoint: None,
            tier: STANDARD.to_owned(),
            batch: false,
            valid_from: None,
            valid_until: None,
            source: String::new(),
            checked: None,
            long_context: false,
            basis: PriceBasis::Unpriced(reason.clone()),
        };
        match reason {
            Unpriced::NotGrouped { dimension } => record(format!("without/{dimension}"), ""),
            Unpriced::NoModel => record("no-model".to_owned(), ""),
            Unpriced::UnknownModel { model } => record(format!("unknown/{model}"), model),
            Unpriced::NoPrice {
                model,
                tier,
                batch,
                decisions,
                from,
                until,
            } => {
                let kind = kind_id(*decisions, tier, *batch);
                PriceRecord {
                    endpoint: decisions.then_some(usage.endpoint),
                    tier: tier.clone(),
                    batch: *batch,
                    valid_from: *from,
                    valid_until: *until,
                    ..record(format!("{model}/{kind}@{}", day_or_dash(*from)), model)
                }
            }
            _ => PriceRecord {
                endpoint: Some(usage.endpoint),
                ..record(usage.endpoint.to_string(), "")
            },
        }
    }

    pub(crate) fn index(&self, provider: Provider) -> Option<&Index> {
        self.indexes.get(&provider)
    }

    pub(crate) fn indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.values()
    }

    /// Which layer has a number of the index.
    pub(crate) fn layer(&self, number: usize) -> Layer {
        self.layers[number].layer
    }
}

/// The dimensions on which prices depend, where an endpoint has them.
const PRICED_BY: DimensionSet = DimensionSet::EMPTY
    .with(Dimension::Model)
    .with(Dimension::ServiceTier)
    .with(Dimension::Batch);

/// The model of a row; where usage has none, the catalogue has a price under the endpoint's name.
fn model_of<'a>(usage: &Usage<'a>) -> Option<&'a str> {
    match usage.endpoint {
        Endpoint::CodeInterpreterSessions | Endpoint::FileSearchCalls => Some(usage.endpoint.as_str()),
        _ => usage.dimensions.get(Dimension::Model),
    }
}

/// Whether an endpoint counts units of a class.
fn is_counted(endpoint: Endpoint, class: PriceClass) -> bool {
    match endpoint {
        Endpoint::Images => class == PriceClass::Images,
        Endpoint::AudioSpeeches => class == PriceClass::Characters,
        Endpoint::AudioTranscriptions => class == PriceClass::Seconds,
        Endpoint::CodeInterpreterSessions => class == PriceClass::Sessions,
        Endpoint::FileSearchCalls | Endpoint::WebSearchCalls => class == PriceClass::Calls,
        _ => class.direction().is_some(),
    }
}
