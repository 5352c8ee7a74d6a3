// An error that one TLS session left behind is not taken for one of another session.
#include "actors/tls_sessions.hpp"

#include <memory>

#include <boost/test/unit_test.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

using namespace troupe;

namespace {

struct waiting_session {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_method()), SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> session{SSL_new(context.get()), SSL_free};

  /// With nobody at the other end: whatever it is asked to do, it has to wait for an answer.
  waiting_session() {
    SSL_set_bio(session.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING); // what another session has left
  }
  int what_for(int outcome) { return SSL_get_error(session.get(), outcome); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(tls_sessions)

BOOST_AUTO_TEST_CASE(program__linked__gives_its_own_operations_to_libraries) { BOOST_TEST(tls_sessions_are_apart()); }

BOOST_FIXTURE_TEST_CASE(error_of_another_session__reading_and_writing__only_wait, waiting_session) {
  SSL_set_connect_state(session.get());
  char byte = 0;
  BOOST_TEST(what_for(SSL_read(session.get(), &byte, 1)) == SSL_ERROR_WANT_READ);
  ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
  BOOST_TEST(what_for(SSL_write(session.get(), &byte, 1)) == SSL_ERROR_WANT_READ);
}

BOOST_FIXTURE_TEST_CASE(error_of_another_session__connecting__only_waits, waiting_session) {
  BOOST_TEST(what_for(SSL_connect(session.get())) == SSL_ERROR_WANT_READ);
}

BOOST_FIXTURE_TEST_CASE(error_of_another_session__accepting__only_waits, waiting_session) {
  BOOST_TEST(what_for(SSL_accept(session.get())) == SSL_ERROR_WANT_READ);
}

BOOST_AUTO_TEST_SUITE_END()
