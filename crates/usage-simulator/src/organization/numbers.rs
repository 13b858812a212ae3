//! Metrics as the simulator keeps them: an event holds only what it has, a sum has a place for everything.

use usage_core::{Metric, Metrics};

const COUNT: usize = Metric::ALL.len();

/// The numbers of one event. [`Metrics`] takes 368 bytes, mostly absent; millions of events need less.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// Bit `n` is set if the event has the metric `Metric::ALL[n]`.
    present: u32,
    values: Box<[i64]>,
}

impl Numbers {
    pub(super) fn to_metrics(&self) -> Metrics {
        let mut sum = Sum::default();
        sum.add(self);
        sum.to_metrics()
    }
}

impl From<&Metrics> for Numbers {
    fn from(metrics: &Metrics) -> Self {
        let mut present = 0;
        let mut values = Vec::with_capacity(COUNT);
        for (index, metric) in Metric::ALL.into_iter().enumerate() {
            if let Some(value) = metrics.get(metric) {
                present |= 1 << index;
                values.push(value);
            }
        }
        Self {
            present,
            values: values.into_boxed_slice(),
        }
    }
}

/// A running sum of events. Absent plus absent stays absent, as the provider has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    present: u32,
    values: [i64; COUNT],
}

impl Sum {
    /// Adds one event. A sum beyond 64 bits stays at the largest number: the wire has no larger one.
    pub(super) fn add(&mut self, numbers: &Numbers) {
        let mut rest = numbers.present;
        for value in &numbers.values {
            let index = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            self.values[index] = self.values[index].saturating_add(*value);
        }
        self.present |= numbers.present;
    }

    pub(crate) fn get(&self, metric: Metric) -> Option<i64> {
        let index = metric as usize;
        (self.present & (1 << index) != 0).then_some(self.values[index])
    }

    pub(crate) fn to_metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        for metric in Metric::ALL {
            *metrics.get_mut(metric) = self.get(metric);
        }
        metrics
    }

    /// Cuts the sum into two that add up to it, about one to eight as once seen live.
    pub(crate) fn split(&self) -> (Self, Self) {
        let (mut large, mut small) = (self.clone(), self.clone());
        for (index, value) in self.values.iter().enumerate() {
            small.values[index] = value / 9;
            large.values[index] = value - value / 9;
        }
        (large, small)
    }
}
