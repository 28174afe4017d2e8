//! Commands that run beside the main program in simulated time (`kubectl exec`), and what somebody who attached gives to
//! them or to the main program. A command is moved on by [`Process::advance`] with everything else of the process, so a loop
//! in it sees the cluster change, and it dies with the container.
//! Not modelled: CPU and memory of such commands, programs that draw on a terminal, input of servers.

use std::collections::BTreeMap;

use super::{Process, Program, Signal, Stream};
use crate::shell::{Host, Shell, Turn};
use crate::stdin::{Given, Stdin};

/// Commands that may run at a time.
const RUNNING_MAX: usize = 100;
/// Commands whose end is remembered.
const ENDED_KEPT: usize = 20;
/// What is kept of what a program wrote, in bytes; of more the oldest is dropped, but never the last piece.
const WRITTEN_MAX: usize = 4 << 20;

/// A command beside the main program.
#[derive(Clone, Debug, PartialEq)]
struct Command {
    shell: Shell,
    stdin: Option<Stdin>,
    written: Written,
    code: Option<i32>,
    left: bool,
}

/// What a program wrote.
#[derive(Clone, Debug, Default, PartialEq)]
struct Written {
    dropped: usize,
    bytes: usize,
    pieces: Vec<(Stream, String)>,
}

/// All that belongs to commands in a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Commands {
    running: BTreeMap<u64, Command>,
    /// The main program's input, and what it wrote, if its input is open.
    pub stdin: Stdin,
    main: Written,
}

/// What a program wrote from some piece on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The pieces; bytes that are no UTF-8 as [`crate::text_of`] writes them.
    pub pieces: Vec<(Stream, String)>,
    /// The number of the next piece.
    pub next: usize,
    /// Its exit code, if it is over.
    pub code: Option<i32>,
}

impl Written {
    fn push(&mut self, stream: Stream, text: String) {
        self.bytes += text.len();
        self.pieces.push((stream, text));
        let mut excess = self.bytes.saturating_sub(WRITTEN_MAX);
        let old = self.pieces.iter().rev().skip(1).rev().take_while(|(_, text)| {
            let drops = excess > 0;
            excess = excess.saturating_sub(text.len());
            drops
        });
        let count = old.count();
        self.bytes -= self.pieces.drain(..count).map(|(_, text)| text.len()).sum::<usize>();
        self.dropped += count;
    }

    fn told(&self, from: usize, code: Option<i32>) -> Told {
        let pieces = self.pieces.get(from.saturating_sub(self.dropped)..).unwrap_or_default().to_vec();
        Told { pieces, next: self.dropped + self.pieces.len(), code }
    }
}

impl Commands {
    /// None yet; whether the main program's input is a terminal.
    pub fn new(tty: bool) -> Commands {
        Commands { stdin: Stdin::new(tty), ..Commands::default() }
    }

    /// The next command that wants to run, and when.
    pub fn wake(&self, now: u64) -> Option<(u64, u64)> {
        let running = self.running.iter().filter(|(_, command)| command.code.is_none());
        running.filter_map(|(id, command)| Some((command.shell.wake(now)?, *id))).min()
    }

    /// The main program wrote something.
    pub fn main_wrote(&mut self, stream: Stream, text: String) {
        self.main.push(stream, text);
    }

    /// The container is gone, and all commands with it.
    pub fn kill(&mut self) {
        self.running.values_mut().filter(|command| command.code.is_none()).for_each(|command| command.over(137));
    }

    fn asking(&mut self) -> Option<&mut Command> {
        self.running.values_mut().find(|command| command.code.is_none() && command.shell.calling().is_some())
    }

    fn forget_old(&mut self) {
        let ended: Vec<u64> = self.running.iter().filter(|(_, command)| command.code.is_some()).map(|(id, _)| *id).collect();
        ended.iter().take(ended.len().saturating_sub(ENDED_KEPT)).for_each(|id| _ = self.running.remove(id));
    }
}

impl Command {
    fn over(&mut self, code: i32) {
        (self.code, self.shell, self.stdin) = (Some(code), Shell::default(), None);
    }

    fn take(&mut self, given: &Given) {
        match given {
            Given::Interrupt => {
                self.stdin.iter_mut().for_each(Stdin::flush);
                self.shell.interrupt();
            }
            // The terminal is gone: SIGHUP. Without one the command goes on.
            Given::Left if self.stdin.as_ref().is_some_and(|stdin| stdin.tty) => self.over(129),
            Given::Left => self.left = true,
            Given::Text(_) | Given::End => {}
        }
        self.stdin.iter_mut().for_each(|stdin| stdin.take_in(given));
        self.shell.input_came();
    }
}

