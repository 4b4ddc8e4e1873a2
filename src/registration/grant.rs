//! Grant types, response types, authentication methods and application types (RFC 7591 §2, OpenID Connect Registration §2).
//! Each is a closed list of words, with `Other` for a word this gateway does not know: refusing that is policy's business.

/// A value of `grant_types`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §4.2.
    Implicit,
    /// RFC 6749 §4.3.
    Password,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 7523.
    JwtBearer,
    /// RFC 7522.
    Saml2Bearer,
    /// RFC 8628.
    DeviceCode,
    /// RFC 8693.
    TokenExchange,
    /// OpenID Connect CIBA.
    Ciba,
    /// A word this gateway does not know.
    Other(String),
}

/// A value of `response_types`: a set of words, so `token id_token` is `id_token token`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResponseType {
    /// RFC 6749 §4.1.
    Code,
    /// Any other combination, its words sorted: all of them but `none` need the implicit grant.
    Other(String),
}

/// A value of `token_endpoint_auth_method`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenEndpointAuthMethod {
    /// A public client.
    None,
    /// RFC 6749 §2.3.1, in the body.
    ClientSecretPost,
    /// RFC 6749 §2.3.1, HTTP Basic; the default when nothing is asked (RFC 7591 §2).
    ClientSecretBasic,
    /// OpenID Connect Core §9.
    ClientSecretJwt,
    /// OpenID Connect Core §9.
    PrivateKeyJwt,
    /// RFC 8705 §2.1.
    TlsClientAuth,
    /// RFC 8705 §2.2.
    SelfSignedTlsClientAuth,
    /// A word this gateway does not know.
    Other(String),
}

/// The value of `application_type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ApplicationType {
    /// The default when nothing is asked (OpenID Connect Registration §2).
    Web,
    /// RFC 8252.
    Native,
    /// A word this gateway does not know.
    Other(String),
}

impl GrantType {
    /// The grant type of this word; every word is one.
    pub fn parse(word: &str) -> Self {
        match word {
            "authorization_code" => Self::AuthorizationCode,
            "implicit" => Self::Implicit,
            "password" => Self::Password,
            "client_credentials" => Self::ClientCredentials,
            "refresh_token" => Self::RefreshToken,
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => Self::JwtBearer,
            "urn:ietf:params:oauth:grant-type:saml2-bearer" => Self::Saml2Bearer,
            "urn:ietf:params:oauth:grant-type:device_code" => Self::DeviceCode,
            "urn:ietf:params:oauth:grant-type:token-exchange" => Self::TokenExchange,
            "urn:openid:params:grant-type:ciba" => Self::Ciba,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it leads a browser through the authorization endpoint and back to a redirect URI (RFC 7591 §2). Extension grants are told at
    /// the token endpoint (RFC 6749 §4.5).
    pub fn redirects(&self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::Implicit)
    }

    /// The word, as it is written in a request.
    pub fn as_str(&self) -> &str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::Implicit => "implicit",
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::Saml2Bearer => "urn:ietf:params:oauth:grant-type:saml2-bearer",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::Ciba => "urn:openid:params:grant-type:ciba",
            Self::Other(word) => word,
        }
    }
}

impl ResponseType {
    /// The response type of these words; their order does not count, every text is one.
    pub fn parse(text: &str) -> Self {
        let mut words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        words.dedup();
        match words[..] {
            ["code"] => Self::Code,
            _ => Self::Other(words.join(" ")),
        }
    }

    /// Whether it needs the implicit grant: a token comes from the authorization endpoint (RFC 7591 §2.1).
    pub fn is_implicit(&self) -> bool {
        self.as_str().split(' ').any(|word| matches!(word, "token" | "id_token"))
    }

    /// The words, sorted.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Code => "code",
            Self::Other(words) => words,
        }
    }
}

impl TokenEndpointAuthMethod {
    /// The method of this word; every word is one.
    pub fn parse(word: &str) -> Self {
        match word {
            "none" => Self::None,
            "client_secret_post" => Self::ClientSecretPost,
            "client_secret_basic" => Self::ClientSecretBasic,
            "client_secret_jwt" => Self::ClientSecretJwt,
            "private_key_jwt" => Self::PrivateKeyJwt,
            "tls_client_auth" => Self::TlsClientAuth,
            "self_signed_tls_client_auth" => Self::SelfSignedTlsClientAuth,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word, as it is written in a request.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::Other(word) => word,
        }
    }
}

impl ApplicationType {
    /// The type of this word; every word is one.
    pub fn parse(word: &str) -> Self {
        match word {
            "web" => Self::Web,
            "native" => Self::Native,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word, as it is written in a request.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
            Self::Other(word) => word,
        }
    }
}
