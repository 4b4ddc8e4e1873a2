//! How improbable a count is when nothing has changed, in powers of ten: 6 is one in a million. Chernoff's bounds on the tails of the
//! Poisson and the binomial distribution: what is said is never more than the truth, costs a logarithm, and never overflows.

/// Of at least `count` events where `mean` are usual, and the variance is `dispersion` times what independent events have
/// (quasi-Poisson: people who retry and machines that restart come in clumps).
pub(super) fn of_many(count: f64, mean: f64, dispersion: f64) -> f64 {
    if count <= mean || mean <= 0.0 {
        return 0.0;
    }
    let nats = count * (count / mean).ln() - count + mean;
    nats / dispersion.max(1.0) / std::f64::consts::LN_10
}

/// Of a share as far from the usual one as `hits` of `tries`, on whichever side it lies.
pub(super) fn of_share(hits: f64, tries: f64, usual: f64) -> f64 {
    if tries <= 0.0 {
        return 0.0;
    }
    let usual = usual.clamp(0.001, 0.999);
    let share = (hits / tries).clamp(0.0, 1.0);
    let part = |share: f64, usual: f64| if share > 0.0 { share * (share / usual).ln() } else { 0.0 };
    tries * (part(share, usual) + part(1.0 - share, 1.0 - usual)) / std::f64::consts::LN_10
}

#[cfg(test)]
mod tests {
    use super::*;

    /// -log10 P(X >= count), added up.
    fn exact_poisson(count: u32, mean: f64) -> f64 {
        let mut term = (-mean).exp();
        let mut below = 0.0;
        for k in 0..count {
            below += term;
            term *= mean / f64::from(k + 1);
        }
        -(1.0 - below).log10()
    }

    #[test]
    fn never_more_than_the_truth_and_not_much_less() {
        for (count, mean) in [(5, 1.0), (10, 2.0), (20, 8.0), (40, 20.0)] {
            let (bound, exact) = (of_many(f64::from(count), mean, 1.0), exact_poisson(count, mean));
            assert!(bound <= exact && bound > exact - 1.5, "{count} of {mean}: {bound}, exactly {exact}");
        }
    }

    #[test]
    fn what_is_usual_surprises_nobody() {
        assert_eq!(of_many(3.0, 4.0, 1.0), 0.0);
        assert_eq!(of_share(5.0, 50.0, 0.1), 0.0);
    }

    #[test]
    fn clumps_surprise_less() {
        assert!(of_many(40.0, 10.0, 4.0) < of_many(40.0, 10.0, 1.0) / 3.0);
    }

    #[test]
    fn none_of_a_hundred_where_half_is_usual_is_two_to_the_minus_hundred() {
        let surprise = of_share(0.0, 100.0, 0.5);
        assert!((surprise - 100.0 * 2.0_f64.log10()).abs() < 0.01, "{surprise}");
    }
}
