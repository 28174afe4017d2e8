//! `/healthz`, `/livez`, `/readyz`: in short, check by check (`?verbose`, `?exclude=NAME`), and one check alone (`/livez/NAME`).
//! The names are those of a v1.36 server; which of them fail is passed in.

use std::fmt::Write;

/// The checks, in the order they are told.
const CHECKS: [&str; 35] = [
    "ping",
    "log",
    "etcd",
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/aggregator-reload-proxy-client-cert",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
    // From here on: of `/readyz` only.
    "etcd-readiness",
    "informer-sync",
    "shutdown",
];

/// How many of the checks are not those of readiness alone.
const COMMON: usize = 32;

/// Where the checks are.
const ROOTS: [&str; 3] = ["healthz", "livez", "readyz"];

/// The status and text of a health path; none if there is no such path. `query` holds the parsed parameters, `failing` the
/// names of the checks that fail.
pub fn health(path: &str, query: &[(String, String)], failing: &[&str]) -> Option<(u16, String)> {
    let path = path.trim_start_matches('/');
    let (root, check) = path.split_once('/').unwrap_or((path, ""));
    let checks = checks_of(root)?;
    if check.is_empty() {
        return Some(all(root, &checks, query, failing));
    }
    checks.contains(&check).then(|| match failing.contains(&check) {
        true => (500, "internal server error: reason withheld\n".to_owned()),
        false => (200, "ok".to_owned()),
    })
}

fn checks_of(root: &str) -> Option<Vec<&'static str>> {
    let count = if root == "readyz" { CHECKS.len() } else { COMMON };
    ROOTS.contains(&root).then(|| CHECKS[..count].to_vec())
}

fn all(root: &str, checks: &[&str], query: &[(String, String)], failing: &[&str]) -> (u16, String) {
    let mut excluded: Vec<&str> = query.iter().filter(|(name, _)| name == "exclude").map(|(_, value)| value.as_str()).collect();
    let (mut text, mut failed) = (String::new(), false);
    for check in checks {
        let (mark, says) = if excluded.contains(check) {
            excluded.retain(|name| name != check);
            ("+", "excluded: ok")
        } else if failing.contains(check) {
            failed = true;
            ("-", "failed: reason withheld")
        } else {
            ("+", "ok")
        };
        _ = writeln!(text, "[{mark}]{check} {says}");
    }
    if !excluded.is_empty() {
        excluded.sort_unstable();
        let names: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
        _ = writeln!(text, "warn: some health checks cannot be excluded: no matches for {}", names.join(","));
    }
    if failed {
        return (500, format!("{text}{root} check failed\n"));
    }
    let verbose = query.iter().any(|(name, _)| name == "verbose");
    (200, if verbose { format!("{text}{root} check passed\n") } else { "ok".to_owned() })
}

/// Every health path.
pub(super) fn paths() -> Vec<String> {
    let of = |root: &&str| checks_of(root).unwrap_or_default().into_iter().map(move |check| format!("/{root}/{check}")).collect::<Vec<_>>();
    ROOTS.iter().flat_map(|root| std::iter::once(format!("/{root}")).chain(of(root))).collect()
}
