#include "actors/tls_sessions.hpp"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/assert.hpp"

namespace {

/// The library's own operation of that name.
template <class Function> Function* library(const char* name) {
  auto* found = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
  TROUPE_ASSERT(found != nullptr);
  return found;
}

} // namespace

extern "C" {

int SSL_read(SSL* session, void* to, int size) {
  static auto* const real = library<int(SSL*, void*, int)>("SSL_read");
  ERR_clear_error();
  return real(session, to, size);
}

int SSL_write(SSL* session, const void* from, int size) {
  static auto* const real = library<int(SSL*, const void*, int)>("SSL_write");
  ERR_clear_error();
  return real(session, from, size);
}

int SSL_accept(SSL* session) {
  static auto* const real = library<int(SSL*)>("SSL_accept");
  ERR_clear_error();
  return real(session);
}

int SSL_connect(SSL* session) {
  static auto* const real = library<int(SSL*)>("SSL_connect");
  ERR_clear_error();
  return real(session);
}

} // extern "C"

namespace troupe {

bool tls_sessions_are_apart() { return dlsym(RTLD_DEFAULT, "SSL_read") == reinterpret_cast<void*>(&SSL_read); }

} // namespace troupe
