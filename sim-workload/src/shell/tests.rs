use super::*;
use crate::network::{NetworkAnswer, NetworkCall};
use crate::profile_set::ProfileSet;
use crate::{Happening, Process};
use proptest::prelude::*;

fn start(script: &str) -> Process {
    let command = ["sh", "-c", script].map(str::to_string).to_vec();
    let env = BTreeMap::from([("NAME".to_string(), "two words".to_string())]);
    let files = BTreeMap::from([("/etc/config/key".to_string(), "value\n".to_string())]);
    let spec = Spec { image: "busybox".into(), command, env, hostname: "pod-0".into(), files, ..Spec::default() };
    Process::start(ProfileSet::builtin().find("busybox"), spec, 0, 1)
}

/// Runs to the end or to `until`; the log as `seconds text`, then `exit code` if it came.
fn run(process: &mut Process, until: u64) -> String {
    let mut seen = Vec::new();
    while let Some(at) = process.next_wake().filter(|at| *at <= until) {
        for happening in process.advance(at) {
            match happening {
                Happening::Log { line } => seen.push(format!("{} {}", line.at / SECOND, line.text)),
                Happening::Exited { at, code, .. } => seen.push(format!("{} exit {code}", at / SECOND)),
                Happening::Listening { port, .. } => seen.push(format!("listening {port}")),
            }
        }
    }
    seen.join("; ")
}

fn check(script: &str, expected: &str) {
    assert_eq!(run(&mut start(script), 100 * SECOND), expected, "{script}");
}

#[test]
fn lists_stop_where_a_shell_stops() {
    check("echo a; false && echo b || echo c; ! true; exit 3; echo d", "0 a; 0 c; 0 exit 3");
    check("false", "0 exit 1");
    check("exit", "0 exit 0");
    check("set -e; if false; then echo x; fi; false || true; false; echo never", "0 exit 1");
    check("(echo in; exit 4); echo out $?", "0 in; 0 out 4; 0 exit 0");
}

#[test]
fn loops_and_conditions_run_in_simulated_time() {
    check("for i in 1 2 3; do echo $i; sleep 10; done; exit 7", "0 1; 10 2; 20 3; 30 exit 7");
    check("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i", "0 3; 0 exit 0");
    check("while true; do echo x; sleep 1; if [ -f /tmp/go ]; then break; fi; touch /tmp/go; done", "0 x; 1 x; 2 exit 0");
    check("until [ -f /tmp/f ]; do sleep 0.5; touch /tmp/f; done; date", "0 Thu Jan  1 00:00:00 UTC 1970; 0 exit 0");
    check("if false; then echo a; elif true; then echo b; else echo c; fi", "0 b; 0 exit 0");
}

