//! Heights, in whole hundredths of a pixel, so that no amount passes through a float.

/// How high the bars may be, in hundredths of a pixel.
pub(super) const HEIGHT: i128 = 20_000;

/// From zero to a round number above the highest bar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    step: i128,
    top: i128,
}

impl Scale {
    /// For bars up to this value.
    pub(super) fn up_to(highest: i128) -> Self {
        let step = round_step(highest.max(1));
        let top = (highest.max(1) + step - 1) / step * step;
        Self { step, top }
    }

    /// The height of a value.
    pub(super) fn height(self, value: i128) -> i128 {
        // Sums of 64 bits times the height stay far below 128.
        value.clamp(0, self.top) * HEIGHT / self.top
    }

    /// Where the lines of the grid are.
    pub(super) fn ticks(self) -> impl Iterator<Item = i128> {
        (0..=self.top / self.step).map(move |line| line * self.step)
    }
}

/// 1, 2 or 5 times a power of ten, so that about four of it make the highest value.
fn round_step(highest: i128) -> i128 {
    let wanted = (highest + 3) / 4;
    let mut power = 1;
    loop {
        for step in [power, 2 * power, 5 * power] {
            if step >= wanted {
                return step;
            }
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_round_numbers_and_holds_the_highest_bar() {
        for (highest, ticks) in [
            (0, &[0, 1][..]),
            (3, &[0, 1, 2, 3]),
            (97, &[0, 50, 100]),
            (
                173_264_675,
                &[0, 50_000_000, 100_000_000, 150_000_000, 200_000_000],
            ),
            (1_000, &[0, 500, 1_000]),
        ] {
            let scale = Scale::up_to(highest);
            assert_eq!(scale.ticks().collect::<Vec<_>>(), ticks, "{highest}");
            assert!(scale.height(highest) <= HEIGHT);
        }
        assert_eq!(Scale::up_to(100).height(50), HEIGHT / 2);
        assert_eq!(Scale::up_to(i128::from(i64::MAX) * 8).height(0), 0);
    }
}
