// The quick way through a row against the general one: whatever the bytes are, nobody can tell which of them it was.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "model/row_parser.hpp"
#include "tests/model/row_outcome.hpp"

using namespace troupe::model;
using troupe::model::testing::both_ways;

namespace {

const row_limits limits{4096, 32, 40};

std::vector<known_name> games_names() {
  std::vector<known_name> names;
  for (int i = 0; i < 10; ++i) names.push_back({"G" + std::to_string(i + 1), i, i == 3 ? 7 : -1});
  names.push_back({"User_ID", -1, 3});
  names.push_back({"ignored", -1, -1});
  return names;
}

std::string games_row(std::mt19937& random, std::string_view colon = ":", std::string_view comma = ",") {
  std::string row = "{";
  for (int i = 1; i <= 10; ++i)
    row += "\"G" + std::to_string(i) + "\"" + std::string{colon} +
           std::to_string(random() % (random() % 4 ? 2 : 2000)) + std::string{comma};
  return row + "\"User_ID\"" + std::string{colon} + "\"4be94cd4-21e7-47c1-" + std::to_string(random()) + "\"}";
}

class row_maker {
public:
  explicit row_maker(unsigned seed)
      : random_(seed) {}

  // Mostly good, and mostly flat; some rows have what only the general way reads, some are broken.
  std::string row() {
    std::vector<std::string> fields;
    for (int i = 1; i <= 10; ++i)
      if (!chance(200)) fields.push_back(member("\"G" + std::to_string(i) + "\"", chance(100) ? other() : number()));
    fields.push_back(member("\"User_ID\"", other()));
    for (std::size_t extra = below(4); extra > 0; --extra) fields.push_back(member(name(), other()));
    if (chance(4)) std::shuffle(fields.begin(), fields.end(), random_);
    std::string all = space() + "{";
    for (std::size_t i = 0; i < fields.size(); ++i) all += (i > 0 ? "," : "") + fields[i];
    return all + "}" + space() + (chance(100) ? "," : "");
  }

  std::string damaged(std::string row) {
    constexpr std::string_view bytes = "{}[]:,\"\\0123456789.-+eE truefalsn\t\n\x01\x7F\x80\xC3\xFF";
    for (std::size_t times = 1 + below(3); times > 0 && !row.empty(); --times) {
      const std::size_t at = below(row.size());
      const char byte = bytes[below(bytes.size())];
      switch (below(4)) {
      case 0:
        row[at] = byte;
        break;
      case 1:
        row.erase(at, 1 + below(3));
        break;
      case 2:
        row.insert(at, 1, byte);
        break;
      default:
        row.insert(at, row.substr(below(row.size()), below(12)));
      }
    }
    return row;
  }

private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }
  template <std::size_t n> std::string one_of(const char* const (&texts)[n]) { return texts[below(n)]; }

  std::string space() { return chance(6) ? one_of({" ", "\t", "\r\n", "  "}) : ""; }
  std::string member(const std::string& key, const std::string& value) {
    return space() + key + space() + ":" + space() + value + space();
  }
  std::string name() {
    if (chance(3)) return "\"n" + std::to_string(below(500)) + "\"";
    return one_of({"\"ignored\"", "\"a\"", "\"b\"", "\"\"", "\"a name of many letters\"", "\"q\\\"r\"", "\"\\u0061\"",
                   "\"\xC3\xA9\"", "\"d\x7F\""});
  }
  std::string digits(std::size_t most) {
    std::string text;
    for (std::size_t size = 1 + below(most); size > 0; --size) text += static_cast<char>('0' + below(10));
    return text;
  }
  std::string number() {
    if (chance(2)) return std::to_string(below(10));
    if (chance(12))
      return one_of({"-0",
                     "-0.0",
                     "0.0",
                     "1e5",
                     "1E-7",
                     "1e39",
                     "1e400",
                     "0e0",
                     "01",
                     "1.",
                     ".5",
                     "-",
                     "+1",
                     "-01",
                     "00",
                     "999999999999999",
                     "9999999999999999",
                     "9007199254740993",
                     "16777217",
                     "-16777217",
                     "0.0000000000000000000001",
                     "123456789012345678901234",
                     "1234567890123456789012345",
                     "340282346638528859811704183484516925440",
                     "0.1000000000000000055511151231257827"});
    std::string text = (chance(3) ? "-" : "") + std::to_string(below(chance(2) ? 1000 : 1u << 31));
    if (chance(3)) text += digits(12);
    if (chance(2)) text += "." + digits(18);
    return text;
  }
  std::string other() {
    if (chance(3)) return number();
    if (chance(3)) return "\"" + digits(30) + "\"";
    if (chance(8)) return one_of({"[1,2]", "{\"a\":{}}", "[]", "\"\xE2\x82\xAC\"", "\"\\n\"", "\"\t\"", "tru", "nul"});
    return one_of({"true", "false", "null", "\"\"", "\"text\"", "\"del \x7F\"", "\"it's, {a}: [b]\""});
  }

