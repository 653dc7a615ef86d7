//! Medians, percentiles, and rounds in turns.
//!
//! Never a mean: one hiccup of the machine would move it.

use std::time::Duration;

use super::Res;

/// A count as a real number.
pub fn real(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// The same for lengths.
pub fn real_len(count: usize) -> f64 {
    real(u64::try_from(count).unwrap_or(u64::MAX))
}

/// The value below which this share (of 1000) of the values lies; 0 of nothing.
pub fn quantile(values: &mut [f64], per_mille: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = values.len().saturating_mul(per_mille) / 1000;
    values.get(at.min(last)).copied().unwrap_or_default()
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 500)
}

/// A ceiling and ours, each the median of its rounds, and the ratio of each round.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Bare.
    pub ceiling: f64,
    /// The server.
    pub ours: f64,
    /// Ours to the ceiling, the median over the rounds.
    pub ratio: f64,
}

impl Pair {
    /// Of the rounds of both, in their order.
    pub fn of(bare: &[f64], full: &[f64]) -> Self {
        let ratios: Vec<f64> = full
            .iter()
            .zip(bare)
            .map(|(ours, bare)| ours / bare)
            .collect();
        Self {
            ceiling: median(bare),
            ours: median(full),
            ratio: median(&ratios),
        }
    }
}

/// Runs both in turns: ceiling, ours, ceiling, ours.
pub async fn in_turns(
    rounds: usize,
    mut ceiling: impl AsyncFnMut() -> Res<f64>,
    mut ours: impl AsyncFnMut() -> Res<f64>,
) -> Res<Pair> {
    let (mut bare, mut full) = (Vec::new(), Vec::new());
    for _round in 0..rounds {
        bare.push(ceiling().await?);
        full.push(ours().await?);
    }
    Ok(Pair::of(&bare, &full))
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
