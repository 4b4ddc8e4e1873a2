//! Where in the week a moment lies, in UTC: people and their machines have habits by hour and by working day.

use crate::clock::Timestamp;

/// Twenty-four hours of working days, and as many of weekends.
pub(super) const SLOTS: usize = 48;

const HOUR: i64 = 3_600_000;

/// The slot of the moment: 0 to 23 are the hours of working days, 24 to 47 those of Saturday and Sunday.
pub(super) fn slot(at: Timestamp) -> usize {
    let hours = at.unix_millis().div_euclid(HOUR);
    let hour = usize::try_from(hours.rem_euclid(24)).unwrap_or(0);
    // 1970-01-01 was a Thursday.
    let weekday = (hours.div_euclid(24) + 3).rem_euclid(7);
    if weekday >= 5 { 24 + hour } else { hour }
}

/// The slot so many hours before, on a day of the same kind.
pub(super) fn before(slot: usize, hours: usize) -> usize {
    slot / 24 * 24 + (slot % 24 + 24 - hours % 24) % 24
}

/// The slot so many hours after, on a day of the same kind.
pub(super) fn after(slot: usize, hours: usize) -> usize {
    slot / 24 * 24 + (slot % 24 + hours) % 24
}

/// The slot as people write it.
pub(super) fn written(slot: usize) -> String {
    let day = if slot >= 24 { "at the weekend" } else { "on a working day" };
    format!("{:02}h UTC {day}", slot % 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64, hour: i64) -> Timestamp {
        Timestamp::from_unix_millis((days * 24 + hour) * HOUR + 1)
    }

    #[test]
    fn thursday_the_first_of_january_1970_was_a_working_day_and_saturday_was_none() {
        assert_eq!(slot(at(0, 9)), 9);
        assert_eq!(slot(at(1, 23)), 23);
        assert_eq!(slot(at(2, 9)), 33);
        assert_eq!(slot(at(3, 0)), 24);
        assert_eq!(slot(at(4, 0)), 0);
    }

    #[test]
    fn the_hours_around_midnight_stay_on_a_day_of_the_same_kind() {
        assert_eq!((before(0, 1), after(0, 1)), (23, 1));
        assert_eq!((before(47, 2), after(47, 2)), (45, 25));
    }
}
