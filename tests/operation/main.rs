//! What operators do to the executable, and what happens around it, while clients go on asking: it is stopped, replaced, reloaded, its authorization
//! server goes away and comes back, its certificate comes to its end.

#[path = "../proxy/certificates.rs"]
#[allow(dead_code, reason = "the proxy's tests use all of it")]
mod certificates;
#[path = "../gateway/client.rs"]
#[allow(dead_code, reason = "the black-box tests use all of it")]
mod client;
#[path = "../gateway/configuration.rs"]
mod configuration;
mod ending_certificate;
#[path = "../servers/hook.rs"]
mod hook;
mod load;
#[path = "../gateway/process.rs"]
#[allow(dead_code, reason = "the black-box tests use all of it")]
mod process;
mod reloading;
mod replacing;
mod resources;
mod server;
mod soak;
mod stopping;
#[path = "../gateway/upstream.rs"]
#[allow(dead_code, reason = "the black-box tests use all of it")]
mod upstream;
mod upstream_troubles;

use configuration::on_base;

/// Everybody may register, as often as they like. `{listener}` and `{admin}` are members to fill in.
const OWN: &str = r#"
listeners: [{ {listener}, max_connections_per_address: 500 }]
authorization_server:
  credential: none
  timeout: 2s
admin: { listen: 127.0.0.1:0{admin} }
throttle: { per_address: { rate: 100000/s, burst: 100000 }, total: { rate: 100000/s, burst: 100000 } }
profiles:
  - name: partners
    match: {}
    initial_access_token: optional
    redirect_uris: { https: [{ host: app.example.com }] }
    limits: { rate: 100000/s, burst: 100000 }
"#;

/// The configuration with these members of the listener and of `admin`.
fn configured(listener: &str, admin: &str) -> String {
    on_base(OWN).replace("{listener}", listener).replace("{admin}", admin)
}

/// The configuration on a port that the system chooses.
fn on_any_port() -> String {
    configured("address: 127.0.0.1:0", "")
}
