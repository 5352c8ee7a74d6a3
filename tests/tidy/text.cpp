// What every text file keeps to: width, length, white space, no leftovers, nothing of the writer's machine.
#include "tests/tidy/tree.hpp"

#include <boost/test/unit_test.hpp>

#include <cctype>

namespace {

using namespace troupe::tidy;

constexpr std::size_t line_columns_max = 120;
constexpr std::size_t code_lines_max = 600;

// Spelt in two halves, since this file is checked too.
const std::vector<std::string> leftovers = {"TO"
                                            "DO",
                                            "FIX"
                                            "ME",
                                            "XX"
                                            "X"};
const std::vector<std::string> machine_paths = {"/wo"
                                                "rk/",
                                                "/ro"
                                                "ot/",
                                                "/ho"
                                                "me/"};

/// Code points, so that a dash or an accent counts once.
std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](unsigned char c) { return (c & 0xC0U) != 0x80U; }));
}

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool has_word(std::string_view line, std::string_view word) {
  for (auto pos = line.find(word); pos != std::string_view::npos; pos = line.find(word, pos + 1)) {
    const auto after = pos + word.size();
    if ((pos == 0 || !word_char(line[pos - 1])) && (after == line.size() || !word_char(line[after]))) return true;
  }
  return false;
}

/// A path starts at its slash: "network/" inside a longer name is none.
bool has_machine_path(std::string_view line, std::string_view path) {
  const auto pos = line.find(path);
  return pos != std::string_view::npos && (pos == 0 || !word_char(line[pos - 1]));
}

complaints check_line(const std::string& path, std::size_t number, std::string_view line) {
  complaints found;
  const auto complain = [&](const std::string& what) { found.push_back(at(path, number, what)); };
  // Only code: pages are read rendered, and data have the width that they have.
  if (is_code(path) && columns(line) > line_columns_max)
    complain(std::to_string(columns(line)) + " columns; at most " + std::to_string(line_columns_max) +
             ", break the line");
  if (line.find('\t') != std::string_view::npos) complain("a tab; use spaces");
  if (line.find('\r') != std::string_view::npos)
    complain("a carriage return; end lines with a line feed alone");
  else if (line.ends_with(' '))
    complain("white space at the end of the line; remove it");
  for (const auto& word : leftovers)
    if (has_word(line, word)) complain("a leftover " + word + "; do it, or file an issue");
  for (const auto& machine_path : machine_paths)
    if (has_machine_path(line, machine_path)) complain("a path of one machine, " + machine_path + "; make it relative");
  return found;
}

complaints check_text(const std::string& path, std::string_view text) {
  complaints found;
  const auto lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto more = check_line(path, i + 1, lines[i]);
    found.insert(found.end(), more.begin(), more.end());
  }
  if (is_code(path) && lines.size() > code_lines_max)
    found.push_back(at(path, lines.size(),
                       std::to_string(lines.size()) + " lines; at most " + std::to_string(code_lines_max) +
                           ", split the file by meaning"));
  return found;
}

bool complains(const std::string& path, const std::string& text, const std::string& about) {
  const auto found = check_text(path, text);
  return found.size() == 1 && found[0].find(about) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(text__whole_tree__is_tidy) {
  const auto found = over_tree(check_text);
  BOOST_TEST(found.empty(), joined(found));
}

BOOST_AUTO_TEST_CASE(text__line_width__counts_code_points_up_to_the_limit) {
  BOOST_TEST(check_text("a.cpp", std::string(120, 'x') + "\n").empty());
  BOOST_TEST(complains("a.cpp", "int i;\n" + std::string(121, 'x') + "\n", "a.cpp:2: 121 columns"));
  std::string accents;
  for (int i = 0; i < 120; ++i) accents += "\xC3\xA9";
  BOOST_TEST(check_text("a.cpp", accents).empty());
}

BOOST_AUTO_TEST_CASE(text__wide_lines__are_found_in_code_only) {
  const std::string wide(130, 'x');
  BOOST_TEST(check_text("a.md", wide + "\n").empty());
  BOOST_TEST(check_text("a.md", "| " + wide + " |\n").empty());
  BOOST_TEST(check_text("a.json", "\"" + wide + "\"\n").empty());
  for (const std::string path : {"a.cpp", "a.hpp", "a.py", "a.sh", "a/CMakeLists.txt"})
    BOOST_TEST(complains(path, wide, "130 columns"));
}

BOOST_AUTO_TEST_CASE(text__white_space__is_found) {
  BOOST_TEST(complains("a.cpp", "int\ti;\n", "a tab"));
  BOOST_TEST(complains("a.md", "word \n", "white space at the end"));
  BOOST_TEST(complains("a.json", "{}\r\n", "carriage return"));
}

BOOST_AUTO_TEST_CASE(text__leftovers__are_found_as_whole_words) {
  for (const auto& word : leftovers) {
    BOOST_TEST(complains("a.cpp", "// " + word + ": later\n", "a leftover " + word));
    BOOST_TEST(complains("a.md", word, "a leftover " + word));
    BOOST_TEST(check_text("a.cpp", "int A" + word + "_B;\n").empty());
  }
}

BOOST_AUTO_TEST_CASE(text__machine_paths__are_found) {
  for (const auto& path : machine_paths) {
    BOOST_TEST(complains("a.py", "open('" + path + "x')\n", "a path of one machine"));
    BOOST_TEST(check_text("a.md", "see net" + path + "x\n").empty());
  }
}

BOOST_AUTO_TEST_CASE(text__long_files__are_found_only_where_people_edit) {
  std::string long_text;
  for (std::size_t i = 0; i < code_lines_max; ++i) long_text += "x\n";
  BOOST_TEST(check_text("a.cpp", long_text).empty());
  BOOST_TEST(complains("a.cpp", long_text + "x\n", "601 lines"));
  BOOST_TEST(check_text("schema.json", long_text + "x\n").empty());
}

BOOST_AUTO_TEST_SUITE_END()
