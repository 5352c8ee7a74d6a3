#pragma once
// Why a session's trouble stays its own. OpenSSL keeps errors in one queue a thread, and what an operation came to
// (SSL_get_error) is only told right when that queue was empty before it. CAF 0.17 serves all sessions on one thread
// and never empties it: after one peer went without a goodbye, or a stranger failed to introduce itself, the next
// session that merely has to wait is taken for broken, and a healthy node is disconnected.
//
// So the four operations that CAF calls stand here once more, under their own names, and empty the queue first: the
// dynamic linker finds those of the executable before those of the library. docs/decisions/0013 has the whole story.

namespace troupe {

/// The operations of this file are those that libraries get. False would be a mistake in how the program was linked.
bool tls_sessions_are_apart();

} // namespace troupe
