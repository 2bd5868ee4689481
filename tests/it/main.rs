//! The one binary of integration tests: linked once, a module a topic.

mod countdown;
mod tidy;
