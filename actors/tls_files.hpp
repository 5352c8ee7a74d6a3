#pragma once
// CAF loads certificates for each connection, and ends the process when they are bad. So they are proved good before it
// starts.

#include <string>

#include "base/result.hpp"

namespace troupe {

struct tls_files {
  std::string certificate, key, ca, passphrase;
};

/// The certificate, its key (opened with the passphrase) and the CA file are there, belong together, and are valid
/// today: key to certificate, certificate to CA by way of the others in its file, as a server and as a client.
result<void> check_tls_files(const tls_files& files);

} // namespace troupe
