//! `wardrobe chat`: a conversation in the terminal, over the engine in this process.
//!
//! Answers go to stdout as they are written, everything else to stderr, so that a piped chat leaves
//! answers alone on stdout. Ctrl-C stops an answer; at the prompt it ends the chat.

mod command;
mod input;
mod session;

use std::io::Write;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::loading::{self, Loaded};
use super::log;
use super::model_args::{EngineArgs, ModelArgs};
use super::usage::{at_least_one, temperature};
use command::Command;
use input::Input;
use session::{Asked, Session};

/// Arguments of `wardrobe chat`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ChatArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// What the model is told before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Softmax temperature, 0 for the most probable token [default: the model's]
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = temperature)]
    temperature: Option<f32>,
    /// Tokens of one answer [default: the model's, or what the context has room for]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_tokens: Option<usize>,
    /// Seed of every answer
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  wardrobe chat --adapter sft                      the demo base, wearing an adapter
  wardrobe chat --model Qwen/Qwen2.5-0.5B-Instruct --system 'Answer in one word.'
  echo 'What is 12 + 30?' | wardrobe chat --temperature 0 > answer.txt";

/// Chats until the input ends.
pub(super) fn run(args: ChatArgs) -> Result<()> {
    log::init();
    let first = args.model.adapter.first().map(|adapter| adapter.name.clone());
    let Loaded { served, defaults } = loading::load(&args.model, &args.engine)?;
    let template = served.template.context(
        "this model has no chat template (chat_template.jinja); chat needs a model made for it",
    )?;
    let mut session = Session::new(served.engine.clone(), served.tokenizer, template);
    session.set_system(args.system);
    session.sampling(defaults, args.temperature, args.max_tokens, args.seed);
    session.adapter_dir(args.model.adapter_dir);
    if let Some(name) = first {
        session.wear(&name)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(converse(&mut session, Input::start()));
    // The thread that reads stdin may still wait there.
    runtime.shutdown_background();
    served.engine.stop();
    served.thread.join()?;
    result
}

async fn converse(session: &mut Session, mut input: Input) -> Result<()> {
    if input.is_terminal() {
        note(&format!("{}\n/help shows the commands", session.who()));
    }
    let mut unanswered = 0;
    while let Some(line) = input.line(&session.prompt()).await? {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match command::parse(line) {
            Ok(Command::Quit) => break,
            Ok(Command::Say(text)) => unanswered += usize::from(!answer(session, text).await?),
            Ok(command) => obey(session, command),
            Err(reason) => note(&reason),
        }
    }
    if input.is_terminal() {
        note("");
    } else if unanswered > 0 {
        bail!("{unanswered} of the messages could not be answered");
    }
    Ok(())
}

/// One turn of the model's; false where it was refused.
async fn answer(session: &mut Session, text: &str) -> Result<bool> {
    match session.say(text).await? {
        Asked::Answered | Asked::Interrupted => {
            std::io::stdout().write_all(b"\n")?;
            std::io::stdout().flush()?;
            Ok(true)
        }
        Asked::Refused(reason) => {
            note(&reason);
            Ok(false)
        }
    }
}

fn obey(session: &mut Session, command: Command<'_>) {
    let said = match command {
        Command::Adapter(Some(name)) => session.wear(name).map(|()| session.who()),
        Command::Adapter(None) => Ok(session.wardrobe()),
        Command::System(text) => {
            session.set_system(Some(text.to_owned()).filter(|text| !text.is_empty()));
            Ok("the system message is set; the conversation begins anew".to_owned())
        }
        Command::Reset => {
            session.reset();
            Ok("the conversation begins anew".to_owned())
        }
        Command::Help => Ok(command::HELP.to_owned()),
        Command::Say(_) | Command::Quit => return,
    };
    note(&said.unwrap_or_else(|error| format!("{error:#}")));
}

/// A line of ours, apart from the answers.
#[expect(clippy::print_stderr, reason = "notes belong on stderr, answers on stdout")]
fn note(text: &str) {
    eprintln!("{text}");
}
