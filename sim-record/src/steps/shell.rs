//! Commands of a shell, as the recordings of a real cluster were made with. They are run by `bash -c` with the rights of
//! whoever records, so only with `--run-shell`; `kubectl` in them means the recording's context and namespace, through a
//! kubeconfig that holds nothing but that choice and leaves credentials where they are.
//! Variables: `KUBECONFIG`, `M` (the folder of manifests, unless it is set already), `NS` (the namespace), `SPEED`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use kube::config::NamedContext;
use serde_json::{Value, json};
use sim_apimachinery::Kind;
use tokio::process::Command;

use crate::contexts::Chosen;
use crate::resource::Resource;
use crate::session::{Done, Made, Session, StepError};

/// The kubeconfig that chooses context and namespace; its file goes with it.
pub struct Choice(PathBuf);

impl Choice {
    /// Writes it, readable by nobody else, and gives the variable `KUBECONFIG` that puts it before the user's own files.
    pub fn write(chosen: &Chosen, namespace: &str) -> Result<(Choice, String), String> {
        let path = std::env::temp_dir().join(format!("ksim-record-{}-{}.json", std::process::id(), jiff::Timestamp::now().as_nanosecond()));
        let text = choice(&chosen.context, namespace).to_string();
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        let absolute = |p: PathBuf| std::path::absolute(&p).unwrap_or(p);
        let files = std::iter::once(path.clone()).chain(std::env::split_paths(&chosen.files).map(absolute));
        let variable = std::env::join_paths(files).map_err(|e| e.to_string())?;
        Ok((Choice(path), variable.to_string_lossy().into_owned()))
    }
}

impl Drop for Choice {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

fn choice(context: &NamedContext, namespace: &str) -> Value {
    let inner = context.context.clone();
    let mut found = json!({"cluster": inner.as_ref().map(|c| c.cluster.clone()), "namespace": namespace});
    if let Some(user) = inner.and_then(|c| c.user) {
        found["user"] = user.into();
    }
    json!({"apiVersion": "v1", "kind": "Config", "current-context": context.name, "contexts": [{"name": context.name, "context": found}]})
}

/// The folder of manifests: the variable `M`, or `manifests` beside the file or beside its folder.
pub fn manifests(folder: &Path) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("M").filter(|v| !v.is_empty()) {
        return Some(named.into());
    }
    let beside = [folder.join("manifests"), folder.join("../manifests")];
    beside.into_iter().find(|p| p.is_dir()).map(|p| p.canonicalize().unwrap_or(p))
}

impl Session {
    /// Runs a command; gives its exit code and what it printed.
    pub(super) async fn shell(&self, command: &str) -> Done<(i32, String)> {
        let told = |e: std::io::Error| StepError::Failed(format!("bash cannot be run: {e}"));
        let mut bash = Command::new("bash");
        bash.args(["-c", command]).envs(self.variables.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
        // A group of its own, so that all of it can be ended together.
        bash.stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        bash.process_group(0);
        let child = bash.spawn().map_err(told)?;
        let mut group = Group(child.id());
        let output = child.wait_with_output().await.map_err(told)?;
        group.0 = None;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for made in made(&text, &self.namespace) {
            self.remember(made);
        }
        Ok((output.status.code().unwrap_or(-1), text))
    }
}

/// The processes of a command, while it runs; when nobody waits for it any more they are ended.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            _ = std::process::Command::new("kill").args(["-TERM", "--", &format!("-{id}")]).stderr(Stdio::null()).status();
        }
    }
}

/// What kubectl says that it made.
fn made(output: &str, namespace: &str) -> Vec<Made> {
    let object = |line: &str| {
        let shown = line.strip_suffix(" created")?;
        let (word, name) = shown.split_once('/')?;
        let resource = Resource::of(Kind::from_word(word)?);
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
        is_name.then(|| Made::Object { path: format!("{}/{name}", resource.path(namespace)), shown: shown.to_owned() })
    };
    output.lines().filter_map(|line| object(line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_says_it_made_is_remembered() {
        let output = "configmap/fastapi-config created\ndeployment.apps/web configured\ndeployment.apps/api created\nclusterrole.rbac.authorization.k8s.io/r created\nerror/../x created\n";
        let paths: Vec<String> = made(output, "own")
            .into_iter()
            .map(|m| match m {
                Made::Object { path, .. } => path,
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            "/api/v1/namespaces/own/configmaps/fastapi-config",
            "/apis/apps/v1/namespaces/own/deployments/api",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/r",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn the_choice_holds_no_credentials() {
        let context = serde_json::from_value(json!({"name": "kind-a", "context": {"cluster": "c", "user": "u"}})).expect("a context");
        let expected = json!({"apiVersion": "v1", "kind": "Config", "current-context": "kind-a",
            "contexts": [{"name": "kind-a", "context": {"cluster": "c", "user": "u", "namespace": "own"}}]});
        assert_eq!(choice(&context, "own"), expected);
    }
}
