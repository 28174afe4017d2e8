//! The commands that are part of the shell: they change it or make it wait.
//! Not modelled: redirections of these commands, `eval`, `.`; options other than those named here are ignored.

use super::reading::Reader;
use super::{Blocked, Host, Shell, parse, redis_cli};
use crate::process::base_name;
use crate::stdin::Taken;
use crate::units::SECOND;

/// Runs a command that changes the shell or waits; false if it is none of those.
pub fn run_builtin(shell: &mut Shell, words: &[String], host: &mut Host) -> bool {
    let (name, arguments) = (base_name(&words[0]), &words[1..]);
    if name == "busybox" && !arguments.is_empty() {
        return run_builtin(shell, arguments, host);
    }
    let first = arguments.first().map(String::as_str);
    shell.status = match (name, first) {
        ("sleep", _) => sleep(shell, arguments, host.now),
        ("tail", _) if arguments.iter().any(|word| word == "-f" || word == "-F") => {
            shell.blocked = Blocked::Forever;
            0
        }
        ("wait", _) => {
            shell.blocked = Blocked::Jobs;
            0
        }
        ("exit" | "return", code) => {
            let code = code.map_or(shell.status, |code| code.parse::<i32>().map_or(2, |code| code & 0xff));
            shell.exiting = Some(code);
            code
        }
        ("cd", target) => change_directory(shell, target.unwrap_or("/root"), host),
        ("export", _) => export(shell, arguments),
        ("unset", _) => unset(shell, arguments),
        ("set", _) => set_options(shell, arguments),
        ("shift", _) => {
            shell.positional.drain(1.min(shell.positional.len())..2.min(shell.positional.len()));
            0
        }
        ("trap", _) => trap(shell, arguments),
        ("read", _) => read(shell, arguments, host),
        ("sh" | "ash" | "bash" | "dash", _) => return run_shell(shell, name == "bash", arguments, host),
        ("redis-cli", _) if host.stdin.is_some() && host.store.is_some() => match redis_cli::options(shell, arguments, host) {
            (password, []) => {
                shell.begin_reading(Reader::RedisCli { password });
                0
            }
            _ => return false,
        },
        _ => return false,
    };
    true
}

/// `sleep 5`, `0.5`, `2m`, `infinity`.
fn sleep(shell: &mut Shell, arguments: &[String], now: u64) -> i32 {
    let mut total = 0u64;
    for argument in arguments {
        match sleep_nanos(argument) {
            Some(nanos) => total = total.saturating_add(nanos),
            None => {
                shell.fail(1, &format!("sleep: invalid number '{argument}'"));
                return 1;
            }
        }
    }
    if arguments.is_empty() {
        shell.fail(1, "sleep: missing operand");
        return 1;
    }
    shell.blocked = match now.checked_add(total) {
        Some(until) => Blocked::Until(until),
        None => Blocked::Forever,
    };
    0
}

fn sleep_nanos(text: &str) -> Option<u64> {
    if matches!(text, "infinity" | "inf") {
        return Some(u64::MAX);
    }
    let (number, factor) = match text.char_indices().last()? {
        (end, 's') => (&text[..end], 1),
        (end, 'm') => (&text[..end], 60),
        (end, 'h') => (&text[..end], 3600),
        (end, 'd') => (&text[..end], 86_400),
        _ => (text, 1),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let whole = if whole.is_empty() && !fraction.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let nanos = whole.saturating_mul(SECOND).saturating_add(digits.parse::<u64>().ok()?);
    Some(nanos.saturating_mul(factor))
}

fn change_directory(shell: &mut Shell, target: &str, host: &Host) -> i32 {
    let path = crate::files::normal(&shell.path(target));
    if host.files.is_directory(&path) {
        shell.directory = path;
        return 0;
    }
    shell.fail(1, &format!("cd: can't cd to {target}: No such file or directory"));
    1
}

fn export(shell: &mut Shell, arguments: &[String]) -> i32 {
    for argument in arguments {
        if let Some((name, value)) = argument.split_once('=') {
            shell.set(name.to_string(), value.to_string());
        }
    }
    0
}

fn unset(shell: &mut Shell, arguments: &[String]) -> i32 {
    for name in arguments {
        shell.variables.remove(name);
        if !shell.unset.contains(name) {
            shell.unset.push(name.clone());
        }
    }
    0
}

fn set_options(shell: &mut Shell, arguments: &[String]) -> i32 {
    for argument in arguments {
        match argument.split_at_checked(1) {
            Some(("-", options)) if options.contains('e') => shell.exit_on_error = true,
            Some(("+", options)) if options.contains('e') => shell.exit_on_error = false,
            _ => {}
        }
    }
    0
}

fn trap(shell: &mut Shell, arguments: &[String]) -> i32 {
    let Some((action, names)) = arguments.split_first() else { return 0 };
    for name in names {
        let name = match name.strip_prefix("SIG").unwrap_or(name) {
            "15" => "TERM",
            "0" => "EXIT",
            "2" => "INT",
            other => other,
        };
        if action == "-" {
            shell.traps.remove(name);
        } else {
            shell.traps.insert(name.to_string(), action.clone());
        }
    }
    0
}

/// `read [-r] name…`: a line of the input, the last name getting all that is left of it.
fn read(shell: &mut Shell, arguments: &[String], host: &mut Host) -> i32 {
    let Some(Taken::Line(line)) = host.take_line() else { return 1 };
    let names: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let mut rest = line.trim();
    for (index, name) in names.iter().enumerate() {
        let (word, after) = if index + 1 < names.len() { rest.split_once(char::is_whitespace).unwrap_or((rest, "")) } else { (rest, "") };
        shell.set((*name).clone(), word.to_owned());
        rest = after.trim_start();
    }
    i32::from(!line.ends_with('\n'))
}

/// `sh -c script [name arguments…]` or `sh file`.
fn run_shell(shell: &mut Shell, bash: bool, arguments: &[String], host: &mut Host) -> bool {
    let flags: String = arguments.iter().take_while(|word| word.starts_with('-')).map(|word| word.trim_start_matches('-')).collect();
    let rest: Vec<String> = arguments.iter().skip_while(|word| word.starts_with('-')).cloned().collect();
    let text = match rest.first() {
        None => {
            if host.stdin.is_some() {
                shell.begin_reading(Reader::Shell { bash });
            } else {
                shell.exiting = (shell.frames.len() == 1).then_some(0);
            }
            return true;
        }
        Some(script) if flags.contains('c') => script.clone(),
        Some(file) => match host.files.read(&shell.path(file)) {
            Some(text) => text.to_string(),
            None => {
                shell.fail(2, &format!("can't open '{file}': No such file or directory"));
                return true;
            }
        },
    };
    match parse::parse(&text) {
        Ok(script) => {
            shell.exit_on_error |= flags.contains('e');
            let outermost = shell.frames.len() == 1;
            shell.positional = rest.get(1..).filter(|_| flags.contains('c')).unwrap_or(&rest).to_vec();
            shell.push_frame(script, !outermost);
        }
        Err(error) => shell.fail(2, &error),
    }
    true
}
