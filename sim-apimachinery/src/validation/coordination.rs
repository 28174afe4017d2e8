//! Leases and lease candidates. Source: pkg/apis/coordination/validation.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::coordination::v1beta1::{LeaseCandidate, LeaseCandidateSpec};

use super::errors::Errors;
use super::metadata;
use super::path::Path;
use crate::names;

const SPEC: Path<'_> = Path::root("spec");
const OLDEST: &str = "OldestEmulationVersion";

/// What is wrong with a new lease.
pub fn lease_create(lease: &Lease, errors: &mut Errors) {
    metadata::validate(&lease.metadata, true, names::dns1123_subdomain, errors);
    lease_spec(&lease.spec.clone().unwrap_or_default(), errors);
}

/// What is wrong with a lease's next state.
pub fn lease_update(next: &Lease, current: &Lease, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    lease_spec(&next.spec.clone().unwrap_or_default(), errors);
}

fn lease_spec(spec: &LeaseSpec, errors: &mut Errors) {
    if let Some(seconds) = spec.lease_duration_seconds.filter(|s| *s <= 0) {
        errors.invalid(&SPEC.child("leaseDurationSeconds"), seconds, "must be greater than 0");
    }
    errors.not_negative(&SPEC.child("leaseTransitions"), spec.lease_transitions.unwrap_or(0).into());
    if let Some(found) = &spec.strategy {
        strategy(found, &SPEC.child("strategy"), errors);
    }
    let preferred = spec.preferred_holder.as_deref().unwrap_or_default();
    if !preferred.is_empty() && spec.strategy.as_deref().unwrap_or_default().is_empty() {
        errors.forbidden(&SPEC.child("preferredHolder"), "may only be specified if `strategy` is defined");
    }
}

fn strategy(strategy: &str, at: &Path<'_>, errors: &mut Errors) {
    if strategy.contains('/') {
        errors.invalid_each(&at.child("strategy"), strategy, names::qualified_name(strategy));
    } else if strategy != OLDEST {
        errors.not_supported(&at.child("strategy"), strategy, &[OLDEST]);
    }
}

/// What is wrong with a new candidate.
pub fn candidate_create(candidate: &LeaseCandidate, errors: &mut Errors) {
    metadata::validate(&candidate.metadata, true, names::config_map_key, errors);
    candidate_spec(&candidate.spec, errors);
}

/// What is wrong with a candidate's next state.
pub fn candidate_update(next: &LeaseCandidate, current: &LeaseCandidate, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (spec, before) = (&next.spec, &current.spec);
    candidate_spec(spec, errors);
    if spec.lease_name != before.lease_name {
        errors.invalid(&SPEC.child("leaseName"), &spec.lease_name, "field is immutable");
    }
}

fn candidate_spec(spec: &LeaseCandidateSpec, errors: &mut Errors) {
    if spec.lease_name.is_empty() {
        errors.required(&SPEC.child("leaseName"), "");
    }
    let emulated = spec.emulation_version.as_deref().unwrap_or_default();
    let emulation = version(emulated);
    if !emulated.is_empty() && emulation.is_none() {
        errors.invalid(&SPEC.child("emulationVersion"), emulated, "must be a valid semantic version");
    }
    let binary = version(&spec.binary_version);
    let at = SPEC.child("binaryVersion");
    if spec.binary_version.is_empty() {
        errors.required(&at, "");
    } else if binary.is_none() {
        errors.invalid(&at, &spec.binary_version, "must be a valid semantic version");
    }
    if !spec.binary_version.is_empty() && !emulated.is_empty() && binary.unwrap_or_default() < emulation.unwrap_or_default() {
        errors.invalid(&at, &spec.binary_version, "must be greater than or equal to `emulationVersion`");
    }
    match spec.strategy.as_str() {
        "" => errors.required(&SPEC.child("strategy"), ""),
        found => {
            if found == OLDEST && emulation.unwrap_or_default() == (0, 0, 0) {
                errors.required(&SPEC.child("emulationVersion"), "must be specified when `strategy` is 'OldestEmulationVersion'");
            }
            strategy(found, &SPEC.child("strategy"), errors);
        }
    }
}

/// Major, minor and patch of a semantic version; what follows a `-` or `+` does not order here.
fn version(text: &str) -> Option<(u64, u64, u64)> {
    let number = |part: &str| {
        let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
        plain.then(|| part.parse().ok()).flatten()
    };
    let core = text.split(['-', '+']).next()?;
    let mut parts = core.split('.');
    let found = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    parts.next().is_none().then_some(found)
}
