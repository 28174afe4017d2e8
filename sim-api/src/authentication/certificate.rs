//! Client certificates: the common name is the user, the organisations are the groups, and the URI-less serial of the
//! certificate is its credential. Source: apiserver authentication/request/x509/x509.go.

use std::collections::BTreeMap;

use sim_apimachinery::UserInfo;

/// The user of a verified certificate with this common name, these organisations, and this SHA-256 of its DER form (in hex).
/// `None` if it has no common name.
pub fn user_of_certificate(common_name: &str, organisations: &[String], sha256: &str) -> Option<UserInfo> {
    if common_name.is_empty() {
        return None;
    }
    let credential = vec![format!("X509SHA256={sha256}")];
    let extra = BTreeMap::from([("authentication.kubernetes.io/credential-id".to_owned(), credential)]);
    Some(UserInfo { name: common_name.into(), uid: String::new(), groups: organisations.to_vec(), extra })
}
