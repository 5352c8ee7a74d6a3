// Rows out of the pieces of a file, JSON lines and CSV: none takes more memory than the longest row may have.
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include "cli/csv_rows.hpp"
#include "cli/line_splitter.hpp"

using namespace troupe::cli;

namespace {

// What came, in order: lines, and "<12>" for one of 12 bytes that was too long.
struct taker {
  std::vector<std::string> came;
  void line(std::string_view text) { came.emplace_back(text); }
  void too_long(std::uint64_t bytes) { came.push_back("<" + std::to_string(bytes) + ">"); }
};

using texts = std::vector<std::string>;

// The file in pieces of `piece` bytes; rows of 4 bytes at most.
texts split(const std::string& file, std::size_t piece) {
  taker all;
  line_splitter<taker> splitter{all, 4};
  for (std::size_t at = 0; at < file.size(); at += piece)
    BOOST_REQUIRE(splitter.feed(std::string_view{file}.substr(at, piece)).has_value());
  BOOST_REQUIRE(splitter.finish().has_value());
  return all.came;
}

// Why a CSV file in which a record may have 100 bytes is refused, fed byte by byte; "" where it is not.
std::string csv_refusal(const std::string& file) {
  csv_rows rows{{}, 100, [](std::string_view) {}};
  for (const char byte : file)
    if (const auto ok = rows.feed({&byte, 1}); !ok) return ok.error().message;
  const auto ok = rows.finish();
  return ok ? "" : ok.error().message;
}

} // namespace

BOOST_AUTO_TEST_SUITE(rows_of_files)

BOOST_AUTO_TEST_CASE(lines__in_pieces_of_any_size__come_whole_and_in_order) {
  const std::string file = "abcd\nabcd\r\nabcde\n\nx\r\nabcdefghijkl\r\nabcd\r";
  for (std::size_t piece = 1; piece <= file.size(); ++piece)
    BOOST_TEST(split(file, piece) == (texts{"abcd", "abcd", "<5>", "", "x", "<13>", "abcd"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lines__one_without_end__is_told_with_its_length_and_not_kept) {
  taker all;
  line_splitter<taker> splitter{all, 4};
  const std::string piece(1'000, 'x');
  for (int i = 0; i < 1'000; ++i) BOOST_REQUIRE(splitter.feed(piece).has_value());
  BOOST_TEST(all.came.empty());
  BOOST_TEST(splitter.kept_bytes() == 5u);
  BOOST_REQUIRE(splitter.feed("\nnext\n").has_value());
  BOOST_TEST(all.came == (texts{"<1000000>", "next"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(csv__record_without_end__refused_by_number) {
  BOOST_TEST(csv_refusal("a,b\n" + std::string(90, '1') + ",2\n3,4\n").empty());
  const std::string words = "is longer than 100 bytes; is a quotation mark not closed?";
  BOOST_TEST(csv_refusal("a,b\n1,2\n3,\"" + std::string(200, '4') + "\n5,6\n") == "record 3 " + words);
  BOOST_TEST(csv_refusal(std::string(200, 'a')) == "record 1 " + words);
}

BOOST_AUTO_TEST_SUITE_END()
