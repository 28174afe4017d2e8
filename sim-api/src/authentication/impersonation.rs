//! Impersonation: who may be somebody else does a request as that user (`Impersonate-User`, `-Group`, `-Uid`, `-Extra-*`).
//! Two permissions allow it. The constrained modes ask for `impersonate-on:MODE:VERB` on what is requested and then for
//! `impersonate:MODE` on the user; the old mode asks for `impersonate` on the user alone. All modes that fit are tried;
//! the one that last worked for the sender comes first, and the first refusal is the one told.
//! Not modelled: the ten seconds for which an allowed impersonation is remembered.
//! Source: apiserver endpoints/filters/impersonation.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use sim_apimachinery::{UserInfo, names};
use sim_core::kube_apiserver::ApiServer;
use sim_core::kube_apiserver::authorization::{Attributes, SYSTEM_MASTERS, service_account_of};

use super::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, service_account};
use crate::frontend::Outcome;
use crate::http::Request;
use crate::respond::bad_request;

const EXTRA_PREFIX: &str = "impersonate-extra-";
const AUTHENTICATION: &str = "authentication.k8s.io";
/// From so many checks on, the constrained modes first ask whether everything is allowed.
const CHECKS_MANY: usize = 4;

/// A way to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// A service account becomes the node its pod is on.
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    /// Anybody who is neither a node nor a service account.
    UserInfo,
    /// The old verb `impersonate`.
    Legacy,
}

/// In the order in which they are tried.
const MODES: [Mode; 5] = [Mode::AssociatedNode, Mode::ArbitraryNode, Mode::ServiceAccount, Mode::UserInfo, Mode::Legacy];

/// The user as whom a request is to be done. `last` says which mode last worked, by sender.
pub fn impersonate(
    last: &mut BTreeMap<String, usize>,
    apiserver: &ApiServer,
    request: &Request,
    asked: &Attributes,
) -> Outcome<Arc<UserInfo>> {
    let Some(wanted) = wanted_user(request)? else { return Ok(asked.user.clone()) };
    let sender = &asked.user.name;
    let first = last.get(sender).copied();
    let order = first.into_iter().chain((0..MODES.len()).filter(|i| Some(*i) != first));
    let mut refusal = None;
    for index in order {
        let check = Check { apiserver, asked, wanted: &wanted, mode: MODES[index] };
        match check.run() {
            Ok(None) => {}
            Ok(Some(user)) => {
                last.insert(sender.clone(), index);
                return Ok(Arc::new(user));
            }
            Err(status) => refusal = refusal.or(Some(status)),
        }
    }
    Err(refusal.expect("the old mode always fits"))
}

/// The user that the headers ask for; `None` if they ask for none.
fn wanted_user(request: &Request) -> Outcome<Option<UserInfo>> {
    let header = |name| request.header(name).unwrap_or_default().to_owned();
    let groups: Vec<String> = request.header_values("impersonate-group").map(str::to_owned).collect();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &request.headers {
        let lower = name.to_ascii_lowercase();
        let Some(key) = lower.strip_prefix(EXTRA_PREFIX) else { continue };
        let key = percent_decode_str(key).decode_utf8().map_or_else(|_| key.to_owned(), |k| k.into_owned());
        extra.entry(key).or_default().push(value.clone());
    }
    let wanted = UserInfo { name: header("impersonate-user"), uid: header("impersonate-uid"), groups, extra };
    if !wanted.name.is_empty() {
        return Ok(Some(wanted));
    }
    if wanted == UserInfo::default() {
        return Ok(None);
    }
    Err(bad_request(format!("requested {} without impersonating a user name", go_text(&wanted))))
}

