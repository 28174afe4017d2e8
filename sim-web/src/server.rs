//! The sockets: TLS, HTTP/1.1 and HTTP/2, limits, and the way of each request to the simulation and back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use sim_api::{Frontend, Settings};
use sim_apimachinery::{Reason, Status, UserInfo};
use sim_core::cluster::{Cluster, Profile};
use sim_core::kube_apiserver::admission_webhooks::WebhookCall;
use sim_core::scenario::{Loaded, Player};
use sim_core::time::SimTime;
use sim_workload::ProfileSet;
use tokio::sync::oneshot;

use crate::clock::{Speed, real_now};
use crate::control::Action;
use crate::guard::Guard;
use crate::journal::{FORMAT, Header, Journal};
use crate::session::Session;
use crate::simulation::{Command, Handle, Reply, Simulation};
use crate::story::ScenarioFile;
use crate::upgrade::{self, Upgrade};
use crate::webhooks::Waiting;
use crate::{certificates, kubeconfig, tokens, webhooks};

/// A body may have this many bytes; one more is read to see that there are more.
const BODY_BYTES_MAX: usize = 3 << 20;
/// A body must be there within this time.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// A request of the API is answered within this time, or the client is told so.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How often an answer is offered to a simulation that has too much to do.
const SEND_TRIES_MAX: usize = 1000;
/// The path of the control API.
const CONTROL: &str = "/ksim/v1/control";

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub bind: SocketAddr,
    /// The cluster profile.
    pub profile: Profile,
    /// The profile's name, for the session's header.
    pub cluster: String,
    /// How images behave.
    pub workloads: ProfileSet,
    /// The seed.
    pub seed: u64,
    /// How fast virtual time runs.
    pub speed: Speed,
    /// Where the kubeconfig goes.
    pub kubeconfig: PathBuf,
    /// Where the session is kept, if it is.
    pub state: Option<PathBuf>,
    /// Users besides the administrator.
    pub token_file: Option<PathBuf>,
    /// Components left out.
    pub without: Vec<String>,
    /// The scenario that is played on the live clock.
    pub scenario: Option<ScenarioFile>,
}

#[derive(Clone)]
struct Server {
    simulation: Handle,
    guard: Guard,
    users: Arc<Vec<(String, UserInfo)>>,
}

/// Serves until interrupted. `ready` is told where the kubeconfig lies once requests are answered.
pub fn serve(options: &Options, ready: impl FnOnce(&SocketAddr)) -> Result<(), String> {
    if !options.bind.ip().is_loopback() {
        tracing::warn!(address = %options.bind, "listening beyond loopback: whoever has a token can reach this server");
    }
    let folder = options.state.as_deref();
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let identity = certificates::identity(options.bind.ip(), folder)?;
    let token = admin_token(folder)?;
    let mut users = vec![(token.clone(), tokens::administrator())];
    if let Some(file) = &options.token_file {
        users.extend(tokens::read(file)?);
    }
    let listener = std::net::TcpListener::bind(options.bind).map_err(|e| cannot_bind(options.bind, &e))?;
    listener.set_nonblocking(true).map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let (calls, called) = tokio::sync::mpsc::unbounded_channel();
    let (handle, thread) = Simulation::new(session(options, &users)?, calls).start();
    kubeconfig::write(&options.kubeconfig, &format!("https://{address}"), &identity.authority_pem, &token)?;
    let server = Server { simulation: handle.clone(), guard: Guard::new(address), users: Arc::new(users) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.spawn(call_webhooks(called, handle.clone()));
    let served = runtime.block_on(run(listener, identity.server, server, || ready(&address)));
    handle.send(Command::Stop);
    let _ended = thread.join();
    served
}

fn cannot_bind(address: SocketAddr, error: &std::io::Error) -> String {
    let hint = if error.kind() == std::io::ErrorKind::AddrInUse { "; choose another with --bind, such as --bind 127.0.0.1:0" } else { "" };
    format!("cannot listen on {address}: {error}{hint}")
}

fn admin_token(folder: Option<&std::path::Path>) -> Result<String, String> {
    let Some(folder) = folder else { return tokens::random_token() };
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let path = folder.join("token");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => {
            let token = tokens::random_token()?;
            crate::journal::write_private(&path, token.as_bytes())?;
            Ok(token)
        }
    }
}

