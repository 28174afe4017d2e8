//! `tar` as `kubectl cp` uses it: `tar cf - path…` writes an archive, `tar xf - [-C folder]` takes one in; files instead of
//! `-` too. Archives are ustar; long names of GNU and pax are read.
//! Not modelled: compression, owners, modes and times (all files are root's, 0644, of no time), links, patterns of names.
//! Source: POSIX pax (ustar interchange format), GNU tar's messages, kubectl/pkg/cmd/cp.

use super::reading::is_busybox;
use super::tools::Outcome;
use super::{Host, Shell};
use crate::files::normal;
use crate::stdin::{bytes_of, text_of};

const BLOCK: usize = 512;
/// The most all files of a container may hold after an archive was taken in, in bytes.
const CONTAINER_MAX: usize = 256 << 20;
/// The longest name in a header.
const NAME_MAX: usize = 100;

/// A command line of tar.
#[derive(Default)]
struct Options {
    create: bool,
    extract: bool,
    list: bool,
    verbose: bool,
    file: Option<String>,
    directory: Option<String>,
    names: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Options {
        let mut options = Options::default();
        let mut words = arguments.iter().enumerate();
        while let Some((index, word)) = words.next() {
            let Some(letters) = word.strip_prefix('-').or_else(|| (index == 0).then_some(word.as_str())) else {
                options.names.push(word.clone());
                continue;
            };
            if let Some(long) = letters.strip_prefix('-') {
                match long.split_once('=') {
                    Some(("file", value)) => options.file = Some(value.into()),
                    Some(("directory", value)) => options.directory = Some(value.into()),
                    _ => options.long(long),
                }
                continue;
            }
            for letter in letters.chars() {
                match letter {
                    'c' => options.create = true,
                    'x' => options.extract = true,
                    't' => options.list = true,
                    'v' => options.verbose = true,
                    'f' => options.file = words.next().map(|(_, word)| word.clone()),
                    'C' => options.directory = words.next().map(|(_, word)| word.clone()),
                    _ => {}
                }
            }
        }
        options
    }

    fn long(&mut self, name: &str) {
        match name {
            "create" => self.create = true,
            "extract" => self.extract = true,
            "list" => self.list = true,
            "verbose" => self.verbose = true,
            _ => {}
        }
    }

    fn is_stream(&self) -> bool {
        self.file.as_deref().is_none_or(|file| file == "-")
    }
}

/// Whether it reads its input.
pub fn reads_input(arguments: &[String]) -> bool {
    let options = Options::parse(arguments);
    !options.create && (options.extract || options.list) && options.is_stream()
}

/// Runs it.
pub fn tar(shell: &Shell, arguments: &[String], input: &str, host: &mut Host) -> Outcome {
    let options = Options::parse(arguments);
    let top = shell.path(options.directory.as_deref().unwrap_or("."));
    if !host.files.is_directory(&top) {
        let name = options.directory.unwrap_or_default();
        return refuse(host, 2, &format!("{name}: Cannot open: No such file or directory"));
    }
    if options.create {
        return create(shell, &options, &top, host);
    }
    if !options.extract && !options.list {
        return Outcome::error(2, "tar: You must specify one of the '-Acdtrux', '--delete' or '--test-label' options");
    }
    let archive = match options.file.as_deref().filter(|file| *file != "-") {
        None => input.to_owned(),
        Some(file) => match host.files.read(&shell.path(file)) {
            Some(text) => text.to_owned(),
            None => return refuse(host, 2, &format!("{file}: Cannot open: No such file or directory")),
        },
    };
    let Some(members) = members(&bytes_of(&archive)) else {
        return refuse(host, 2, "This does not look like a tar archive");
    };
    if options.list {
        return Outcome::text(members.iter().map(|m| format!("{}\n", m.name)).collect::<String>());
    }
    extract(&options, &top, members, host)
}

fn refuse(host: &Host, code: i32, text: &str) -> Outcome {
    if is_busybox(&host.spec.image) {
        return Outcome::error(1, format!("tar: {text}"));
    }
    Outcome::error(code, format!("tar: {text}\ntar: Error is not recoverable: exiting now"))
}

fn create(shell: &Shell, options: &Options, top: &str, host: &mut Host) -> Outcome {
    let (mut archive, mut outcome) = (Vec::new(), Outcome { err_first: true, ..Outcome::default() });
    let mut told = false;
    for name in &options.names {
        let path = normal(&if name.starts_with('/') { name.clone() } else { format!("{top}/{name}") });
        let below = host.files.below(&path);
        if below.is_empty() && !host.files.is_directory(&path) {
            outcome.err += &format!("tar: {name}: Cannot stat: No such file or directory\n");
            outcome.code = 2;
            continue;
        }
        let stripped = name.trim_start_matches('/').trim_end_matches('/');
        if name.starts_with('/') && !std::mem::replace(&mut told, true) {
            let text = if is_busybox(&host.spec.image) { "removing leading '/'" } else { "Removing leading `/'" };
            outcome.err += &format!("tar: {text} from member names\n");
        }
        for file in below {
            let member = format!("{stripped}{}", file.strip_prefix(path.as_str()).unwrap_or_default());
            let content = host.files.read(&file).filter(|_| !file.ends_with('/')).map(bytes_of).unwrap_or_default();
            add(&mut archive, member.trim_start_matches('/'), &content);
            if options.verbose {
                outcome.err += &format!("{member}\n");
            }
        }
    }
    if outcome.code != 0 {
        outcome.err += "tar: Exiting with failure status due to previous errors\n";
    }
    // Nothing found is no archive: so who reads it waits for the outcome.
    if !archive.is_empty() || outcome.code == 0 {
        archive.resize(archive.len() + 2 * BLOCK, 0);
    }
    match options.file.as_deref().filter(|file| *file != "-") {
        None => outcome.out = text_of(&archive),
        Some(file) => {
            if let Err(error) = host.files.write(&shell.path(file), text_of(&archive)) {
                return refuse(host, 2, &format!("{file}: Cannot open: {error}"));
            }
        }
    }
    outcome
}

