//! `wardrobe bench peer`: single-stream decode against llama.cpp on the same bf16 weights, in turns
//! within one run, so that both meet the same machine. The peer runs in Python (`benches/llama_cpp_peer.py`).

use super::common::{Common, Lengths};
use super::report::Report;
use super::session::Session;
use super::stats::Samples;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The script, so that the program needs no checkout beside it.
const SCRIPT: &str = include_str!("../../../benches/llama_cpp_peer.py");

/// Arguments of `bench peer`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  wardrobe bench peer --model bench-model --peer-python venv/bin/python")]
pub(super) struct PeerArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    lengths: Lengths,
    /// A Python that has llama-cpp-python, gguf and numpy.
    #[arg(long, value_name = "PYTHON", default_value = "python3")]
    peer_python: PathBuf,
    /// Threads of llama.cpp; as many as this program uses by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    peer_threads: Option<u16>,
    /// Where the converted model goes; a temporary file by default.
    #[arg(long, value_name = "FILE")]
    gguf: Option<PathBuf>,
}

/// What the script says when it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    llama_cpp_python: String,
    system: String,
}

/// What the script says after each run.
#[derive(Debug, Deserialize)]
struct PeerRun {
    prefill_seconds: f64,
    decode_seconds: f64,
}

impl PeerArgs {
    pub(super) fn run(&self) -> Result<()> {
        let mut report = self.common.report("peer")?;
        self.lengths.describe(&mut report);
        let folder = tempfile::tempdir().context("the converted model needs a temporary folder")?;
        let gguf = self.gguf.clone().unwrap_or_else(|| folder.path().join("model.gguf"));
        let threads = self.peer_threads.map_or_else(rayon::current_num_threads, usize::from);
        let mut peer = self.start_peer(&gguf, threads)?;
        let ready: Ready = peer.answer()?;
        report
            .say("peer", format!("llama-cpp-python {}, {threads} threads", ready.llama_cpp_python));
        report.say("peer_system", ready.system);
        let mut session = self.common.session(1, self.lengths)?;
        self.measure(&mut session, &mut peer, &mut report)?;
        self.common.show(&report)
    }

    fn measure(&self, session: &mut Session, peer: &mut Peer, report: &mut Report) -> Result<()> {
        let Lengths { prompt, generate } = self.lengths;
        let mut round = |seed: u64| -> Result<[f64; 4]> {
            let ours = session.run(vec![session.work(prompt, generate, seed)])?;
            let theirs: PeerRun = peer.ask(&format!("run {prompt} {generate} {seed}"))?;
            let (decoded, read) = ((generate - 1) as f64, prompt as f64);
            Ok([
                ours.decode_per_second(),
                decoded / theirs.decode_seconds,
                read / ours.prefill().as_secs_f64(),
                read / theirs.prefill_seconds,
            ])
        };
        round(u64::from(u32::MAX))?; // warms caches and threads
        let rounds = (0..self.common.runs()).map(round).collect::<Result<Vec<_>>>()?;
        let column = |i: usize| Samples::new(rounds.iter().map(move |round| round[i]));
        let ratio =
            |i: usize| Samples::new(rounds.iter().map(move |round| round[i] / round[i + 1]));
        report.figure("wardrobe_decode", "token/s", column(0));
        report.figure("llama_cpp_decode", "token/s", column(1));
        report.figure("decode_ratio", "x llama.cpp", ratio(0));
        report.figure("wardrobe_prefill", "token/s", column(2));
        report.figure("llama_cpp_prefill", "token/s", column(3));
        report.figure("prefill_ratio", "x llama.cpp", ratio(2));
        Ok(())
    }

    fn start_peer(&self, gguf: &Path, threads: usize) -> Result<Peer> {
        let Lengths { prompt, generate } = self.lengths;
        let context = (prompt + generate).next_multiple_of(256);
        let mut command = Command::new(&self.peer_python);
        command.args(["-c", SCRIPT]).arg(&self.common.model).arg(gguf);
        command.args([threads.to_string(), context.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| {
            let python = self.peer_python.display();
            format!(
                "the peer's Python `{python}` could not be started; name one with --peer-python"
            )
        })?;
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        let (Some(input), Some(output)) = (input, output) else {
            bail!("the peer's input and output could not be connected");
        };
        Ok(Peer { child, input, output })
    }
}

/// The script's process. It ends when its input does.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn ask<T: DeserializeOwned>(&mut self, command: &str) -> Result<T> {
        writeln!(self.input, "{command}").context("the peer no longer listens")?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            let status = self.child.wait()?;
            bail!(
                "the peer ended ({status}); it needs the packages llama-cpp-python, gguf and numpy, \
                 and its own message is above"
            );
        }
        serde_json::from_str(&line).with_context(|| format!("the peer said `{}`", line.trim()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing can be done for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
