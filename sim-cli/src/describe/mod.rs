//! `ksim describe`: what `kubectl describe` says of objects, as they were at a moment of a scenario.
//! Kinds without a page of their own are shown field by field, as kubectl shows custom resources.

mod config;
mod containers;
mod generic;
mod metadata;
mod network;
mod node;
mod page;
mod pod;
mod policy;
mod view;
mod volumes;
mod workloads;

use clap::Args;
use serde_json::Value;
use sim_apimachinery::{Kind, Object};

use self::page::Page;
use self::view::World;
use crate::moment::Moment;
use crate::output::{HELD, WRONG_INPUT, text};
use crate::session::Played;

/// Arguments of `ksim describe`.
#[derive(Args)]
pub struct DescribeArguments {
    #[command(flatten)]
    moment: Moment,
}

/// Runs the command and gives its exit code.
pub fn describe(arguments: &DescribeArguments) -> i32 {
    match arguments.moment.play().and_then(|played| show(&played, &arguments.moment)) {
        Ok(()) => HELD,
        Err(message) => {
            eprintln!("error: {}", message.trim_end());
            WRONG_INPUT
        }
    }
}

fn show(played: &Played, moment: &Moment) -> Result<(), String> {
    let world = World::new(played, moment.at(played)?);
    let found = moment.objects(played)?;
    let pages: Vec<String> = found.iter().map(|o| page_of(o, &world)).collect();
    text(&pages.join("\n\n"));
    Ok(())
}

fn page_of(object: &Object, world: &World<'_>) -> String {
    let mut page = Page::default();
    write(&mut page, object.kind(), &object.to_json(), world);
    page.finish()
}

fn write(page: &mut Page, kind: Kind, object: &Value, world: &World<'_>) {
    match kind {
        Kind::Pod => pod::pod(page, object, world),
        Kind::Deployment => workloads::deployment(page, object, world),
        Kind::ReplicaSet => workloads::replica_set(page, object, world),
        Kind::StatefulSet => workloads::stateful_set(page, object, world),
        Kind::DaemonSet => workloads::daemon_set(page, object, world),
        Kind::Job => workloads::job(page, object, world),
        Kind::CronJob => workloads::cron_job(page, object, world),
        Kind::Service => network::service(page, object, world),
        Kind::Endpoints => network::endpoints(page, object, world),
        Kind::EndpointSlice => network::endpoint_slice(page, object, world),
        Kind::Ingress => network::ingress(page, object, world),
        Kind::Node => node::node(page, object, world),
        Kind::Namespace => node::namespace(page, object, world),
        Kind::HorizontalPodAutoscaler => policy::autoscaler(page, object, world),
        Kind::PodDisruptionBudget => policy::disruption_budget(page, object, world),
        Kind::ResourceQuota => policy::quota(page, object),
        Kind::LimitRange => policy::limit_range(page, object),
        Kind::PriorityClass => policy::priority_class(page, object, world),
        Kind::ConfigMap => config::config_map(page, object, world),
        Kind::Secret => config::secret(page, object),
        Kind::ServiceAccount => config::service_account(page, object, world),
        Kind::PersistentVolumeClaim => config::claim(page, object, world),
        Kind::PersistentVolume => config::volume(page, object, world),
        Kind::StorageClass => config::storage_class(page, object, world),
        _ => generic::object(page, object, world),
    }
}