fn session(options: &Options, users: &[(String, UserInfo)]) -> Result<Session, String> {
    let fresh = Header {
        format: FORMAT.into(),
        cluster: options.cluster.clone(),
        seed: options.seed,
        // A cluster has been up for half a minute when it is handed over.
        start: real_now().saturating_sub(30 * sim_core::time::SECOND),
        without: options.without.clone(),
        scenario: options.scenario.clone(),
    };
    let (journal, header, entries) = match &options.state {
        Some(folder) => {
            let (journal, header, entries) = Journal::open(folder, fresh)?;
            (Some(journal), header, entries)
        }
        None => (None, fresh, vec![]),
    };
    if options.scenario.is_some() && header.scenario != options.scenario {
        return Err("the session in this folder was begun with another scenario, or with none".into());
    }
    let loaded = header.scenario.as_ref().map(ScenarioFile::load).transpose()?.map(Arc::new);
    let (profile, workloads) = match &loaded {
        // The session's own scenario says what its cluster is.
        Some(loaded) if options.scenario.is_none() => of_scenario(loaded)?,
        _ if header.cluster != options.cluster || header.without != options.without => {
            return Err(format!("the session in this folder has the cluster {:?} without {:?}", header.cluster, header.without));
        }
        _ => (options.profile.clone(), options.workloads.clone()),
    };
    let settings = sim_core::cluster::Settings { start: Some(SimTime(header.start)), without: header.without.clone(), calls_out: true };
    let cluster = Cluster::with(Arc::new(profile), Arc::new(workloads), header.seed, &settings)?;
    let frontend = Frontend::new(Settings { tokens: users.to_vec() });
    let player = match loaded {
        Some(loaded) => Player::new(cluster, loaded),
        None => Player::idle(cluster),
    };
    let mut session = Session::new(player, frontend, options.speed, journal);
    session.replay(entries);
    Ok(session)
}

/// The cluster profile and the workload profiles that a scenario asks for.
fn of_scenario(loaded: &Loaded) -> Result<(Profile, ProfileSet), String> {
    let choice = &loaded.scenario.cluster;
    let mut workloads = ProfileSet::builtin();
    match choice.workloads.iter().find(|name| !workloads.prefer(name)) {
        Some(name) => Err(format!("there is no workload profile {name:?}")),
        None => Ok((sim_core::scenario::profile(choice)?, workloads)),
    }
}

async fn run(listener: std::net::TcpListener, tls: Arc<rustls::ServerConfig>, server: Server, ready: impl FnOnce()) -> Result<(), String> {
    let app = Router::new().fallback(answer).with_state(server);
    let config = axum_server::tls_rustls::RustlsConfig::from_config(tls);
    let handle = axum_server::Handle::new();
    let stopper = handle.clone();
    tokio::spawn(async move {
        interrupted().await;
        stopper.graceful_shutdown(Some(Duration::from_secs(2)));
    });
    let serving = axum_server::from_tcp_rustls(listener, config).map_err(|e| e.to_string())?.handle(handle).serve(app.into_make_service());
    ready();
    serving.await.map_err(|e| e.to_string())
}

