//! Keys and what is signed with them: the tokens of service accounts, and the certificates that the cluster's authority
//! gives to those who ask with a CertificateSigningRequest. All signatures depend on what is signed and on the key alone
//! (PKCS #1 and RFC 6979), so the same session signs the same.
//! Not modelled: requests signed with keys other than RSA and P-256.

mod authority;
mod certificate;
mod certificate_request;
mod der;
mod stream;
mod token_key;
mod verify;

pub use self::authority::{Authority, Wanted};
pub use self::certificate::{not_after, pem_block, subject};
pub use self::certificate_request::{CertificateRequest, Subject};
pub use self::token_key::{TokenKey, unverified_claims};

#[cfg(test)]
mod tests;
