//! What a key may do.

use chrono::TimeDelta;
use usage_core::{DimensionSet, Directory, Endpoint, ProjectFilter, Width, Window, WindowRange};

use super::OpenAi;
use super::surface::ENDPOINTS;
use crate::source::{Access, EndpointAccess, KeyReport, ReadError, UsageQuery, UsageSource};

impl OpenAi {
    /// One request of one window to each endpoint, then the directory. A key that is not accepted at all is told
    /// after the first.
    pub(super) async fn report_on_key(&self, filter: &ProjectFilter) -> KeyReport {
        let yesterday = Window::containing(self.clock.now() - TimeDelta::days(1), Width::Day);
        let mut rejected: Option<ReadError> = None;
        let mut endpoints = Vec::with_capacity(ENDPOINTS.len());
        for endpoint in ENDPOINTS {
            let answer = match &rejected {
                Some(error) => Err(error.clone()),
                None => self.try_endpoint(endpoint, yesterday, filter).await,
            };
            if let Err(error) = &answer
                && error.is_key_refused()
            {
                rejected = Some(error.clone());
            }
            endpoints.push(EndpointAccess {
                endpoint,
                access: answer.map_or_else(Access::Refused, |()| Access::Allowed),
            });
        }
        let names = match rejected {
            Some(error) => Err(error),
            None => self.directory().await,
        };
        let (directory, names) = match names {
            Ok(names) => (Access::Allowed, names),
            Err(error) => (Access::Refused(error), Directory::default()),
        };
        KeyReport {
            endpoints,
            directory,
            names,
        }
    }

    /// Reads one window's total of usage or costs.
    async fn try_endpoint(
        &self,
        endpoint: Endpoint,
        window: Window,
        filter: &ProjectFilter,
    ) -> Result<(), ReadError> {
        let query = UsageQuery {
            endpoint,
            windows: WindowRange::of(window),
            filter: filter.clone(),
            group_by: DimensionSet::EMPTY,
        };
        if endpoint.is_costs() {
            self.read_costs(&query).await.map(|_| ())
        } else {
            self.read_usage(&query).await.map(|_| ())
        }
    }
}
