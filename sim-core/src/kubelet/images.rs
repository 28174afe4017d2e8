//! Images on the node: which are there, pulling what is not, one at a time, and the back-off after a failure.
//! Source: kubelet images/image_manager.go; error texts are containerd's. Not modelled: layers shared between images,
//! pull credentials, removal of unused images, mutable tags (a pull of a present image costs only its round trips).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;
use sim_apimachinery::duration;

use super::config::{KubeletConfig, RegistryConfig};
use super::containers::container;
use super::pod_worker::Task;
use super::restart::BackOff;
use super::sync_pod::Flow;
use super::{Kubelet, Uid};
use crate::component::Context;
use crate::time::{MILLISECOND, Nanos, SimTime};

/// An image on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    size_bytes: u64,
    /// `sha256:…`
    id: String,
}

/// The images of a node.
#[derive(Clone, Debug)]
pub struct ImageManager {
    present: BTreeMap<String, Image>,
    backoff: BTreeMap<(Uid, String), (BackOff, SimTime, String)>,
    /// When the pull before the next one is over.
    free_at: SimTime,
}

impl ImageManager {
    /// What the node has in the beginning.
    pub fn new(config: &KubeletConfig) -> Self {
        let present = config.node_config.images.iter().map(|(name, bytes)| (full_name(name), image_of(name, *bytes))).collect();
        ImageManager { present, backoff: BTreeMap::new(), free_at: SimTime(0) }
    }

    /// Forgets what went wrong; the images stay.
    pub fn forget_backoff(&mut self) {
        self.backoff.clear();
    }

    /// The image's name and id as the runtime tells them.
    pub fn in_runtime(&self, image: &str) -> (String, String) {
        let name = full_name(image);
        let id = self.present.get(&name).map(|i| i.id.clone()).unwrap_or_default();
        (name, id)
    }

    /// All images, by size, largest first.
    pub fn list(&self) -> Vec<(String, u64)> {
        let mut list: Vec<(String, u64)> = self.present.iter().map(|(n, i)| (n.clone(), i.size_bytes)).collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list
    }
}

fn image_of(name: &str, size_bytes: u64) -> Image {
    Image { size_bytes, id: format!("sha256:{}", digest(name)) }
}

/// 64 hexadecimal digits that belong to a name.
fn digest(name: &str) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut digits = String::new();
    for round in 0..4_u8 {
        for byte in name.bytes().chain([round]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        digits += &format!("{:016x}", state ^ (state >> 29));
    }
    digits
}

/// `docker.io/library/redis:7` for `redis:7`.
pub fn full_name(image: &str) -> String {
    let (first, rest) = image.split_once('/').unwrap_or(("", image));
    let hosted = first.contains('.') || first.contains(':') || first == "localhost";
    let name = match (hosted, first) {
        (true, _) => image.to_owned(),
        (false, "") => format!("docker.io/library/{rest}"),
        (false, _) => format!("docker.io/{image}"),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains(':') || last.contains('@') { name } else { format!("{name}:latest") }
}

fn is_valid(image: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/:@".contains(c);
    let (name, tag) = image.split_once('@').map_or_else(|| (image, ""), |(n, d)| (n, d));
    let (repository, own_tag) = match name.rsplit_once(':') {
        Some((r, t)) if !t.contains('/') => (r, t),
        _ => (name, ""),
    };
    let tag_fits = own_tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == ':');
    !repository.is_empty()
        && repository.chars().all(allowed)
        && tag_fits
        && !image.ends_with([':', '/', '@'])
        && !image.starts_with(['/', ':', '-', '.'])
}

/// Why an image cannot be pulled, as containerd says it.
fn pull_error(registry: &RegistryConfig, image: &str) -> Option<String> {
    let full = full_name(image);
    let named = |list: &Vec<String>| list.iter().any(|m| m == image || *m == full || *m == repository(image));
    let prefix = format!("failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\":");
    let host = full.split('/').next().unwrap_or_default().to_owned();
    if registry.unreachable.contains(&host) || registry.unreachable.iter().any(|h| h == "*") {
        let path = full.trim_start_matches(&host).rsplit_once(':').map(|(p, t)| format!("/v2{p}/manifests/{t}")).unwrap_or_default();
        return Some(format!("{prefix} failed to do request: Head \"https://{host}{path}\": dial tcp: lookup {host}: no such host"));
    }
    if named(&registry.denied) {
        return Some(format!(
            "{prefix} pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: \
             authorization failed"
        ));
    }
    named(&registry.missing).then(|| format!("rpc error: code = NotFound desc = {prefix} {full}: not found"))
}

fn repository(image: &str) -> String {
    let name = image.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((r, t)) if !t.contains('/') => r.to_owned(),
        _ => name.to_owned(),
    }
}

fn policy(container: &Container) -> &str {
    let image = container.image.as_deref().unwrap_or_default();
    let default = if full_name(image).ends_with(":latest") { "Always" } else { "IfNotPresent" };
    container.image_pull_policy.as_deref().unwrap_or(default)
}

