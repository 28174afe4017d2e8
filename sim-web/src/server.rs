//! The sockets: TLS, HTTP/1.1 and HTTP/2, limits, and the way of each request to the simulation and back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper_util::rt::TokioTimer;
use sim_api::Labels;
use sim_apimachinery::{Reason, Status, UserInfo};
use sim_core::cluster::Profile;
use sim_core::kube_apiserver::admission_webhooks::WebhookCall;
use sim_workload::ProfileSet;
use tokio::sync::{Semaphore, oneshot};

use crate::begin::{admin_token, session};
use crate::client_certificates::Shown;
use crate::clock::{Speed, Stopwatch};
use crate::control::Action;
use crate::guard::Guard;
use crate::metrics::Metrics;
use crate::simulation::{Command, Frames, Handle, Reply, Simulation};
use crate::story::ScenarioFile;
use crate::upgrade::{self, Upgrade};
use crate::view::Wanted;
use crate::webhooks::Waiting;
use crate::{appointments, certificates, client_certificates, kubeconfig, page, tokens, webhooks};

/// A body may have this many bytes; one more is read to see that there are more.
const BODY_BYTES_MAX: usize = 3 << 20;
/// Requests that are worked on at once, watches and streams not counted (`--max-requests-inflight` and its sibling).
const IN_FLIGHT_MAX: usize = 600;
/// So long a request waits for its turn before it is told to come again (a quarter of the time a request may take, as with the
/// real server's priority and fairness).
const TURN_TIME_MAX: Duration = Duration::from_secs(15);
/// How often a client that is connected by HTTP/2 and silent is asked whether it is there.
const ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// A request of the API is answered within this time, or the client is told so.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How often an answer is offered to a simulation that has too much to do.
const SEND_TRIES_MAX: usize = 1000;
/// The path of the control API.
const CONTROL: &str = "/ksim/v1/control";
/// The path of its OpenAPI document.
const CONTROL_DOCUMENT: &str = "/ksim/v1/openapi.json";
/// The path of the browser view's document.
const VIEW: &str = "/ksim/v1/view";
/// Where what is ours alone is served.
const CONTROL_PREFIX: &str = "/ksim/";

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
    /// How long a client may take to send a request's head, and its body.
    pub client_timeout: Duration,
    /// Where the browser view is served without TLS, on loopback only; nowhere if nothing is said.
    pub page: Option<SocketAddr>,
    /// What is told on standard error: `error`, `warn`, `info`, `debug` or `trace`.
    pub log: String,
}

/// Where a server is to be found.
#[derive(Clone, Debug)]
pub struct Places {
    /// The Kubernetes API, over TLS.
    pub api: SocketAddr,
    /// The browser view with the token that lets it in, if it is served.
    pub page: Option<String>,
}

#[derive(Clone)]
struct Server {
    simulation: Handle,
    guard: Guard,
    users: Arc<Vec<(String, UserInfo)>>,
    metrics: Arc<Metrics>,
    in_flight: Arc<Semaphore>,
    client_timeout: Duration,
}

