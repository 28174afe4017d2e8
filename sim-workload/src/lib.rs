//! How containers and traffic behave.
