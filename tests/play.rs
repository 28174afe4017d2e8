//! Plays a scenario in the test's own process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sim_core::cluster::Cluster;
use sim_core::scenario::{self, Loaded, Outcome, Player};
use sim_core::trace::recording;
use sim_workload::ProfileSet;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

/// All scenario files, in order.
pub fn scenario_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join("scenarios"), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "manifests") {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
}

/// Reads a scenario file.
pub fn load(path: &Path) -> Arc<Loaded> {
    let text = std::fs::read_to_string(path).expect("the scenario can be read");
    let folder = path.parent().expect("a file is in a folder").to_owned();
    let read = &mut |file: &str| std::fs::read_to_string(folder.join(file)).map_err(|e| e.to_string());
    Arc::new(scenario::load(&path.display().to_string(), &text, read).unwrap_or_else(|p| panic!("{p:?}")))
}

/// Plays it on its profile.
pub fn play(loaded: &Arc<Loaded>, seed: u64) -> (Outcome, Player) {
    let choice = &loaded.scenario.cluster;
    let profile = scenario::profile(choice).expect("the profile is shipped");
    let mut workloads = ProfileSet::builtin();
    choice.workloads.iter().for_each(|w| assert!(workloads.prefer(w), "{w} is shipped"));
    let cluster = Cluster::new(Arc::new(profile), Arc::new(workloads), seed);
    let mut player = Player::new(cluster, loaded.clone());
    let outcome = player.play(&mut |_| {});
    (outcome, player)
}

/// The recording of a run as one text.
pub fn recorded(loaded: &Loaded, player: &Player) -> String {
    let header = recording::Header {
        name: loaded.scenario.metadata.name.clone(),
        about: loaded.scenario.about.clone(),
        began: player.began(),
        namespace: loaded.scenario.record_namespace.clone().unwrap_or_default(),
    };
    let mut text = String::new();
    recording::write(&header, player.cluster.etcd(), &player.cluster.trace, &mut |line| {
        text.push_str(line);
        text.push('\n');
    });
    text
}
