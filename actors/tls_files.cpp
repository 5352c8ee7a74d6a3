#include "actors/tls_files.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "actors/tls_sessions.hpp"
#include "base/assert.hpp"

namespace troupe {
namespace {

tl::unexpected<error> refuse(const std::string& option, const std::string& file) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return fail(errc::invalid, "node.tls." + option + ": " + file + " can't be used: " + text.data());
}

int give_passphrase(char* buffer, int size, int, void* passphrase) {
  auto& text = *static_cast<const std::string*>(passphrase);
  auto length = std::min<std::size_t>(text.size(), static_cast<std::size_t>(size));
  std::memcpy(buffer, text.data(), length);
  return static_cast<int>(length);
}

/// What the other side of a connection will find: does the certificate lead to the CA, and is every one on the way
/// valid today?
result<void> check_chain(SSL_CTX* context, const tls_files& files, int purpose, const char* role) {
  std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> check{X509_STORE_CTX_new(), X509_STORE_CTX_free};
  STACK_OF(X509)* between = nullptr;
  SSL_CTX_get0_chain_certs(context, &between);
  if (!check || X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context), SSL_CTX_get0_certificate(context),
                                    between) != 1)
    return refuse("certificate", files.certificate);
  X509_STORE_CTX_set_purpose(check.get(), purpose);
  if (X509_verify_cert(check.get()) == 1) return {};
  std::array<char, 256> subject{};
  if (auto* at = X509_STORE_CTX_get_current_cert(check.get()))
    X509_NAME_oneline(X509_get_subject_name(at), subject.data(), subject.size());
  return fail(errc::invalid, "node.tls.certificate: " + files.certificate + " is not one that nodes with node.tls.ca " +
                                 files.ca + " accept from a " + role + ": " +
                                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get())) + " (" +
                                 subject.data() + ")");
}

} // namespace

result<void> check_tls_files(const tls_files& files) {
  TROUPE_ASSERT(tls_sessions_are_apart());
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context{SSL_CTX_new(TLS_method()), SSL_CTX_free};
  SSL_CTX_set_default_passwd_cb(context.get(), give_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), const_cast<std::string*>(&files.passphrase));
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return refuse("certificate", files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return refuse("key", files.key);
  if (SSL_CTX_check_private_key(context.get()) != 1) return refuse("key", files.key);
  if (SSL_CTX_load_verify_locations(context.get(), files.ca.c_str(), nullptr) != 1) return refuse("ca", files.ca);
  // A node is both: it dials others, and is dialled.
  auto as_server = check_chain(context.get(), files, X509_PURPOSE_SSL_SERVER, "server");
  return as_server ? check_chain(context.get(), files, X509_PURPOSE_SSL_CLIENT, "client") : as_server;
}

} // namespace troupe
