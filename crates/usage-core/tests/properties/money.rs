use proptest::prelude::*;
use usage_core::{NanoUsd, ParseMoneyError, PicoUsd, Rate};

/// A decimal number in parts: sign, digits on both sides of the point, exponent.
type Parts = (&'static str, String, String, Option<i32>);

fn decimals() -> impl Strategy<Value = Parts> {
    (
        prop_oneof![Just(""), Just("-"), Just("+")],
        "[0-9]{1,12}",
        // Fives and zeros at the end are what rounding has to look at.
        prop_oneof!["[0-9]{0,14}", "[0-9]{9}50{0,4}", "[0-9]{8}[05]50{0,3}1"],
        proptest::option::of(-12..=12),
    )
}

/// The nano-dollars by plain division of whole numbers; `None` beyond 64 bits.
fn oracle((sign, whole, fraction, exponent): &Parts) -> Option<i64> {
    let mantissa: i128 = format!("{whole}{fraction}").parse().unwrap();
    let places = exponent.unwrap_or(0) - i32::try_from(fraction.len()).unwrap() + 9;
    let scale = 10_i128.pow(places.unsigned_abs());
    let magnitude = if places >= 0 {
        mantissa.checked_mul(scale)?
    } else {
        let (quotient, remainder) = (mantissa / scale, mantissa % scale);
        match (remainder * 2).cmp(&scale) {
            std::cmp::Ordering::Less => quotient,
            std::cmp::Ordering::Equal => quotient + quotient % 2,
            std::cmp::Ordering::Greater => quotient + 1,
        }
    };
    i64::try_from(if *sign == "-" { -magnitude } else { magnitude }).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn amounts_survive_being_written_and_read(nanos in any::<i64>()) {
        let amount = NanoUsd::new(nanos);
        prop_assert_eq!(amount.to_string().parse(), Ok(amount));
    }

    #[test]
    fn decimal_text_is_read_as_whole_numbers_would_have_it(parts in decimals()) {
        let (sign, whole, fraction, exponent) = &parts;
        let exponent = exponent.map(|exponent| format!("e{exponent}")).unwrap_or_default();
        let text = format!("{sign}{whole}.{fraction}{exponent}");
        let expected = oracle(&parts).map(NanoUsd::new).ok_or(ParseMoneyError::TooLarge);
        prop_assert_eq!(text.parse::<NanoUsd>(), expected, "{}", text);
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[-+0-9.eE]{0,24}|\\PC{0,24}") {
        if let Ok(amount) = text.parse::<NanoUsd>() {
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }
    }

    #[test]
    fn the_cost_of_units_is_the_sum_of_the_costs_of_their_parts(
        rate in any::<i64>(),
        parts in prop::collection::vec(0..i64::MAX / 8, 1..8),
    ) {
        let rate = Rate::from_pico_usd(rate);
        let whole = rate.cost(parts.iter().sum());
        prop_assert_eq!(parts.iter().map(|part| rate.cost(*part)).sum::<PicoUsd>(), whole);
    }

    #[test]
    fn rounding_goes_to_the_nearest_nano_dollar_and_halves_to_the_even_one(
        nanos in -(1_i128 << 62)..1 << 62,
        picos in prop_oneof![Just(500_i128), Just(-500), -500_i128..=500],
    ) {
        let rounded = PicoUsd(nanos * 1_000 + picos).round().map(NanoUsd::get).map(i128::from);
        let even = if picos.abs() == 500 && nanos % 2 != 0 { nanos + picos.signum() } else { nanos };
        prop_assert_eq!(rounded, Some(even));
    }

    #[test]
    fn sums_beyond_64_bits_are_none(left in any::<i64>(), right in any::<i64>()) {
        let sum = NanoUsd::new(left).checked_add(NanoUsd::new(right));
        prop_assert_eq!(sum.map(NanoUsd::get), left.checked_add(right));
    }
}
