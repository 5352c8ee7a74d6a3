// Certificates that other nodes would turn down are refused before a node starts.
#include "actors/tls_files.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>

#include <boost/test/unit_test.hpp>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

using namespace troupe;

namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using x509_ptr = std::unique_ptr<X509, decltype(&X509_free)>;

struct identity {
  key_ptr key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  x509_ptr certificate{X509_new(), X509_free};
};

struct dates {
  long first_day = -1, last_day = 1; ///< from today
};

void extend(X509* certificate, int what, const char* value) {
  auto* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
  BOOST_REQUIRE(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// Signed by `issuer`, or by itself.
identity make(const char* name, const identity* issuer, dates when = {}, const char* usage = nullptr) {
  identity made;
  auto* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), when.first_day * 86400);
  X509_gmtime_adj(X509_getm_notAfter(certificate), when.last_day * 86400);
  auto* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer->certificate.get()) : subject);
  X509_set_pubkey(certificate, made.key.get());
  if (!issuer) extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
  if (usage) extend(certificate, NID_ext_key_usage, usage);
  BOOST_REQUIRE(X509_sign(certificate, issuer ? issuer->key.get() : made.key.get(), EVP_sha256()) > 0);
  return made;
}

struct folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("troupe_tls_" + std::to_string(::getpid()));
  folder() { std::filesystem::create_directories(path); }
  ~folder() { std::filesystem::remove_all(path); }

  std::string write(const identity& who, const std::string& name) const {
    auto file = (path / name).string();
    auto* out = std::fopen((file + ".pem").c_str(), "w");
    BOOST_REQUIRE(out != nullptr);
    PEM_write_X509(out, who.certificate.get());
    std::fclose(out);
    out = std::fopen((file + ".key").c_str(), "w");
    BOOST_REQUIRE(out != nullptr);
    PEM_write_PrivateKey(out, who.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    return file;
  }
  /// "" if it is good.
  [[nodiscard]] std::string verdict(const identity& node, const identity& ca) const {
    auto own = write(node, "a"), authority = write(ca, "ca");
    auto good = check_tls_files({own + ".pem", own + ".key", authority + ".pem", ""});
    return good ? "" : good.error().message;
  }
};

bool says(const std::string& verdict, const char* part) {
  BOOST_TEST_MESSAGE(verdict);
  return verdict.find(part) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(tls_files, folder)

BOOST_AUTO_TEST_CASE(certificate__of_the_ca__is_good) {
  auto ca = make("ca", nullptr);
  BOOST_TEST(verdict(make("a", &ca), ca) == "");
}

BOOST_AUTO_TEST_CASE(certificate__of_another_ca__is_refused_with_both_files) {
  auto ca = make("ca", nullptr), other = make("other", nullptr);
  auto why = verdict(make("a", &other), ca);
  BOOST_TEST(says(why, "a.pem is not one that nodes with node.tls.ca"));
  BOOST_TEST(says(why, "ca.pem"));
  // Under the same name, too.
  auto twin = make("ca", nullptr);
  BOOST_TEST(says(verdict(make("a", &twin), ca), "accept from a server: "));
}

BOOST_AUTO_TEST_CASE(dates__of_the_certificate_or_its_ca_are_out__are_refused_by_name) {
  auto ca = make("ca", nullptr);
  BOOST_TEST(says(verdict(make("a", &ca, {-3, -1}), ca), "expired (/CN=a)"));
  BOOST_TEST(says(verdict(make("a", &ca, {1, 3}), ca), "not yet valid (/CN=a)"));
  auto old = make("ca", nullptr, {-3, -1});
  BOOST_TEST(says(verdict(make("a", &old), old), "expired (/CN=ca)"));
}

BOOST_AUTO_TEST_CASE(certificate__for_servers_only__is_refused_since_nodes_dial_too) {
  auto ca = make("ca", nullptr);
  BOOST_TEST(says(verdict(make("a", &ca, {}, "serverAuth"), ca), "accept from a client"));
  BOOST_TEST(verdict(make("a", &ca, {}, "serverAuth,clientAuth"), ca) == "");
}

BOOST_AUTO_TEST_CASE(key__of_somebody_else__is_refused) {
  auto ca = make("ca", nullptr);
  auto node = make("a", &ca);
  node.key = make("b", &ca).key;
  BOOST_TEST(says(verdict(node, ca), "node.tls.key"));
}

BOOST_AUTO_TEST_SUITE_END()
