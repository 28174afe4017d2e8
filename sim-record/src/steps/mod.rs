//! The steps of a plan as requests to the API server: the ones kubectl would send, in its order, and what it would print.
//! Not like kubectl: no process is started; the time it takes to start is waited (`kubectl`).

mod apply;
mod commands;
mod exec;
mod nodes;
mod rollout;
pub mod shell;
pub mod traffic;
mod wait;

use sim_core::scenario::format::Step;

use crate::plan::{Planned, What};
use crate::session::{Done, Session, StepError};

/// What a step came to.
pub struct Outcome {
    /// The exit code.
    pub exit: i32,
    /// What it printed.
    pub output: String,
    /// Why the recording cannot go on.
    pub error: Option<StepError>,
}

impl Session {
    /// Does a step. A command of a shell may fail without ending the recording; a step of a scenario may not.
    pub async fn perform(&self, planned: &Planned) -> Outcome {
        match &planned.what {
            What::Shell(command) => {
                let done = self.shell(command).await;
                self.user_is_here();
                match done {
                    Ok((exit, output)) => Outcome { exit, output, error: None },
                    Err(error) => failed(String::new(), error),
                }
            }
            What::Step(step) => {
                let mut output = String::new();
                let done = self.command(planned, step, &mut output).await;
                match done.and(self.step_goes(planned).await) {
                    Ok(()) => Outcome { exit: 0, output, error: None },
                    Err(error) => failed(output, error),
                }
            }
        }
    }

    async fn command(&self, planned: &Planned, step: &Step, out: &mut String) -> Done<()> {
        if let Some(schema_kinds) = self.plan.command(&planned.what) {
            self.command_starts(schema_kinds).await;
        }
        self.command_acts(step).await?;
        let done = self.step(step, out).await;
        if self.is_awaited(step) {
            self.user_is_here();
        }
        done
    }

    async fn step(&self, step: &Step, out: &mut String) -> Done<()> {
        match step {
            Step { apply: Some(apply), .. } => self.apply(step, apply, out).await,
            Step { get: Some(selection), .. } => self.get(selection, out).await,
            Step { delete: Some(delete), .. } => self.delete(delete, out).await,
            Step { patch: Some(patch), .. } => self.patch(patch, out).await,
            Step { scale: Some(scale), .. } => self.scale(scale, out).await,
            Step { set: Some(set), .. } => self.set(set, out).await,
            Step { rollout: Some(rollout), .. } => self.rollout(rollout, out).await,
            Step { label: Some(label), .. } => self.label(label, out).await,
            Step { taint: Some(taint), .. } => self.taint(taint, out).await,
            Step { cordon: Some(node), .. } => self.cordon(&node.node, true, out).await,
            Step { uncordon: Some(node), .. } => self.cordon(&node.node, false, out).await,
            Step { drain: Some(drain), .. } => self.drain(drain, out).await,
            Step { http: Some(http), .. } => self.http(http, out).await,
            Step { load: Some(load), .. } => self.load(load),
            Step { exec: Some(exec), .. } => self.exec(exec, out).await,
            Step { fault: Some(fault), .. } => self.crash(fault, out).await,
            Step { wait: Some(wait), .. } => self.wait(wait, out).await,
            _ => Ok(()),
        }
    }
}

fn failed(mut output: String, error: StepError) -> Outcome {
    let (StepError::Failed(text) | StepError::Lost(text)) = &error;
    output.push_str(text);
    Outcome { exit: 1, output, error: Some(error) }
}
