//! Which cluster may be recorded. A recording writes to its cluster, so the context is always named, never the current one,
//! and only clusters that are known to be somebody's own machine are taken without being named twice.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig, NamedContext};

use crate::failure::Failure;

/// Contexts that are taken as they are; a star stands for anything.
pub const ALLOWED: [&str; 9] =
    ["docker-desktop", "docker-for-desktop", "kind-*", "minikube", "k3d-*", "rancher-desktop", "orbstack", "colima", "ksim"];

/// A context that may be recorded, with all that is needed to reach its cluster.
pub struct Chosen {
    /// The context.
    pub context: NamedContext,
    /// How the cluster is reached.
    pub config: kube::Config,
    /// The kubeconfig files that name it, as `KUBECONFIG` lists them.
    pub files: String,
}

/// Whether a context is on the list.
pub fn is_allowed(context: &str) -> bool {
    ALLOWED.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(begin) => context.len() > begin.len() && context.starts_with(begin),
        None => *pattern == context,
    })
}

/// Refuses a context that is neither on the list nor named a second time.
pub fn check(context: &str, named_again: Option<&str>) -> Result<(), Failure> {
    if named_again.is_some_and(|again| again != context) {
        return Err(Failure::Input(format!("--allow-context must name the context in full, {context}, and not another one")));
    }
    if is_allowed(context) || named_again == Some(context) {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "the context {context} is not allowed: recording writes to its cluster. Allowed are {}; any other with --allow-context {context}",
        ALLOWED.join(", ")
    )))
}

/// Finds the context in the kubeconfig. `own` is the place of the kubeconfig of `ksim serve`, looked at for the context `ksim`.
pub async fn choose(context: &str, path: Option<&Path>, own: &Path) -> Result<Chosen, Failure> {
    let files = files(path);
    let (mut kubeconfig, mut files) = (read(path, &files)?, files);
    let has = |config: &Kubeconfig| config.contexts.iter().any(|c| c.name == context);
    if path.is_none() && context == "ksim" && !has(&kubeconfig) && own.exists() {
        files = own.display().to_string();
        kubeconfig = read(Some(own), &files)?;
    }
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|c| c.name.as_str()).collect();
    let Some(found) = kubeconfig.contexts.iter().find(|c| c.name == context).cloned() else {
        let there = if names.is_empty() { "no contexts".to_owned() } else { names.join(", ") };
        return Err(Failure::Input(format!("there is no context {context:?} in {files}; it has {there}")));
    };
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
    let config = config.await.map_err(|e| Failure::Input(format!("the context {context} in {files} cannot be used: {e}")))?;
    Ok(Chosen { context: found, config, files })
}

/// The kubeconfig files meant, as kubectl chooses them.
fn files(path: Option<&Path>) -> String {
    if let Some(path) = path {
        return path.display().to_string();
    }
    let named = std::env::var("KUBECONFIG").ok().filter(|v| !v.is_empty());
    named.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        home.join(".kube/config").display().to_string()
    })
}

fn read(path: Option<&Path>, files: &str) -> Result<Kubeconfig, Failure> {
    let read = match path {
        Some(path) => Kubeconfig::read_from(path),
        None if std::env::split_paths(files).any(|p| p.exists()) => Kubeconfig::read(),
        // No kubeconfig at all is one without contexts.
        None => Ok(Kubeconfig::default()),
    };
    read.map_err(|e| Failure::Input(format!("{files}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clusters_of_ones_own_machine_are_taken_as_they_are() {
        for context in ["docker-desktop", "kind-test", "minikube", "k3d-a", "ksim"] {
            assert_eq!(check(context, None), Ok(()), "{context}");
        }
        for context in ["prod", "kind-", "arn:aws:eks:eu-west-1:1:cluster/kind-x", "docker-desktop2", ""] {
            assert!(check(context, None).is_err(), "{context}");
        }
    }

    #[test]
    fn any_context_is_taken_when_it_is_named_twice_and_only_then() {
        assert_eq!(check("prod", Some("prod")), Ok(()));
        assert!(check("prod", Some("test")).is_err());
        assert!(check("minikube", Some("test")).is_err());
        let Err(Failure::Input(told)) = check("prod", None) else { panic!("it is refused") };
        assert!(told.contains("docker-desktop") && told.contains("--allow-context prod"), "{told}");
    }
}
