use super::*;
use crate::backend::{Backends, NoBackends, Operation, Reply};
use crate::http::{HttpRequest, HttpResult};
use crate::profile_set::ProfileSet;
use crate::units::MILLISECOND;

/// A network on which `redis:6379` is this process.
struct OneRedis<'a> {
    redis: &'a mut Process,
    now: u64,
}

impl Backends for OneRedis<'_> {
    fn call(&mut self, host: &str, port: u16, command: BackendCommand) -> Result<BackendAnswer, BackendError> {
        match (host, port) {
            ("redis", 6379) => self.redis.command(self.now, &command),
            _ => Err(BackendError::NoSuchHost),
        }
    }
}

fn start(profile: &str, args: &str) -> Process {
    let env = [("APP_NAME", "shop"), ("MAX_STRESS_SECONDS", "30"), ("POD_NAME", "shop-1")];
    let env = env.map(|(name, value)| (name.to_string(), value.to_string())).into();
    let args = args.split_whitespace().map(str::to_string).collect();
    let spec = Spec { image: profile.into(), args, env, hostname: "shop-1".into(), ..Spec::default() };
    Process::start(ProfileSet::builtin().get(profile).expect(profile), spec, 0, 7)
}

/// Runs until it listens and returns when that was.
fn listening(process: &mut Process) -> u64 {
    let at = process.next_wake().expect("a starting server has something to do");
    let happenings = process.advance(at);
    assert!(happenings.iter().any(|happening| matches!(happening, Happening::Listening { .. })), "{happenings:?}");
    at
}

fn request(line: &str, body: &str, token: &str) -> HttpRequest {
    let (method, target) = line.split_once(' ').expect("method and path");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_string(), value.to_string()));
    HttpRequest {
        method: method.into(),
        path: path.into(),
        query: query.split('&').filter_map(pair).collect(),
        headers: BTreeMap::from([("authorization".to_string(), format!("Bearer {token}"))]),
        body: body.into(),
        port: 8000,
    }
}

fn answer(result: HttpResult) -> (u16, String) {
    match result {
        HttpResult::Answer { status, body, .. } => (status, body),
        other => panic!("{other:?}"),
    }
}

fn check(process: &mut Process, line: &str, expected: (u16, &str)) {
    let now = process.meter.settled_at();
    let (status, body) = answer(process.http(now, &request(line, "", ""), &mut NoBackends));
    assert_eq!((status, body.as_str()), expected, "{line}");
}

#[test]
fn a_command_tells_when_it_wrote_what() {
    let mut process = start_image("busybox");
    let result = process.exec(10 * SECOND, &["sh", "-c", "echo a; sleep 2; echo b >&2; sleep 1; exit 4"].map(str::to_string));
    let times: Vec<(u64, &str)> = result.chunks.iter().map(|(at, _, text)| (at / SECOND, text.as_str())).collect();
    assert_eq!((times, result.code, result.duration_nanos / SECOND), (vec![(10, "a\n"), (12, "b\n")], 4, 3));
    assert!(process.exec(0, &["nosuch".to_string()]).start_error.is_some_and(|e| e.contains("executable file not found")));
}

#[test]
fn a_command_reaches_its_own_containers_port() {
    let mut process = start_image("fastapi-k8s");
    process.advance(10 * SECOND);
    let result = process.exec(10 * SECOND, &["wget", "-qO-", "http://localhost:8000/health"].map(str::to_string));
    assert_eq!((result.stdout.as_str(), result.code), ("{\"status\":\"ok\"}", 0));
    let refused = process.exec(10 * SECOND, &["curl", "localhost:1"].map(str::to_string));
    assert_eq!((refused.code, refused.stderr.contains("Could not connect")), (7, true));
}

fn start_image(image: &str) -> Process {
    let command = if image == "busybox" { vec!["sleep".to_string(), "1000".to_string()] } else { vec![] };
    let spec = Spec { image: image.into(), command, ..Spec::default() };
    Process::start(ProfileSet::builtin().find(image), spec, 0, 1)
}

#[test]
fn the_server_listens_after_its_start_and_later_with_a_small_cpu_limit() {
    let mut recorded = start("fastapi-k8s-recorded", "");
    recorded.set_cpu_limit(Some(200));
    assert!(!recorded.is_listening(8000));
    assert_eq!(listening(&mut recorded), 150 * MILLISECOND);
    assert!(recorded.is_listening(8000) && !recorded.is_listening(80));
    let mut throttled = start("fastapi-k8s", "");
    let free = start("fastapi-k8s", "").next_wake().expect("it starts");
    throttled.set_cpu_limit(Some(200));
    assert!(listening(&mut throttled) > 2 * free);
}