impl Process {
    /// Begins a command under a number of the caller's; [`Process::advance`] runs it. The error is the runtime's text.
    pub fn begin_command(&mut self, now: u64, id: u64, argv: &[String], stdin: bool, tty: bool) -> Result<(), String> {
        let Some(program) = argv.first().filter(|_| !self.is_exited()) else {
            return Err(if argv.is_empty() { "no command specified" } else { "container not running" }.into());
        };
        self.profile.check_program(program)?;
        if self.commands.running.values().filter(|command| command.code.is_none()).count() >= RUNNING_MAX {
            return Err("fork/exec: resource temporarily unavailable".into());
        }
        self.meter.settle(now);
        let stdin = (stdin || tty).then(|| Stdin::new(tty));
        let command = Command { shell: Shell::command(argv), stdin, written: Written::default(), code: None, left: false };
        self.commands.running.insert(id, command);
        self.commands.forget_old();
        Ok(())
    }

    /// Runs a command until it waits.
    pub(super) fn run_command(&mut self, at: u64, id: u64) {
        let Some(mut command) = self.commands.running.remove(&id) else { return };
        let mut host = Host { is_main: false, stdin: command.stdin.as_mut(), ..self.host(at) };
        let turn = command.shell.run(&mut host);
        let signals = std::mem::take(&mut host.signals);
        for (stream, text) in command.shell.take_chunks() {
            command.written.push(stream, text);
        }
        match turn {
            Turn::Exited(code) => command.over(code),
            Turn::Exec(_) => command.over(0),
            Turn::Waiting | Turn::Busy(_) => {}
        }
        if command.code.is_none() || !command.left {
            self.commands.running.insert(id, command);
        }
        signals.into_iter().for_each(|signal| self.signal(at, signal));
    }

    /// What a command wrote from a piece on, or the main program if none is named; nothing if it is not known.
    pub fn told(&self, command: Option<u64>, from: usize) -> Option<Told> {
        match command {
            Some(id) => self.commands.running.get(&id).map(|command| command.written.told(from, command.code)),
            None => Some(self.commands.main.told(from, self.exit.map(|(_, code, _)| code))),
        }
    }

    /// Gives a command input, or the main program if none is named. Its effect is seen by the next `advance`.
    pub fn give(&mut self, now: u64, command: Option<u64>, given: &Given) {
        if self.is_exited() {
            return;
        }
        self.meter.settle(now);
        match command {
            Some(id) => {
                if let Some(command) = self.commands.running.get_mut(&id).filter(|command| command.code.is_none()) {
                    command.take(given);
                }
            }
            None => self.give_main(now, given),
        }
    }

    fn give_main(&mut self, now: u64, given: &Given) {
        if *given == Given::Interrupt {
            self.commands.stdin.flush();
            return self.interrupt_main(now);
        }
        match given {
            Given::Left if self.spec.stdin_once => self.commands.stdin.close(),
            Given::Left => {}
            _ => self.commands.stdin.take_in(given),
        }
        let tty = self.commands.stdin.tty;
        if let Program::Shell(shell) = &mut self.program {
            if let (Given::Text(text), true) = (given, tty) {
                shell.echo(text);
            }
            shell.input_came();
        }
    }

    /// SIGINT. PID 1 takes no notice of it without a handler.
    fn interrupt_main(&mut self, now: u64) {
        match &mut self.program {
            Program::Shell(shell) if shell.is_reading() || shell.has_interrupt_trap() => shell.interrupt(),
            Program::Shell(_) => {}
            Program::Server => self.signal(now, Signal::Term),
        }
    }

    /// What the main program or a command asks the network; it waits for the answer.
    pub fn calling(&self) -> Option<&crate::NetworkCall> {
        let main = match &self.program {
            Program::Shell(shell) if !self.is_exited() => shell.calling(),
            _ => None,
        };
        let commands = self.commands.running.values().filter(|command| command.code.is_none());
        main.or_else(|| commands.into_iter().find_map(|command| command.shell.calling()))
    }

    /// Answers what [`Process::calling`] tells. Its effect is seen by the next `advance`.
    pub fn answer_call(&mut self, now: u64, answer: crate::NetworkAnswer) {
        self.meter.settle(now);
        match &mut self.program {
            Program::Shell(shell) if shell.calling().is_some() => shell.answer(answer),
            _ => {
                if let Some(command) = self.commands.asking() {
                    command.shell.answer(answer);
                }
            }
        }
    }

