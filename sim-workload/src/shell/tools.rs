//! The small tools of busybox that a shell may run. They read files, variables and what is piped to them, and take no time.
//! Options that are not named here are ignored.

use super::expand::inherited;
use super::redis_cli::redis_cli;
use super::{Host, Shell, file_tools, network_tools, tar};
use crate::files::USUAL_DIRECTORIES;
use crate::process::{Signal, base_name};
use crate::units::SECOND;

/// What a command wrote, and its exit code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub out: String,
    pub err: String,
    pub code: i32,
    /// Whether the errors were written first.
    pub err_first: bool,
}

const TOOLS: [&str; 41] = [
    ":", "[", "ash", "bash", "busybox", "cat", "cd", "clear", "curl", "date", "dash", "echo", "env", "exit", "export", "false", "grep",
    "head", "hostname", "id", "kill", "ls", "mkdir", "nslookup", "printenv", "printf", "pwd", "read", "rm", "seq", "sh", "sleep", "tail",
    "tar", "tee", "test", "touch", "true", "wc", "wget", "whoami",
];

/// Whether a container of an image with a shell can be started with this program.
pub fn is_tool(program: &str) -> bool {
    TOOLS.contains(&program)
}

impl Outcome {
    pub(super) fn text(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    pub(super) fn line(out: impl std::fmt::Display) -> Self {
        Self::text(format!("{out}\n"))
    }

    fn status(code: i32) -> Self {
        Self { code, ..Self::default() }
    }

    pub(super) fn error(code: i32, err: impl std::fmt::Display) -> Self {
        Self { err: format!("{err}\n"), code, ..Self::default() }
    }
}

/// Whether a command reads its input to the end.
pub fn reads_input(words: &[String]) -> bool {
    let (name, arguments) = (base_name(&words[0]), &words[1..]);
    let plain = || arguments.iter().filter(|word| !word.starts_with('-') || *word == "-");
    match name {
        "busybox" if !arguments.is_empty() => reads_input(arguments),
        "cat" => plain().all(|word| word == "-"),
        "head" | "tail" | "wc" => line_files(arguments).is_empty(),
        "grep" => plain().count() == 1,
        "tee" => true,
        "tar" => tar::reads_input(arguments),
        _ => false,
    }
}

/// Runs a tool that writes and ends.
pub fn run(shell: &mut Shell, words: &[String], input: &str, host: &mut Host) -> Outcome {
    let (name, arguments) = (base_name(&words[0]), &words[1..]);
    if let Some(text) = host.profile.spec().image.programs.get(name) {
        return if name == "redis-cli" { redis_cli(shell, arguments, host) } else { Outcome::text(text.clone()) };
    }
    if network_tools::is_network_tool(name) {
        return network_tools::run(shell, name, arguments, host).unwrap_or_default();
    }
    match name {
        ":" | "true" | "sleep" | "wait" => Outcome::default(),
        "false" => Outcome::status(1),
        "busybox" if !arguments.is_empty() => run(shell, arguments, input, host),
        "echo" => echo(arguments),
        "printf" => printf(arguments),
        "cat" => each_file(shell, arguments, input, host, "cat", |text| text.to_string()),
        "head" => each_file(shell, &line_files(arguments), input, host, "head", |text| {
            lines(text, |all| all.into_iter().take(line_count(arguments)).collect())
        }),
        "tail" => each_file(shell, &line_files(arguments), input, host, "tail", |text| {
            lines(text, |all| all[all.len().saturating_sub(line_count(arguments))..].to_vec())
        }),
        "wc" => each_file(shell, &line_files(arguments), input, host, "wc", |text| count(arguments, text)),
        "grep" => grep(shell, arguments, input, host),
        "tee" => file_tools::tee(shell, arguments, input, host),
        "tar" => tar::tar(shell, arguments, input, host),
        "clear" => Outcome::text("\x1b[H\x1b[J"),
        "ls" => list(shell, arguments, host),
        "env" | "printenv" => environment(shell, arguments, host),
        "hostname" => Outcome::line(&host.spec.hostname),
        "whoami" => Outcome::line("root"),
        "id" => Outcome::line("uid=0(root) gid=0(root) groups=0(root)"),
        "pwd" => Outcome::line(&shell.directory),
        "date" => date(arguments, host),
        "seq" => sequence(arguments),
        "touch" => file_tools::touch(shell, arguments, host),
        "rm" => file_tools::remove(shell, arguments, host),
        "mkdir" => file_tools::make_directories(shell, arguments, host),
        "test" => Outcome::status(i32::from(!test(shell, arguments, host))),
        "[" => match arguments.split_last() {
            Some((last, inside)) if last == "]" => Outcome::status(i32::from(!test(shell, inside, host))),
            _ => Outcome::error(2, "sh: missing ]"),
        },
        "kill" => kill(arguments, host),
        "export" | "set" | "trap" | "cd" | "exit" => Outcome::default(),
        _ if host.profile.is_server(name) => Outcome::error(1, format!("{name}: a second server in a container is not modelled")),
        _ => Outcome::error(127, format!("sh: {}: not found", words[0])),
    }
}

fn echo(arguments: &[String]) -> Outcome {
    let flags = arguments.iter().take_while(|word| matches!(word.as_str(), "-n" | "-e" | "-ne" | "-en")).count();
    let has = |flag: char| arguments[..flags].iter().any(|word| word.contains(flag));
    let text = arguments[flags..].join(" ");
    let text = if has('e') { unescape(&text) } else { text };
    if has('n') { Outcome::text(text) } else { Outcome::line(text) }
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

/// `%s`, `%d`, `%%`; the format is used again while arguments are left.
fn printf(arguments: &[String]) -> Outcome {
    let Some((format, mut rest)) = arguments.split_first() else { return Outcome::error(2, "printf: usage: printf FORMAT [ARG]...") };
    let format = unescape(format);
    let mut text = String::new();
    loop {
        let (mut pieces, before) = (format.split('%'), rest.len());
        text.push_str(pieces.next().unwrap_or_default());
        let mut literal = false;
        for piece in pieces {
            match piece.chars().next() {
                _ if literal => literal = false,
                Some('s' | 'd' | 'i') => {
                    text.push_str(rest.first().map_or("", String::as_str));
                    rest = rest.get(1..).unwrap_or_default();
                    text.push_str(&piece[1..]);
                    continue;
                }
                None => literal = true,
                _ => {}
            }
            if literal { text.push('%') } else { text.push_str(piece) }
        }
        if rest.is_empty() || rest.len() == before {
            return Outcome::text(text);
        }
    }
}

fn each_file(shell: &Shell, files: &[String], input: &str, host: &Host, name: &str, show: impl Fn(&str) -> String) -> Outcome {
    let mut outcome = Outcome::default();
    let files: Vec<&String> = files.iter().filter(|word| !word.starts_with('-')).collect();
    if files.is_empty() {
        outcome.out = show(input);
    }
    for file in files {
        match (file.as_str(), host.files.read(&shell.path(file))) {
            (_, Some(text)) => outcome.out.push_str(&show(text)),
            ("/dev/null", None) => {}
            (_, None) => {
                outcome.err.push_str(&format!("{name}: can't open '{file}': No such file or directory\n"));
                outcome.code = 1;
            }
        }
    }
    outcome
}

/// `wc [-l] [-w] [-c]`: lines, words, bytes; all three if none is named.
fn count(arguments: &[String], text: &str) -> String {
    let flags: String = arguments.iter().filter(|word| word.starts_with('-')).map(String::as_str).collect();
    let shown = |flag: char| flags.is_empty() || flags.contains(flag);
    let each = [
        ('l', text.matches('\n').count()),
        ('w', text.split_whitespace().count()),
        ('c', if shown('c') { crate::stdin::bytes_of(text).len() } else { 0 }),
    ];
    let counts: Vec<String> = each.iter().filter(|(flag, _)| shown(*flag)).map(|(_, count)| count.to_string()).collect();
    counts.join(" ") + "\n"
}

/// The file arguments of `head`, `tail` and `wc`: without options and the number after `-n`.
fn line_files(arguments: &[String]) -> Vec<String> {
    let after_n = |index: usize| index > 0 && arguments[index - 1] == "-n";
    arguments.iter().enumerate().filter(|(index, word)| !word.starts_with('-') && !after_n(*index)).map(|(_, word)| word.clone()).collect()
}

fn line_count(arguments: &[String]) -> usize {
    let after_n = arguments.iter().position(|word| word == "-n").and_then(|index| arguments.get(index + 1));
    let dashed = || arguments.iter().find_map(|word| word.strip_prefix("-n").or(word.strip_prefix('-'))?.parse().ok());
    after_n.and_then(|count| count.parse().ok()).or_else(dashed).unwrap_or(10)
}

fn lines(text: &str, choose: impl Fn(Vec<&str>) -> Vec<&str>) -> String {
    choose(text.split_inclusive('\n').collect()).concat()
}

/// `grep [-q] [-v] text [file…]`: plain text, not a pattern.
fn grep(shell: &Shell, arguments: &[String], input: &str, host: &Host) -> Outcome {
    let flags: String = arguments.iter().filter(|word| word.starts_with('-')).map(String::as_str).collect();
    let plain: Vec<String> = arguments.iter().filter(|word| !word.starts_with('-')).cloned().collect();
    let Some((wanted, files)) = plain.split_first() else { return Outcome::error(2, "grep: no pattern") };
    let keep = |line: &&str| line.contains(wanted.as_str()) != flags.contains('v');
    let mut outcome = each_file(shell, files, input, host, "grep", |text| text.split_inclusive('\n').filter(keep).collect());
    outcome.code = if outcome.code == 1 { 2 } else { i32::from(outcome.out.is_empty()) };
    if flags.contains('q') {
        outcome.out.clear();
    }
    outcome
}

fn list(shell: &Shell, arguments: &[String], host: &Host) -> Outcome {
    let mut outcome = Outcome::default();
    let mut paths: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    if paths.is_empty() {
        paths.push(".");
    }
    for path in paths {
        let absolute = shell.path(path);
        if host.files.read(&absolute).is_some() {
            outcome.out.push_str(&format!("{path}\n"));
        } else if host.files.is_directory(&absolute) {
            let mut names = host.files.list(&absolute);
            if crate::files::normal(&absolute) == "/" {
                names.extend(USUAL_DIRECTORIES.iter().map(|name| name[1..].to_owned()));
                names.sort();
                names.dedup();
            }
            outcome.out.extend(names.into_iter().map(|name| name + "\n"));
        } else {
            outcome.err.push_str(&format!("ls: {path}: No such file or directory\n"));
            outcome.code = 1;
        }
    }
    outcome
}

/// The environment sorted by name; with a name, its value.
fn environment(shell: &Shell, arguments: &[String], host: &Host) -> Outcome {
    if let Some(name) = arguments.first() {
        return shell.variable(name, host).map_or(Outcome::status(1), Outcome::line);
    }
    let extra = ["HOSTNAME", "PATH", "HOME"].map(str::to_string);
    let names: std::collections::BTreeSet<&String> = host.spec.env.keys().chain(shell.variables.keys()).chain(&extra).collect();
    let shown = |name: &String| shell.variable(name, host).or_else(|| inherited(name, host)).map(|value| format!("{name}={value}\n"));
    Outcome::text(names.into_iter().filter_map(shown).collect::<String>())
}

fn date(arguments: &[String], host: &Host) -> Outcome {
    let unix = host.spec.unix_seconds_at_zero.saturating_add_unsigned(host.now / SECOND);
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let names = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month_name = months.get(month as usize - 1).copied().unwrap_or_default();
    let weekday = names[days.rem_euclid(7) as usize];
    let format = arguments.iter().find_map(|word| word.strip_prefix('+')).unwrap_or("%a %b %e %T UTC %Y");
    let shown = format
        .replace("%F", "%Y-%m-%d")
        .replace("%T", &time)
        .replace("%H", &time[..2])
        .replace("%M", &time[3..5])
        .replace("%S", &time[6..])
        .replace("%s", &unix.to_string())
        .replace("%Y", &year.to_string())
        .replace("%m", &format!("{month:02}"))
        .replace("%d", &format!("{day:02}"))
        .replace("%e", &format!("{day:2}"))
        .replace("%a", weekday)
        .replace("%b", month_name);
    Outcome::line(shown)
}

/// Year, month and day of a number of days since 1970-01-01 (Gregorian).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.clamp(-100_000_000, 100_000_000) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `seq last`, `seq first last`; at most 100,000 numbers.
fn sequence(arguments: &[String]) -> Outcome {
    let numbers: Vec<i64> = arguments.iter().filter_map(|word| word.parse().ok()).collect();
    let (first, last) = match numbers.as_slice() {
        [last] => (1, *last),
        [first, last] => (*first, *last),
        _ => return Outcome::error(1, "seq: only first and last are modelled"),
    };
    Outcome::text((first..=last).take(100_000).map(|number| format!("{number}\n")).collect::<String>())
}

fn test(shell: &Shell, arguments: &[String], host: &Host) -> bool {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.trim().parse::<i64>().unwrap_or(0);
    match words.as_slice() {
        ["!", rest @ ..] => !test(shell, &arguments[arguments.len() - rest.len()..], host),
        ["-z", text] => text.is_empty(),
        ["-n", text] => !text.is_empty(),
        ["-f" | "-r" | "-s", file] => host.files.read(&shell.path(file)).is_some(),
        ["-d", file] => host.files.is_directory(&shell.path(file)),
        ["-e", file] => host.files.read(&shell.path(file)).is_some() || host.files.is_directory(&shell.path(file)),
        [left, "=" | "==", right] => left == right,
        [left, "!=", right] => left != right,
        [left, "-eq", right] => number(left) == number(right),
        [left, "-ne", right] => number(left) != number(right),
        [left, "-lt", right] => number(left) < number(right),
        [left, "-le", right] => number(left) <= number(right),
        [left, "-gt", right] => number(left) > number(right),
        [left, "-ge", right] => number(left) >= number(right),
        [text] => !text.is_empty(),
        _ => false,
    }
}

/// Only signals to PID 1 matter. SIGKILL from inside the container does not reach PID 1.
fn kill(arguments: &[String], host: &mut Host) -> Outcome {
    let mut signal = "TERM";
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-s" => signal = words.next().unwrap_or("TERM"),
            "1" if matches!(signal.trim_start_matches("SIG"), "TERM" | "15") => host.signals.push(Signal::Term),
            "1" | "0" => {}
            _ if word.starts_with('-') => signal = &word[1..],
            pid => return Outcome::error(1, format!("sh: can't kill pid {pid}: No such process")),
        }
    }
    Outcome::default()
}
