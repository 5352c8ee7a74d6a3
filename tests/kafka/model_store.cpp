#include <random>

#include <boost/test/unit_test.hpp>

#include "kafka/model_store.hpp"
#include "tests/kafka/control_plane.hpp"

using namespace troupe;
using namespace troupe::kafka;

namespace {

constexpr std::size_t cap = 4 << 20, chunk = kafka_model_store::chunk_bytes;

std::vector<char> content_of(std::size_t bytes, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<char> content(bytes);
  for (auto& c : content) c = static_cast<char>(random());
  return content;
}

void check_code(const error& failure, errc expected) {
  BOOST_TEST(static_cast<int>(failure.code) == static_cast<int>(expected), failure.message);
}

template <class T> error failure_of(const result<T>& outcome) {
  BOOST_REQUIRE(!outcome);
  return outcome.error();
}

struct models : control_plane {
  std::unique_ptr<model_store> store = make_model_store(user, cluster, cap, fetch_wait_embedded);
};

} // namespace

BOOST_AUTO_TEST_SUITE(model_store)

BOOST_AUTO_TEST_CASE(get__of_every_size_around_a_chunk__is_what_was_put) {
  const models games;
  for (const std::size_t bytes : {std::size_t(1), chunk - 1, chunk, chunk + 1, 3 * chunk + 7}) {
    const auto content = content_of(bytes);
    const auto where = must(games.store->put(content, sha256_of(content), games.limit));
    BOOST_TEST(where.bytes == bytes);
    BOOST_TEST(where.chunks == (bytes + chunk - 1) / chunk);
    BOOST_TEST((must(games.store->get(where, games.limit)) == content));
  }
}

BOOST_AUTO_TEST_CASE(put__twice__is_another_upload_and_both_can_be_read) {
  const models games;
  const auto content = content_of(2 * chunk);
  const auto first = must(games.store->put(content, sha256_of(content), games.limit));
  const auto second = must(games.store->put(content, sha256_of(content), games.limit));
  BOOST_TEST(second.first_offset > first.first_offset);
  BOOST_TEST((must(games.store->get(first, games.limit)) == content));
  BOOST_TEST((must(games.store->get(second, games.limit)) == content));
}

BOOST_AUTO_TEST_CASE(any_call__node_is_told_to_stop__ends_without_waiting_for_its_limit) {
  const models games;
  const auto content = content_of(2 * chunk);
  const auto where = must(games.store->put(content, sha256_of(content), games.limit));
  const auto stop = std::make_shared<std::atomic<bool>>(true);
  const auto store = make_model_store(games.user, games.cluster, cap, fetch_wait_embedded, stop);
  check_code(failure_of(store->get(where, games.limit)), errc::unavailable);
  check_code(failure_of(store->put(content, sha256_of(content), games.limit)), errc::unavailable);
  *stop = false;
  BOOST_TEST((must(store->get(where, games.limit)) == content));
}

BOOST_AUTO_TEST_CASE(put__wrong_digest_empty_or_too_large__is_invalid) {
  const models games;
  const auto content = content_of(100), other = content_of(100, 2), large = content_of(cap + 1);
  check_code(failure_of(games.store->put(content, sha256_of(other), games.limit)), errc::invalid);
  check_code(failure_of(games.store->put({}, sha256_of({}), games.limit)), errc::invalid);
  check_code(failure_of(games.store->put(large, sha256_of(large), games.limit)), errc::invalid);
}

BOOST_AUTO_TEST_CASE(put__topic_missing__is_not_found) {
  const control_plane plane;
  const auto content = content_of(100);
  const auto refused = make_model_store(plane.user, "absent", cap)->put(content, sha256_of(content), plane.limit);
  BOOST_REQUIRE(!refused);
  check_code(refused.error(), errc::not_found);
}

BOOST_AUTO_TEST_CASE(get__chunks_missing__is_not_found) {
  const models games;
  const auto content = content_of(3 * chunk);
  auto where = must(games.store->put(content, sha256_of(content), games.limit));
  where.first_offset += 1; // chunk 0 is before it
  check_code(failure_of(games.store->get(where, games.limit)), errc::not_found);
  where.first_offset += 1000; // beyond the end
  check_code(failure_of(games.store->get(where, games.limit)), errc::not_found);
}

BOOST_AUTO_TEST_CASE(get__location_that_makes_no_sense__is_invalid) {
  const models games;
  const auto content = content_of(100);
  const auto good = must(games.store->put(content, sha256_of(content), games.limit));
  auto bad = good;
  bad.bytes = std::uint64_t(1) << 60;
  check_code(failure_of(games.store->get(bad, games.limit)), errc::invalid);
  bad = good;
  bad.chunks = 7;
  check_code(failure_of(games.store->get(bad, games.limit)), errc::invalid);
  bad = good;
  bad.first_offset = -5;
  check_code(failure_of(games.store->get(bad, games.limit)), errc::invalid);
  bad = good;
  bad.bytes = 99; // the chunk that is there has another length
  check_code(failure_of(games.store->get(bad, games.limit)), errc::not_found);
}

BOOST_AUTO_TEST_CASE(get__chunk_with_other_bytes__is_a_conflict) {
  const models games;
  const auto content = content_of(100), other = content_of(100, 2);
  // Somebody writes other bytes of the same length under the content's name.
  auto writer = make_control_writer(games.user, games.cluster);
  must(writer->open(games.limit));
  const auto key = sha256_of(content) + "/0";
  const auto offset =
      must(writer->append(std::vector<log_write>{{key, std::string(other.data(), other.size())}}, games.limit));
  kafka_model_store store(games.user, control_topic(games.cluster), cap, fetch_wait_embedded, {});
  check_code(failure_of(store.get({offset, 1, 100, sha256_of(content)}, games.limit)), errc::conflict);
}

BOOST_AUTO_TEST_CASE(put_and_get__broker_down__fail_within_the_limit) {
  const models games;
  const auto content = content_of(2 * chunk);
  const auto where = must(games.store->put(content, sha256_of(content), games.limit));
  games.broker->set_down();
  const auto begun = std::chrono::steady_clock::now();
  BOOST_TEST(!games.store->put(content, sha256_of(content), 300ms).has_value());
  BOOST_TEST(!games.store->get(where, 300ms).has_value());
  BOOST_TEST((std::chrono::steady_clock::now() - begun < 10s));
}

BOOST_AUTO_TEST_SUITE_END()