impl Kubelet {
    pub(super) fn ensure_image(&mut self, uid: &Uid, name: &str, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get(uid) else { return Flow::End };
        let Some((_, spec)) = container(&worker.pod, name) else { return Flow::Go };
        let (image, policy) = (spec.image.clone().unwrap_or_default(), policy(&spec).to_owned());
        if !is_valid(&image) {
            let text = format!("couldn't parse image name \"{image}\": invalid reference format");
            self.tell(uid, Some(name), true, "InspectFailed", &format!("Failed to apply default image tag \"{image}\": {text}"), context);
            return self.image_failed(
                uid,
                name,
                "InvalidImageName",
                &format!("Failed to apply default image tag \"{image}\": {text}"),
                context,
            );
        }
        let present = self.images.present.contains_key(&full_name(&image));
        match (present, policy.as_str()) {
            (true, "Always") | (false, "Always" | "IfNotPresent") => self.pull(uid, name, &image, present, context),
            (true, _) => {
                let text = format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
                self.tell(uid, Some(name), false, "Pulled", &text, context);
                self.push_tasks(uid, vec![Task::CreateContainer(name.to_owned())]);
                Flow::Go
            }
            (false, _) => {
                let text = format!("Container image \"{image}\" is not present with pull policy of Never");
                self.tell(uid, Some(name), true, "ErrImageNeverPull", &text, context);
                self.image_failed(uid, name, "ErrImageNeverPull", &text, context)
            }
        }
    }

    fn image_failed(&mut self, uid: &Uid, name: &str, reason: &str, message: &str, context: &mut Context) -> Flow {
        self.tell(uid, Some(name), true, "Failed", &format!("Error: {reason}"), context);
        self.cannot_start(uid, name, reason, message);
        self.fail(uid, None);
        Flow::Go
    }

    fn pull(&mut self, uid: &Uid, name: &str, image: &str, present: bool, context: &mut Context) -> Flow {
        let key = (uid.clone(), image.to_owned());
        if let Some((backoff, failed_at, error)) = self.images.backoff.get_mut(&key)
            && let Some((_, until)) = backoff.waiting(image, *failed_at, context.now)
        {
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {error}");
            self.tell(uid, Some(name), false, "BackOff", &format!("Back-off pulling image \"{image}\""), context);
            let flow = self.image_failed(uid, name, "ImagePullBackOff", &message, context);
            self.fail(uid, Some(until));
            return flow;
        }
        self.tell(uid, Some(name), false, "Pulling", &format!("Pulling image \"{image}\""), context);
        let (config, now) = (self.config.clone(), context.now);
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        let mut takes = config.registry.round_trips.draw(&mut worker.luck.runtime);
        let outcome = match pull_error(&config.registry, image) {
            Some(error) => Err(error),
            None if self.faults.pulls_fail => Err(format!("failed to pull and unpack image \"{}\": registry failure", full_name(image))),
            None => Ok(()),
        };
        if outcome.is_ok() && !present {
            takes += bytes_of(&config.registry, image).saturating_mul(1000) / config.registry.bytes_per_second.max(1) * MILLISECOND;
        }
        let begins = self.images.free_at.max(now);
        self.images.free_at = begins.plus(takes);
        self.push_tasks(uid, vec![Task::Pulled { container: name.to_owned(), began: begins, outcome }]);
        if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
            run.acted = true;
        }
        self.wait(uid, begins.plus(takes).since(now), context)
    }

    pub(super) fn pulled(&mut self, uid: &Uid, name: &str, began: SimTime, outcome: Result<(), String>, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get(uid) else { return Flow::End };
        let asked = worker.run.as_ref().map_or(began, |r| r.began).max(SimTime(0));
        let Some((_, spec)) = container(&worker.pod, name) else { return Flow::Go };
        let image = spec.image.clone().unwrap_or_default();
        let key = (uid.clone(), image.clone());
        if let Err(error) = outcome {
            let entry = self.images.backoff.entry(key).or_default();
            entry.0.waiting(&image, context.now, context.now);
            entry.0.next(context.now, context.now);
            (entry.1, entry.2) = (context.now, error.clone());
            self.tell(uid, Some(name), true, "Failed", &format!("Failed to pull image \"{image}\": {error}"), context);
            return self.image_failed(uid, name, "ErrImagePull", &error, context);
        }
        self.images.backoff.remove(&key);
        let registry = &self.config.registry;
        let fresh = || image_of(&image, bytes_of(registry, &image));
        let size = self.images.present.entry(full_name(&image)).or_insert_with(fresh).size_bytes;
        let millis = |takes: Nanos| duration::go_string(takes / MILLISECOND * MILLISECOND);
        let (took, waited) = (millis(context.now.since(began)), millis(context.now.since(asked.min(began))));
        let text = format!("Successfully pulled image \"{image}\" in {took} ({waited} including waiting). Image size: {size} bytes.");
        self.tell(uid, Some(name), false, "Pulled", &text, context);
        self.push_tasks(uid, vec![Task::CreateContainer(name.to_owned())]);
        Flow::Go
    }
}

fn bytes_of(registry: &RegistryConfig, image: &str) -> u64 {
    let sizes = &registry.sizes;
    sizes.get(image).or_else(|| sizes.get(&repository(image))).copied().unwrap_or(registry.default_size_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does() {
        let check = |image: &str, full: &str| assert_eq!(full_name(image), full);
        check("redis", "docker.io/library/redis:latest");
        check("redis:7", "docker.io/library/redis:7");
        check("team/app:1", "docker.io/team/app:1");
        check("localhost:5000/app", "localhost:5000/app:latest");
        check("ghcr.io/a/b@sha256:00", "ghcr.io/a/b@sha256:00");
    }

    #[test]
    fn only_references_are_valid() {
        for (image, valid) in
            [("redis:7", true), ("localhost:5000/a/b:1", true), ("Redis", false), ("a b", false), ("redis:", false), ("", false)]
        {
            assert_eq!(is_valid(image), valid, "{image}");
        }
    }
}
