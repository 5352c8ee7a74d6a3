#include <boost/test/unit_test.hpp>

#include <set>

#include "model/rejection.hpp"

using namespace troupe::model;

BOOST_AUTO_TEST_SUITE(rejection)

BOOST_AUTO_TEST_CASE(to_string__every_code__has_a_word_of_its_own) {
  std::set<std::string_view> words;
  for (std::size_t i = 0; i < rejection_count; ++i) words.insert(to_string(static_cast<troupe::model::rejection>(i)));
  BOOST_TEST(words.size() == rejection_count);
}

BOOST_AUTO_TEST_CASE(codes__numbers__never_change) {
  // They cross the wire between versions.
  BOOST_TEST(static_cast<int>(troupe::model::rejection::null_value) == 1);
  BOOST_TEST(static_cast<int>(troupe::model::rejection::duplicate_key) == 9);
  BOOST_TEST(static_cast<int>(troupe::model::rejection::internal) == 16);
  BOOST_TEST(static_cast<int>(troupe::model::rejection::unacceptable_record) == 19);
}

BOOST_AUTO_TEST_CASE(stage_of__codes__where_they_are_found) {
  BOOST_TEST(to_string(stage_of(troupe::model::rejection::null_value)) == "PARSE");
  BOOST_TEST(to_string(stage_of(troupe::model::rejection::duplicate_key)) == "PARSE");
  BOOST_TEST(to_string(stage_of(troupe::model::rejection::missing_feature)) == "BIND");
  BOOST_TEST(to_string(stage_of(troupe::model::rejection::number_out_of_range)) == "BIND");
  BOOST_TEST(to_string(stage_of(troupe::model::rejection::not_finite)) == "PREDICT");
  BOOST_TEST(to_string(stage_of(troupe::model::rejection::output_too_large)) == "SERIALIZE");
}

BOOST_AUTO_TEST_SUITE_END()
