//! What a line of the chat asks for.

/// The commands, for `/help`.
pub(super) const HELP: &str = "\
/adapter NAME   let this adapter answer (`base` for none); without a name, list them
/system TEXT    set the system message and begin anew; without a text, remove it
/reset          begin anew
/quit           end (so do Ctrl-D and, at the prompt, Ctrl-C)
Ctrl-C          stop an answer";

/// A line's meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// A message for the model.
    Say(&'a str),
    /// Another adapter, or a list of them.
    Adapter(Option<&'a str>),
    /// Another system message; empty for none.
    System(&'a str),
    /// Forget the conversation.
    Reset,
    /// Explain.
    Help,
    /// End.
    Quit,
}

/// Reads a trimmed line that is not empty. A message that begins with a slash is written with two.
pub(super) fn parse(line: &str) -> Result<Command<'_>, String> {
    let Some(rest) = line.strip_prefix('/') else { return Ok(Command::Say(line)) };
    if rest.starts_with('/') {
        return Ok(Command::Say(rest));
    }
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let argument = argument.trim();
    match (word, argument.is_empty()) {
        ("adapter", empty) => Ok(Command::Adapter((!empty).then_some(argument))),
        ("system", _) => Ok(Command::System(argument)),
        ("reset", true) => Ok(Command::Reset),
        ("help", true) => Ok(Command::Help),
        ("quit" | "exit", true) => Ok(Command::Quit),
        _ => Err(format!("there is no command /{word} like this; /help shows the commands")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        assert_eq!(parse("hi /there"), Ok(Command::Say("hi /there")));
        assert_eq!(parse("//path"), Ok(Command::Say("/path")));
        assert_eq!(parse("/adapter"), Ok(Command::Adapter(None)));
        assert_eq!(parse("/adapter  sft"), Ok(Command::Adapter(Some("sft"))));
        assert_eq!(parse("/system be kind"), Ok(Command::System("be kind")));
        assert_eq!(parse("/quit"), Ok(Command::Quit));
        assert!(parse("/reset now").is_err());
        assert!(parse("/adaptor x").unwrap_err().contains("/adaptor"));
    }
}
