//! From a path to a played scenario: files found and read, the cluster made from the profile, the run done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use sim_core::checks::{self, Violation};
use sim_core::cluster::{Cluster, Profile, Settings};
use sim_core::scenario::{self, Loaded, Outcome, Player, Problem};
use sim_core::time::{MICROSECOND, SimTime};
use sim_core::trace::recording;
use sim_core::view;

/// Larger files than this are not read.
const FILE_BYTES_MAX: u64 = 3 << 20;
/// Steps in one part of a document.
const STEPS_IN_PART: usize = 5_000;

/// A run that was played.
pub struct Played {
    /// The scenario.
    pub loaded: Arc<Loaded>,
    /// What came of it.
    pub outcome: Outcome,
    /// The player, with the cluster as it is at the end.
    pub player: Player,
    /// The seed.
    pub seed: u64,
}

/// The scenario files that paths mean: files themselves, and the `.yaml` files of folders, in order of their names;
/// folders called `manifests` hold what scenarios apply, not scenarios.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(in_folder(path)?);
        } else if path.exists() {
            found.push(path.clone());
        } else {
            return Err(format!("{}: no such file or folder", path.display()));
        }
    }
    if found.is_empty() { Err("no scenario files were found (they end in .yaml)".into()) } else { Ok(found) }
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in entries.filter_map(Result::ok).map(|e| e.path()) {
        if entry.is_dir() && entry.file_name().is_some_and(|n| n == "manifests") {
            continue;
        }
        if entry.is_dir() {
            found.extend(in_folder(&entry)?);
        } else if entry.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{}: the file has {size} bytes, at most {FILE_BYTES_MAX} are read", path.display()));
    }
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    String::from_utf8(bytes).map_err(|_| format!("{}: the file is not text (UTF-8)", path.display()))
}

/// Reads a scenario file and the manifests it names.
pub fn load(path: &Path) -> Result<Loaded, Problem> {
    let name = path.display().to_string();
    let text = read(path).map_err(|message| {
        let message = message.strip_prefix(&format!("{name}: ")).unwrap_or(&message).to_owned();
        Problem { file: name.clone(), position: Default::default(), message, hint: String::new() }
    })?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    scenario::load(&name, &text, &mut |file| read(&folder.join(file)))
}

/// Plays a scenario. `watch` is called whenever the trace may have grown.
pub fn play(loaded: &Arc<Loaded>, seed: u64, watch: &mut dyn FnMut(&Cluster, SimTime)) -> Result<Played, String> {
    play_with(loaded, seed, &Settings::default(), watch)
}

/// Plays a scenario on a cluster with these settings.
pub fn play_with(loaded: &Arc<Loaded>, seed: u64, settings: &Settings, watch: &mut dyn FnMut(&Cluster, SimTime)) -> Result<Played, String> {
    play_on(scenario::profile(&loaded.scenario.cluster)?, loaded, seed, settings, watch)
}

/// Plays a scenario on a cluster made from this profile.
pub fn play_on(
    profile: Profile,
    loaded: &Arc<Loaded>,
    seed: u64,
    settings: &Settings,
    watch: &mut dyn FnMut(&Cluster, SimTime),
) -> Result<Played, String> {
    let workloads = scenario::workloads(&loaded.scenario.cluster)?;
    let cluster = Cluster::with(Arc::new(profile), Arc::new(workloads), seed, settings)?;
    let mut player = Player::new(cluster, loaded.clone());
    let began = player.began();
    let outcome = player.play(&mut |cluster| watch(cluster, began));
    Ok(Played { loaded: loaded.clone(), outcome, player, seed })
}

impl Played {
    /// Rules about the whole world that were broken.
    pub fn violations(&self) -> Vec<Violation> {
        checks::violations(self.player.cluster.etcd())
    }

    /// The recording of the run, line by line.
    pub fn recording(&self, write: &mut dyn FnMut(&str)) {
        let scenario = &self.loaded.scenario;
        let header = recording::Header {
            name: scenario.metadata.name.clone(),
            about: scenario.about.clone(),
            began: self.player.began(),
            namespace: scenario.record_namespace.clone().unwrap_or_default(),
        };
        recording::write(&header, self.player.cluster.etcd(), &self.player.cluster.trace, write);
    }

    /// The run as a document of the browser view, part by part; the last one tells how it ended.
    pub fn view(&self, write: &mut dyn FnMut(&Value)) {
        let (scenario, cluster, began) = (&self.loaded.scenario, &self.player.cluster, self.player.began());
        write(&view::head(cluster, began, &scenario.metadata.name, &scenario.about, self.seed));
        let mut writer = view::Writer::new(began);
        while let Some(part) = writer.part(cluster, STEPS_IN_PART).or_else(|| writer.rest(cluster)) {
            write(&part);
        }
        let verdicts: Vec<Value> = self
            .outcome
            .verdicts
            .iter()
            .map(|v| json!({"name": v.name, "held": v.held, "line": v.line, "detail": v.detail, "step": v.step}))
            .collect();
        write(&json!({"end": cluster.now().since(began) / MICROSECOND, "verdicts": verdicts}));
    }

    /// A number that tells recordings apart: FNV-1a of all lines, 64 bits.
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        self.recording(&mut |line| {
            for byte in line.bytes().chain([b'\n']) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        });
        hash
    }
}
