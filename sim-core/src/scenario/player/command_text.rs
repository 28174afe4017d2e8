//! What a step of a scenario looks like at a shell: the text the trace shows for it.

use crate::scenario::format::{PatchType, Selection, Step};

/// The step as a command, for the trace.
pub fn describe(step: &Step) -> String {
    let object = |s: &Selection| {
        let name = s.name.clone().unwrap_or_else(|| format!("-l {}", s.selector.clone().unwrap_or_default()));
        format!("{} {name}", s.kind.to_ascii_lowercase())
    };
    match step {
        Step { apply: Some(a), .. } => {
            let folder = a.kustomize.as_ref().map(|k| format!(" -k {k}")).unwrap_or_default();
            let files = if a.files.is_empty() && a.kustomize.is_none() {
                " -f -".into()
            } else {
                a.files.iter().map(|f| format!(" -f {f}")).collect::<String>()
            };
            let options = [(a.server_side, " --server-side"), (a.force_conflicts, " --force-conflicts"), (a.dry_run, " --dry-run=server")];
            let options: String = options.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
            format!("kubectl apply{options}{folder}{files}")
        }
        Step { get: Some(selection), .. } => {
            let labels = selection.selector.as_ref().map(|s| format!(" -l {s}")).unwrap_or_default();
            let name = selection.name.as_ref().map(|n| format!(" {n}")).unwrap_or_default();
            format!("kubectl get {}{name}{labels} -o name", selection.kind.to_ascii_lowercase())
        }
        Step { delete: Some(d), .. } => {
            format!("kubectl delete {}", d.object.as_ref().map_or_else(|| format!("-f {}", d.files.join(" -f ")), object))
        }
        Step { patch: Some(p), .. } => {
            let how = match p.kind {
                PatchType::Json => " --type=json",
                PatchType::Merge => " --type=merge",
                PatchType::Strategic => "",
            };
            format!("kubectl patch {}{how} -p '{}'", object(&p.object), p.patch)
        }
        Step { scale: Some(s), .. } => format!("kubectl scale {} --replicas={}", object(&s.object), s.replicas),
        Step { set: Some(s), .. } if !s.image.is_empty() => {
            format!("kubectl set image {} {}", object(&s.object), pairs(s.image.iter().map(|(k, v)| (k, Some(v)))))
        }
        Step { set: Some(s), .. } => format!("kubectl set env {} {}", object(&s.object), pairs(s.env.iter().map(|(k, v)| (k, v.as_ref())))),
        Step { rollout: Some(r), .. } => {
            format!("kubectl rollout {} {}", format!("{:?}", r.action).to_ascii_lowercase(), object(&r.object))
        }
        Step { label: Some(l), .. } => {
            format!("kubectl label {} {}", object(&l.object), pairs(l.labels.iter().map(|(k, v)| (k, v.as_ref()))))
        }
        Step { taint: Some(t), .. } => format!("kubectl taint nodes {} {}", t.node, t.taint),
        Step { cordon: Some(n), .. } => format!("kubectl cordon {}", n.node),
        Step { uncordon: Some(n), .. } => format!("kubectl uncordon {}", n.node),
        Step { drain: Some(d), .. } => format!("kubectl drain {} --ignore-daemonsets", d.node),
        Step { http: Some(h), .. } => {
            format!("{} {} to {}", h.method, h.path, h.to.service.as_ref().or(h.to.host.as_ref()).cloned().unwrap_or_else(|| "pods".into()))
        }
        Step { load: Some(l), .. } if l.stop => format!("stop the load {}", l.name),
        Step { load: Some(l), .. } => format!("load {}: {} {} a second", l.name, l.path, l.per_second),
        Step { exec: Some(e), .. } => format!("kubectl exec {} -- {}", e.pod.name.clone().unwrap_or_default(), e.command.join(" ")),
        Step { fault: Some(f), .. } => format!("fault {}", serde_json::to_value(f).unwrap_or_default()),
        Step { wait: Some(_), .. } => "wait".into(),
        _ => String::new(),
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, Option<&'a String>)>) -> String {
    let texts: Vec<String> = pairs.map(|(k, v)| v.map_or_else(|| format!("{k}-"), |v| format!("{k}={v}"))).collect();
    texts.join(" ")
}
