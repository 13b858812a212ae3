//! Those who watch a run, and those who come between it and the provider.

use std::sync::Arc;

use async_trait::async_trait;
use usage_core::{Directory, Endpoint, ProjectFilter, Provider, Width};
use usage_ingest::{Progress, Step};
use usage_providers::{
    DirectorySize, GroupingLimit, KeyReport, ReadError, Traffic, UsageQuery, UsageRead, UsageSource,
};

/// Listens with a closure.
pub(crate) struct Listener<F>(pub(crate) F);

impl<F: Fn(Step<'_>) + Send + Sync> Progress for Listener<F> {
    fn step(&self, step: Step<'_>) {
        self.0(step);
    }
}

/// A source whose answers pass through a story's hands, and may get lost there, before the run sees them.
pub(crate) struct Meddling<F> {
    pub(crate) inner: Arc<dyn UsageSource>,
    pub(crate) meddle: F,
}

#[async_trait]
impl<F, R> UsageSource for Meddling<F>
where
    F: Fn(UsageQuery, UsageRead) -> R + Send + Sync,
    R: Future<Output = Result<UsageRead, ReadError>> + Send,
{
    fn provider(&self) -> Provider {
        self.inner.provider()
    }

    fn endpoints(&self) -> &[Endpoint] {
        self.inner.endpoints()
    }

    fn windows_per_page(&self, endpoint: Endpoint, width: Width) -> usize {
        self.inner.windows_per_page(endpoint, width)
    }

    fn grouping_limit(&self, endpoint: Endpoint) -> GroupingLimit {
        self.inner.grouping_limit(endpoint)
    }

    async fn read_usage(&self, query: &UsageQuery) -> Result<UsageRead, ReadError> {
        let read = self.inner.read_usage(query).await?;
        (self.meddle)(query.clone(), read).await
    }

    async fn read_directory(&self) -> Result<Directory, ReadError> {
        self.inner.read_directory().await
    }

    fn directory_requests(&self, size: &DirectorySize) -> usize {
        self.inner.directory_requests(size)
    }

    async fn check_key(&self, filter: &ProjectFilter) -> KeyReport {
        self.inner.check_key(filter).await
    }

    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
}
