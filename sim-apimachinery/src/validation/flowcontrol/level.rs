//! Priority levels: how much of the server each flow may have.

use k8s_openapi::api::flowcontrol::v1::{
    LimitResponse, LimitedPriorityLevelConfiguration, PriorityLevelConfiguration, PriorityLevelConfigurationSpec, QueuingConfiguration,
};

use super::super::errors::Errors;
use super::super::go_value::{Raw, go_object, json_string};
use super::super::metadata;
use super::super::path::Path;
use super::conditions_have_types;
use crate::names;

const QUEUES_MAX: i32 = 10_000_000;
/// What a hash of 64 bits can deal hands from.
const ENTROPY_BITS_MAX: u32 = 60;
const ROUND_TRIP: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";

/// What is wrong with a priority level, new or next.
pub fn create(level: &PriorityLevelConfiguration, errors: &mut Errors) {
    metadata::validate(&level.metadata, false, names::dns1123_subdomain, errors);
    if level.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ROUND_TRIP)) {
        errors.forbidden(&Path::root("metadata").child("annotations"), &format!("annotation '{ROUND_TRIP}' is forbidden"));
    }
    level_spec(level, errors);
    status(level, errors);
}

/// What is wrong with the status of a priority level.
pub fn status(level: &PriorityLevelConfiguration, errors: &mut Errors) {
    let conditions = level.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions_have_types(conditions.iter().map(|c| c.type_.as_deref().unwrap_or_default()), errors);
}

fn level_spec(level: &PriorityLevelConfiguration, errors: &mut Errors) {
    let spec = level.spec.clone().unwrap_or_default();
    let name = level.metadata.name.as_deref().unwrap_or_default();
    let at = Path::root("spec");
    if (name == "exempt") != (spec.type_ == "Exempt") {
        errors.invalid(&at.child("type"), &spec.type_, "must be 'Exempt' if and only if `name` is 'exempt'");
    }
    match spec.type_.as_str() {
        "Exempt" => {
            if spec.limited.is_some() {
                errors.forbidden(&at.child("limited"), "must be nil if the type is not Limited");
            }
            if let Some(exempt) = &spec.exempt {
                shares(exempt.nominal_concurrency_shares, &at.child("exempt"), errors);
                lendable(exempt.lendable_percent, &at.child("exempt"), errors);
            }
        }
        "Limited" => {
            if spec.exempt.is_some() {
                errors.forbidden(&at.child("exempt"), "must be nil if the type is Limited");
            }
            match &spec.limited {
                None => errors.required(&at.child("limited"), "must not be empty when type is Limited"),
                Some(found) => limited(found, &at.child("limited"), errors),
            }
        }
        other => errors.not_supported(&at.child("type"), other, &["Exempt", "Limited"]),
    }
    if name == "catch-all" && !is_catch_all(&spec) {
        errors.invalid(&at, shown(&spec), "spec of 'catch-all' must equal the fixed value");
    }
    if name == "exempt" && (spec.type_ != "Exempt" || spec.limited.is_some()) {
        errors.invalid(&at, shown(&spec), "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value");
    }
}

/// The spec as the internal type, which has no names for JSON and leaves nothing out.
fn shown(spec: &PriorityLevelConfigurationSpec) -> Raw {
    let number = |n: Option<i32>| n.unwrap_or(0).to_string();
    let limited = spec.limited.as_ref().map(|l| {
        let response = l.limit_response.clone().unwrap_or_default();
        let queuing = response.queuing.as_ref().map(|q| {
            let fields =
                [("Queues", number(q.queues)), ("HandSize", number(q.hand_size)), ("QueueLengthLimit", number(q.queue_length_limit))];
            go_object(&fields).0
        });
        let response = [("Type", json_string(&response.type_)), ("Queuing", or_null(queuing))];
        let fields = [
            ("NominalConcurrencyShares", number(l.nominal_concurrency_shares)),
            ("LimitResponse", go_object(&response).0),
            ("LendablePercent", number(l.lendable_percent)),
            ("BorrowingLimitPercent", or_null(l.borrowing_limit_percent.map(|n| n.to_string()))),
        ];
        go_object(&fields).0
    });
    let exempt = spec.exempt.as_ref().map(|e| {
        let fields = [("NominalConcurrencyShares", number(e.nominal_concurrency_shares)), ("LendablePercent", number(e.lendable_percent))];
        go_object(&fields).0
    });
    go_object(&[("Type", json_string(&spec.type_)), ("Limited", or_null(limited)), ("Exempt", or_null(exempt))])
}

