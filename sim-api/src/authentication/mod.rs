//! Who asks: bearer tokens (static ones and those of service accounts), client certificates, nobody; then impersonation.
//! A credential that is not accepted refuses the request; no credential makes it anonymous.
//! Not modelled: OpenID Connect, webhook and bootstrap tokens, the front proxy's headers, the cache that keeps a token good
//! for some seconds after what it is bound to is gone.
//! Sources: apiserver endpoints/filters/authentication.go, authentication/request/bearertoken, group/authenticated_group_adder.go.

mod certificate;
mod impersonation;
mod legacy_token;
mod openid;
mod service_account;
mod token_request;
mod token_review;

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::{Reason, Status, UserInfo};
use sim_core::cluster::Cluster;
use sim_core::kube_apiserver::authorization::Attributes;

pub use self::certificate::user_of_certificate;
pub use self::openid::{is_openid_path, serve as serve_openid};
pub use self::token_request::{create as create_token, default_seconds};
pub use self::token_review::{review as token_review, self_review};
use crate::frontend::Outcome;
use crate::http::Request;

/// The issuer of service account tokens, and the audience that the API server itself is.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// What a server knows of its users.
#[derive(Clone, Debug, Default)]
pub struct Authentication {
    tokens: BTreeMap<String, UserInfo>,
    modes: BTreeMap<String, usize>,
}

/// Somebody whose token was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The user, with the group of the authenticated.
    pub user: UserInfo,
    /// Those of the wanted audiences that the token is for.
    pub audiences: Vec<String>,
}

impl Authentication {
    /// With these static tokens.
    pub fn new(tokens: &[(String, UserInfo)]) -> Authentication {
        Authentication { tokens: tokens.iter().cloned().collect(), modes: BTreeMap::new() }
    }

    /// Who sends a request. `certificate` is the user of an accepted client certificate.
    pub fn authenticate(&self, cluster: &Cluster, request: &Request, certificate: Option<UserInfo>) -> Outcome<Arc<UserInfo>> {
        if let Some(user) = certificate {
            return Ok(Arc::new(with_authenticated(user)));
        }
        let Some(token) = request.header("authorization").and_then(bearer) else { return Ok(Arc::new(anonymous())) };
        match self.authenticate_token(cluster, token, &[ISSUER.to_owned()]) {
            Ok(found) => Ok(Arc::new(found.user)),
            Err(_) => Err(Box::new(Status::new(Reason::Unauthorized, "Unauthorized"))),
        }
    }

    /// Whom a token stands for, wanted for these audiences. Errors: why it is not accepted.
    pub fn authenticate_token(&self, cluster: &Cluster, token: &str, audiences: &[String]) -> Result<Authenticated, String> {
        const INVALID: &str = "invalid bearer token";
        if let Some(user) = self.tokens.get(token) {
            let audiences: Vec<String> = audiences.iter().filter(|a| *a == ISSUER).cloned().collect();
            let known = (!audiences.is_empty()).then(|| Authenticated { user: with_authenticated(user.clone()), audiences });
            return known.ok_or_else(|| INVALID.to_owned());
        }
        match service_account::authenticate(cluster, token, audiences) {
            Ok(Some(found)) => Ok(Authenticated { user: with_authenticated(found.user), ..found }),
            Ok(None) => Err(INVALID.to_owned()),
            Err(why) => Err(format!("[{INVALID}, {why}]")),
        }
    }

    /// Notes the use of a token that was accepted, where that is kept.
    pub fn note_use(cluster: &mut Cluster, request: &Request) {
        if let Some(token) = request.header("authorization").and_then(bearer) {
            legacy_token::note_use(cluster, token);
        }
    }

    /// As whom a request is to be done: its sender, or the user its headers ask for if the sender may be that user.
    pub fn impersonate(&mut self, cluster: &Cluster, request: &Request, asked: &Attributes) -> Outcome<Arc<UserInfo>> {
        impersonation::impersonate(&mut self.modes, cluster.apiserver(), request, asked)
    }
}

/// The token of an `Authorization` header, if it has one.
fn bearer(header: &str) -> Option<&str> {
    let mut words = header.trim().splitn(3, ' ');
    let scheme = words.next()?;
    let token = words.next()?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn anonymous() -> UserInfo {
    UserInfo { name: ANONYMOUS.into(), groups: vec![UNAUTHENTICATED.into()], ..Default::default() }
}

fn with_authenticated(mut user: UserInfo) -> UserInfo {
    if user.name != ANONYMOUS && !user.groups.iter().any(|g| g == AUTHENTICATED || g == UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.into());
    }
    user
}

#[cfg(test)]
mod tests;
