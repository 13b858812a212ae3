use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use usage_core::{Width, Window, WindowRange, format_instant, parse_instant};

/// Whole seconds of the years 0 to 9999, before and after the epoch.
fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    (-62_167_219_200_i64..253_402_300_800).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

fn widths() -> impl Strategy<Value = Width> {
    select(&Width::ALL[..])
}

fn ranges() -> impl Strategy<Value = WindowRange> {
    (instants(), widths(), 1_i64..200).prop_map(|(first, width, windows)| {
        let start = Window::containing(first, width).start();
        let end = start + chrono::TimeDelta::seconds(windows * width.seconds());
        WindowRange::new(start, end, width).unwrap()
    })
}

/// Each window ends where the next one starts.
fn are_neighbours(windows: &[Window]) -> bool {
    windows.windows(2).all(|pair| pair[0].end() == pair[1].start())
}

proptest! {
    #[test]
    fn every_instant_lies_in_exactly_one_window_of_a_width(instant in instants(), width in widths()) {
        let window = Window::containing(instant, width);
        prop_assert!(window.contains(instant));
        prop_assert_eq!(window.start_unix().rem_euclid(width.seconds()), 0);
        prop_assert_eq!(window.end_unix() - window.start_unix(), width.seconds());
        prop_assert_eq!(Window::new(window.start(), width), Ok(window));

        let after = Window::containing(window.end(), width);
        let before = Window::containing(window.start() - chrono::TimeDelta::seconds(1), width);
        prop_assert!(before < window && window < after);
        prop_assert!(!before.contains(instant) && !after.contains(instant));
    }

    #[test]
    fn only_multiples_of_the_width_start_a_window(instant in instants(), width in widths()) {
        let aligned = Window::containing(instant, width).start() == instant;
        prop_assert_eq!(Window::new(instant, width).is_ok(), aligned);
    }

    #[test]
    fn no_window_crosses_midnight(instant in instants(), width in widths()) {
        let window = Window::containing(instant, width);
        prop_assert_eq!(window.utc_day(), instant.date_naive());
        prop_assert_eq!((window.end() - chrono::TimeDelta::seconds(1)).date_naive(), instant.date_naive());
    }

    #[test]
    fn a_split_window_is_covered_exactly(instant in instants(), wide in widths(), narrow in widths()) {
        let window = Window::containing(instant, wide);
        let split = window.split(narrow);
        prop_assert_eq!(split.is_ok(), narrow <= wide);
        if let Ok(range) = split {
            let parts: Vec<Window> = range.windows().collect();
            prop_assert_eq!(parts.len(), range.len());
            prop_assert_eq!(i64::try_from(parts.len()), Ok(wide.seconds() / narrow.seconds()));
            prop_assert_eq!(parts.first().map(|part| part.start()), Some(window.start()));
            prop_assert_eq!(parts.last().map(|part| part.end()), Some(window.end()));
            prop_assert!(are_neighbours(&parts));
            prop_assert!(parts.iter().all(|part| part.width() == narrow));
        }
    }

    #[test]
    fn the_windows_of_a_range_cover_it_in_order(range in ranges()) {
        let windows: Vec<Window> = range.windows().collect();
        prop_assert_eq!(windows.first().map(|window| window.start()), Some(range.start()));
        prop_assert_eq!(windows.last().map(|window| window.end()), Some(range.end()));
        prop_assert!(are_neighbours(&windows));
        prop_assert!(windows.iter().all(|window| range.contains(*window)));

        let mut reversed: Vec<Window> = range.windows().rev().collect();
        reversed.reverse();
        prop_assert_eq!(reversed, windows);
    }

    #[test]
    fn chunks_are_full_but_the_last_and_lose_no_window(range in ranges(), size in 0_usize..250) {
        let chunks: Vec<WindowRange> = range.chunks(size).collect();
        let size = size.max(1);
        let (last, full) = chunks.split_last().expect("a range is never empty");
        prop_assert!(full.iter().all(|chunk| chunk.len() == size));
        prop_assert!((1..=size).contains(&last.len()));
        let again: Vec<Window> = chunks.into_iter().flat_map(WindowRange::windows).collect();
        prop_assert_eq!(again, range.windows().collect::<Vec<_>>());
    }

    #[test]
    fn joining_keeps_every_window_in_as_few_ranges_as_possible(
        kept in ranges().prop_flat_map(|range| {
            let windows: Vec<Window> = range.windows().collect();
            let count = windows.len();
            subsequence(windows, 0..=count)
        }),
    ) {
        let joined = WindowRange::join(kept.iter().copied());
        let again: Vec<Window> = joined.iter().flat_map(|range| range.windows()).collect();
        prop_assert_eq!(again, kept);
        prop_assert!(joined.windows(2).all(|pair| pair[0].end() < pair[1].start()));
    }

    #[test]
    fn joining_what_was_chunked_gives_the_range_back(range in ranges(), size in 1_usize..50) {
        let windows = range.chunks(size).flat_map(WindowRange::windows);
        prop_assert_eq!(WindowRange::join(windows), vec![range]);
    }

    #[test]
    fn covering_is_the_smallest_aligned_range(start in instants(), seconds in 1_i64..10_000_000, width in widths()) {
        let end = start + chrono::TimeDelta::seconds(seconds);
        let range = WindowRange::covering(start, end, width).unwrap();
        prop_assert!(range.start() <= start && end <= range.end());
        let width = chrono::TimeDelta::seconds(width.seconds());
        prop_assert!(start < range.start() + width, "the first window holds something");
        prop_assert!(range.end() - width < end, "the last window holds something");
    }

    #[test]
    fn instants_survive_being_written_and_read(instant in instants()) {
        prop_assert_eq!(parse_instant(&format_instant(instant)), Ok(instant));
    }
}