#[test]
fn endpoints_answer_as_the_recorded_server_did() {
    let mut process = start("fastapi-k8s-recorded", "");
    listening(&mut process);
    check(&mut process, "GET /ready", (200, r#"{"ready": true}"#));
    check(&mut process, "POST /ready/disable", (200, r#"{"ready": false}"#));
    check(&mut process, "GET /ready", (503, r#"{"ready": false}"#));
    check(&mut process, "POST /ready/enable", (200, r#"{"ready": true}"#));
    check(&mut process, "GET /stress?seconds=60", (200, r#"{"stress": 60.0}"#));
    check(&mut process, "POST /crash", (200, r#"{"crash": true}"#));
}

#[test]
fn endpoints_of_the_application_answer_compact_json_and_bound_the_stress() {
    let mut process = start("fastapi-k8s", "");
    listening(&mut process);
    check(&mut process, "GET /", (200, r#"{"message":"Hello from shop","hostname":"shop-1"}"#));
    check(&mut process, "GET /stress?seconds=60", (200, r#"{"stress":30.0}"#));
    check(&mut process, "GET /nothing", (404, r#"{"detail":"Not Found"}"#));
    check(&mut process, "GET /crash", (405, r#"{"detail":"Method Not Allowed"}"#));
    check(&mut process, "GET /visits", (503, r#"{"detail":"Redis is not available at redis:6379"}"#));
    let invalid = [("x", "float_parsing"), ("-1", "greater_than_equal"), ("inf", "float_parsing")];
    for (seconds, kind) in invalid {
        let (status, body) = answer(process.http(SECOND, &request(&format!("GET /stress?seconds={seconds}"), "", ""), &mut NoBackends));
        assert!(status == 422 && body.contains(kind), "{seconds}: {body}");
    }
}

#[test]
fn a_crash_exits_1_after_the_answer() {
    let mut process = start("fastapi-k8s-recorded", "");
    listening(&mut process);
    check(&mut process, "POST /crash", (200, r#"{"crash": true}"#));
    assert!(process.is_listening(8000), "the answer comes before the exit");
    let at = process.next_wake().expect("the exit is due");
    assert_eq!(process.advance(at), [Happening::Exited { at, code: 1, reason: ExitReason::Error }]);
    assert_eq!((process.next_wake(), process.memory_bytes(at), process.is_listening(8000)), (None, 0, false));
    assert_eq!(process.http(at, &request("GET /", "", ""), &mut NoBackends), HttpResult::Refused);
}

#[test]
fn signals_end_the_server_as_its_profile_says() {
    let mut process = start("fastapi-k8s-recorded", "");
    let now = listening(&mut process);
    process.signal(now, Signal::Term);
    assert_eq!(process.advance(now), [Happening::Exited { at: now, code: 0, reason: ExitReason::Completed }]);
    let mut starting = start("fastapi-k8s", "");
    starting.signal(10, Signal::Term);
    assert_eq!(starting.advance(10), [Happening::Exited { at: 10, code: 0, reason: ExitReason::Completed }]);
    let mut process = start("fastapi-k8s", "");
    listening(&mut process);
    process.signal(SECOND, Signal::Kill);
    assert_eq!(process.advance(SECOND), [Happening::Exited { at: SECOND, code: 137, reason: ExitReason::Error }]);
}

#[test]
fn a_server_without_a_handler_is_not_stopped_by_sigterm() {
    for (stop, exits) in [("onTerm: ignore", [false, false]), ("whileStarting: false", [false, true])] {
        let yaml = format!(
            "{{apiVersion: ksim.dev/v1, kind: WorkloadProfile, metadata: {{name: x}}, spec: {{images: [x], ports: [1], \
             image: {{cmd: [x], server: [x]}}, startup: {{delay: 1s}}, stop: {{{stop}}}}}}}"
        );
        let mut process = Process::start(&Profile::parse(&yaml).expect(stop), Spec::default(), 0, 1);
        let exited = [0, 2 * SECOND].map(|now| {
            process.advance(now);
            process.signal(now, Signal::Term);
            process.advance(now);
            process.is_exited()
        });
        assert_eq!(exited, exits, "{stop}");
    }
}

#[test]
fn stress_is_throttled_to_the_limit_and_makes_answers_slow_but_not_too_slow_for_probes() {
    let mut process = start("fastapi-k8s-recorded", "");
    process.set_cpu_limit(Some(200));
    let now = listening(&mut process);
    let before = process.cpu_nanos(now);
    check(&mut process, "GET /stress?seconds=60", (200, r#"{"stress": 60.0}"#));
    assert_eq!(process.cpu_nanos(now + 10 * SECOND) - before, 2 * SECOND);
    match process.http(now + SECOND, &request("GET /health", "", ""), &mut NoBackends) {
        HttpResult::Answer { latency_nanos, .. } => assert!((50 * MILLISECOND..SECOND).contains(&latency_nanos)),
        other => panic!("{other:?}"),
    }
    let idle = process.cpu_nanos(now + 160 * SECOND) - process.cpu_nanos(now + 60 * SECOND);
    assert_eq!(idle / 100, SECOND / 1000, "1m when idle");
}

#[test]
fn memory_above_the_limit_is_an_oom_kill() {
    let mut process = start("fastapi-k8s-recorded", "");
    process.set_memory_limit(Some(10 << 20));
    let now = listening(&mut process);
    process.set_memory_growth(now, 1 << 20);
    let at = process.next_wake().expect("the limit will be crossed");
    assert_eq!(at / MILLISECOND, now / MILLISECOND + 1000);
    assert_eq!(process.advance(at), [Happening::Exited { at, code: 137, reason: ExitReason::OOMKilled }]);
}

#[test]
fn faults_delay_fail_slow_hang_and_crash() {
    let mut process = start("fastapi-k8s-recorded", "");
    process.set_extra_startup(2 * SECOND);
    let now = listening(&mut process);
    assert_eq!(now, 2150 * MILLISECOND);
    process.set_failing_path("/health", true);
    check(&mut process, "GET /health", (503, r#"{"detail": "failing on purpose"}"#));
    process.set_failing_path("/health", false);
    process.set_extra_latency(3 * SECOND);
    match process.http(now, &request("GET /health", "", ""), &mut NoBackends) {
        HttpResult::Answer { status: 200, latency_nanos, .. } => assert!(latency_nanos > 3 * SECOND),
        other => panic!("{other:?}"),
    }
    process.set_hangs(true);
    assert_eq!(process.http(now, &request("GET /health", "", ""), &mut NoBackends), HttpResult::Timeout);
    process.set_crash_at(Some((5 * SECOND, 2)));
    assert_eq!(process.advance(9 * SECOND), [Happening::Exited { at: 5 * SECOND, code: 2, reason: ExitReason::Error }]);
}

#[test]
fn visits_keys_and_sessions_go_through_redis() {
    let (mut app, mut redis) = (start("fastapi-k8s", ""), start("redis", ""));
    listening(&mut app);
    listening(&mut redis);
    let mut ask = |line: &str, body: &str, token: &str| {
        answer(app.http(SECOND, &request(line, body, token), &mut OneRedis { redis: &mut redis, now: SECOND }))
    };
    assert_eq!(ask("GET /visits", "", ""), (200, r#"{"visits":1}"#.into()));
    assert_eq!(ask("GET /visits", "", ""), (200, r#"{"visits":2}"#.into()));
    assert_eq!(ask("GET /kv/a", "", ""), (404, r#"{"detail":"No such key: a"}"#.into()));
    assert_eq!(ask("POST /kv/a", r#"{"value":"x \"y\""}"#, ""), (200, r#"{"key":"a","value":"x \"y\""}"#.into()));
    assert_eq!(ask("GET /kv/a", "", ""), (200, r#"{"key":"a","value":"x \"y\""}"#.into()));
    assert_eq!(ask("POST /kv/a", "no json", "").0, 422);
    let token = ask("POST /login", r#"{"username":"ada"}"#, "").1.split('"').nth(3).expect("a token").to_string();
    assert_eq!(ask("GET /me", "", &token), (200, r#"{"username":"ada"}"#.into()));
    assert_eq!(ask("GET /me", "", "forged"), (401, r#"{"detail":"Not logged in"}"#.into()));
    assert_ne!(ask("POST /login", r#"{"username":"ada"}"#, "").1, format!(r#"{{"token":"{token}"}}"#));
}

#[test]
fn redis_data_survives_a_kill_only_with_append_only_and_a_volume() {
    for (args, signal, kept) in [("--appendonly yes", Signal::Kill, true), ("", Signal::Term, true), ("", Signal::Kill, false)] {
        let mut redis = start("redis", args);
        redis.mount("/data/", Disk::default());
        let now = listening(&mut redis);
        let set = Operation::Set { key: "k".into(), value: "v".into(), expire_seconds: None };
        redis.command(now, &BackendCommand { password: None, operation: set }).expect("it listens");
        redis.signal(now, signal);
        redis.advance(now);
        let mut next = start("redis", args);
        next.mount("/data", redis.take_disks().remove("/data").expect("it was mounted"));
        let now = listening(&mut next);
        let get = Operation::Get { key: "k".into() };
        let reply = next.command(now, &BackendCommand { password: None, operation: get }).expect("it listens").reply;
        assert_eq!(reply == Reply::Bulk("v".into()), kept, "{args} {signal:?}");
    }
}

#[test]
fn exec_runs_to_its_end_and_says_how_long_that_took() {
    let mut redis = start("redis", "");
    let mut exec = |text: &str| redis.exec(SECOND, &["sh", "-c", text].map(str::to_string));
    let result = exec("sleep 5 && echo done; exit 3");
    assert_eq!((result.stdout.as_str(), result.code, result.duration_nanos), ("done\n", 3, 5 * SECOND));
    assert_eq!(exec("tail -f /dev/null").duration_nanos, u64::MAX);
    assert_eq!(exec("redis-cli ping").code, 1);
    listening(&mut redis);
    let ping = redis.exec(SECOND, &["redis-cli", "ping"].map(str::to_string));
    assert_eq!((ping.stdout.as_str(), ping.code), ("PONG\n", 0));
    let mut locked = start("redis", "--requirepass shop");
    listening(&mut locked);
    let mut probe = |password: &str| {
        let script = format!("REDISCLI_AUTH=\"{password}\" redis-cli ping | grep -q PONG");
        locked.exec(SECOND, &["sh", "-c", &script].map(str::to_string)).code
    };
    assert_eq!((probe("$APP_NAME"), probe("")), (0, 1));
    let missing = redis.exec(SECOND, &["telnet".to_string()]);
    assert_eq!(missing.start_error.as_deref(), Some("exec: \"telnet\": executable file not found in $PATH"));
    redis.exec(SECOND, &["kill", "1"].map(str::to_string));
    assert!(redis.advance(SECOND).iter().any(|happening| matches!(happening, Happening::Exited { code: 0, .. })));
}

#[test]
fn a_shell_that_starts_the_server_becomes_it() {
    let command = ["sh", "-c", "echo first; exec redis-server --requirepass x"].map(str::to_string).to_vec();
    let mut process = Process::start(ProfileSet::builtin().find("redis"), Spec { command, ..Spec::default() }, 0, 1);
    let mut seen = Vec::new();
    while let Some(at) = process.next_wake() {
        seen.extend(process.advance(at));
    }
    assert!(seen.contains(&Happening::Listening { at: 50 * MILLISECOND, port: 6379 }), "{seen:?}");
    let reply = process.command(SECOND, &BackendCommand { password: None, operation: Operation::Ping }).expect("it listens").reply;
    assert_eq!(reply, Reply::Error("NOAUTH Authentication required.".into()));
}

#[test]
fn the_log_is_bounded_and_reports_each_line_once() {
    let mut process = start("fastapi-k8s", "");
    listening(&mut process);
    let mut seen = 0;
    for round in 0..5000 {
        process.http(SECOND + round, &request("POST /ready/disable", "", ""), &mut NoBackends);
        seen += process.advance(SECOND + round).len();
    }
    assert_eq!(seen, 5000);
    assert!((LOG_LINES_KEPT..2 * LOG_LINES_KEPT).contains(&process.logs().len()));
}

#[test]
fn nginx_serves_its_page_and_mounted_files_and_unknown_images_answer_anything() {
    let files = BTreeMap::from([("/usr/share/nginx/html/a.txt".to_string(), "mine".to_string())]);
    let set = ProfileSet::builtin();
    let mut nginx = Process::start(set.find("nginx:1.27"), Spec { files, ..Spec::default() }, 0, 1);
    listening(&mut nginx);
    let mut get = |line: &str| nginx.http(SECOND, &HttpRequest { port: 80, ..request(line, "", "") }, &mut NoBackends);
    assert!(answer(get("GET /")).1.contains("Welcome to nginx!"));
    assert_eq!(answer(get("GET /a.txt")), (200, "mine".into()));
    assert_eq!(answer(get("GET /b.txt")).0, 404);
    assert_eq!(answer(get("POST /a.txt")).0, 405);
    let mut unknown = Process::start(set.find("example.com/team/thing:1"), Spec::default(), 0, 1);
    assert!(unknown.profile.is_fallback());
    unknown.advance(SECOND);
    assert_eq!(
        answer(unknown.http(SECOND, &HttpRequest { port: 4711, ..request("PUT /x/y", "", "") }, &mut NoBackends)),
        (200, "ok".into())
    );
}
