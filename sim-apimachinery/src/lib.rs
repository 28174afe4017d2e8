//! The vocabulary of the cluster: kinds, objects, metadata, selectors, quantities, patches.
