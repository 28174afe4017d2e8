//! A Kubernetes cluster in one process on a virtual clock.
