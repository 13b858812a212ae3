//! Which usage stands against which charge: by project, model, unit and, where a line item names one, tier.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use usage_core::{Direction, LineItem, Modality, Provider};
use usage_pricing::Catalogue;

use super::day::{CostKey, CostSum, Kind, Subject, UsageKey, UsageSum};
use super::unit::Unit;
use super::words::{Wording, begins_with_model, wording};

/// The models of both sides under one name.
#[derive(Debug)]
pub(super) struct ModelNames {
    catalogue: Catalogue,
    provider: Provider,
    known: HashMap<String, String>,
}

impl ModelNames {
    pub(super) fn new(catalogue: Catalogue, provider: Provider) -> Self {
        Self {
            catalogue,
            provider,
            known: HashMap::new(),
        }
    }

    /// The model as the lowest layer of the catalogue that knows it names it; itself if none does.
    pub(super) fn canonical(&mut self, name: &str) -> String {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let entries = self.catalogue.entries_of(self.provider, name, None);
        let lowest = entries
            .into_iter()
            .filter_map(|entry| Some((entry.layer, entry.resolved?.model)))
            .min();
        let canonical = lowest.map_or_else(|| name.to_owned(), |(_, model)| model);
        self.known.insert(name.to_owned(), canonical.clone());
        canonical
    }

    /// Where a name of one side stands: under itself if the other side has the same text, or else under the model's
    /// canonical name if the other side has such a model left.
    fn place(&mut self, name: &str, own: &BTreeSet<String>, other: &BTreeSet<String>) -> Place {
        if !other.contains(name) {
            let canonical = self.canonical(name);
            let mut left = other.iter().filter(|other| !own.contains(*other));
            if left.any(|other| self.canonical(other) == canonical) {
                return Place {
                    name: canonical,
                    by_canonical: true,
                };
            }
        }
        Place {
            name: name.to_owned(),
            by_canonical: false,
        }
    }
}

/// What is compared within a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey {
    pub(super) project: Option<String>,
    pub(super) place: Place,
    /// `None` for a charge that names no unit of usage.
    pub(super) unit: Option<Unit>,
    /// The tier, where a line item of the model names one.
    pub(super) tier: Option<String>,
}

/// A model, a surface, or the words of a line item that names neither.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) name: String,
    /// Whether the two sides spell it differently.
    pub(super) by_canonical: bool,
}

/// Both sides of one comparison.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) usage: Vec<(UsageKey, UsageSum)>,
    pub(super) costs: Vec<(CostKey, CostSum)>,
    /// What is charged for, if the words of the line items tell.
    pub(super) wording: Option<Wording>,
    /// Whether a line item is one of tokens that usage has.
    pub(super) is_of_tokens: bool,
    /// Whether a line item charges at the prices of long contexts.
    pub(super) long_context: bool,
}

/// The names that one project has on both sides.
#[derive(Debug, Default)]
struct ProjectNames {
    /// Models with usage in tokens.
    used: BTreeSet<String>,
    /// Models with usage in another unit.
    counted: BTreeMap<String, Unit>,
    /// Models of lines of tokens.
    charged: BTreeSet<String>,
}

/// Puts the usage and the charges of a day side by side.
pub(super) fn groups(
    usage: BTreeMap<UsageKey, UsageSum>,
    charges: Vec<(CostKey, CostSum)>,
    names: &mut ModelNames,
) -> BTreeMap<GroupKey, Group> {
    let projects = project_names(&usage, &charges);
    let nothing = ProjectNames::default();
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    let mut named_tiers: BTreeSet<(Option<String>, Place, String)> = BTreeSet::new();
    for (cost, sum) in charges {
        let project = projects.get(&cost.project).unwrap_or(&nothing);
        let text = cost.line_item.clone().unwrap_or_default();
        let item = LineItem::parse(&text);
        let (place, unit, wording) = charged_place(&text, &item, project, names);
        let tier = item.tier.map(str::to_owned);
        if let Some(tier) = &tier {
            named_tiers.insert((cost.project.clone(), place.clone(), tier.clone()));
        }
        let key = GroupKey {
            project: cost.project.clone(),
            place,
            unit,
            tier,
        };
        let group = groups.entry(key).or_default();
        group.long_context |= item.long_context;
        group.wording = group.wording.or(wording);
        group.is_of_tokens |= item.direction.is_some() && !is_image_output(&item);
        group.costs.push((cost, sum));
    }
    for (used, sum) in usage {
        let project = projects.get(&used.project).unwrap_or(&nothing);
        let place = used_place(&used, project, names);
        let tier = line_tiers(&used.kind)
            .into_iter()
            .find(|tier| named_tiers.contains(&(used.project.clone(), place.clone(), tier.clone())));
        let key = GroupKey {
            project: used.project.clone(),
            place,
            unit: Some(used.unit),
            tier,
        };
        groups.entry(key).or_default().usage.push((used, sum));
    }
    groups
}

