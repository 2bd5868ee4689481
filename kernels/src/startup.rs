//! What must happen before a process has a second thread.

/// Sets an environment variable of this process, unless the user has set it. Does nothing where
/// another thread exists already, or where that cannot be told (other systems than Linux).
pub fn set_default_variable(name: &str, value: &str) {
    if std::env::var_os(name).is_none() && is_only_thread() {
        // SAFETY: this is the only thread, so nothing reads the environment at the same time.
        unsafe { std::env::set_var(name, value) };
    }
}

fn is_only_thread() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}
