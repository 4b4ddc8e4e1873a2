//! Whether a registration may pass: profiles, rules, violations, and the clearance that an admission yields.
//! Pure: of ours it knows `registration`, how durations and octets are written, and what is wrong with a setting; no IO, no clock, no randomness.

pub mod appearance;
pub mod approval;
pub mod certificate_match;
mod choice;
pub mod clearance;
mod distinguished_name;
pub mod enforcement;
mod host_pattern;
pub mod judge;
pub mod let_through;
pub mod lookalike;
mod markup;
pub mod matching;
pub mod passage;
pub mod presented;
pub mod preset;
mod printable;
pub mod profile;
pub mod report;
pub mod rule;
pub mod rules;
pub mod scopes;
pub mod settings;
pub mod violation;

pub use choice::{Choice, choose};
pub use clearance::Clearance;
pub use enforcement::Enforcement;
pub use judge::{Raised, Verdict, judge, judge_raised};
pub use let_through::LetThrough;
pub use passage::{Judged, Passage};
pub use presented::{CertificateIdentity, Presented, PresentedToken};
pub use profile::Profile;
pub use report::{Report, RuleOutcome};
pub use rule::RuleName;
pub use settings::ProfileSettings;
pub use violation::Violation;