/// Images that image models make are charged without usage.
fn is_image_output(item: &LineItem<'_>) -> bool {
    item.modality == Some(Modality::Image) && item.direction == Some(Direction::Output)
}

fn project_names(
    usage: &BTreeMap<UsageKey, UsageSum>,
    charges: &[(CostKey, CostSum)],
) -> BTreeMap<Option<String>, ProjectNames> {
    let mut projects: BTreeMap<Option<String>, ProjectNames> = BTreeMap::new();
    for used in usage.keys() {
        let Subject::Model(model) = &used.subject else {
            continue;
        };
        let project = projects.entry(used.project.clone()).or_default();
        if used.unit.is_tokens() {
            project.used.insert(model.clone());
        } else {
            project.counted.insert(model.clone(), used.unit);
        }
    }
    for (cost, _) in charges {
        let item = LineItem::parse(cost.line_item.as_deref().unwrap_or_default());
        if let Some(model) = item.model {
            let project = projects.entry(cost.project.clone()).or_default();
            project.charged.insert(model.to_owned());
        }
    }
    projects
}

fn used_place(used: &UsageKey, project: &ProjectNames, names: &mut ModelNames) -> Place {
    match &used.subject {
        Subject::Model(model) if used.unit.is_tokens() => names.place(model, &project.used, &project.charged),
        Subject::Model(model) => itself(model),
        Subject::Surface(endpoint) => itself(endpoint.as_str()),
    }
}

fn charged_place(
    text: &str,
    item: &LineItem<'_>,
    project: &ProjectNames,
    names: &mut ModelNames,
) -> (Place, Option<Unit>, Option<Wording>) {
    let wording = wording(text);
    if let (Some(model), Some(direction)) = (item.model, item.direction) {
        let place = names.place(model, &project.charged, &project.used);
        let is_used = place.by_canonical || project.used.contains(model);
        if !is_used && let Some((counted, unit)) = counted_as(model, project, names) {
            return (itself(counted), Some(unit), wording);
        }
        return (place, Some(direction.into()), wording);
    }
    if let Some(surface) = wording.and_then(|wording| wording.surface) {
        let unit = match surface {
            usage_core::Endpoint::CodeInterpreterSessions => Unit::Sessions,
            _ => Unit::Calls,
        };
        return (itself(surface.as_str()), Some(unit), wording);
    }
    let longest = project
        .counted
        .iter()
        .filter(|(model, _)| begins_with_model(text, model))
        .max_by_key(|(model, _)| model.len());
    match longest {
        Some((model, unit)) => (itself(model), Some(*unit), wording),
        None => (itself(text), None, wording),
    }
}

/// The usage in another unit of a model whose line item speaks of tokens, as image models' do.
fn counted_as<'a>(model: &str, project: &'a ProjectNames, names: &mut ModelNames) -> Option<(&'a str, Unit)> {
    if let Some((name, unit)) = project.counted.get_key_value(model) {
        return Some((name, *unit));
    }
    let canonical = names.canonical(model);
    let mut counted = project.counted.iter();
    let found = counted.find(|(name, _)| names.canonical(name) == canonical)?;
    Some((found.0, *found.1))
}

/// How a line item could name the tier of such usage, the most exact first.
fn line_tiers(kind: &Kind) -> Vec<String> {
    if kind.batch {
        vec![format!("{} batch", kind.tier), "batch".to_owned()]
    } else {
        vec![kind.tier.clone()]
    }
}

fn itself(name: &str) -> Place {
    Place {
        name: name.to_owned(),
        by_canonical: false,
    }
}
