//! The rows of the demo that go with their writers: each agent adds an ephemeral row that says that
//! it is there.

use anyhow::Result;
use slotmap_shm::{
    Expiry, Geometry, Name, Namespace, OpenError, ReadOptions, Table, TableOpenError, TableOptions,
    TableReader,
};

const NAME: &str = "agents";

/// Adds the row of an agent. The row is there as long as the calling thread lives and the table
/// that this returns is open.
pub fn announce(agent: &str) -> Result<Table<str>> {
    let geometry = Geometry::default().capacity(64).expiry(Expiry::ByEntry);
    let options = TableOptions::default().geometry(geometry);
    let table = Table::open_or_create(&Namespace::from_env(), &Name::new(NAME)?, &options)?;
    table.add_ephemeral(agent, std::process::id().to_string())?;
    Ok(table)
}

/// Opens the table to read, as soon as there is one.
pub fn open() -> Result<TableReader<str>> {
    let (namespace, name) = (Namespace::from_env(), Name::new(NAME)?);
    loop {
        match TableReader::open_read_only(&namespace, &name, &ReadOptions::default()) {
            Err(TableOpenError::Open(OpenError::NotFound { .. })) => std::thread::yield_now(),
            other => return Ok(other?),
        }
    }
}

/// The agents that are there, in order.
pub fn there(table: &TableReader<str>) -> Result<Vec<String>> {
    let mut agents: Vec<_> = table.entries()?.into_iter().map(|(agent, _)| agent).collect();
    agents.sort_unstable();
    Ok(agents)
}
