#pragma once
// Files of the repository that tests read.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <boost/test/unit_test.hpp>

namespace troupe::model::testing {

/// The bytes of a file; a relative path begins at the root of the repository. A file that can't be read ends the test.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(std::filesystem::path{TROUPE_SOURCE_DIR} / path, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(in.good(), path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

/// One of tests/model/golden.
inline std::string read_golden_file(const std::string& name) { return read_file("tests/model/golden/" + name); }

} // namespace troupe::model::testing
