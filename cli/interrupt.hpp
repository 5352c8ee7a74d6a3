#pragma once
// Ctrl-C and SIGTERM for commands that end in good order: what was begun is finished, what was asked for is printed.

namespace troupe::cli {

/// From now on SIGINT, SIGTERM and SIGHUP set a flag, and make a blocking read() of this thread return with EINTR. Call
/// before any thread exists.
void watch_interrupts();
/// How often one came.
int interrupts();

} // namespace troupe::cli