fn or_null(shown: Option<String>) -> String {
    shown.unwrap_or_else(|| "null".into())
}

fn is_catch_all(spec: &PriorityLevelConfigurationSpec) -> bool {
    spec.limited.as_ref().is_some_and(|l| {
        l.nominal_concurrency_shares == Some(5)
            && l.lendable_percent == Some(0)
            && l.borrowing_limit_percent.is_none()
            && l.limit_response.as_ref().is_some_and(|r| r.type_ == "Reject" && r.queuing.is_none())
    })
}

fn shares(found: Option<i32>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(found) = found.filter(|s| *s < 0) {
        errors.invalid(&at.child("nominalConcurrencyShares"), found, "must be a non-negative integer");
    }
}

fn lendable(found: Option<i32>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(found) = found.filter(|p| !(0..=100).contains(p)) {
        errors.invalid(&at.child("lendablePercent"), found, "must be between 0 and 100, inclusive");
    }
}

fn limited(found: &LimitedPriorityLevelConfiguration, at: &Path<'_>, errors: &mut Errors) {
    shares(found.nominal_concurrency_shares, at, errors);
    limit_response(&found.limit_response.clone().unwrap_or_default(), &at.child("limitResponse"), errors);
    lendable(found.lendable_percent, at, errors);
    if let Some(limit) = found.borrowing_limit_percent.filter(|l| *l < 0) {
        errors.invalid(&at.child("borrowingLimitPercent"), limit, "if specified, must be a non-negative integer");
    }
}

fn limit_response(response: &LimitResponse, at: &Path<'_>, errors: &mut Errors) {
    let field = at.child("queuing");
    match (response.type_.as_str(), &response.queuing) {
        ("Reject", Some(_)) => errors.forbidden(&field, "must be nil if limited.limitResponse.type is not Limited"),
        ("Reject", None) => {}
        ("Queue", None) => errors.required(&field, "must not be empty if limited.limitResponse.type is Limited"),
        ("Queue", Some(found)) => queuing(found, &field, errors),
        (other, _) => errors.not_supported(&at.child("type"), other, &["Queue", "Reject"]),
    }
}

fn queuing(found: &QueuingConfiguration, at: &Path<'_>, errors: &mut Errors) {
    let (length, queues, hand) = (found.queue_length_limit.unwrap_or(0), found.queues.unwrap_or(0), found.hand_size.unwrap_or(0));
    if length <= 0 {
        errors.invalid(&at.child("queueLengthLimit"), length, "must be positive");
    }
    if queues <= 0 {
        errors.invalid(&at.child("queues"), queues, "must be positive");
    } else if queues > QUEUES_MAX {
        errors.invalid(&at.child("queues"), queues, &format!("must not be greater than {QUEUES_MAX}"));
    }
    let field = at.child("handSize");
    if hand <= 0 {
        errors.invalid(&field, hand, "must be positive");
    } else if hand > queues {
        errors.invalid(&field, hand, &format!("should not be greater than queues ({queues})"));
    } else if entropy_bits(queues, hand) > ENTROPY_BITS_MAX {
        let text = format!("required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {ENTROPY_BITS_MAX}");
        errors.invalid(&field, hand, &text);
    }
}

/// How many bits it takes to deal a hand from a deck, by Kubernetes' estimate: the logarithm of `deck` to the power of `hand`,
/// rounded up. Beyond 128 bits it is too many anyway.
fn entropy_bits(deck: i32, hand: i32) -> u32 {
    let power = u128::from(deck.unsigned_abs()).checked_pow(hand.unsigned_abs());
    power.map_or(u128::BITS, |p| if p.is_power_of_two() { p.ilog2() } else { p.ilog2() + 1 })
}