/// The user as Go prints the struct.
fn go_text(user: &UserInfo) -> String {
    let list = |words: &[String]| match words {
        [] => "[]string(nil)".to_owned(),
        words => format!("[]string{{{}}}", words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(", ")),
    };
    let extra = match user.extra.is_empty() {
        true => "map[string][]string(nil)".to_owned(),
        false => {
            let pairs: Vec<String> = user.extra.iter().map(|(key, values)| format!("{key:?}:{}", list(values))).collect();
            format!("map[string][]string{{{}}}", pairs.join(", "))
        }
    };
    format!("&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{}, Extra:{extra}}}", user.name, user.uid, list(&user.groups))
}

/// One mode's checks.
struct Check<'a> {
    apiserver: &'a ApiServer,
    asked: &'a Attributes,
    wanted: &'a UserInfo,
    mode: Mode,
}

impl Check<'_> {
    /// The user, if this mode fits and allows it.
    fn run(&self) -> Outcome<Option<UserInfo>> {
        if !self.fits() {
            return Ok(None);
        }
        if self.is_constrained() {
            let verb = format!("impersonate-on:{}:{}", self.word(), self.asked.verb);
            self.allow(&Attributes { verb, ..self.asked.clone() })?;
        }
        let mut user = self.wanted.clone();
        self.name(&mut user)?;
        if !self.wanted.uid.is_empty() {
            self.allow(&self.attributes(AUTHENTICATION, "uids", &self.wanted.uid))?;
        }
        self.groups()?;
        self.extra()?;
        let has = |group: &str| user.groups.iter().any(|g| g == group);
        let missing = match user.name == ANONYMOUS {
            true => Some(UNAUTHENTICATED).filter(|g| !has(g)),
            false => Some(AUTHENTICATED).filter(|g| !has(g) && !has(UNAUTHENTICATED)),
        };
        user.groups.extend(missing.map(str::to_owned));
        Ok(Some(user))
    }

    fn is_constrained(&self) -> bool {
        self.mode != Mode::Legacy
    }

    fn word(&self) -> &'static str {
        match self.mode {
            Mode::AssociatedNode => "associated-node",
            Mode::ArbitraryNode => "arbitrary-node",
            Mode::ServiceAccount => "serviceaccount",
            Mode::UserInfo => "user-info",
            Mode::Legacy => "",
        }
    }

    fn fits(&self) -> bool {
        let (wanted, sender) = (self.wanted, &self.asked.user);
        let only_named = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let node = node_of(&wanted.name);
        let is_account = account_of(&wanted.name).is_some();
        match self.mode {
            Mode::AssociatedNode => only_named && node.is_some() && account_of(&sender.name).is_some() && home_of(sender) == node,
            Mode::ArbitraryNode => only_named && node.is_some(),
            Mode::ServiceAccount => only_named && is_account,
            Mode::UserInfo => node.is_none() && !is_account,
            Mode::Legacy => true,
        }
    }

    fn allow(&self, attributes: &Attributes) -> Outcome<()> {
        let sender = match self.mode {
            Mode::AssociatedNode => Arc::new(without_extra(&attributes.user)),
            _ => attributes.user.clone(),
        };
        let attributes = Attributes { user: sender, ..attributes.clone() };
        let decision = self.apiserver.authorize(&attributes);
        if decision.allowed { Ok(()) } else { Err(Box::new(attributes.forbidden(&decision.reason))) }
    }

    fn attributes(&self, group: &str, resource: &str, name: &str) -> Attributes {
        let verb = if self.is_constrained() { format!("impersonate:{}", self.word()) } else { "impersonate".into() };
        Attributes { name: name.into(), ..Attributes::for_resource(&self.asked.user, &verb, group, resource) }
    }

    /// The group of users and groups: that of authentication in the constrained modes, the core group in the old one.
    fn home(&self) -> &'static str {
        if self.is_constrained() { AUTHENTICATION } else { "" }
    }

    fn name(&self, user: &mut UserInfo) -> Outcome<()> {
        let mut attributes = self.attributes(self.home(), "users", &self.wanted.name);
        if let Some(node) = node_of(&self.wanted.name).filter(|_| self.is_constrained()) {
            attributes.resource = "nodes".into();
            attributes.name = if self.mode == Mode::AssociatedNode { "*".into() } else { node.into() };
            user.groups = vec!["system:nodes".into()];
        }
        if let Some((namespace, name)) = account_of(&self.wanted.name) {
            attributes.resource = "serviceaccounts".into();
            attributes.namespace = namespace.into();
            attributes.name = name.into();
            if self.wanted.groups.is_empty() {
                user.groups = service_account::groups(namespace);
            }
        }
        self.allow(&attributes)
    }

    fn groups(&self) -> Outcome<()> {
        let groups = &self.wanted.groups;
        let about = |name: &str| self.attributes(self.home(), "groups", name);
        if self.is_constrained() {
            if groups.iter().any(String::is_empty) {
                return Err(Box::new(about("").forbidden("impersonating the empty string group is not allowed")));
            }
            if groups.iter().any(|g| g == SYSTEM_MASTERS) {
                return Err(Box::new(about(SYSTEM_MASTERS).forbidden("impersonating the system:masters group is not allowed")));
            }
            if groups.len() >= CHECKS_MANY && self.allow(&about("*")).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|group| self.allow(&about(group)))
    }

    fn extra(&self) -> Outcome<()> {
        let extra = &self.wanted.extra;
        let about = |key: &str, value: &str| Attributes { subresource: key.into(), ..self.attributes(AUTHENTICATION, "userextras", value) };
        if self.is_constrained() && !extra.is_empty() {
            if let Some(why) = extra.iter().find_map(|(key, values)| wrong_extra(key, values)) {
                return Err(Box::new(about("", "").forbidden(&why)));
            }
            let many = extra.len() >= CHECKS_MANY || extra.values().map(Vec::len).sum::<usize>() >= CHECKS_MANY;
            if many && self.allow(&about("*", "*")).is_ok() {
                return Ok(());
            }
        }
        extra.iter().flat_map(|(key, values)| values.iter().map(move |v| (key, v))).try_for_each(|(key, v)| self.allow(&about(key, v)))
    }
}

