//! Which nodes are together: for each label that some pod named as a topology key, the value of every node as a small
//! number. A column is made when the key is first needed and kept up to date with the nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node_info::{NodeInfo, Slot};

/// The number of a column.
pub type ColumnId = usize;
/// The number of a value in a column; 0 means the node has no such label.
pub type ValueId = u32;

/// The values of one label.
#[derive(Clone, Debug)]
struct Column {
    key: Arc<str>,
    values: Vec<ValueId>,
    ids: BTreeMap<String, ValueId>,
}

/// All columns.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    columns: Vec<Column>,
    by_key: BTreeMap<Arc<str>, ColumnId>,
}

impl Topology {
    /// The column of a label, made from the nodes if it is new.
    pub fn column(&mut self, key: &str, nodes: &[NodeInfo]) -> ColumnId {
        if let Some(id) = self.by_key.get(key) {
            return *id;
        }
        let key: Arc<str> = key.into();
        let mut column = Column { key: key.clone(), values: vec![], ids: BTreeMap::new() };
        for node in nodes {
            column.set(node);
        }
        self.columns.push(column);
        self.by_key.insert(key, self.columns.len() - 1);
        self.columns.len() - 1
    }

    /// The column of a label, if some pod has named it.
    pub fn find(&self, key: &str) -> Option<ColumnId> {
        self.by_key.get(key).copied()
    }

    /// The value of a node in a column.
    pub fn value(&self, column: ColumnId, slot: Slot) -> ValueId {
        self.columns[column].values.get(slot as usize).copied().unwrap_or(0)
    }

    /// One more than the largest value of a column.
    pub fn size(&self, column: ColumnId) -> usize {
        self.columns[column].ids.len() + 1
    }

    /// Takes in a node that is new, changed or gone.
    pub fn set(&mut self, node: &NodeInfo) {
        for column in &mut self.columns {
            column.set(node);
        }
    }
}

impl Column {
    fn set(&mut self, node: &NodeInfo) {
        let slot = node.slot as usize;
        if self.values.len() <= slot {
            self.values.resize(slot + 1, 0);
        }
        let next = self.ids.len() as ValueId + 1;
        self.values[slot] = match node.labels().get(&*self.key) {
            Some(value) => match self.ids.get(value) {
                Some(id) => *id,
                None => *self.ids.entry(value.clone()).or_insert(next),
            },
            None => 0,
        };
    }
}
