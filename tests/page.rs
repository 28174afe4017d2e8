//! The built page belongs to its sources: whoever changes `ui/src` and forgets to build it is told, without Node.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::play::root;

/// Besides `src`, what the page is built from (`ui/build.mjs` says so).
const FILES: [&str; 6] = ["build.mjs", "index.html", "package-lock.json", "package.json", "svelte.config.js", "tsconfig.json"];

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_built_page_is_made_from_the_sources_that_are_there() {
    let ui = root().join("ui");
    let mut files: Vec<PathBuf> = FILES.iter().map(|name| ui.join(name)).collect();
    collect(&ui.join("src"), &mut files);
    let name = |path: &PathBuf| path.strip_prefix(&ui).expect("it is in ui/").to_string_lossy().replace('\\', "/");
    let mut lines: Vec<(String, String)> = files.iter().map(|p| (name(p), hex(&std::fs::read(p).expect("it can be read")))).collect();
    lines.sort();
    let text: String = lines.iter().map(|(path, hash)| format!("{path}\t{hash}\n")).collect();
    let built = std::fs::read_to_string(ui.join("dist/.source-hash")).expect("the page is built");
    assert_eq!(built.trim(), hex(text.as_bytes()), "ui/dist is older than ui/src: run `npm ci && npm run build` in ui/");
}
