//! What tasks say, in the way of the program `alexnet`, whose files these are: a report that cannot
//! be written ends its task.

#[path = "../../alexnet-cli/src/message.rs"]
mod message;
#[allow(dead_code)] // no task goes on without a reader
#[path = "../../alexnet-cli/src/output.rs"]
mod report;

pub(crate) use self::message::{one_line, usage};
pub(crate) use self::report::{OutputError, Report, complain, help};
