//! What the gateway tells about itself: spans and logs by OTLP, metrics by OTLP and for Prometheus, log lines on standard error.
//! Never a token, a secret or a body; nothing here may make a request wait or fail. Knows nothing of intake, proxy or configuration.

mod audit;
pub mod event;
mod exporter;
pub mod finding;
mod logging;
pub mod management;
pub mod metrics;
pub mod names;
pub mod propagation;
mod providers;
pub mod request;
pub mod response;
mod sampler;
pub mod settings;
pub mod span;
mod trace;

pub use audit::audit_record;
pub use event::{Decision, RegistrationEvent};
pub use finding::{FindingEvent, SpanReference};
pub use management::ManagementEvent;
pub use metrics::metrics;
pub use providers::{Exposition, Telemetry, TelemetryError, init};
pub use request::ServerRequest;
pub use response::{ResponseCount, ResponseEvent};
pub use settings::TelemetrySettings;
pub use trace::{InSpan, Span};
