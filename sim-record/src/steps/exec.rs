//! `kubectl exec`, over a WebSocket.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use sim_core::scenario::format::Exec;
use tokio::io::AsyncReadExt;

use crate::cluster::name_of;
use crate::session::{Done, Session, StepError};

/// More output than this is not read.
const OUTPUT_MAX: u64 = 1 << 20;

impl Session {
    pub(super) async fn exec(&self, exec: &Exec, out: &mut String) -> Done<()> {
        let pods = self.pods(&exec.pod, exec.namespace.as_deref()).await?;
        let pod = pods.first().map(name_of).unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.cluster.client(), &self.namespace(exec.namespace.as_deref()));
        let params = AttachParams { container: exec.container.clone(), stdout: true, stderr: true, ..AttachParams::default() };
        let told = |e: kube::Error| StepError::Failed(format!("error: unable to upgrade connection: {e}"));
        let mut process = api.exec(pod, exec.command.clone(), &params).await.map_err(told)?;
        let status = process.take_status();
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
        let output = format!("{stdout}{stderr}");
        let status = match status {
            Some(status) => status.await,
            None => None,
        };
        let code = status.as_ref().map_or(0, exit_code);
        if code != exec.exit {
            return Err(StepError::Failed(format!("command terminated with exit code {code}, expected {}: {output}", exec.exit)));
        }
        if let Some(wanted) = exec.output.as_ref().filter(|wanted| !output.contains(*wanted)) {
            return Err(StepError::Failed(format!("expected output with {wanted:?}, got {output:?}")));
        }
        out.push_str(&output);
        Ok(())
    }
}

async fn read(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What came before the stream broke is what there is.
        _ = stream.take(OUTPUT_MAX).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn exit_code(status: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Status) -> i32 {
    if status.status.as_deref() == Some("Success") {
        return 0;
    }
    let causes = status.details.iter().flat_map(|d| d.causes.iter().flatten());
    let code = causes.filter(|c| c.reason.as_deref() == Some("ExitCode")).find_map(|c| c.message.as_deref()?.parse().ok());
    code.unwrap_or(1)
}
