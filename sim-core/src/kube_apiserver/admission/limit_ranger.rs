//! Fills in requests and limits that a namespace's limit ranges give, and refuses what is outside them (LimitRanger).
//! Source: plugin/pkg/admission/limitranger.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, LimitRange, LimitRangeItem, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::validation::pod::resources::{aggregate, total_requests};
use sim_apimachinery::{Kind, Object, Part, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

pub(super) const PLUGIN: Plugin = Plugin { name: "LimitRanger", change: Some(change), check: Some(check) };

type Written = BTreeMap<String, ApiQuantity>;
type Amounts = BTreeMap<String, Quantity>;

/// The ranges that matter to what is asked.
fn ranges(server: &ApiServer, object: &Object, asked: &Asked<'_>) -> Vec<Arc<LimitRange>> {
    let matters = match object.kind() {
        Kind::Pod => asked.is_create() || asked.part == Part::Resize,
        Kind::PersistentVolumeClaim => asked.is_main(),
        _ => false,
    };
    if !matters || asked.old.is_some_and(Object::is_deleting) {
        return vec![];
    }
    server.etcd.list(Kind::LimitRange, object.namespace()).filter_map(LimitRange::from_object).cloned().collect()
}

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let ranges = ranges(server, object, asked);
    if let Object::Pod(pod) = object {
        ranges.iter().for_each(|range| fill_in(Arc::make_mut(pod), range));
    }
    Ok(())
}

fn fill_in(pod: &mut Pod, range: &LimitRange) {
    let (mut requests, mut limits) = (Written::new(), Written::new());
    let items = range.spec.iter().flat_map(|s| &s.limits).filter(|i| i.type_ == "Container");
    for item in items {
        let (item_requests, item_limits) = item_defaults(item);
        requests.extend(item_requests);
        limits.extend(item_limits);
    }
    let Some(spec) = pod.spec.as_mut() else { return };
    let mut said = Vec::new();
    spec.containers.iter_mut().for_each(|c| fill_in_container(c, "container", &requests, &limits, &mut said));
    spec.init_containers.iter_mut().flatten().for_each(|c| fill_in_container(c, "init container", &requests, &limits, &mut said));
    if !said.is_empty() {
        let text = format!("LimitRanger plugin set: {}", said.join("; "));
        pod.metadata.annotations.get_or_insert_default().insert(ANNOTATION.into(), text);
    }
}

/// The default requests and limits of a range's item: a limit is the maximum where none is written, a request the
/// default limit, or the minimum (SetDefaults_LimitRangeItem).
fn item_defaults(item: &LimitRangeItem) -> (Written, Written) {
    let mut limits = item.max.clone().unwrap_or_default();
    limits.extend(item.default.clone().unwrap_or_default());
    let mut requests = item.min.clone().unwrap_or_default();
    requests.extend(limits.clone());
    requests.extend(item.default_request.clone().unwrap_or_default());
    (requests, limits)
}

fn fill_in_container(container: &mut Container, kind: &str, requests: &Written, limits: &Written, said: &mut Vec<String>) {
    let resources = container.resources.get_or_insert_default();
    let set = |map: &mut Option<Written>, defaults: &Written| -> Vec<String> {
        let missing = |name: &String| map.as_ref().is_none_or(|m| !m.contains_key(name));
        let new: Written = defaults.iter().filter(|(name, _)| missing(name)).map(|(n, q)| (n.clone(), q.clone())).collect();
        let names = new.keys().cloned().collect();
        if !new.is_empty() {
            map.get_or_insert_default().extend(new);
        }
        names
    };
    let limited = set(&mut resources.limits, limits);
    let requested = set(&mut resources.requests, requests);
    for (names, what) in [(requested, "request"), (limited, "limit")] {
        if !names.is_empty() {
            said.push(format!("{} {what} for {kind} {}", names.join(", "), container.name));
        }
    }
}

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    for range in ranges(server, object, asked) {
        let mut wrong: Vec<String> = Vec::new();
        for item in range.spec.iter().flat_map(|s| &s.limits) {
            match object {
                Object::Pod(pod) => pod.spec.iter().for_each(|s| check_pod(s, item, &mut wrong)),
                Object::PersistentVolumeClaim(claim) if item.type_ == "PersistentVolumeClaim" => {
                    let asked = claim.spec.as_ref().and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref());
                    check_claim(&read(asked), item, &mut wrong);
                }
                _ => {}
            }
        }
        let mut told: Vec<String> = Vec::new();
        wrong.into_iter().for_each(|text| {
            if !told.contains(&text) {
                told.push(text)
            }
        });
        match told.as_slice() {
            [] => {}
            [one] => return Err(forbidden(object, one)),
            many => return Err(forbidden(object, &format!("[{}]", many.join(", ")))),
        }
    }
    Ok(())
}

