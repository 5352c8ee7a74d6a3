#include "actors/tls_files.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <openssl/err.h>
#include <openssl/ssl.h>

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

} // namespace

result<void> check_tls_files(const tls_files& files) {
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context{SSL_CTX_new(TLS_method()), SSL_CTX_free};
  SSL_CTX_set_default_passwd_cb(context.get(), give_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), const_cast<std::string*>(&files.passphrase));
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return refuse("certificate", files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return refuse("key", files.key);
  if (SSL_CTX_check_private_key(context.get()) != 1) return refuse("key", files.key);
  if (SSL_CTX_load_verify_locations(context.get(), files.ca.c_str(), nullptr) != 1) return refuse("ca", files.ca);
  auto* certificate = SSL_CTX_get0_certificate(context.get());
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
    return fail(errc::invalid, "node.tls.certificate: " + files.certificate + " is not valid yet");
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
    return fail(errc::invalid, "node.tls.certificate: " + files.certificate + " has expired");
  return {};
}

} // namespace troupe
