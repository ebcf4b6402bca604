//! The board of the demo says which agents are there, and how the table has grown: what the demo
//! checks is told.

use std::path::Path;

use serde_json::{Value, json};
use shm_tests::{Child, TempNamespace, WATCHDOG, worker};

fn spawn(role: &str, arguments: &[&str], dir: &Path) -> Child {
    let mut command = worker(env!("CARGO_BIN_EXE_shm-worker"), role, dir);
    Child::spawn(command.args(arguments)).unwrap()
}

/// An agent that has said hello. It publishes each process that is its share.
fn agent(share: &str, shares: &str, dir: &Path) -> Child {
    let agent = spawn("demo-agent", &["--share", share, "--shares", shares], dir);
    agent.line(WATCHDOG).unwrap();
    agent
}

fn show(board: &mut Child) -> Value {
    serde_json::from_str(&board.ask("show 3", WATCHDOG).unwrap()).unwrap()
}

#[test]
fn ephemeral_rows_go_with_their_agents() {
    let dir = TempNamespace::new().unwrap();
    let [mut first, mut second, mut third] =
        ["0", "1", "2"].map(|share| agent(share, "3", dir.path()));
    let mut board = spawn("demo-board", &[], dir.path());
    assert_eq!(show(&mut board)["agents"], json!(["agent-0", "agent-1", "agent-2"]));
    second.kill().unwrap();
    assert_eq!(show(&mut board)["agents"], json!(["agent-0", "agent-2"]));
    // So do those of agents that end.
    first.close_stdin();
    assert!(first.wait(WATCHDOG).unwrap().success());
    assert_eq!(show(&mut board)["agents"], json!(["agent-2"]));
    third.kill().unwrap();
    assert_eq!(show(&mut board)["agents"], json!([]));
}

#[test]
fn the_growth_of_the_table_is_told() {
    let dir = TempNamespace::new().unwrap();
    let mut agent = agent("0", "1", dir.path());
    // At its end it has published all processes: itself, its board and this one among others.
    let mut board = spawn("demo-board", &[], dir.path());
    agent.close_stdin();
    assert!(agent.wait(WATCHDOG).unwrap().success());
    let shown = show(&mut board);
    let field = |name: &str| shown[name].as_u64().unwrap();
    assert_eq!(field("first_capacity"), 4);
    assert!(field("capacity") >= field("entries") && field("entries") > 1, "{shown}");
    let doubled = 4 << field("growths");
    assert_eq!(field("capacity"), doubled, "{shown}");
}
