#include <boost/test/unit_test.hpp>

#include "tests/kafka_real/real_kafka.hpp"

using namespace troupe;
using namespace troupe::kafka;
using namespace troupe::kafka::real;

BOOST_AUTO_TEST_SUITE(topic_catalog)

BOOST_AUTO_TEST_CASE(find__some_exist__names_those_and_creates_none) {
  const auto here = unique("here"), absent = unique("absent");
  admin().create(here, 3);
  const auto catalog = must(make_topic_catalog(properties()));
  const std::vector<std::string> names = {here, absent};
  for (int i = 0; i < 3; ++i) { // again, since the first time must not have created any
    const auto found = must(timed("find()", [&] { return catalog->find(names, 20s); }));
    BOOST_REQUIRE_EQUAL(found.size(), 1u);
    BOOST_TEST(found[0].name == here);
    BOOST_TEST(found[0].partitions == 3);
    std::this_thread::sleep_for(300ms);
  }
}

BOOST_AUTO_TEST_SUITE_END()
