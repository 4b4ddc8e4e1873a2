//! Detectors whose settings say that they see nothing, or less than is written.

use super::Whole;
use crate::anomaly::lookalike_name_is_compared;
use crate::config::place::Place;

impl Whole<'_, '_> {
    pub(super) fn check_anomalies(&mut self) {
        let (place, anomalies) = (Place::root().key("anomalies"), &self.settings.anomalies);
        self.add_all(&place, anomalies.problems());
        let windows =
            [("probing.window", anomalies.probing.window), ("token_guessing.window", anomalies.token_guessing.window)];
        for (key, _) in windows.into_iter().filter(|(_, window)| window.0.is_zero()) {
            self.add(&place.below(key), "nothing could be counted in no time", "write 1h, say; or mode: off");
        }
        let names = anomalies.lookalike_names.names.iter().enumerate();
        for (index, _) in names.filter(|(_, name)| !lookalike_name_is_compared(name)) {
            let place = place.below("lookalike_names.names").index(index);
            let hint = "a profile's client_name.protected refuses short names, too";
            self.warn(&place, "is not compared: it has fewer than five letters", hint);
        }
    }
}
