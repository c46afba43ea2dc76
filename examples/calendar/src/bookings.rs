//! The bookings of the demonstration: which there are, and what the calendar thinks of each.

use std::collections::HashMap;

use crate::{
    calendar_api::{EventId, Fate},
    entity::Model,
};

const CALENDARS: [&str; 4] = ["room-blue@example.org", "room-red@example.org", "büro@example.org", "ops/on call"];

/// Ids that lead to exactly the right call, or to a dead letter: the last four would call something else, so they are
/// never sent.
const HOSTILE: [&str; 9] = [
    "a/b",
    "50%",
    "x?y#z",
    "o'neil\"; drop table block; --",
    "späte Runde",
    "../calendars/primary",
    "..",
    "",
    "%2e%2e",
];

/// Bookings that stay.
const KEPT: u32 = 20;

/// Bookings that are removed by mistake and restored.
pub(crate) const RESTORED: usize = 2;

/// All bookings, and their twins in the calendar.
pub(crate) struct Bookings {
    /// Removed for good.
    pub(crate) removed: Vec<Model>,
    /// Not removed, or restored in time.
    pub(crate) kept: Vec<Model>,
    /// What the calendar knows.
    pub(crate) events: HashMap<EventId, Fate>,
}

impl Bookings {
    /// `count` bookings that will be removed, and some that stay.
    pub(crate) fn new(count: u32) -> Self {
        let mut bookings = Self { removed: Vec::new(), kept: Vec::new(), events: HashMap::new() };
        for number in 1..=count + KEPT {
            let booking = booking(number);
            if let Some(fate) = fate(number)
                && let Some(event) = event(&booking)
            {
                bookings.events.insert(event, fate);
            }
            if number <= count { bookings.removed.push(booking) } else { bookings.kept.push(booking) }
        }
        bookings
    }

    /// Every row.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Model> {
        self.removed.iter().chain(&self.kept)
    }
}

/// The booking's twin, if it was ever synced.
pub(crate) fn event(booking: &Model) -> Option<EventId> {
    let event = booking.gcal_id.clone()?;
    Some(EventId { calendar: booking.calendar_id.clone(), event })
}

fn booking(number: u32) -> Model {
    let hostile = number.checked_sub(31).and_then(|n| HOSTILE.get(n as usize));
    let gcal_id = match (number % 25, hostile) {
        (_, Some(id)) => Some((*id).to_owned()),
        (5, None) => None,
        _ => Some(format!("event{number:05}")),
    };
    Model {
        id: i64::from(number),
        title: format!("Booking {number}"),
        calendar_id: CALENDARS[number as usize % CALENDARS.len()].to_owned(),
        gcal_id,
    }
}

/// Most twins are there. A few are gone, unknown, refused for good, or break the server each time. `None`: the calendar
/// has never heard of it.
fn fate(number: u32) -> Option<Fate> {
    match number {
        21 | 203 | 344 => Some(Fate::Refused),
        127 => Some(Fate::Broken),
        n if n % 80 == 9 => None,
        n if n % 60 == 7 => Some(Fate::Deleted),
        _ => Some(Fate::There),
    }
}
