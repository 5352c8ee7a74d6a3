#include <boost/test/unit_test.hpp>

#include "tests/kafka/control_plane.hpp"

using namespace troupe;
using namespace troupe::kafka;

BOOST_AUTO_TEST_SUITE(topic_catalog)

BOOST_AUTO_TEST_CASE(find__some_exist__names_those_and_creates_none) {
  const control_plane plane;
  const auto catalog = must(make_topic_catalog(plane.user));
  const std::vector<std::string> names = {"dsp", "absent", control_topic("games"), "dps"};
  for (int i = 0; i < 2; ++i) { // the second time, since the first must not have created any
    const auto found = must(catalog->find(names, plane.limit));
    BOOST_REQUIRE_EQUAL(found.size(), 2u);
    BOOST_TEST(found[0].name == "dsp");
    BOOST_TEST(found[0].partitions == 2);
    BOOST_TEST(found[1].name == "troupe.games.control");
    BOOST_TEST(found[1].partitions == 1);
  }
}

BOOST_AUTO_TEST_CASE(find__broker_down__fails_within_the_limit) {
  const control_plane plane;
  const auto catalog = must(make_topic_catalog(plane.user));
  plane.broker->set_down();
  const std::vector<std::string> names = {"dsp"};
  const auto begun = std::chrono::steady_clock::now();
  BOOST_TEST(!catalog->find(names, 300ms).has_value());
  BOOST_TEST((std::chrono::steady_clock::now() - begun < 5s));
}

BOOST_AUTO_TEST_SUITE_END()
