//! A server of a test's own: started on a free port, ended with the test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::http::{Answer, Connection, client};

/// A folder of a test's own.
pub fn folder(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("ksim-live-{}-{number}-{name}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A running server.
pub struct Server {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its kubeconfig.
    pub kubeconfig: PathBuf,
    /// The administrator's token.
    pub token: String,
    /// How to speak to it.
    pub tls: Arc<ClientConfig>,
    /// Where the browser view is, with its token, as it was printed.
    pub page: Option<String>,
    lines: std::sync::Mutex<std::sync::mpsc::Receiver<String>>,
}

impl Server {
    /// Starts one with these arguments.
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_at("127.0.0.1:0", &folder("config").join("kubeconfig"), arguments)
    }

    /// Starts one at a place, with its kubeconfig at another.
    pub fn start_at(bind: &str, kubeconfig: &std::path::Path, arguments: &[&str]) -> Server {
        let kubeconfig = kubeconfig.to_owned();
        let mut process = Command::new(env!("CARGO_BIN_EXE_ksim"))
            .args(["serve", "--bind", bind, "--kubeconfig"])
            .arg(&kubeconfig)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .map(Process)
            .expect("it starts");
        let output = process.0.stdout.take().expect("its output");
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        // This line comes when requests are answered.
        let mut page = None;
        loop {
            let line = lines.recv_timeout(Duration::from_secs(60)).expect("it begins to serve");
            if line.starts_with("export KUBECONFIG") {
                break;
            }
            page = line.strip_prefix("browser view: ").map(str::to_owned).or(page);
        }
        let text = std::fs::read_to_string(&kubeconfig).expect("the kubeconfig is there");
        let config: Value = serde_json::from_str(&text).expect("it is JSON");
        let word = |at: &str| config.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let authority = sim_web::decode_base64(&word("/clusters/0/cluster/certificate-authority-data")).expect("base64");
        let url = word("/clusters/0/cluster/server");
        let address = url.trim_start_matches("https://").parse().expect("an address");
        Server {
            process,
            address,
            token: word("/users/0/user/token"),
            tls: client(&authority, None),
            kubeconfig,
            page,
            lines: lines.into(),
        }
    }

    /// The next line it prints, if one comes in time.
    pub fn line(&self, patience: Duration) -> Option<String> {
        self.lines.lock().ok()?.recv_timeout(patience).ok()
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address, &self.tls).expect("it listens")
    }

    /// A request with any headers and body; the administrator's, unless another authorization is given.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// As `send`, where the connection may break.
    pub fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Answer> {
        let mut connection = Connection::open(self.address, &self.tls)?;
        self.send_on(&mut connection, method, path, &[headers, &[("Connection", "close")]].concat(), body)
    }

    /// As `try_send`, on a connection that is there and stays.
    pub fn send_on(
        &self,
        connection: &mut Connection,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !given("host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        if !given("authorization") {
            head += &format!("Authorization: Bearer {}\r\n", self.token);
        }
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        connection.send(format!("{head}\r\n").as_bytes())?;
        // A server that refuses a body need not read it.
        let _refused = connection.send(body);
        connection.answer()
    }

    /// A request with a JSON body (none for null).
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        self.send(method, path, &[("Content-Type", kind)], &bytes)
    }

    /// Runs `ksim ctl`.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ksim"));
        command.args(["ctl", "--kubeconfig"]).arg(&self.kubeconfig).args(arguments).output().expect("it starts")
    }

    /// What `ksim ctl` prints; it must succeed.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// One line of what `ksim ctl` prints.
    pub fn said(&self, arguments: &[&str], name: &str) -> String {
        let text = self.told(arguments);
        let found = text.lines().find_map(|l| l.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("{arguments:?}: no {name:?} in {text}")).to_owned()
    }

    /// The digest of all that has happened.
    pub fn digest(&self) -> String {
        self.said(&["digest"], "digest")
    }

    /// Applies a configuration map.
    pub fn put_config(&self, name: &str, value: &str) -> Answer {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}});
        self.ask("POST", "/api/v1/namespaces/default/configmaps", &body)
    }

    /// Ends the process as a power cut would: with SIGKILL.
    pub fn kill(mut self) {
        self.process.0.kill().expect("it can be killed");
        self.process.0.wait().expect("it ends");
    }

    /// Whether the process is alive.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.0.try_wait(), Ok(None))
    }
}

/// A deployment of the example application's image.
pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "nginx:1.29"}]},
        }},
    })
}