    /// Whether the main program's input is open to somebody who attaches.
    pub fn has_input(&self) -> bool {
        self.spec.stdin && !self.is_exited()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Spec;
    use crate::profile_set::ProfileSet;
    use crate::units::SECOND;

    fn container(image: &str, spec: Spec) -> Process {
        let spec = Spec { image: image.into(), hostname: "pod-0".into(), ..spec };
        let mut process = Process::start(ProfileSet::builtin().find(image), spec, 0, 1);
        run(&mut process, SECOND);
        process
    }

    fn run(process: &mut Process, until: u64) {
        while let Some(at) = process.next_wake().filter(|at| *at <= until) {
            process.advance(at);
        }
    }

    fn sleeping() -> Process {
        container("busybox", Spec { command: ["sleep", "1000"].map(str::to_owned).to_vec(), ..Spec::default() })
    }

    fn begin(process: &mut Process, line: &str, tty: bool) {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(process.begin_command(SECOND, 1, &argv, true, tty), Ok(()));
        run(process, SECOND);
    }

    fn give(process: &mut Process, now: u64, command: Option<u64>, given: &Given) {
        process.give(now, command, given);
        run(process, now);
    }

    fn shown(process: &Process, command: Option<u64>) -> (String, Option<i32>) {
        let told = process.told(command, 0).expect("it is known");
        (told.pieces.into_iter().map(|(_, text)| text).collect(), told.code)
    }

    /// Types lines into a program on a terminal; what it shows in the end, and its code.
    fn check(process: &mut Process, program: &str, typed: &[&str], expected: &str, code: Option<i32>) {
        begin(process, program, true);
        for text in typed {
            let given = match *text {
                "^C" => Given::Interrupt,
                "^D" => Given::End,
                line => Given::Text(format!("{line}\n")),
            };
            give(process, SECOND, Some(1), &given);
        }
        assert_eq!(shown(process, Some(1)), (expected.to_owned(), code), "{program} {typed:?}");
    }

    #[test]
    fn a_shell_on_a_terminal_prompts_and_remembers() {
        check(&mut sleeping(), "sh", &["cd /tmp", "X=1", "echo $X", "^D"], "/ # /tmp # /tmp # 1\n/tmp # \n", Some(0));
        check(&mut sleeping(), "sh", &["if true; then", "echo in", "fi", "exit 3"], "/ # > > in\n/ # ", Some(3));
        check(&mut sleeping(), "bash", &["nothing", "^D"], "root@pod-0:/# sh: nothing: not found\nroot@pod-0:/# exit\n", Some(127));
        check(&mut sleeping(), "sh", &["sh", "exit 4", "echo $?"], "/ # / # / # 4\n/ # ", None);
    }

    #[test]
    fn ctrl_c_ends_the_command_and_not_the_shell() {
        check(&mut sleeping(), "sh", &["sleep 100; echo never", "^C", "echo $?"], "/ # \n/ # 130\n/ # ", None);
        check(&mut sleeping(), "sh", &["while true; do sleep 1; done", "^C"], "/ # \n/ # ", None);
        check(&mut sleeping(), "sleep 100", &["^C"], "", Some(130));
    }

    #[test]
    fn a_program_reads_its_input_to_the_end() {
        let mut process = sleeping();
        begin(&mut process, "tee /tmp/x", false);
        give(&mut process, SECOND, Some(1), &Given::Text("a\nb".into()));
        assert_eq!(shown(&process, Some(1)), (String::new(), None));
        give(&mut process, SECOND, Some(1), &Given::End);
        assert_eq!(shown(&process, Some(1)), ("a\nb".into(), Some(0)));
        assert_eq!(process.read_file("/tmp/x"), Some("a\nb"));
        check(&mut process, "sh", &["read A B", "one two three", "echo $B"], "/ # / # two three\n/ # ", None);
    }

    #[test]
    fn redis_is_asked_line_by_line() {
        let mut process = container("redis", Spec::default());
        let typed = ["set a 1", "get a", "incr a", "get b", "hm", "quit"];
        let prompt = "127.0.0.1:6379> ";
        let replies = ["OK", "\"1\"", "(integer) 2", "(nil)", "(error) ERR unknown command 'hm'", ""];
        let expected = replies.map(|reply| if reply.is_empty() { prompt.to_owned() } else { format!("{prompt}{reply}\n") }).concat();
        check(&mut process, "redis-cli", &typed, &expected, Some(0));
    }

    #[test]
    fn a_command_takes_its_time_and_dies_with_the_container() {
        let mut process = sleeping();
        process
            .begin_command(SECOND, 7, &["sh", "-c", "echo a; sleep 5; echo b; sleep 50"].map(str::to_owned), false, false)
            .expect("it begins");
        run(&mut process, 3 * SECOND);
        assert_eq!(shown(&process, Some(7)), ("a\n".into(), None));
        run(&mut process, 8 * SECOND);
        assert_eq!(shown(&process, Some(7)), ("a\nb\n".into(), None));
        process.signal(9 * SECOND, Signal::Kill);
        process.advance(9 * SECOND);
        assert_eq!(shown(&process, Some(7)).1, Some(137));
    }

    #[test]
    fn the_main_program_of_an_open_container_is_a_shell_that_reads() {
        let mut process = container("busybox", Spec { stdin: true, tty: true, stdin_once: true, ..Spec::default() });
        give(&mut process, 2 * SECOND, None, &Given::Text("echo hi\n".into()));
        assert_eq!(shown(&process, None), ("/ # hi\n/ # ".into(), None));
        give(&mut process, 3 * SECOND, None, &Given::Left);
        assert!(process.is_exited());
        let lines: Vec<&str> = process.logs().iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["/ # echo hi", "hi", "/ # "]);
    }
}
