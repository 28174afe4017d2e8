//! `ksim explain`: why an object is in the state it is in at the end of a scenario, as a chain of causes.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sim_apimachinery::{Kind, Object, Typed};
use sim_core::kube_apiserver::apiextensions::Definition;
use sim_core::trace::{BEGINNING, NodeVerdict, What};

use crate::moment::kind_given;
use crate::output::{HELD, WRONG_INPUT, line};
use crate::report;
use crate::session::{self, Played};
use crate::timeline::{describe, moment, summary};

/// Arguments of `ksim explain`.
#[derive(Args)]
pub struct ExplainArguments {
    /// The scenario file
    scenario: PathBuf,
    /// The object, as KIND/NAME or KIND/NAMESPACE/NAME; NAME may be the beginning of a name
    object: String,
    /// The seed of chance, instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the command and gives its exit code.
pub fn explain(arguments: &ExplainArguments) -> i32 {
    let played = match session::load(&arguments.scenario) {
        Ok(loaded) => {
            let seed = arguments.seed.unwrap_or(loaded.scenario.seed);
            session::play(&Arc::new(loaded), seed, &mut |_, _| {})
        }
        Err(problem) => Err(report::problem(&problem)),
    };
    match played.and_then(|p| tell(&p, &arguments.object)) {
        Ok(()) => HELD,
        Err(message) => {
            eprintln!("error: {}", message.trim_end());
            WRONG_INPUT
        }
    }
}

fn tell(played: &Played, wanted: &str) -> Result<(), String> {
    let cluster = &played.player.cluster;
    let began = played.player.began();
    let mut parts = wanted.split('/');
    let word = parts.next().unwrap_or_default();
    let kind = Kind::from_word(word).or_else(|| custom_kind(played, word)).ok_or_else(|| format!("there is no kind {word:?}"))?;
    let rest: Vec<&str> = parts.collect();
    let (namespace, name) = match rest.as_slice() {
        [name] => ("", *name),
        [namespace, name] => (*namespace, *name),
        _ => return Err("name the object as KIND/NAME".into()),
    };
    let history: Vec<_> = cluster
        .etcd()
        .history()
        .iter()
        .filter(|c| {
            c.object.kind() == kind && c.object.name().starts_with(name) && (namespace.is_empty() || c.object.namespace() == namespace)
        })
        .collect();
    let Some(last) = history.last() else { return Err(format!("{wanted} was never there")) };
    let subject = last.object.key();
    line(&format!("{subject} {}", state(&last.object)));
    line("");
    line("what changed it last, and what led to that:");
    for id in cluster.trace.causes(last.step).into_iter().filter(|id| *id != BEGINNING) {
        if let Some(step) = cluster.trace.step(id) {
            let text = describe(cluster, step).unwrap_or_else(|| match &step.what {
                What::Change { key, .. } => format!("{} changed {key}", step.component),
                What::Node { key, text } => format!("{}: {key}: {text}", step.component),
                What::Http { from, to, path, status, error, .. } => {
                    format!("{from} asked {to} for {path}: {}", error.as_deref().map_or_else(|| status.to_string(), str::to_owned))
                }
                What::Fault { text } => format!("fault: {text}"),
                _ => format!("{} worked on {subject}", step.component),
            });
            line(&format!("{:>9}  {}", moment(step.time, began), text.trim_start()));
        }
    }
    tell_decisions(played, &subject);
    Ok(())
}

/// The custom kind that a word meant last in the run, whether its definition is still there or not.
fn custom_kind(played: &Played, word: &str) -> Option<Kind> {
    let lower = word.to_ascii_lowercase();
    let changes = played.player.cluster.etcd().history().iter().rev();
    let definitions =
        changes.filter_map(|c| CustomResourceDefinition::from_object(&c.object)).map(|definition| Definition::read(definition));
    definitions.filter(|d| d.is_established && d.answers_to(&lower)).find_map(kind_given)
}

fn state(object: &Object) -> String {
    match object {
        Object::Pod(pod) => summary(pod),
        Object::Deployment(d) => {
            let status = d.status.clone().unwrap_or_default();
            let n = |v: Option<i32>| v.unwrap_or(0);
            let conditions: Vec<String> = status
                .conditions
                .iter()
                .flatten()
                .map(|c| format!("{}={} ({})", c.type_, c.status, c.reason.clone().unwrap_or_default()))
                .collect();
            format!(
                "{} replicas, {} updated, {} available; {}",
                n(status.replicas),
                n(status.updated_replicas),
                n(status.available_replicas),
                conditions.join(", ")
            )
        }
        _ => String::new(),
    }
}

/// The last decisions about the object: reconciles with their reasons, the scheduler's table, what its kubelet did.
fn tell_decisions(played: &Played, subject: &sim_apimachinery::ObjectKey) {
    const SHOWN: usize = 12;
    let cluster = &played.player.cluster;
    let began = played.player.began();
    let mut lines = Vec::new();
    for (_, step) in cluster.trace.steps().filter(|(_, s)| s.time >= began) {
        let text = match &step.what {
            What::Reconciled { key, decision, reasons } if key == subject => {
                Some(format!("{}: {decision}; {}", step.component, reasons.join("; ")))
            }
            What::Scheduled(decision) if decision.pod == subject.path() => {
                let mut text = format!("kube-scheduler: {}", decision.message);
                decision.nodes.iter().for_each(|n| text.push_str(&format!("\n             {}", verdict(n))));
                Some(text)
            }
            What::Node { key, text } if key == subject => Some(format!("{}: {text}", step.component)),
            _ => None,
        };
        lines.extend(text.map(|t| format!("{:>9}  {t}", moment(step.time, began))));
    }
    line("");
    line("decisions about it:");
    lines.iter().skip(lines.len().saturating_sub(SHOWN)).for_each(|l| line(l));
}

fn verdict(node: &NodeVerdict) -> String {
    match &node.rejected {
        Some((plugin, reasons)) => format!("{}: refused by {plugin}: {}", node.node, reasons.join(", ")),
        None if node.scores.is_empty() => format!("{}: the only node that can take it", node.node),
        None => {
            let scores: Vec<String> = node.scores.iter().map(|(plugin, score, weight)| format!("{plugin} {score}x{weight}")).collect();
            let total: i64 = node.scores.iter().map(|(_, s, w)| s * w).sum();
            format!("{}: {total} = {}", node.node, scores.join(" + "))
        }
    }
}
