//! Server-sent events: `data: {json}\n\n` for every chunk, then `data: [DONE]\n\n`.
//!
//! The events of all choices are merged into one body. Dropping the body, as actix does when the
//! client is gone, drops every [`Running`] in it and so frees their sequences. What a chunk looks
//! like is the endpoint's affair ([`Frames`]).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures::stream::{self, LocalBoxStream, SelectAll, Stream, StreamExt};
use serde_json::Value;

use super::error::ApiError;
use super::generation::Running;
use crate::engine::Event;

/// A silent stream gets a comment this often, so that proxies keep it open and a client that is
/// gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How one endpoint dresses events.
pub(crate) trait Frames {
    /// Chunks before the first event.
    fn open(&mut self) -> Vec<Value>;
    /// Chunks for one event of one choice.
    fn event(&mut self, choice: usize, event: Event) -> Vec<Value>;
    /// Chunks after the last event.
    fn close(&mut self) -> Vec<Value>;
}

type Merged = SelectAll<LocalBoxStream<'static, (usize, Result<Event, ApiError>)>>;

struct Pump<F> {
    events: Merged,
    frames: F,
    queue: VecDeque<Bytes>,
    ended: bool,
}

/// The streamed response.
pub(crate) fn respond<F: Frames + 'static>(running: Vec<Running>, mut frames: F) -> HttpResponse {
    let queue = frames.open().iter().map(data).collect();
    let events = running.into_iter().map(events_of).collect();
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body(Pump { events, frames, queue, ended: false }))
}

/// One choice's events, up to and with its last or its failure.
fn events_of(running: Running) -> LocalBoxStream<'static, (usize, Result<Event, ApiError>)> {
    stream::unfold(Some(running), |running| async move {
        let mut running = running?;
        let index = running.index;
        let event = running.next().await;
        let last = matches!(event, Err(_) | Ok(Event::Finished { .. }));
        Some(((index, event), (!last).then_some(running)))
    })
    .boxed_local()
}

fn body<F: Frames>(pump: Pump<F>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(pump, |mut pump| async move {
        loop {
            if let Some(bytes) = pump.queue.pop_front() {
                return Some((Ok(bytes), pump));
            }
            if pump.ended {
                return None;
            }
            pump.advance().await;
        }
    })
}

impl<F: Frames> Pump<F> {
    /// Waits for one event and queues its chunks.
    async fn advance(&mut self) {
        match tokio::time::timeout(KEEP_ALIVE, self.events.next()).await {
            Err(_) => self.queue.push_back(Bytes::from_static(b": keep-alive\n\n")),
            Ok(Some((choice, Ok(event)))) => {
                let chunks = self.frames.event(choice, event);
                self.queue.extend(chunks.iter().map(data));
            }
            Ok(Some((_, Err(error)))) => self.end(vec![error.envelope()]),
            Ok(None) => {
                let last = self.frames.close();
                self.end(last);
            }
        }
    }

    fn end(&mut self, last: Vec<Value>) {
        self.queue.extend(last.iter().map(data));
        self.queue.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
        self.events.clear();
        self.ended = true;
    }
}

fn data(chunk: &Value) -> Bytes {
    Bytes::from(format!("data: {chunk}\n\n"))
}