  std::mt19937 random_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(flat_row)

BOOST_AUTO_TEST_CASE(parse__games_rows__go_the_quick_way) {
  for (const bool record_unknown : {false, true}) {
    both_ways parsers{games_names(), record_unknown, limits};
    std::mt19937 random{7};
    for (unsigned i = 1; i <= 1000; ++i) {
      BOOST_REQUIRE(parsers.compare(games_row(random)) == rejection::none);
      BOOST_REQUIRE(parsers.compare(games_row(random, ": ", ", ")) == rejection::none);
      BOOST_REQUIRE(parsers.flat_rows() == 2u * i);
    }
    BOOST_TEST(parsers.flat_rows_of_general() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(parse__other_flat_values__go_the_quick_way) {
  both_ways parsers{{{"x", 0, -1}}, true, limits};
  for (const char* row : {"{\"x\":0}", "{\"x\":-12.5}", "{\"x\":0.12345678901234568}", "{\"s\":\"\",\"x\":1}",
                          "{\"t\":true,\"f\":false,\"n\":null,\"x\":3}\n", " { \"x\" : 1 } "}) {
    const std::uint64_t before = parsers.flat_rows();
    BOOST_TEST(parsers.compare(row) == rejection::none);
    BOOST_TEST(parsers.flat_rows() == before + 1, row);
  }
}

BOOST_AUTO_TEST_CASE(parse__what_is_not_flat__goes_the_general_way) {
  both_ways parsers{{{"x", 0, -1}}, true, limits};
  for (const char* row : {"{\"x\":1e3}", "{\"x\":1,\"s\":\"\\n\"}", "{\"x\":1,\"a\":[]}", "{\"x\":1,\"o\":{}}",
                          "{\"\\u0078\":1}", "{\"x\":1,\"s\":\"\xC3\xA9\"}", "{\"x\":1,\"z\":1e3}"}) {
    BOOST_TEST(parsers.compare(row) == rejection::none);
    BOOST_TEST(parsers.flat_rows() == 0u, row);
  }
}

// The name is expected as it is after its escape was resolved; those bytes aren't JSON.
BOOST_AUTO_TEST_CASE(parse__bytes_of_an_escaped_name__are_not_taken_for_it) {
  both_ways parsers{{{"x", 0, -1}, {"k\"", -1, 1}}, true, limits};
  using enum rejection;
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(parsers.compare("{\"x\":1,\"k\\\"\":2}") == none);
    BOOST_TEST(parsers.compare("{\"x\":1,\"k\"\":2}") == invalid_json);
    BOOST_TEST(parsers.compare("{\"x\":1,\"a\\\"b\":2}") == none);
    BOOST_TEST(parsers.compare("{\"x\":1,\"a\"b\":2}") == invalid_json);
    BOOST_TEST(parsers.compare("{\"x\":1,\"t\\t\":2}") == none);
    BOOST_TEST(parsers.compare("{\"x\":1,\"t\t\":2}") == invalid_json);
  }
}

// RapidJSON refuses them in any field.
BOOST_AUTO_TEST_CASE(parse__numbers_of_many_digits__same_by_both_ways) {
  both_ways parsers{{{"x", 0, -1}}, true, limits};
  for (const std::size_t size : {15, 16, 17, 23, 24, 25, 38, 39, 40, 308, 309, 310, 400})
    for (const std::string& number : {std::string(size, '9'), "-" + std::string(size, '9'),
                                      "0." + std::string(size, '0') + "1", std::string(size, '1') + ".5"}) {
      parsers.compare("{\"x\":" + number + "}");
      parsers.compare("{\"x\":1,\"z\":" + number + "}");
    }
  BOOST_TEST(parsers.compare("{\"x\":1,\"z\":" + std::string(400, '9') + "}") == rejection::number_out_of_range);
}

BOOST_AUTO_TEST_CASE(parse__row_at_the_limits__same_by_both_ways) {
  const std::string row = "{\"x\":1,\"a\":2,\"b\":3}";
  const auto size = static_cast<std::uint32_t>(row.size());
  using enum rejection;
  BOOST_TEST(both_ways({{"x", 0, -1}}, true, {size, 1, 3}).compare(row) == none);
  BOOST_TEST(both_ways({{"x", 0, -1}}, true, {size - 1, 1, 3}).compare(row) == row_too_large);
  BOOST_TEST(both_ways({{"x", 0, -1}}, true, {size, 0, 3}).compare(row) == too_deep);
  BOOST_TEST(both_ways({{"x", 0, -1}}, true, {size, 1, 2}).compare(row) == too_many_fields);
}

BOOST_AUTO_TEST_CASE(parse__games_row_cut_at_every_byte__same_by_both_ways) {
  both_ways parsers{games_names(), true, limits};
  std::mt19937 random{3};
  for (int i = 0; i < 20; ++i) {
    const std::string row = i % 2 ? games_row(random) : games_row(random, " :  ", "\t,\r\n");
    for (std::size_t size = 0; size <= row.size(); ++size) parsers.compare(row.substr(0, size));
  }
}

BOOST_AUTO_TEST_CASE(parse__every_byte_of_a_games_row_replaced__same_by_both_ways) {
  both_ways parsers{games_names(), true, limits};
  std::mt19937 random{5};
  const std::string row = games_row(random, ": ");
  for (std::size_t at = 0; at < row.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string other = row;
      other[at] = static_cast<char>(byte);
      parsers.compare(other);
    }
}

BOOST_AUTO_TEST_CASE(parse__random_rows_whole_and_damaged__same_by_both_ways) {
  for (const bool record_unknown : {false, true}) {
    row_maker maker{record_unknown ? 11u : 12u};
    both_ways parsers{games_names(), record_unknown, limits};
    std::size_t good = 0;
    for (int i = 0; i < 5'000; ++i) {
      const std::string row = maker.row();
      if (parsers.compare(row) == rejection::none) ++good;
      parsers.compare(maker.damaged(row));
      if (i % 50 == 0)
        for (std::size_t size = 0; size < row.size(); ++size) parsers.compare(row.substr(0, size));
    }
    // The comparison says little unless both ways are taken often.
    BOOST_TEST(parsers.flat_rows() >= 1'000u);
    BOOST_TEST(good >= 2'000u);
    BOOST_TEST_MESSAGE(good << " good rows, " << parsers.flat_rows() << " by the quick way");
  }
}

BOOST_AUTO_TEST_CASE(parse__always_new_names__same_by_both_ways) {
  both_ways parsers{{{"x", 0, -1}}, true, limits};
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "\"n" + std::to_string(i) + "\"";
    BOOST_REQUIRE(parsers.compare("{" + name + ":0,\"x\":1}") == rejection::none);
    BOOST_REQUIRE(parsers.compare("{" + name + ":0,\"x\":1," + name + ":0}") == rejection::duplicate_key);
  }
}

BOOST_AUTO_TEST_SUITE_END()
