#include <random>

#include <boost/test/unit_test.hpp>

#include "kafka/model_store.hpp"
#include "tests/kafka_real/real_kafka.hpp"

using namespace troupe;
using namespace troupe::kafka;
using namespace troupe::kafka::real;

namespace {

std::vector<char> content_of(std::size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<char> content(bytes);
  for (auto& c : content) c = static_cast<char>(random());
  return content;
}

} // namespace

BOOST_AUTO_TEST_SUITE(model_store)

BOOST_AUTO_TEST_CASE(get__five_megabytes_put__are_the_same) {
  const auto store = make_model_store(properties(), cluster_with_topics(), 64 << 20);
  const auto content = content_of(5'000'001, 1);
  const auto sha256 = sha256_of(content);
  const auto where = must(timed("put(), 5 MB", [&] { return store->put(content, sha256, 30s); }));
  BOOST_TEST((must(timed("get(), 5 MB", [&] { return store->get(where, 30s); })) == content));
}

BOOST_AUTO_TEST_CASE(get__two_pushed_at_the_same_time__are_told_apart) {
  const auto cluster = cluster_with_topics();
  const std::vector<std::vector<char>> contents = {content_of(4'000'000, 2), content_of(3'000'000, 3)};
  std::vector<blob_location> where(2);
  std::vector<std::thread> pushers;
  for (std::size_t i = 0; i < 2; ++i)
    pushers.emplace_back([&, i] {
      const auto store = make_model_store(properties(), cluster, 64 << 20);
      if (auto place = store->put(contents[i], sha256_of(contents[i]), 30s)) where[i] = *place;
    });
  for (auto& pusher : pushers) pusher.join();
  const auto store = make_model_store(properties(), cluster, 64 << 20);
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST((must(store->get(where[i], 30s)) == contents[i]));
}

BOOST_AUTO_TEST_CASE(put__topic_missing__is_not_found) {
  const auto store = make_model_store(properties(), unique("absent"), 64 << 20);
  const auto content = content_of(10, 4);
  const auto refused = store->put(content, sha256_of(content), 20s);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(static_cast<int>(refused.error().code) == static_cast<int>(errc::not_found), refused.error().message);
}

BOOST_AUTO_TEST_SUITE_END()
