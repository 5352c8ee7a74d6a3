// Who may include what: between our folders, and of the libraries. docs/style.md says why.
#include "tests/tidy/tree.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <optional>
#include <set>

namespace {

using namespace troupe::tidy;

// A folder may use itself and these. tests/ and bench/ may use everything.
const std::map<std::string, std::set<std::string>> uses = {
    {"base", {}},
    {"config", {"base"}},
    {"model", {"base"}},
    {"cluster", {"base", "model"}},
    {"kafka", {"base", "cluster"}},
    {"actors", {"base", "model", "cluster"}},
    {"cli", {"base", "config", "model", "cluster", "kafka", "actors"}},
};

// A library and the places it may be used at: whole folders, or single files up to their extension. tests/ and bench/
// may use all of them. A library that is not listed is free.
struct library {
  std::string include_prefix;
  std::set<std::string> places;
};
const std::vector<library> libraries = {
    {"caf/", {"cluster/messages", "cluster/interfaces", "cluster/error", "cluster/row_block", "actors", "cli"}},
    {"librdkafka/", {"kafka"}},
    {"Eigen/", {"model"}},
    {"onnx/", {"model"}},
    {"google/protobuf/", {"model"}},
    {"valijson/", {"config"}},
    {"rapidjson/", {"config", "model", "cluster", "actors", "cli"}},
    {"spdlog/", {"kafka", "actors", "cli"}},
    {"prometheus/", {"actors", "cli"}},
    {"httplib.h", {"actors", "cli"}},
    {"CLI/", {"cli"}},
    {"csv.h", {"cli"}},
};

std::optional<std::string> included_by(std::string_view line) {
  const auto skip = [&line] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  skip();
  if (!line.starts_with("#")) return {};
  line.remove_prefix(1);
  skip();
  if (!line.starts_with("include")) return {};
  const auto open = line.find_first_of("<\"");
  if (open == std::string_view::npos) return {};
  const auto close = line.find_first_of(">\"", open + 1);
  return std::string{line.substr(open + 1, close - open - 1)};
}

bool may_use_library(const std::string& path, const library& lib) {
  return lib.places.contains(folder_of(path)) || lib.places.contains(path.substr(0, path.rfind('.')));
}

bool may_include(const std::string& path, const std::string& included) {
  const auto rule = uses.find(folder_of(path));
  if (rule == uses.end()) return true;
  if (included.starts_with("../")) return false;
  const auto target = folder_of(included);
  const bool ours = uses.contains(target) || target == "tests" || target == "bench";
  if (ours && target != rule->first && !rule->second.contains(target)) return false;
  return std::all_of(libraries.begin(), libraries.end(), [&](const library& lib) {
    return !included.starts_with(lib.include_prefix) || may_use_library(path, lib);
  });
}

complaints check_layering(const std::string& path, std::string_view text) {
  complaints found;
  if (!ends_with_any(path, {".cpp", ".hpp"})) return found;
  const auto lines = lines_of(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto included = included_by(lines[i]);
    if (included && !may_include(path, *included))
      found.push_back(at(path, i + 1, path + " may not include " + *included + "; see docs/style.md"));
  }
  return found;
}

complaints of_one_include(const std::string& path, const std::string& include_line) {
  return check_layering(path, "#pragma once\n" + include_line + "\n");
}

} // namespace

BOOST_AUTO_TEST_SUITE(layering)

BOOST_AUTO_TEST_CASE(layering__whole_tree__is_kept) {
  const auto found = over_tree(check_layering);
  BOOST_TEST(found.empty(), joined(found));
}

BOOST_AUTO_TEST_CASE(layering__tree__is_really_read) {
  const auto& files = tree();
  BOOST_TEST(std::any_of(files.begin(), files.end(), [](const auto& f) { return f.path == "base/result.hpp"; }));
}

BOOST_AUTO_TEST_CASE(layering__upward_include__is_named_with_file_and_line) {
  const auto found = of_one_include("model/planted.cpp", "#include \"kafka/source.hpp\"");
  BOOST_REQUIRE_EQUAL(found.size(), 1U);
  BOOST_TEST(found[0] == "model/planted.cpp:2: model/planted.cpp may not include kafka/source.hpp; see docs/style.md");
}

BOOST_AUTO_TEST_CASE(layering__every_forbidden_edge__is_found) {
  for (const auto& [from, allowed] : uses)
    for (const auto& [to, ignored] : uses) {
      const bool fine = from == to || allowed.contains(to);
      const auto found = of_one_include(from + "/planted.hpp", "#include \"" + to + "/x.hpp\"");
      BOOST_TEST(found.empty() == fine, from << " -> " << to);
    }
}

BOOST_AUTO_TEST_CASE(layering__odd_spelling__is_still_found) {
  for (const char* line : {"  #  include  <librdkafka/rdkafka.h>", "\t#include\"kafka/x.hpp\"",
                           "#include \"../cli/x.hpp\"", "#include \"tests/tidy/tree.hpp\""})
    BOOST_TEST(of_one_include("cluster/planted.cpp", line).size() == 1U, line);
}

BOOST_AUTO_TEST_CASE(layering__caf__only_in_the_protocol_and_the_effects) {
  const std::string line = "#include <caf/all.hpp>";
  for (const char* path : {"cluster/messages.hpp", "cluster/messages.cpp", "cluster/interfaces.hpp",
                           "actors/ingest.cpp", "cli/node.cpp", "tests/cluster/messages.cpp"})
    BOOST_TEST(of_one_include(path, line).empty(), path);
  for (const char* path : {"cluster/assignment.cpp", "cluster/messages_view.hpp", "base/x.hpp", "kafka/source.cpp"})
    BOOST_TEST(of_one_include(path, line).size() == 1U, path);
}

BOOST_AUTO_TEST_CASE(layering__each_library__is_kept_out_of_base) {
  for (const auto& lib : libraries)
    BOOST_TEST(of_one_include("base/planted.cpp", "#include <" + lib.include_prefix + ">").size() == 1U,
               lib.include_prefix);
}

BOOST_AUTO_TEST_CASE(layering__comments_and_plain_text__are_not_includes) {
  for (const char* line :
       {"// #include \"cli/x.hpp\"", "const char* s = \"#include <caf/all.hpp>\";", "#define include 1"})
    BOOST_TEST(of_one_include("base/planted.cpp", line).empty(), line);
}

BOOST_AUTO_TEST_SUITE_END()
