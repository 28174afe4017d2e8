//! `ksim`: a Kubernetes cluster in one process on a virtual clock, from the command line.
//! One file per command. Exit codes: 0 all held, 1 an expectation failed, 2 wrong usage or input, 3 an invariant of ours
//! broke, 4 no convergence, 5 a limit was reached, 6 not deterministic, 7 the scenario needs something not simulated.

mod calibrate;
mod compare;
mod ctl;
mod describe;
mod explain;
mod get;
mod lint;
mod moment;
mod output;
mod page;
mod record;
mod report;
mod run;
mod schema;
mod serve;
mod session;
mod timeline;

use clap::{Parser, Subcommand};

/// A Kubernetes cluster in one process on a virtual clock.
#[derive(Parser)]
#[command(name = "ksim", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play scenario files and check what they expect
    Run(run::RunArguments),
    /// Check scenario files without playing them
    Lint(lint::LintArguments),
    /// Say why an object is in the state it is in at the end of a scenario
    Explain(explain::ExplainArguments),
    /// Describe objects at a moment of a scenario, with their events
    Describe(describe::DescribeArguments),
    /// Show objects at a moment of a scenario
    Get(get::GetArguments),
    /// Hold a recording of a real cluster against a simulation of the same actions, and say what differs
    Compare(compare::CompareArguments),
    /// Serve the cluster through the Kubernetes API, for kubectl and other clients
    Serve(serve::ServeArguments),
    /// Estimate how long things take on a cluster from recordings of it, and write a cluster profile
    Calibrate(calibrate::CalibrateArguments),
    /// Steer a running server: pause, step, speed, until, faults, checkpoints, rewind, fork
    Ctl(ctl::CtlArguments),
    /// Print the kubeconfig of the running server
    Kubeconfig(serve::KubeconfigArguments),
    /// Do a scenario's steps to a real cluster and record what it does
    Record(record::RecordArguments),
    /// Print the JSON schema of scenario files
    Schema,
}

fn main() {
    let code = match Arguments::try_parse() {
        Ok(arguments) => dispatch(arguments.command),
        Err(error) => {
            // clap prints help to standard output and errors to standard error; a closed pipe is nobody's fault.
            let _printed = error.print();
            if error.use_stderr() { output::WRONG_INPUT } else { output::HELD }
        }
    };
    std::process::exit(code);
}

fn dispatch(command: Command) -> i32 {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Lint(arguments) => lint::lint(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Describe(arguments) => describe::describe(&arguments),
        Command::Get(arguments) => get::get(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Serve(arguments) => serve::serve(arguments),
        Command::Calibrate(arguments) => calibrate::run(&arguments),
        Command::Ctl(arguments) => ctl::ctl(&arguments),
        Command::Kubeconfig(arguments) => serve::kubeconfig(&arguments),
        Command::Record(arguments) => record::record(arguments),
        Command::Schema => schema::print(),
    }
}
