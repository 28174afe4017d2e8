//! Where in an object a field is: `spec.containers[0].ports[1].name`, `data[key]`.
//! A path is a chain of references and costs nothing until an error writes it down.
//! Source: apimachinery pkg/util/validation/field/path.go.

use std::fmt;

/// A field's place. Cheap to make and to copy; written only when something is wrong there.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// A path that begins with this field.
    pub const fn root(name: &'a str) -> Self {
        Path { parent: None, step: Step::Field(name) }
    }

    /// A field of the struct here.
    pub const fn child(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Field(name) }
    }

    /// An item of the list here.
    pub const fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// An entry of the map here.
    pub const fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match (self.step, self.parent.is_some()) {
            (Step::Field(name), true) => write!(f, ".{name}"),
            // Kubernetes shows a path without a name so.
            (Step::Field(""), false) => f.write_str("[]"),
            (Step::Field(name), false) => f.write_str(name),
            (Step::Index(index), _) => write!(f, "[{index}]"),
            (Step::Key(key), _) => write!(f, "[{key}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_kubernetes_writes_it() {
        let spec = Path::root("spec");
        let containers = spec.child("containers");
        assert_eq!(containers.index(0).child("ports").index(1).child("name").to_string(), "spec.containers[0].ports[1].name");
        assert_eq!(Path::root("data").key("a.b").to_string(), "data[a.b]");
    }
}
