//! `shmap completions`

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::failure::{Exit, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  $ shmap completions bash > shmap.bash

Where they belong: bash, ~/.local/share/bash-completion/completions/shmap; zsh, _shmap in a
directory of $fpath; fish, ~/.config/fish/completions/shmap.fish.")]
pub(crate) struct Arguments {
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = crate::arguments::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "shmap", &mut script);
    let mut out = crate::output::stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Ok)
}
