//! Which program a container runs: the pod's `command` and `args` over the image's own ENTRYPOINT and CMD.

use super::Spec;
use crate::profile::Profile;
use std::collections::BTreeMap;

/// The file name of a program path.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

impl Profile {
    /// The command line of a container: `command` and `args` over the image's own, through its entrypoint script.
    pub(crate) fn argv(&self, spec: &Spec) -> Vec<String> {
        let image = &self.spec().image;
        let tail = if spec.args.is_empty() { image.cmd.clone() } else { spec.args.clone() };
        if !spec.command.is_empty() {
            return spec.command.iter().chain(&spec.args).cloned().collect();
        }
        match (image.entrypoint.is_empty(), tail.first(), image.server.first()) {
            (false, Some(first), Some(server)) if first.starts_with('-') => std::iter::once(server.clone()).chain(tail).collect(),
            _ => tail,
        }
    }

    /// Whether the runtime can start a container with this spec; the error is the end of the runtime's message, for
    /// example `exec: "foo": executable file not found in $PATH`. The kubelet reports it as `StartError`, exit code 128.
    pub fn check_start(&self, spec: &Spec) -> Result<(), String> {
        let argv = self.argv(spec);
        let Some(program) = argv.first() else { return Err("no command specified".into()) };
        self.check_program(program)
    }

    pub(crate) fn check_program(&self, program: &str) -> Result<(), String> {
        let name = base_name(program);
        if self.is_server(name) || self.has_tool(name) || self.spec().image.programs.contains_key(name) {
            return Ok(());
        }
        if program.contains('/') {
            return Err(format!("exec: {program:?}: stat {program}: no such file or directory"));
        }
        Err(format!("exec: {program:?}: executable file not found in $PATH"))
    }
}

/// Replaces `$(NAME)` in `command` and `args` by the variable, as the kubelet does before it starts a container; unknown
/// names stay as they are, `$$` is one dollar.
pub fn expand_references(text: &str, env: &BTreeMap<String, String>) -> String {
    let (mut rest, mut result) = (text, String::new());
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match (name, after.strip_prefix('$')) {
            (_, Some(tail)) => {
                result.push('$');
                tail
            }
            (Some((name, tail)), None) => {
                result.push_str(env.get(name).map_or(format!("$({name})").as_str(), String::as_str));
                tail
            }
            (None, None) => {
                result.push('$');
                after
            }
        };
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile_set::ProfileSet;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_string).collect()
    }

    fn check(image: &str, command: &str, args: &str, expected: Result<&str, &str>) {
        let spec = Spec { command: words(command), args: words(args), ..Spec::default() };
        let set = ProfileSet::builtin();
        let profile = set.find(image);
        let outcome = profile.check_start(&spec).map(|()| profile.argv(&spec).join(" "));
        assert_eq!(outcome, expected.map(str::to_string).map_err(str::to_string), "{image} {command} {args}");
    }

    #[test]
    fn command_and_args_replace_entrypoint_and_cmd() {
        check("redis:7", "", "", Ok("redis-server"));
        check("redis:7", "", "--appendonly yes", Ok("redis-server --appendonly yes"));
        check("redis:7", "redis-server", "--port 1", Ok("redis-server --port 1"));
        check("busybox", "", "", Ok("sh"));
        check("busybox", "", "sleep 5", Ok("sleep 5"));
        check("nobody/knows", "/app/run", "--fast", Ok("/app/run --fast"));
    }

    #[test]
    fn a_program_the_image_does_not_have_cannot_be_started() {
        check("busybox", "nope", "", Err("exec: \"nope\": executable file not found in $PATH"));
        check("busybox", "/bin/nope", "", Err("exec: \"/bin/nope\": stat /bin/nope: no such file or directory"));
    }

    #[test]
    fn references_are_replaced_once_and_dollars_can_be_escaped() {
        let env = BTreeMap::from([("A".to_string(), "$(B)".to_string()), ("B".to_string(), "b".to_string())]);
        let cases = [("x$(A)y", "x$(B)y"), ("$$(A)", "$(A)"), ("$(C) $A", "$(C) $A"), ("$(B", "$(B"), ("100$", "100$")];
        for (text, expected) in cases {
            assert_eq!(expand_references(text, &env), expected, "{text}");
        }
    }
}
