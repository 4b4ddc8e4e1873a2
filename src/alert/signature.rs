//! The signature of a webhook, by Standard Webhooks 1.0: HMAC-SHA256 over id, moment and body, so that a receiver knows who sent it, and
//! can refuse what is old or was seen before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::secret::Secret;

/// What a secret of the scheme begins with; base64 follows.
const PREFIX: &str = "whsec_";
/// The fewest octets of a key: what the scheme asks for.
const SHORTEST: usize = 24;

/// The keys that sign: one, or while it is being changed several.
#[derive(Clone)]
pub struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Reads the keys out of the text of a file: one on each line, `whsec_` and base64, or a text as it is.
    ///
    /// # Errors
    /// A sentence about the file, never its content.
    pub fn read(text: &Secret) -> Result<Self, String> {
        let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err("holds no secret".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`: a signature for each key.
    pub fn sign(&self, id: &str, unix_seconds: i64, body: &[u8]) -> String {
        let one = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{unix_seconds}.").as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} keys)", self.0.len())
    }
}

fn key(line: &str) -> Result<hmac::Key, String> {
    let octets = match line.strip_prefix(PREFIX) {
        Some(encoded) => {
            STANDARD.decode(encoded).map_err(|_| format!("holds {PREFIX} and something else than base64"))?
        }
        None => line.as_bytes().to_vec(),
    };
    if octets.len() < SHORTEST {
        return Err(format!("holds a secret of less than {SHORTEST} octets: `openssl rand -base64 32` makes one"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_example_of_the_scheme() {
        // The example in the specification's reference implementations.
        let signer = Signer::read(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_key_signs_while_one_takes_the_place_of_another() {
        let signer = Signer::read(&Secret::new(format!("{}\n{}\n", "a".repeat(24), "b".repeat(24)))).unwrap();
        assert_eq!(signer.sign("i", 1, b"").split(' ').count(), 2);
        assert!(!format!("{signer:?}").contains("aaa"));
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        for text in ["", "short", "whsec_MfKQ9r8GKYqr", "whsec_not base64!!", "whsec_"] {
            assert!(Signer::read(&Secret::new(text)).is_err(), "{text}");
        }
    }
}
