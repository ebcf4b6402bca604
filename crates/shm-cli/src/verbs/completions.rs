//! `shmap completions`

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::{Exit, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap completions bash > shmap.bash

Subcommands and options are completed and, in bash, zsh and fish, names of maps. Put the script
for bash in ~/.local/share/bash-completion/completions/shmap, the one for zsh in _shmap in a
directory of $fpath, and the one for fish in ~/.config/fish/completions/shmap.fish.")]
pub(crate) struct Arguments {
    shell: Shell,
}

/// A script that runs after the generated completion, and replaces its results by names of maps if
/// there are any.
const BASH: &str = r#"
_shmap_or_names() {
    _shmap "$@"
    local name names=()
    while IFS= read -r name; do
        names+=("$(printf '%q' "$name")")
    done < <("${COMP_WORDS[0]}" map-names -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if (( ${#names[@]} )); then
        COMPREPLY=("${names[@]}")
    fi
}
complete -F _shmap_or_names -o bashdefault -o default shmap
"#;

const ZSH: &str = r#"
_shmap_names() {
    local -a names
    names=("${(@f)$(shmap map-names -- "${(@)words[1,CURRENT]}" 2>/dev/null)}")
    names=("${(@)names:#}")
    compadd -a names
}
"#;

const FISH: &str = r#"
function __shmap_names
    set -l words (commandline -opc) (commandline -ct)
    shmap map-names -- $words[2..] 2>/dev/null
end
complete -c shmap -a '(__shmap_names)'
"#;

pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "shmap", &mut script);
    match arguments.shell {
        Shell::Bash => script.extend_from_slice(BASH.as_bytes()),
        Shell::Fish => script.extend_from_slice(FISH.as_bytes()),
        Shell::Zsh => script = with_names(&String::from_utf8_lossy(&script)).into_bytes(),
        _ => {}
    }
    let mut out = crate::output::stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Ok)
}

/// zsh has a function for each argument. Arguments that are names get a function of ours. The first
/// line of the script stays first, because it says what the file completes.
fn with_names(script: &str) -> String {
    let (first, rest) = script.split_once('\n').unwrap_or((script, ""));
    let line = |line: &str| match line.contains("name -- Name") {
        true => line.replace(":_default'", ":_shmap_names'"),
        false => line.to_owned(),
    };
    let rest: Vec<_> = rest.lines().map(line).collect();
    format!("{first}\n{ZSH}{}\n", rest.join("\n"))
}