/// What the constrained modes do not take.
fn wrong_extra(key: &str, values: &[String]) -> Option<String> {
    if key.is_empty() {
        return Some("impersonating the empty string key in extra is not allowed".into());
    }
    if let Some(why) = wrong_domain_path(key) {
        return Some(format!("impersonating an invalid key in extra is not allowed: extra.key: Invalid value: {key:?}: {why}"));
    }
    if key != key.to_lowercase() {
        return Some(format!("impersonating a non-lowercase key in extra is not allowed: {key:?}"));
    }
    values.iter().any(String::is_empty).then(|| "impersonating the empty string value in extra is not allowed".into())
}

fn wrong_domain_path(key: &str) -> Option<String> {
    match key.split_once('/') {
        Some((domain, path)) if !path.is_empty() => names::dns1123_subdomain(domain).into_iter().next(),
        _ => Some("must be a domain-prefixed path (such as \"acme.io/foo\")".into()),
    }
}

fn node_of(user: &str) -> Option<&str> {
    user.strip_prefix("system:node:").filter(|name| names::dns1123_subdomain(name).is_empty())
}

fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = service_account_of(user)?;
    let valid = names::dns1123_label(namespace).is_empty() && names::dns1123_subdomain(name).is_empty();
    valid.then_some((namespace, name))
}

/// The node that a service account's token says its pod is on.
fn home_of(user: &UserInfo) -> Option<&str> {
    match user.extra.get("authentication.kubernetes.io/node-name")?.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// A sender whose extra attributes are only named, so that the answer is the same on all nodes.
fn without_extra(user: &UserInfo) -> UserInfo {
    let keys = user.extra.keys().cloned().collect();
    let extra = BTreeMap::from([("authentication.kubernetes.io/associated-node-keys".to_owned(), keys)]);
    UserInfo { extra, ..user.clone() }
}
