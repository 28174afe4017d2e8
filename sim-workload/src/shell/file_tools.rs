//! The small tools that change files: `touch`, `tee`, `mkdir`, `rm`. Options that are not named here are ignored.

use super::tools::Outcome;
use super::{Host, Shell};

/// Makes empty files of those that are not there.
pub fn touch(shell: &Shell, arguments: &[String], host: &mut Host) -> Outcome {
    let mut outcome = Outcome::default();
    for file in arguments.iter().filter(|word| !word.starts_with('-')) {
        let path = shell.path(file);
        let content = host.files.read(&path).unwrap_or_default().to_string();
        if let Err(error) = host.files.write(&path, content) {
            outcome = Outcome::error(1, format!("touch: {file}: {error}"));
        }
    }
    outcome
}

/// `tee [-a] file…`: writes its input on, and into files.
pub fn tee(shell: &Shell, arguments: &[String], input: &str, host: &mut Host) -> Outcome {
    let append = arguments.iter().any(|word| word == "-a");
    let mut outcome = Outcome::text(input);
    for file in arguments.iter().filter(|word| !word.starts_with('-')) {
        let path = shell.path(file);
        let before = host.files.read(&path).filter(|_| append).unwrap_or_default();
        let content = format!("{before}{input}");
        if let Err(error) = host.files.write(&path, content) {
            outcome.err += &format!("tee: {file}: {error}\n");
            outcome.code = 1;
        }
    }
    outcome
}

/// `mkdir [-p]`.
pub fn make_directories(shell: &Shell, arguments: &[String], host: &mut Host) -> Outcome {
    let parents = arguments.iter().any(|word| word.starts_with('-') && word.contains('p'));
    let mut outcome = Outcome::default();
    for name in arguments.iter().filter(|word| !word.starts_with('-')) {
        let path = crate::files::normal(&shell.path(name));
        let above = path.rsplit_once('/').map_or("/", |(above, _)| above);
        let why = match host.files.is_directory(&path) {
            true if parents => continue,
            true => Err("File exists"),
            false if !parents && !host.files.is_directory(above) => Err("No such file or directory"),
            false => host.files.make_directory(&path),
        };
        if let Err(error) = why {
            outcome.err += &format!("mkdir: can't create directory '{name}': {error}\n");
            outcome.code = 1;
        }
    }
    outcome
}

/// `rm [-f] [-r]`.
pub fn remove(shell: &Shell, arguments: &[String], host: &mut Host) -> Outcome {
    let mut outcome = Outcome::default();
    let has = |letter: [char; 2]| arguments.iter().any(|word| word.starts_with('-') && word.contains(letter));
    let (force, recursive) = (has(['f', 'f']), has(['r', 'R']));
    for file in arguments.iter().filter(|word| !word.starts_with('-')) {
        let path = shell.path(file);
        let is_directory = host.files.read(&path).is_none() && host.files.is_directory(&path);
        let removed = if recursive { host.files.remove_all(&path) } else { host.files.remove(&path) };
        if !removed && is_directory && !recursive {
            outcome = Outcome::error(1, format!("rm: '{file}' is a directory"));
        } else if !removed && !force {
            outcome = Outcome::error(1, format!("rm: can't remove '{file}': No such file or directory"));
        }
    }
    outcome
}