/// Serves until interrupted. `ready` is told where, once requests are answered.
pub fn serve(options: &Options, ready: impl FnOnce(&Places)) -> Result<(), String> {
    tell_log(&options.log)?;
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
    let listener = listen(options.bind)?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let page = options.page.map(listen_for_page).transpose()?;
    let page_address = page.as_ref().and_then(|listener| listener.local_addr().ok());
    let (calls, called) = tokio::sync::mpsc::unbounded_channel();
    let (handle, thread) = Simulation::new(session(options, &users, &identity.authority)?, calls, identity.time.clone()).start();
    kubeconfig::write(&options.kubeconfig, &format!("https://{address}"), &identity, &token)?;
    let server = Server {
        simulation: handle.clone(),
        guard: Guard::new(address),
        users: Arc::new(users),
        metrics: Arc::default(),
        in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        client_timeout: options.client_timeout,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.spawn(call_webhooks(called, handle.clone()));
    let places = Places { api: address, page: page_address.map(|at| format!("http://{at}{}#token={token}", page::PREFIX)) };
    if let Some((listener, at)) = page.zip(page_address) {
        runtime.spawn(serve_page(listener, Server { guard: Guard::plain(at), ..server.clone() }));
    }
    let served = runtime.block_on(run(listener, identity.server, server, || ready(&places)));
    handle.send(Command::Stop);
    let _ended = thread.join();
    served
}

/// Tells what happens on standard error, from this level on.
fn tell_log(level: &str) -> Result<(), String> {
    let filter =
        tracing_subscriber::EnvFilter::try_new(format!("warn,sim_web={level}")).map_err(|_| format!("{level:?} is no level of a log"))?;
    // A second server in one process writes to the log of the first.
    let _first = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    Ok(())
}

fn listen(address: SocketAddr) -> Result<std::net::TcpListener, String> {
    let listener = std::net::TcpListener::bind(address).map_err(|e| cannot_bind(address, &e))?;
    listener.set_nonblocking(true).map_err(|e| e.to_string())?;
    Ok(listener)
}

/// The page's port: without TLS, so on loopback only; a port that is taken is replaced by a free one.
fn listen_for_page(address: SocketAddr) -> Result<std::net::TcpListener, String> {
    if !address.ip().is_loopback() {
        return Err(format!("--page {address}: the page is served without TLS and so on loopback only, such as 127.0.0.1:7444"));
    }
    listen(address).or_else(|_| listen(SocketAddr::new(address.ip(), 0)))
}

/// Serves the browser view, and the API that it speaks to, without TLS.
async fn serve_page(listener: std::net::TcpListener, server: Server) {
    let client_timeout = server.client_timeout;
    let app = Router::new().fallback(answer).with_state(server);
    let Ok(mut listening) = axum_server::from_tcp(listener) else { return };
    listening.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(client_timeout);
    if let Err(why) = listening.serve(app.into_make_service()).await {
        tracing::error!(%why, "the page is no longer served");
    }
}

fn cannot_bind(address: SocketAddr, error: &std::io::Error) -> String {
    let hint = if error.kind() == std::io::ErrorKind::AddrInUse { "; choose another with --bind, such as --bind 127.0.0.1:0" } else { "" };
    format!("cannot listen on {address}: {error}{hint}")
}

async fn run(listener: std::net::TcpListener, tls: Arc<rustls::ServerConfig>, server: Server, ready: impl FnOnce()) -> Result<(), String> {
    let client_timeout = server.client_timeout;
    let app = Router::new().fallback(answer).with_state(server);
    let config = axum_server::tls_rustls::RustlsConfig::from_config(tls);
    let handle = axum_server::Handle::new();
    let stopper = handle.clone();
    tokio::spawn(async move {
        interrupted().await;
        stopper.graceful_shutdown(Some(Duration::from_secs(2)));
    });
    let listening = axum_server::from_tcp_rustls(listener, config).map_err(|e| e.to_string())?;
    let mut listening = listening.map(client_certificates::Acceptor).handle(handle);
    listening.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(client_timeout);
    listening.http_builder().http2().timer(TokioTimer::new()).keep_alive_interval(ALIVE_INTERVAL);
    let serving = listening.serve(app.into_make_service());
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
    let begun = Stopwatch::start();
    let turn = tokio::time::timeout(TURN_TIME_MAX, server.in_flight.clone().acquire_owned()).await;
    let Ok(Ok(_permit)) = turn else { return too_busy() };
    let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let host = parts.uri.authority().map(ToString::to_string).or_else(|| text("host"));
    if let Some(why) = server.guard.refuses(host.as_deref(), text("origin").as_deref()) {
        return refuse(&Status::new(Reason::Forbidden, why));
    }
    let body = match tokio::time::timeout(server.client_timeout, axum::body::to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if !error.to_string().contains("length limit") => {
            return refuse(&Status::new(Reason::BadRequest, format!("the request's body could not be read: {error}")));
        }
        Ok(Err(_)) => {
            return refuse(&Status::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {BODY_BYTES_MAX}")));
        }
        Err(_) => return refuse(&Status::new(Reason::Timeout, "Timeout: the request's body did not arrive in time")),
    };
    let mut headers: Vec<(String, String)> =
        parts.headers.iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
    if let Some(token) = tokens::in_protocols(&headers) {
        headers.push(("authorization".into(), format!("Bearer {token}")));
    }
    let request = sim_api::Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.to_vec(),
        host: host.unwrap_or_default(),
        certificate: parts.extensions.get::<Shown>().and_then(|shown| shown.0.clone()),
    };
    let labels = Labels::of(&request);
    let told = format!("{} {}", request.method, request.path);
    let response = if let Some(file) = page::file(&request.method, &request.path) {
        complete(file)
    } else if request.path.starts_with(CONTROL_PREFIX) {
        control(&server, &request).await
    } else {
        let is_metrics = request.path == "/metrics";
        let upgrade = Upgrade::of(&mut parts, &server).await;
        let response = ask(&server, request, upgrade).await;
        // Who may see the page is for the API server to say, which has none of its own there.
        if is_metrics && response.status() == StatusCode::NOT_FOUND { metrics(&server).await } else { response }
    };
    let (code, took) = (response.status().as_u16(), begun.elapsed());
    tracing::info!(request = told, code, micros = took.as_micros() as u64, "answered");
    server.metrics.count(labels, code, took);
    response
}

/// What the server has done, in Prometheus' text form.
async fn metrics(server: &Server) -> Response<Body> {
    let (sender, receiver) = oneshot::channel();
    if !server.simulation.send(Command::Figures(sender)) {
        return too_busy();
    }
    match receiver.await {
        Ok(figures) => {
            let text = server.metrics.text(&figures);
            let headers = vec![("Content-Type".to_owned(), "text/plain; version=0.0.4; charset=utf-8".to_owned())];
            complete(sim_api::Response { status: 200, headers, body: text.into_bytes() })
        }
        Err(_) => refuse(&Status::new(Reason::ServiceUnavailable, "the simulation has ended")),
    }
}

async fn ask(server: &Server, request: sim_api::Request, upgrade: Upgrade) -> Response<Body> {
    let at = match appointments::moment(&request) {
        Ok(at) => at,
        Err(why) => return refuse(&Status::new(Reason::BadRequest, why)),
    };
    // Such a request takes up room until its moment.
    if at.is_some() && !is_administrator(server, &request) {
        return refuse(&Status::new(Reason::Forbidden, format!("only the administrator may use the header {}", appointments::HEADER)));
    }
    let (sender, receiver) = oneshot::channel();
    if !server.simulation.send(Command::Http { request: Box::new(request), at, reply: sender }) {
        return too_busy();
    }
    match tokio::time::timeout(ANSWER_TIME_MAX, receiver).await {
        Ok(Ok(Reply::Complete(response))) => complete(response),
        Ok(Ok(Reply::Stream(frames))) => stream_of(frames),
        Ok(Ok(Reply::Connect(connect))) => upgrade::connected(server.simulation.clone(), *connect, upgrade),
        Ok(Err(_)) => refuse(&Status::new(Reason::ServiceUnavailable, "the simulation has ended")),
        Err(_) => refuse(&Status::new(Reason::Timeout, "Timeout: request did not complete within the allotted timeout")),
    }
}

fn is_administrator(server: &Server, request: &sim_api::Request) -> bool {
    let token = request.header("authorization").and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
    let user = server.users.iter().find(|(known, _)| known == token).map(|(_, user)| user).or(request.certificate.as_ref());
    user.is_some_and(|u| u.groups.iter().any(|g| g == "system:masters"))
}

/// The control API: only the administrator may use it.
async fn control(server: &Server, request: &sim_api::Request) -> Response<Body> {
    if !is_administrator(server, request) {
        return refuse(&Status::new(Reason::Unauthorized, "Unauthorized"));
    }
    match request.path.as_str() {
        CONTROL => {}
        VIEW => return view(server, request).await,
        CONTROL_DOCUMENT => return complete(json(200, &crate::control_document::document())),
        _ => return refuse(&Status::new(Reason::NotFound, "the server could not find the requested resource")),
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

/// What a page does not have yet; it waits until there is something.
async fn view(server: &Server, request: &sim_api::Request) -> Response<Body> {
    let wanted = match Wanted::read(&request.query) {
        Ok(wanted) => wanted,
        Err(why) => return refuse(&Status::new(Reason::BadRequest, why)),
    };
    let (sender, receiver) = oneshot::channel();
    if !server.simulation.send(Command::View(wanted, sender)) {
        return too_busy();
    }
    match receiver.await {
        Ok(text) => {
            let headers =
                vec![("Content-Type".to_owned(), "application/x-ndjson".to_owned()), ("Cache-Control".to_owned(), "no-store".to_owned())];
            complete(sim_api::Response { status: 200, headers, body: text.into_bytes() })
        }
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

/// Frames that come from elsewhere than the simulation's feed, as a response.
pub(crate) fn stream(receiver: tokio::sync::mpsc::Receiver<Vec<u8>>) -> Response<Body> {
    stream_of(Frames { receiver, waiting: Arc::default(), warnings: vec![] })
}

fn stream_of(mut frames: Frames) -> Response<Body> {
    let warnings = std::mem::take(&mut frames.warnings);
    let frames = futures_util::stream::unfold(frames, |mut frames| async move {
        let next = frames.receiver.recv().await?;
        frames.waiting.fetch_sub(next.len().min(frames.waiting.load(Ordering::Relaxed)), Ordering::Relaxed);
        Some((Ok::<Bytes, std::convert::Infallible>(Bytes::from(next)), frames))
    });
    let mut built = Response::new(Body::from_stream(frames));
    built.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    built.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache, private"));
    for warning in warnings.iter().filter_map(|warning| HeaderValue::from_str(warning).ok()) {
        built.headers_mut().append("warning", warning);
    }
    built
}
