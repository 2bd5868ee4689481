//! The bound on waiting requests: a counter, and tickets that give their place back when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the requests that wait and refuses more than its limit.
#[derive(Clone, Debug)]
pub struct QueueBound {
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

/// One waiting request's place.
#[derive(Debug)]
pub struct QueueTicket(Arc<AtomicUsize>);

impl QueueBound {
    /// An empty queue of at most `limit` requests.
    pub fn new(limit: usize) -> Self {
        Self { waiting: Arc::default(), limit }
    }

    /// A place; `None` when the queue is full.
    pub fn enter(&self) -> Option<QueueTicket> {
        let take = |waiting| (waiting < self.limit).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).ok()?;
        Some(QueueTicket(Arc::clone(&self.waiting)))
    }

    /// Requests that wait now.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_ticket_makes_room() {
        let queue = QueueBound::new(2);
        let first = queue.enter().unwrap();
        let _second = queue.enter().unwrap();
        assert!(queue.enter().is_none());
        drop(first);
        assert!(queue.enter().is_some());
        assert_eq!(queue.len(), 1);
    }
}