fn extract(options: &Options, top: &str, members: Vec<Member>, host: &mut Host) -> Outcome {
    let mut outcome = Outcome::default();
    let mut held = host.files.size();
    for member in members {
        let path = format!("{top}/{}", member.name.trim_start_matches('/'));
        held += member.content.len();
        let done = match member.is_directory {
            true => host.files.make_directory(&path),
            false if held > CONTAINER_MAX => Err("No space left on device"),
            false => host.files.write(&path, text_of(&member.content)),
        };
        match done {
            Err(error) => {
                outcome.err += &format!("tar: {}: Cannot open: {error}\n", member.name);
                outcome.code = 2;
            }
            Ok(()) if options.verbose => outcome.out += &format!("{}\n", member.name),
            Ok(()) => {}
        }
    }
    if outcome.code != 0 {
        outcome.err += "tar: Exiting with failure status due to previous errors\n";
    }
    outcome
}

struct Member {
    name: String,
    is_directory: bool,
    content: Vec<u8>,
}

/// The files and directories of an archive; `None` if it is none. One that is cut short ends before what is missing.
fn members(mut bytes: &[u8]) -> Option<Vec<Member>> {
    let (mut found, mut long_name) = (Vec::new(), None);
    while let Some((header, rest)) = bytes.split_at_checked(BLOCK) {
        if header.iter().all(|b| *b == 0) {
            break;
        }
        let size = octal(header.get(124..136)?)?;
        if checksum(header) != octal(header.get(148..156)?)? {
            return None;
        }
        let content = rest.get(..size)?;
        bytes = rest.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
        match header[156] {
            b'L' => long_name = Some(string(content)),
            b'x' => long_name = pax_path(content),
            kind => {
                let name = long_name.take().unwrap_or_else(|| own_name(header));
                let is_directory = kind == b'5';
                if matches!(kind, b'0' | 0 | b'7' | b'5') && !name.is_empty() {
                    found.push(Member { name, is_directory, content: content.to_vec() });
                }
            }
        }
    }
    Some(found)
}

fn own_name(header: &[u8]) -> String {
    let prefix = if header[257..].starts_with(b"ustar\0") { string(&header[345..500]) } else { String::new() };
    let name = string(&header[..NAME_MAX]);
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

/// The `path` among the records `length key=value\n`.
fn pax_path(records: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(records);
    text.lines().find_map(|line| Some(line.split_once(' ')?.1.strip_prefix("path=")?.to_owned()))
}

fn string(field: &[u8]) -> String {
    String::from_utf8_lossy(field.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = string(field);
    let digits = text.trim();
    if digits.is_empty() { Some(0) } else { usize::from_str_radix(digits, 8).ok() }
}

/// The sum of a header's bytes, its own field read as blanks.
fn checksum(header: &[u8]) -> usize {
    header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { usize::from(*byte) }).sum()
}

/// Adds a file, or a directory if the name ends with `/`.
fn add(archive: &mut Vec<u8>, name: &str, content: &[u8]) {
    if name.len() > NAME_MAX {
        let long: Vec<u8> = name.bytes().chain([0]).collect();
        add_block(archive, "././@LongLink", b'L', &long);
    }
    let cut: String = name.chars().take(NAME_MAX).collect();
    add_block(archive, &cut, if name.ends_with('/') { b'5' } else { b'0' }, content);
}

fn add_block(archive: &mut Vec<u8>, name: &str, kind: u8, content: &[u8]) {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(NAME_MAX)]);
    put(100, if kind == b'5' { b"0000755\0" } else { b"0000644\0" });
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(265, b"root");
    put(297, b"root");
    let sum = checksum(&header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend(header);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_what_is_unpacked() {
        let long = format!("{}/name", "d".repeat(120));
        let mut archive = Vec::new();
        add(&mut archive, "folder/", b"");
        add(&mut archive, "folder/file", &[0, 255, 10, 13]);
        add(&mut archive, &long, &[7; 513]);
        archive.resize(archive.len() + 2 * BLOCK, 0);
        let found = members(&archive).expect("it is an archive");
        let shown: Vec<(&str, bool, usize)> = found.iter().map(|m| (m.name.as_str(), m.is_directory, m.content.len())).collect();
        assert_eq!(shown, [("folder/", true, 0), ("folder/file", false, 4), (long.as_str(), false, 513)]);
        assert_eq!(found[1].content, [0, 255, 10, 13]);
        assert!(members(&[7; 600]).is_none() && members(&archive[..700]).is_some_and(|m| m.len() == 1));
    }

    #[test]
    fn options_are_read_as_kubectl_writes_them() {
        let options = |text: &str| Options::parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let into = options("-xmf - -C /tmp");
        assert!(into.extract && into.is_stream() && into.directory.as_deref() == Some("/tmp"));
        let from = options("cf - /etc/config");
        assert!(from.create && from.is_stream() && from.names == ["/etc/config"]);
    }
}
