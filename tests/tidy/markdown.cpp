// Documents: one title each, links that lead somewhere, and no page that nobody can find.
#include "tests/tidy/tree.hpp"

#include <boost/test/unit_test.hpp>

#include <set>

namespace {

using namespace troupe::tidy;
namespace fs = std::filesystem;

/// Calls `visit(line number, line)` for the lines outside fenced code.
template <class Visit> void prose_lines(std::string_view text, Visit visit) {
  bool fenced = false;
  const auto lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto start = lines[i].substr(std::min(lines[i].find_first_not_of(' '), lines[i].size()));
    if (start.starts_with("```"))
      fenced = !fenced;
    else if (!fenced)
      visit(i + 1, lines[i]);
  }
}

struct link {
  std::size_t line;
  std::string target; // as written, without the part after '#'
};

/// The targets of [text](target) that mean a file of the checkout. Code between backticks is not prose.
std::vector<link> links_of(std::string_view text) {
  std::vector<link> links;
  prose_lines(text, [&](std::size_t number, std::string_view line) {
    bool code = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '`') code = !code;
      if (code || line.substr(i, 2) != "](") continue;
      const auto end = line.find_first_of(") ", i + 2);
      auto target = line.substr(i + 2, end == std::string_view::npos ? end : end - i - 2);
      target = target.substr(0, target.find('#'));
      const bool elsewhere = target.find("://") != std::string_view::npos || target.starts_with("mailto:");
      if (!target.empty() && !elsewhere) links.push_back({number, std::string{target}});
    }
  });
  return links;
}

/// The target as a path from the top of the checkout.
std::string resolved(const std::string& from, const std::string& target) {
  return (fs::path(from).parent_path() / target).lexically_normal().generic_string();
}

complaints check_title(const std::string& path, std::string_view text) {
  if (!is_markdown(path)) return {};
  std::size_t titles = 0;
  prose_lines(text, [&](std::size_t, std::string_view line) { titles += line.starts_with("# ") ? 1 : 0; });
  if (titles == 1) return {};
  return {at(path, 1, std::to_string(titles) + " titles (lines that start with one #); a page has exactly one")};
}

template <class Exists> complaints check_links(const std::string& path, std::string_view text, Exists exists) {
  complaints found;
  if (!is_markdown(path)) return found;
  for (const auto& [line, target] : links_of(text))
    if (!exists(resolved(path, target)))
      found.push_back(at(path, line, "the link to " + target + " leads nowhere; correct or remove it"));
  return found;
}

/// Pages under docs/ that no other page links to.
complaints orphans(const std::vector<source_file>& files) {
  std::set<std::string> linked;
  for (const auto& file : files) {
    if (!is_markdown(file.path)) continue;
    for (const auto& [line, target] : links_of(file.text)) {
      const auto to = resolved(file.path, target);
      if (to != file.path) linked.insert(to);
    }
  }
  complaints found;
  for (const auto& file : files)
    if (is_markdown(file.path) && folder_of(file.path) == "docs" && !linked.contains(file.path))
      found.push_back(at(file.path, 1, "no other page links here; link it from README.md or a page that is linked"));
  return found;
}

bool exists_in_checkout(const std::string& path) { return fs::exists(fs::path(TROUPE_SOURCE_DIR) / path); }

} // namespace

BOOST_AUTO_TEST_SUITE(markdown)

BOOST_AUTO_TEST_CASE(markdown__whole_tree__one_title_each) {
  const auto found = over_tree(check_title);
  BOOST_TEST(found.empty(), joined(found));
}

BOOST_AUTO_TEST_CASE(markdown__whole_tree__links_resolve) {
  const auto found = over_tree(
      [](const std::string& path, std::string_view text) { return check_links(path, text, exists_in_checkout); });
  BOOST_TEST(found.empty(), joined(found));
}

BOOST_AUTO_TEST_CASE(markdown__whole_tree__every_page_of_docs_is_linked) {
  const auto found = orphans(tree());
  BOOST_TEST(found.empty(), joined(found));
}

BOOST_AUTO_TEST_CASE(markdown__titles__other_than_one_are_found) {
  BOOST_TEST(check_title("a.md", "# One\n\n## Part\n").empty());
  BOOST_TEST(check_title("a.md", "# One\n```sh\n# a comment\n```\n").empty());
  BOOST_TEST(check_title("a.md", "# One\n# Two\n").size() == 1U);
  BOOST_TEST(check_title("a.md", "text\n").size() == 1U);
}

BOOST_AUTO_TEST_CASE(markdown__links__are_resolved_from_the_page) {
  const auto only = [](const std::string& path) { return path == "docs/b.md" || path == "README.md"; };
  BOOST_TEST(check_links("docs/a.md", "[b](b.md#part), [top](../README.md) and [here](#x)\n", only).empty());
  BOOST_TEST(check_links("docs/a.md", "[web](https://example.org/x)\n", only).empty());
  BOOST_TEST(check_links("docs/a.md", "`array[i](x)`\n```\n[x](gone.md)\n```\n", only).empty());
  const auto found = check_links("docs/a.md", "# A\n[b](b.md) [c](c.md)\n", only);
  BOOST_REQUIRE_EQUAL(found.size(), 1U);
  BOOST_TEST(found[0].starts_with("docs/a.md:2: the link to c.md leads nowhere"));
}

BOOST_AUTO_TEST_CASE(markdown__orphans__are_found_and_a_link_to_oneself_does_not_help) {
  const std::vector<source_file> files = {{"README.md", "[a](docs/a.md)\n"},
                                          {"docs/a.md", "# A\n"},
                                          {"docs/decisions/0001-x.md", "[me](0001-x.md)\n"},
                                          {"examples/notes.md", "# not under docs\n"}};
  const auto found = orphans(files);
  BOOST_REQUIRE_EQUAL(found.size(), 1U);
  BOOST_TEST(found[0].starts_with("docs/decisions/0001-x.md:1: no other page"));
}

BOOST_AUTO_TEST_SUITE_END()
