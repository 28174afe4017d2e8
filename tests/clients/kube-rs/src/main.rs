//! A session with kube-rs: a custom kind made from a Rust struct, a controller that turns its objects into Deployments with
//! server-side apply, a reflector, and logs, exec, attach and a forwarded port of the pods.
//! Usage: the program alone; KUBECONFIG names the cluster. Ends with 0 when everything was as a real cluster does it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::controller::Action;
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
use kube::{Client, CustomResource, CustomResourceExt, Resource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAMESPACE: &str = "kube-rs";
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "example.dev", version = "v1", kind = "Shop", namespaced, status = "ShopStatus")]
#[kube(scale(spec_replicas_path = ".spec.replicas", status_replicas_path = ".status.ready"))]
struct ShopSpec {
    #[schemars(range(min = 0, max = 10))]
    replicas: i32,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
struct ShopStatus {
    ready: i32,
}

#[derive(Debug)]
struct Failed(kube::Error);

impl std::fmt::Display for Failed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

impl Error for Failed {}

fn deployment(shop: &Shop) -> serde_json::Value {
    let name = shop.name_any();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "ownerReferences": [shop.controller_owner_ref(&())]},
        "spec": {
            "replicas": shop.spec.replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web", "image": "fastapi-k8s:latest", "imagePullPolicy": "Never",
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 1},
                }]},
            },
        },
    })
}

async fn reconcile(shop: Arc<Shop>, client: Arc<Client>) -> Result<Action, Failed> {
    if shop.meta().deletion_timestamp.is_some() {
        // What it owns is taken down before it: nothing is made again.
        return Ok(Action::await_change());
    }
    let deployments: Api<Deployment> = Api::namespaced((*client).clone(), NAMESPACE);
    let name = shop.name_any();
    let applied =
        deployments.patch(&name, &PatchParams::apply("shop-controller").force(), &Patch::Apply(deployment(&shop))).await.map_err(Failed)?;
    let ready = applied.status.and_then(|s| s.ready_replicas).unwrap_or(0);
    let shops: Api<Shop> = Api::namespaced((*client).clone(), NAMESPACE);
    shops.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": {"ready": ready}}))).await.map_err(Failed)?;
    Ok(Action::await_change())
}

async fn eventually<F: Future<Output = Outcome<bool>>>(what: &str, mut check: impl FnMut() -> F) -> Outcome<()> {
    let wait = async {
        while !check().await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, wait).await.map_err(|_| format!("waited too long for {what}"))?
}

async fn define(client: &Client) -> Outcome<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &Shop::crd()).await?;
    let established = await_condition(definitions, "shops.example.dev", conditions::is_crd_established());
    tokio::time::timeout(PATIENCE, established).await??;
    let space = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &space).await?;
    Ok(())
}

async fn speak_with(pods: &Api<Pod>, name: &str) -> Outcome<()> {
    let log = pods.logs(name, &LogParams { tail_lines: Some(1), ..LogParams::default() }).await?;
    assert!(log.contains("Uvicorn running"), "{log}");
    let follow = LogParams { follow: true, ..LogParams::default() };
    let mut lines = pods.log_stream(name, &follow).await?.lines();
    assert!(lines.try_next().await?.is_some_and(|line| line.contains("Started server process")));

    let mut command = pods.exec(name, ["sh", "-c", "echo out; echo err >&2; exit 3"], &AttachParams::default()).await?;
    let (mut out, mut err) = (String::new(), String::new());
    command.stdout().ok_or("no output")?.read_to_string(&mut out).await?;
    command.stderr().ok_or("no errors")?.read_to_string(&mut err).await?;
    let status = command.take_status().ok_or("no status")?.await.ok_or("the status never came")?;
    assert_eq!((out.as_str(), err.as_str(), status.reason.as_deref()), ("out\n", "err\n", Some("NonZeroExitCode")));

    let mut shell = pods.exec(name, ["sh"], &AttachParams::default().stdin(true).stderr(false)).await?;
    let mut input = shell.stdin().ok_or("no input")?;
    input.write_all(b"hostname\nexit\n").await?;
    let mut out = String::new();
    shell.stdout().ok_or("no output")?.read_to_string(&mut out).await?;
    assert_eq!(out.trim(), name);

    let mut forwarder = pods.portforward(name, &[8000]).await?;
    let mut stream = forwarder.take_stream(8000).ok_or("no stream")?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"ok\""), "{answer}");
    Ok(())
}

async fn session(client: &Client) -> Outcome<()> {
    let shops: Api<Shop> = Api::namespaced(client.clone(), NAMESPACE);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);

    let refused = shops.create(&PostParams::default(), &Shop::new("big", ShopSpec { replicas: 11 })).await;
    assert!(matches!(&refused, Err(kube::Error::Api(status)) if status.code == 422), "{refused:?}");
    shops.create(&PostParams::default(), &Shop::new("corner", ShopSpec { replicas: 2 })).await?;
    let ready = |count| {
        let shops = shops.clone();
        move || {
            let shops = shops.clone();
            async move { Ok(shops.get("corner").await?.status.is_some_and(|s| s.ready == count)) }
        }
    };
    eventually("two ready pods", ready(2)).await?;
    let listed = pods.list(&ListParams::default().labels("app=corner").limit(1)).await?;
    assert!(listed.metadata.continue_.is_some(), "a list can be read in pages");
    speak_with(&pods, &listed.items.first().ok_or("no pod")?.name_any()).await?;

    let (store, writer) = reflector::store();
    let seen = reflector(writer, watcher(pods.clone(), watcher::Config::default())).default_backoff().applied_objects();
    tokio::spawn(seen.for_each(|_| std::future::ready(())));
    store.wait_until_ready().await?;
    let mut scale = shops.get_scale("corner").await?;
    scale.spec.get_or_insert_default().replicas = Some(3);
    shops.replace_scale("corner", &PostParams::default(), &scale).await?;
    eventually("three ready pods", ready(3)).await?;
    eventually("the reflector to see them", || async { Ok(store.state().len() == 3) }).await?;

    let version = shops.get("corner").await?.resource_version().unwrap_or_default();
    let mut watched = shops.watch(&WatchParams::default(), &version).await?.boxed();
    shops.delete("corner", &DeleteParams::foreground()).await?;
    let gone = async {
        while let Some(event) = watched.try_next().await? {
            if matches!(event, WatchEvent::Deleted(_)) {
                return Outcome::Ok(());
            }
        }
        Err("the watch ended before the object did".into())
    };
    tokio::time::timeout(PATIENCE, gone).await??;
    assert!(deployments.get_opt("corner").await?.is_none(), "the Deployment goes before its owner");
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let client = Client::try_default().await?;
    define(&client).await?;
    let shops: Api<Shop> = Api::namespaced(client.clone(), NAMESPACE);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let controller = Controller::new(shops, watcher::Config::default())
        .owns(deployments, watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(500)), Arc::new(client.clone()))
        .for_each(|_| std::future::ready(()));
    tokio::select! {
        () = controller => Err("the controller ended".into()),
        outcome = session(&client) => outcome,
    }
}
