//! Figures in the form that the encoder of Prometheus takes.
//!
//! Never keeps a figure: all of them are made anew for each reader.

use std::time::Duration;

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use crate::app::Spread;

/// A number as Prometheus knows it.
pub trait Number {
    /// The nearest one.
    fn float(self) -> f64;
}

impl Number for f64 {
    fn float(self) -> f64 {
        self
    }
}

impl Number for u64 {
    /// Exact up to 2^53.
    fn float(self) -> f64 {
        let low = u32::try_from(self & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let high = u32::try_from(self >> 32).unwrap_or(u32::MAX);
        f64::from(high) * 4_294_967_296.0 + f64::from(low)
    }
}

impl Number for usize {
    fn float(self) -> f64 {
        u64::try_from(self).unwrap_or(u64::MAX).float()
    }
}

/// A time in the unit of Prometheus.
#[must_use]
pub fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// Families in the order in which they are shown.
#[derive(Default)]
pub struct Families(Vec<MetricFamily>);

impl Families {
    /// All of them. One without a sample is left out: the encoder refuses it.
    #[must_use]
    pub fn done(self) -> Vec<MetricFamily> {
        let some = |family: &MetricFamily| !family.get_metric().is_empty();
        self.0.into_iter().filter(some).collect()
    }

    /// A value that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Number) {
        self.add(name, help, MetricType::GAUGE, vec![gauge(value)]);
    }

    /// The same by one label.
    pub fn gauges<'a, N: Number>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, N)>,
    ) {
        let values = values.into_iter();
        let all = values.map(|(is, value)| labelled(gauge(value), label, is));
        self.add(name, help, MetricType::GAUGE, all.collect());
    }

    /// A value that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Number) {
        self.add(name, help, MetricType::COUNTER, vec![counter(value)]);
    }

    /// The same by one label.
    pub fn counters<'a, N: Number>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, N)>,
    ) {
        let values = values.into_iter();
        let all = values.map(|(is, value)| labelled(counter(value), label, is));
        self.add(name, help, MetricType::COUNTER, all.collect());
    }

    /// Waits by one label.
    pub fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        spreads: impl IntoIterator<Item = (&'a str, &'a Spread)>,
    ) {
        let spreads = spreads.into_iter();
        let all = spreads.map(|(is, spread)| labelled(histogram(spread), label, is));
        self.add(name, help, MetricType::HISTOGRAM, all.collect());
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }
}

fn gauge(value: impl Number) -> Metric {
    let (mut gauge, mut metric) = (Gauge::default(), Metric::default());
    gauge.set_value(value.float());
    metric.set_gauge(gauge);
    metric
}

fn counter(value: impl Number) -> Metric {
    let (mut counter, mut metric) = (Counter::default(), Metric::default());
    counter.set_value(value.float());
    metric.set_counter(counter);
    metric
}

fn histogram(spread: &Spread) -> Metric {
    let buckets = spread.up_to.iter().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(seconds(*bound));
        bucket.set_cumulative_count(*count);
        bucket
    });
    let (mut histogram, mut metric) = (Histogram::default(), Metric::default());
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(spread.count);
    histogram.set_sample_sum(seconds(spread.sum));
    metric.set_histogram(histogram);
    metric
}

fn labelled(mut metric: Metric, label: &str, value: &str) -> Metric {
    let mut pair = LabelPair::default();
    pair.set_name(label.to_owned());
    pair.set_value(value.to_owned());
    metric.set_label(vec![pair]);
    metric
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn figures_have_the_text_form_of_prometheus() {
        let mut families = Families::default();
        families.gauges(
            "a",
            "Some \"a\".",
            "status",
            [("id\"le", 2_u64), ("busy", 1)],
        );
        families.counters("none", "Nothing yet.", "kind", Vec::<(&str, u64)>::new());
        families.counter("b_total", "Grows.", 1.5);
        let spread = Spread {
            up_to: vec![(Duration::from_millis(5), 1)],
            count: 3,
            sum: Duration::from_secs(2),
        };
        families.histograms("w_seconds", "Waits.", "for", [("writer", &spread)]);
        let text = TextEncoder::new().encode_to_string(&families.done());
        let expected = "# HELP a Some \"a\".\n# TYPE a gauge\na{status=\"id\\\"le\"} 2\n\
            a{status=\"busy\"} 1\n# HELP b_total Grows.\n# TYPE b_total counter\nb_total 1.5\n\
            # HELP w_seconds Waits.\n# TYPE w_seconds histogram\n\
            w_seconds_bucket{for=\"writer\",le=\"0.005\"} 1\n\
            w_seconds_bucket{for=\"writer\",le=\"+Inf\"} 3\n\
            w_seconds_sum{for=\"writer\"} 2\nw_seconds_count{for=\"writer\"} 3\n";
        assert_eq!(text.unwrap(), expected);
    }

    #[test]
    fn whole_numbers_stay_whole() {
        assert_eq!(((1_u64 << 40) + 7).float().to_string(), "1099511627783");
        assert_eq!(0_usize.float().to_string(), "0");
    }
}
