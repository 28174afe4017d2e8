//! Node ports: which a service has, gets, and gives back.
//! Source: `initNodePorts`, `updateNodePorts`, `updateHealthCheckNodePort` in pkg/registry/core/service/storage/alloc.go and
//! pkg/registry/core/service/portallocator.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ServiceSpec;
use sim_apimachinery::validation::services::{kind, policies::needs_health_check};
use sim_apimachinery::{Cause, Kind, Status};

use super::internal;
use crate::random::Random;

const FIRST: i32 = 30_000;
const COUNT: u64 = 2_768;
/// The lower part of the range is left for ports that users choose.
const STATIC: u64 = 86;
/// What a dry run says where a port would be found.
const DRY_RUN_FIRST: i32 = 32_769;

/// Why a port cannot be had.
pub enum Failure {
    /// The port at this index cannot be had.
    Port(usize, i32, String),
    /// No port at all, or none for health checks.
    Internal(String),
}

impl Failure {
    /// The refusal of the service of that name.
    pub fn into_status(self, name: &str) -> Box<Status> {
        match self {
            Failure::Internal(text) => internal(&text),
            Failure::Port(index, port, why) => {
                let message = format!("Invalid value: {port}: {why}");
                let field = format!("spec.ports[{index}].nodePort");
                Box::new(Status::invalid(Kind::Service, name, vec![Cause { reason: "FieldValueInvalid".into(), message, field }]))
            }
        }
    }
}

/// The ports one request takes, and those it will give back.
pub struct PortOperation<'a> {
    taken: &'a mut BTreeSet<i32>,
    random: &'a mut Random,
    dry_run: bool,
    own: Vec<i32>,
    released: Vec<i32>,
}

impl<'a> PortOperation<'a> {
    /// Nothing taken yet.
    pub fn new(taken: &'a mut BTreeSet<i32>, random: &'a mut Random, dry_run: bool) -> Self {
        PortOperation { taken, random, dry_run, own: vec![], released: vec![] }
    }

    /// What was taken, and what is to be given back; nothing in a dry run.
    pub fn finish(self) -> (Vec<i32>, Vec<i32>) {
        if self.dry_run { (vec![], vec![]) } else { (self.own, self.released) }
    }

    fn take(&mut self, port: i32) -> Result<(), String> {
        let last = FIRST + COUNT as i32 - 1;
        if !self.dry_run && !(FIRST..=last).contains(&port) {
            return Err(format!("provided port is not in the valid range. The range of valid ports is {FIRST}-{last}"));
        }
        if self.taken.contains(&port) || self.own.contains(&port) {
            return Err("provided port is already allocated".to_owned());
        }
        if !self.dry_run {
            self.taken.insert(port);
        }
        self.own.push(port);
        Ok(())
    }

    fn take_any(&mut self) -> Option<i32> {
        if self.dry_run {
            let port = self.own.iter().max().map_or(DRY_RUN_FIRST, |p| p + 1);
            self.own.push(port);
            return Some(port);
        }
        for (from, count) in [(STATIC, COUNT - STATIC), (0, STATIC)] {
            let first = self.random.below(count);
            let port = |step: u64| FIRST + (from + (first + step) % count) as i32;
            if let Some(port) = (0..count).map(port).find(|p| !self.taken.contains(p)) {
                self.taken.insert(port);
                self.own.push(port);
                return Some(port);
            }
        }
        None
    }
}

/// The node ports a service has, with the one for health checks.
pub fn held(spec: &ServiceSpec) -> Vec<i32> {
    let mut ports = node_ports(spec);
    ports.extend(spec.health_check_node_port.filter(|p| *p > 0 && needs_health_check(spec)));
    ports
}

fn node_ports(spec: &ServiceSpec) -> Vec<i32> {
    spec.ports.iter().flatten().filter_map(|p| p.node_port.filter(|n| *n != 0)).collect()
}

fn has_ports(spec: &ServiceSpec) -> bool {
    matches!(kind(spec), "NodePort" | "LoadBalancer")
}

fn wants_ports(spec: &ServiceSpec) -> bool {
    match kind(spec) {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

fn full() -> Failure {
    Failure::Internal("failed to allocate a nodePort: range is full".into())
}

/// Gives a new service its node ports: ports of the same number (of other protocols) share one.
pub fn give(spec: &mut ServiceSpec, operation: &mut PortOperation<'_>) -> Result<(), Failure> {
    if has_ports(spec) {
        let wants = wants_ports(spec);
        let asked: Vec<(i32, i32)> = spec.ports.iter().flatten().map(|p| (p.port, p.node_port.unwrap_or(0))).collect();
        let mut given: BTreeMap<i32, i32> = BTreeMap::new();
        for (index, port) in spec.ports.iter_mut().flatten().enumerate() {
            let own = port.node_port.unwrap_or(0);
            if own == 0 && !wants {
                continue;
            }
            let take =
                |operation: &mut PortOperation<'_>, wanted: i32| operation.take(wanted).map_err(|why| Failure::Port(index, wanted, why));
            match given.get(&port.port).copied() {
                None => {
                    let wanted = asked.iter().find(|(number, node)| *number == port.port && *node != 0).map(|(_, node)| *node);
                    let node = match wanted {
                        Some(wanted) => take(operation, wanted).map(|()| wanted)?,
                        None => operation.take_any().ok_or_else(full)?,
                    };
                    port.node_port = Some(node);
                    given.insert(port.port, node);
                }
                Some(shared) if own == 0 => port.node_port = Some(shared),
                Some(shared) if own != shared => take(operation, own)?,
                Some(_) => {}
            }
        }
    }
    if needs_health_check(spec) { give_health_check(spec, operation) } else { Ok(()) }
}

fn give_health_check(spec: &mut ServiceSpec, operation: &mut PortOperation<'_>) -> Result<(), Failure> {
    match spec.health_check_node_port.filter(|p| *p != 0) {
        Some(wanted) => operation
            .take(wanted)
            .map_err(|why| Failure::Internal(format!("failed to allocate requested HealthCheck NodePort {wanted}: {why}"))),
        None => {
            let given = operation.take_any();
            spec.health_check_node_port = given;
            given.map(|_| ()).ok_or_else(|| Failure::Internal("failed to allocate a HealthCheck NodePort 0: range is full".into()))
        }
    }
}

/// Gives a service's next state the node ports it lacks; those it leaves are given back.
pub fn change(spec: &mut ServiceSpec, old: &ServiceSpec, operation: &mut PortOperation<'_>) -> Result<(), Failure> {
    let before = node_ports(old);
    if has_ports(old) && !has_ports(spec) {
        operation.released.extend(&before);
    }
    if has_ports(spec) {
        let wants = wants_ports(spec);
        let mut own: BTreeSet<i32> = BTreeSet::new();
        for (index, port) in spec.ports.iter_mut().flatten().enumerate() {
            match port.node_port.unwrap_or(0) {
                0 if !wants => {}
                0 => port.node_port = Some(operation.take_any().ok_or_else(full)?),
                node if before.contains(&node) || !own.insert(node) => {}
                node => operation.take(node).map_err(|why| Failure::Port(index, node, why))?,
            }
        }
        let after = node_ports(spec);
        operation.released.extend(before.iter().filter(|p| !after.contains(p)));
    }
    match (needs_health_check(old), needs_health_check(spec)) {
        (false, true) => give_health_check(spec, operation)?,
        (true, false) => operation.released.extend(old.health_check_node_port),
        _ => {}
    }
    Ok(())
}