/// Makes the calls to webhooks that the simulation asks for, and hands it the answers.
async fn call_webhooks(mut called: tokio::sync::mpsc::UnboundedReceiver<(Waiting, WebhookCall)>, simulation: Handle) {
    while let Some((waiting, call)) = called.recv().await {
        let simulation = simulation.clone();
        tokio::task::spawn_blocking(move || {
            let mut answer = webhooks::post(&call);
            tracing::debug!(webhook = call.name, address = call.address(), answered = answer.body.is_ok(), "webhook called");
            for _ in 0..SEND_TRIES_MAX {
                match simulation.try_send(Command::Webhook(waiting, Box::new(answer))) {
                    Err(Command::Webhook(_, back)) => answer = *back,
                    _ => return,
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
    }
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() {
    let interrupt = async { _ = tokio::signal::ctrl_c().await };
    #[cfg(unix)]
    {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return interrupt.await };
        tokio::select! { () = interrupt => {}, _ = terminate.recv() => {} }
    }
    #[cfg(not(unix))]
    interrupt.await;
}

async fn answer(State(server): State<Server>, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let host = parts.uri.authority().map(ToString::to_string).or_else(|| text("host"));
    if let Some(why) = server.guard.refuses(host.as_deref(), text("origin").as_deref()) {
        return refuse(&Status::new(Reason::Forbidden, why));
    }
    let body = match tokio::time::timeout(BODY_TIME_MAX, axum::body::to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            return refuse(&Status::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {BODY_BYTES_MAX}")));
        }
        Err(_) => return refuse(&Status::new(Reason::Timeout, "Timeout: the request's body did not arrive in time")),
    };
    let headers = parts.headers.iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
    let request = sim_api::Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.to_vec(),
        host: host.unwrap_or_default(),
    };
    if request.path == CONTROL {
        return control(&server, &request).await;
    }
    let upgrade = Upgrade::of(&mut parts, &server).await;
    ask(&server, request, upgrade).await
}

async fn ask(server: &Server, request: sim_api::Request, upgrade: Upgrade) -> Response<Body> {
    let (sender, receiver) = oneshot::channel();
    if !server.simulation.send(Command::Http(Box::new(request), sender)) {
        return too_busy();
    }
    match tokio::time::timeout(ANSWER_TIME_MAX, receiver).await {
        Ok(Ok(Reply::Complete(response))) => complete(response),
        Ok(Ok(Reply::Stream(frames))) => stream(frames),
        Ok(Ok(Reply::Connect(connect))) => upgrade::connected(server.simulation.clone(), *connect, upgrade),
        Ok(Err(_)) => refuse(&Status::new(Reason::ServiceUnavailable, "the simulation has ended")),
        Err(_) => refuse(&Status::new(Reason::Timeout, "Timeout: request did not complete within the allotted timeout")),
    }
}

/// The control API: only the administrator may use it.
async fn control(server: &Server, request: &sim_api::Request) -> Response<Body> {
    let token = request.header("authorization").and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
    let user = server.users.iter().find(|(known, _)| known == token).map(|(_, user)| user);
    if !user.is_some_and(|u| u.groups.iter().any(|g| g == "system:masters")) {
        return refuse(&Status::new(Reason::Unauthorized, "Unauthorized"));
    }
    let action = match request.method.as_str() {
        "GET" => Ok(Action::Status),
        "POST" => serde_json::from_slice::<Action>(&request.body).map_err(|e| e.to_string()),
        _ => return refuse(&Status::generic(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")),
    };
    let action = match action {
        Ok(action) => action,
        Err(why) => return refuse(&Status::new(Reason::BadRequest, format!("this is no action: {why}"))),
    };
    let (sender, receiver) = oneshot::channel();
    if !server.simulation.send(Command::Control(action, sender)) {
        return too_busy();
    }
    match receiver.await {
        Ok(Ok(value)) => complete(json(200, &value)),
        Ok(Err(why)) => refuse(&Status::new(Reason::BadRequest, why)),
        Err(_) => refuse(&Status::new(Reason::ServiceUnavailable, "the simulation has ended")),
    }
}

fn json(status: u16, value: &serde_json::Value) -> sim_api::Response {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    sim_api::Response { status, headers, body: serde_json::to_vec(value).unwrap_or_default() }
}

pub(crate) fn refuse(status: &Status) -> Response<Body> {
    complete(json(status.code(), &status.to_json()))
}

fn too_busy() -> Response<Body> {
    complete(sim_api::Response::text(429, "Too many requests, please try again later.\n").with_header("Retry-After", "1"))
}

fn complete(response: sim_api::Response) -> Response<Body> {
    let mut built = Response::new(Body::from(response.body));
    *built.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
            built.headers_mut().append(name, value);
        }
    }
    built
}

pub(crate) fn stream(frames: tokio::sync::mpsc::Receiver<Vec<u8>>) -> Response<Body> {
    let frames = futures_util::stream::unfold(frames, |mut frames| async move {
        let next = frames.recv().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(Bytes::from(next)), frames))
    });
    let mut built = Response::new(Body::from_stream(frames));
    built.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    built.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache, private"));
    built
}
