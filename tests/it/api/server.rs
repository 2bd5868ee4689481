//! A server over the tiny Qwen3 of the engine's tests, on a free port, in a thread of this process.

use super::http::{Response, receive, send};
use crate::engine::world::{World, adapter_folder};
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;
use wardrobe::api::{ApiConfig, SamplingDefaults, Served, Server};
use wardrobe::engine::{self, EngineConfig, EngineHandle, KvMemory};
use wardrobe::model::{ChatTemplate, SpecialTokens, Tokenizer};

const TEMPLATE: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}\
                        {% if add_generation_prompt %}[assistant]{% endif %}";

/// How a test wants its server.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) engine: EngineConfig,
    pub(crate) api_key: Option<String>,
    pub(crate) max_body_bytes: usize,
    pub(crate) grace: Duration,
    pub(crate) max_adapters: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        let engine = EngineConfig {
            model_name: "base".to_owned(),
            max_num_seqs: 16,
            max_queue: 128,
            kv_memory: KvMemory::Tokens(8192),
            ..EngineConfig::default()
        };
        let grace = Duration::from_secs(20);
        Self { engine, api_key: None, max_body_bytes: 1 << 20, grace, max_adapters: 16 }
    }
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) engine: EngineHandle,
    /// The adapter folder.
    pub(crate) adapters: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _world: World,
}

/// Copies an adapter that PEFT saved into a folder, whole at once.
pub(crate) fn put_adapter(folder: &Path, name: &str, kind: &str) {
    let hidden = folder.join(format!(".{name}"));
    fs_err::create_dir(&hidden).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs_err::copy(adapter_folder(kind).join(file), hidden.join(file)).unwrap();
    }
    let place = folder.join(name);
    if place.exists() {
        fs_err::remove_dir_all(&place).unwrap();
    }
    fs_err::rename(hidden, place).unwrap();
}

impl Running {
    /// Starts a server; its adapter folder holds `lora` and `dora`, neither of them loaded.
    pub(crate) fn start(wanted: Wanted) -> Self {
        let world = World::with_room_for(wanted.max_adapters);
        let adapters = tempfile::tempdir().unwrap();
        put_adapter(adapters.path(), "lora", "all_linear");
        put_adapter(adapters.path(), "dora", "dora");
        let tokenizer = Arc::new(Tokenizer::load(world.folder.path()).unwrap());
        let (handle, thread) = engine::start(
            Arc::clone(&world.decoder),
            Arc::clone(&tokenizer),
            world.registry.clone(),
            &wanted.engine,
        )
        .unwrap();
        let template = ChatTemplate::new(TEMPLATE, &SpecialTokens::default()).unwrap();
        let served = Served { engine: handle.clone(), thread, tokenizer, template: Some(template) };
        let config = ApiConfig {
            adapter_dir: adapters.path().to_owned(),
            api_key: wanted.api_key,
            max_body_bytes: wanted.max_body_bytes,
            grace: wanted.grace,
            defaults: SamplingDefaults::default(),
        };
        let server = Server::bind("127.0.0.1", 0).unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let stopped = async { drop(stopped.await) };
            server.run(served, config, stopped, move || ready.send(()).unwrap()).unwrap();
        });
        is_ready.recv_timeout(Duration::from_secs(30)).unwrap();
        let (stop, thread) = (Some(stop), Some(thread));
        Self { address, engine: handle, adapters, stop, thread, _world: world }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        receive(send(self.address, "GET", path, "", ""))
    }

    /// Sends JSON and leaves the answer on the socket.
    pub(crate) fn begin(&self, path: &str, body: &Value) -> TcpStream {
        send(self.address, "POST", path, &body.to_string(), "content-type: application/json\r\n")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        receive(self.begin(path, body))
    }

    /// Waits until so many requests run.
    pub(crate) fn until_running(&self, count: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.engine.stats().num_requests_running != count {
            assert!(Instant::now() < end, "{:?}", self.engine.stats());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Tells the server to stop, as a signal does.
    pub(crate) fn signal(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the server's end.
    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A test that fails must fail with its own message.
            drop(thread.join());
        }
    }
}
