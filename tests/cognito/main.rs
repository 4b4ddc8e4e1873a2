//! The app clients of a user pool, over HTTP against a stand-in that writes down what it is sent and answers what it is told to.
//! Real emulators are in `tests/peers`.

mod aws;
mod calls;
mod domain;
mod existing;
mod explained;
mod failures;
mod registration_endpoint;
mod world;