fn read(map: Option<&Written>) -> Amounts {
    map.into_iter().flatten().filter_map(|(name, q)| Some((name.clone(), Quantity::parse(&q.0).ok()?))).collect()
}

fn check_claim(requests: &Amounts, item: &LimitRangeItem, wrong: &mut Vec<String>) {
    let kind = &item.type_;
    wrong.extend(read(item.min.as_ref()).iter().filter_map(|(name, least)| too_little(kind, name, *least, requests, &Amounts::new())));
    for (name, most) in read(item.max.as_ref()) {
        match requests.get(&name) {
            None => wrong.push(format!("maximum {name} usage per {kind} is {most}.  No request is specified")),
            Some(request) if *request > most => {
                wrong.push(format!("maximum {name} usage per {kind} is {most}, but request is {request}"));
            }
            Some(_) => {}
        }
    }
}

fn check_pod(spec: &PodSpec, item: &LimitRangeItem, wrong: &mut Vec<String>) {
    match item.type_.as_str() {
        "Container" => {
            for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
                let resources = container.resources.as_ref();
                let requests = read(resources.and_then(|r| r.requests.as_ref()));
                check_amounts(&requests, &read(resources.and_then(|r| r.limits.as_ref())), item, wrong);
            }
        }
        "Pod" => {
            let mut limits = aggregate(spec, |r| r.limits.as_ref());
            limits.extend(read(spec.resources.as_ref().and_then(|r| r.limits.as_ref())));
            let without_overhead = PodSpec { overhead: None, ..spec.clone() };
            check_amounts(&total_requests(&without_overhead), &limits, item, wrong);
        }
        _ => {}
    }
}

fn check_amounts(requests: &Amounts, limits: &Amounts, item: &LimitRangeItem, wrong: &mut Vec<String>) {
    let kind = item.type_.as_str();
    wrong.extend(read(item.min.as_ref()).iter().filter_map(|(name, least)| too_little(kind, name, *least, requests, limits)));
    wrong.extend(read(item.max.as_ref()).iter().filter_map(|(name, most)| too_much(kind, name, *most, requests, limits)));
    let ratios = read(item.max_limit_request_ratio.as_ref());
    wrong.extend(ratios.iter().filter_map(|(name, most)| too_far_apart(kind, name, *most, requests, limits)));
}

fn too_little(kind: &str, name: &str, least: Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let begin = format!("minimum {name} usage per {kind} is {least}");
    let Some(request) = requests.get(name) else { return Some(format!("{begin}.  No request is specified")) };
    if *request < least {
        return Some(format!("{begin}, but request is {request}"));
    }
    limits.get(name).filter(|limit| **limit < least).map(|limit| format!("{begin}, but limit is {limit}"))
}

fn too_much(kind: &str, name: &str, most: Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let begin = format!("maximum {name} usage per {kind} is {most}");
    let Some(limit) = limits.get(name) else { return Some(format!("{begin}.  No limit is specified")) };
    if *limit > most {
        return Some(format!("{begin}, but limit is {limit}"));
    }
    requests.get(name).filter(|request| **request > most).map(|request| format!("{begin}, but request is {request}"))
}

fn too_far_apart(kind: &str, name: &str, most: Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let begin = format!("{name} max limit to request ratio per {kind} is {most}");
    let amount = |map: &Amounts| map.get(name).map(Quantity::milli_value).filter(|m| *m != 0).map(i128::from);
    let Some(request) = amount(requests) else { return Some(format!("{begin}, but no request is specified or request is 0")) };
    let Some(limit) = amount(limits) else { return Some(format!("{begin}, but no limit is specified or limit is 0")) };
    if limit * 1000 <= i128::from(most.milli_value()) * request {
        return None;
    }
    let millionths = (limit * 1_000_000 + request / 2) / request;
    Some(format!("{begin}, but provided ratio is {}.{:06}", millionths / 1_000_000, millionths % 1_000_000))
}
