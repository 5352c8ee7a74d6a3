// Rows of tests/fuzz/corpus/rows, damaged and mixed from a seed: the harness of ./dev fuzz rows, which aborts where the
// two ways through a row differ. TROUPE_ROW_MUTATIONS sets how many.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/model/files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size); // tests/fuzz/rows.cpp

namespace {

std::vector<std::string> corpus() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(TROUPE_SOURCE_DIR "/tests/fuzz/corpus/rows"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> rows;
  for (const auto& file : files) rows.push_back(troupe::model::testing::read_file(file));
  return rows;
}

std::size_t mutations() {
  const char* told = std::getenv("TROUPE_ROW_MUTATIONS");
  return told != nullptr ? static_cast<std::size_t>(std::strtoul(told, nullptr, 10)) : 200'000;
}

/// Pieces that mean something to a parser of JSON, and what is nearly one of them.
constexpr std::string_view pieces[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       ":",
                                       ",",
                                       "\"",
                                       "\\",
                                       "\\u",
                                       "\\ud83d",
                                       "\\n",
                                       "\xff",
                                       "\xc3\xa9",
                                       "null",
                                       "tru",
                                       "false",
                                       "-0",
                                       "1e",
                                       "1e400",
                                       "1e-400",
                                       "0.1",
                                       "00",
                                       "NaN",
                                       "\"x\":",
                                       "\"s\"",
                                       "\"/u\"",
                                       "  ",
                                       "\t\r\n",
                                       "18446744073709551616",
                                       "9007199254740993"};

void mutate(std::string& row, const std::vector<std::string>& rows, std::mt19937& random) {
  const auto below = [&](std::size_t bound) { return bound == 0 ? 0 : random() % bound; };
  const std::size_t at = below(row.size() + 1);
  switch (random() % 6) {
  case 0:
    row.insert(at, pieces[below(std::size(pieces))]);
    break;
  case 1:
    row.erase(at, 1 + below(8));
    break;
  case 2:
    if (at < row.size()) row[at] = static_cast<char>(row[at] ^ (1 << below(8)));
    break;
  case 3: { // a part of it again
    const std::string part = row.substr(at, 1 + below(32));
    row.insert(below(row.size() + 1), part);
    break;
  }
  case 4: { // the end of another row
    const std::string& other = rows[below(rows.size())];
    row = row.substr(0, at) + other.substr(below(other.size() + 1));
    break;
  }
  default:
    if (at < row.size()) row.replace(at, 1, pieces[below(std::size(pieces))]);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(rows_under_fire)

BOOST_AUTO_TEST_CASE(parse__damaged_rows__both_ways_agree) {
  const auto rows = corpus();
  BOOST_REQUIRE(rows.size() >= 5u);
  std::mt19937 random{2025};
  for (std::size_t i = 0; i < mutations(); ++i) {
    std::string row = rows[random() % rows.size()];
    for (std::size_t changes = 1 + random() % 4; changes > 0; --changes) mutate(row, rows, random);
    // A copy of the exact size, so that AddressSanitizer sees a read beyond it.
    const std::vector<std::uint8_t> exact(row.begin(), row.end());
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
  }
}

BOOST_AUTO_TEST_SUITE_END()