#[test]
fn words_are_expanded_and_split_as_in_a_shell() {
    check(r#"echo $NAME "$NAME" '$NAME' ${GONE:-none} "a  b""#, "0 two words two words $NAME none a  b; 0 exit 0");
    check("for w in $NAME \"$NAME\"; do echo $w; done", "0 two; 0 words; 0 two words; 0 exit 0");
    check("X=1 Y=$(hostname)-`echo b`; echo $X$Y $((2 * (3 + X)))", "0 1pod-0-b 8; 0 exit 0");
    check("wc -l < /etc/config/key; A=1 env | grep A= | head -n 1; echo [$A]", "0 1; 0 A=1; 0 []; 0 exit 0");
    check("cat /etc/config/key | grep val > /tmp/out 2>&1; cat /tmp/out; ls /tmp", "0 value; 0 out; 0 exit 0");
}

#[test]
fn what_is_not_there_ends_with_127_and_bad_syntax_with_2() {
    check("telnet x", "0 sh: telnet: not found; 0 exit 127");
    check("if true; then echo", "0 sh: syntax error: unexpected end of file (expecting \"fi\"); 0 exit 2");
    check("case x in x) ;; esac", "0 sh: syntax error: unexpected \")\"; 0 exit 2");
    check("cat /none", "0 cat: can't open '/none': No such file or directory; 0 exit 1");
}

/// Runs a script on a network where `web` answers 200 and `hello` after two seconds, and nothing else has a name.
fn check_network(script: &str, expected: &str) {
    let (mut process, mut seen) = (start(script), Vec::new());
    while let Some(at) = process.next_wake().filter(|at| *at <= 100 * SECOND) {
        for happening in process.advance(at) {
            match happening {
                Happening::Log { line } => seen.push(format!("{} {}", line.at / SECOND, line.text)),
                Happening::Exited { at, code, .. } => seen.push(format!("{} exit {code}", at / SECOND)),
                Happening::Listening { .. } => {}
            }
        }
        if let Some(call) = process.calling().cloned() {
            let answer = match call {
                NetworkCall::Http { host, .. } if host == "web" => {
                    NetworkAnswer::Http { status: 200, body: "hello\n".into(), latency_nanos: 2 * SECOND }
                }
                NetworkCall::LookUp { name } if name == "web" => {
                    NetworkAnswer::Addresses { name: "web.default.svc.cluster.local".into(), addresses: vec!["10.96.0.9".into()] }
                }
                _ => NetworkAnswer::no_network(),
            };
            process.answer_call(at, answer);
        }
    }
    assert_eq!(seen.join("; "), expected, "{script}");
}

#[test]
fn a_command_waits_for_the_network_and_writes_nothing_twice() {
    check_network("echo a; wget -qO- http://web/; echo b", "0 a; 0 hello; 2 b; 2 exit 0");
    check_network("echo a; X=$(echo log >&2; wget -qO- web)-$(curl -s web); echo $X", "0 a; 0 log; 4 hello-hello; 4 exit 0");
    check_network("wget -qO- web | grep -c x; curl -s web | wc -l", "2 1; 4 exit 0");
    check_network("for i in 1 2; do wget -qO /tmp/$i web; done; ls /tmp; exit 3", "4 1; 4 2; 4 exit 3");
    check_network("wget -qO- http://gone; echo $?", "0 wget: bad address 'gone'; 0 1; 0 exit 0");
    check_network("curl gone; echo $?; curl -sf gone", "0 curl: (6) Could not resolve host: gone; 0 6; 0 exit 6");
    check_network("nslookup web | grep Address: | tail -n 1", "0 Address: 10.96.0.9; 0 exit 0");
    check_network("(wget -qO- web; echo late) & echo first; sleep 3; echo last", "0 first; 0 hello; 2 late; 3 last; 3 exit 0");
}

#[test]
fn a_shell_without_a_script_waits_for_input_only_if_the_container_keeps_it_open() {
    let open = |stdin| {
        let spec = Spec { image: "busybox".into(), stdin, ..Spec::default() };
        let mut process = Process::start(ProfileSet::builtin().find("busybox"), spec, 0, 1);
        process.advance(SECOND);
        process
    };
    assert!(open(false).is_exited());
    let mut waiting = open(true);
    assert!(waiting.has_input() && waiting.next_wake().is_none());
    waiting.give(2 * SECOND, None, &crate::Given::Text("echo in\nexit 5\n".into()));
    assert_eq!(run(&mut waiting, 3 * SECOND), "2 in; 2 exit 5");
}

fn check_term(script: &str, expected: &str) {
    let mut process = start(script);
    run(&mut process, 5 * SECOND);
    process.signal(5 * SECOND, Signal::Term);
    assert_eq!(run(&mut process, 100 * SECOND), expected, "{script}");
}

#[test]
fn pid_1_takes_no_notice_of_sigterm_without_a_trap() {
    check_term("sleep 60", "60 exit 0");
    check_term("trap '' TERM; sleep 60", "60 exit 0");
    check_term("while true; do sleep 50; echo x; done", "50 x; 100 x");
}

#[test]
fn a_trap_runs_when_the_foreground_command_has_ended() {
    check_term("trap 'echo bye; exit 0' TERM; sleep 60", "60 bye; 60 exit 0");
    check_term("trap 'echo bye; exit 0' TERM; sleep 60 & wait", "5 bye; 5 exit 0");
    check_term("trap 'echo bye; exit 9' TERM; while true; do sleep 2; done", "6 bye; 6 exit 9");
    check_term("trap 'echo end' EXIT; trap 'exit 3' TERM; while :; do sleep 1; done", "6 end; 6 exit 3");
}

#[test]
fn a_loop_that_never_sleeps_burns_a_core_up_to_its_limit() {
    let mut process = start("while true; do :; done");
    process.set_cpu_limit(Some(200));
    run(&mut process, 10 * SECOND);
    let used = process.cpu_nanos(10 * SECOND);
    assert!((1_900_000_000..=2 * SECOND).contains(&used), "{used}");
}

#[test]
fn background_commands_run_beside_the_main_one() {
    check("(sleep 1; echo late) & echo first; sleep 3; echo last", "0 first; 1 late; 3 last; 3 exit 0");
    check("while true; do echo tick; sleep 4; done & sleep 5; exit 0", "0 tick; 4 tick; 5 exit 0");
    check("sleep 2 & sleep 3 & wait; echo both", "3 both; 3 exit 0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_script_panics_or_runs_for_ever(script in "([a-z$(){}'\"\\\\`|&;<>=!#0-9 \n]|if |then |fi|while |do |done|for |in |sleep 1|echo |exit |true|\\$\\(|trap |wait){0,25}") {
        let mut process = start(&script);
        for _ in 0..30 {
            let Some(at) = process.next_wake() else { break };
            process.advance(at);
        }
        process.signal(1000 * SECOND, Signal::Term);
        process.advance(2000 * SECOND);
    }
}
