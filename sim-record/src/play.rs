//! The steps of a recording, one after the other at their times, until the last is done or the cluster is lost.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::session::{Session, StepError};
use crate::simulated::{self, Running};

/// Does the steps at their times.
pub async fn play(session: &Session, tell: &(dyn Fn(&str) + Sync)) -> Result<usize, Failure> {
    let clock = match (session.in_branch, session.is_simulated()) {
        (true, _) => {
            if let Some(first) = session.plan.steps.first().filter(|first| session.is_held(first)) {
                simulated::hold(&session.cluster, first.at.unwrap_or(0)).await?;
            }
            simulated::run(&session.cluster, session.speed).await?
        }
        (false, true) => simulated::look(&session.cluster).await?,
        (false, false) => Running { at: Instant::now(), elapsed: 0, now: None },
    };
    session.kubectl.begin(clock);
    session.recording.start(clock.at);
    let limit = session.plan.time_limit.map(|limit| session.wall(limit));
    let steps = play_steps(session, tell);
    match limit {
        Some(limit) => match tokio::time::timeout(limit, steps).await {
            Ok(played) => played,
            Err(_) => Err(Failure::TimeLimit("the scenario's time limit came before its end".into())),
        },
        None => steps.await,
    }
}

async fn play_steps(session: &Session, tell: &(dyn Fn(&str) + Sync)) -> Result<usize, Failure> {
    let mut failed_commands = 0;
    for planned in &session.plan.steps {
        session.step_comes(planned).await?;
        tell(&format!("{:8.3}s {}", session.user_at() as f64 / 1e9, planned.text));
        session.recording.action(&planned.text);
        let outcome = session.perform(planned).await;
        session.recording.done(&planned.text, outcome.exit, &outcome.output);
        match outcome.error {
            Some(StepError::Failed(text)) => return Err(Failure::Step(format!("{}: {text}", planned.place))),
            Some(lost) => return Err(lost.into()),
            None if outcome.exit != 0 => {
                failed_commands += 1;
                tell(&format!("  exit code {}: {}", outcome.exit, outcome.output.trim()));
            }
            None => {}
        }
        if let (_, Some(why)) = session.recording.state() {
            return Err(Failure::Limit(why));
        }
    }
    // What a simulated cluster is recorded for must be as long as its run, to be compared with it.
    let settle = if session.is_simulated() && session.lasts.is_some() { 0 } else { session.plan.settle };
    let end = (session.user_at() + settle).max(session.lasts.unwrap_or(0));
    session.ends(end).await?;
    Ok(failed_commands)
}

pub async fn until_lost(mut lost: watch::Receiver<Option<Failure>>) -> Failure {
    loop {
        if let Some(why) = lost.borrow_and_update().clone() {
            return why;
        }
        if lost.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
