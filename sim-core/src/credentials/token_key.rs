//! JSON Web Tokens with RS256, and the key they are signed with. A cluster's key is drawn from what names the cluster, so
//! the same seed makes the same tokens; it is made when it is first needed and kept for the life of the process.
//! This is a simulator's key: whoever knows the seed knows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::PrivateKey;
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::EncodePublicKey;
use rsa::sha2::{Digest, Sha256};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Verifier};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

use super::stream::Stream;

const KEY_BITS: usize = 2048;

/// A cluster's key for service account tokens.
pub struct TokenKey {
    signing: SigningKey<Sha256>,
    verifying: VerifyingKey<Sha256>,
    id: String,
    modulus: String,
    exponent: String,
}

/// The keys that were made in this process, by the name of their cluster.
static KEYS: Mutex<BTreeMap<String, Arc<TokenKey>>> = Mutex::new(BTreeMap::new());

impl TokenKey {
    /// The key of the cluster that this text names.
    pub fn of(cluster: &str) -> Arc<TokenKey> {
        let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
        keys.entry(cluster.to_owned()).or_insert_with(|| Arc::new(TokenKey::make(cluster))).clone()
    }

    fn make(cluster: &str) -> TokenKey {
        let private = PrivateKey::new(&mut Stream::new(cluster), KEY_BITS).expect("the size is allowed and the stream does not end");
        let public = private.to_public_key();
        let der = public.to_public_key_der().expect("a public key can be written");
        let (modulus, exponent) = (encode(&public.n_bytes()), encode(&public.e_bytes()));
        let id = encode(&Sha256::digest(der.as_bytes()));
        TokenKey { signing: SigningKey::new(private), verifying: VerifyingKey::new(public), id, modulus, exponent }
    }

    /// The claims as a signed token.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "kid": self.id});
        let text = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        // The stream only blinds the arithmetic; the signature does not depend on it.
        let signature = self.signing.sign_with_rng(&mut Stream::new(&text), text.as_bytes());
        format!("{text}.{}", encode(&signature.to_bytes()))
    }

    /// The claims of a token that this key signed. Errors: the words of the API server's verifier.
    pub fn verify(&self, token: &str) -> Result<Value, String> {
        const WRONG: &str = "go-jose/go-jose: error in cryptographic primitive";
        let (text, signature) = token.rsplit_once('.').ok_or(WRONG)?;
        let header = text.split('.').next().and_then(part).ok_or(WRONG)?;
        if header["kid"].as_str().is_some_and(|kid| !kid.is_empty() && kid != self.id) {
            return Err("invalid signature, no keys found".into());
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| WRONG)?;
        let signature = Signature::try_from(signature.as_slice()).map_err(|_| WRONG)?;
        let signed = header["alg"] == "RS256" && self.verifying.verify(text.as_bytes(), &signature).is_ok();
        text.split('.').nth(1).and_then(part).filter(|_| signed).ok_or_else(|| WRONG.to_owned())
    }

    /// The public half, as a JSON Web Key.
    pub fn to_jwk(&self) -> Value {
        json!({"use": "sig", "kty": "RSA", "kid": self.id, "alg": "RS256", "n": self.modulus, "e": self.exponent})
    }
}

/// The claims of a token, whoever signed it; `None` if it is no token of three parts.
pub fn unverified_claims(token: &str) -> Option<Value> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, claims, _] = parts.as_slice() else { return None };
    part(claims)
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_is_changed() {
        let key = TokenKey::of("a cluster");
        let token = key.sign(&json!({"iss": "me", "exp": 5}));
        assert_eq!(key.verify(&token), Ok(json!({"exp": 5, "iss": "me"})));
        assert_eq!(key.sign(&json!({"iss": "me", "exp": 5})), token);
        let forged = token.replacen('.', ".e30", 1);
        assert!(key.verify(&forged).is_err() && key.verify("a.b.c").is_err());
        assert_eq!(TokenKey::of("another").verify(&token), Err("invalid signature, no keys found".into()));
    }

    #[test]
    fn the_published_key_is_the_usual_exponent_and_a_long_modulus() {
        let jwk = TokenKey::of("a cluster").to_jwk();
        assert_eq!((jwk["e"].as_str(), jwk["n"].as_str().map(str::len)), (Some("AQAB"), Some(342)));
    }
}
