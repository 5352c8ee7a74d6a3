// Every committed model, cut at every 64th of its length and with seeded bit flips: it loads or is refused with a
// sentence, and what loads can be scored. The sanitizer build bounds allocations (tests/CMakeLists.txt).
// TROUPE_BIT_FLIPS sets how many flips a model gets; `./dev test --full` gives 2,000.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/load_and_score.hpp"

using namespace troupe::model;

namespace {

constexpr std::size_t file_bytes_max = 1u << 20;

std::vector<std::filesystem::path> model_files() {
  std::vector<std::filesystem::path> files;
  for (const char* folder : {"/examples", "/tests/model/golden"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(TROUPE_SOURCE_DIR + std::string{folder})) {
      const auto kind = entry.path().extension();
      if (kind == ".onnx" || kind == ".ubj" || kind == ".json" || kind == ".txt") files.push_back(entry.path());
    }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool loads(const std::string& bytes, const std::string& what) {
  // A copy of the exact size, so that AddressSanitizer sees a read beyond it.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  const auto loaded = load_model(exact);
  if (loaded)
    testing::score_odd_rows(**loaded);
  else
    BOOST_TEST(!loaded.error().message.empty(), what);
  return loaded.has_value();
}

std::size_t flips_of_each() {
  const char* told = std::getenv("TROUPE_BIT_FLIPS");
  return told != nullptr ? static_cast<std::size_t>(std::strtoul(told, nullptr, 10)) : 30;
}

} // namespace

BOOST_AUTO_TEST_SUITE(under_fire)

BOOST_AUTO_TEST_CASE(load_model__cut_anywhere__refused_or_sound) {
  std::size_t whole = 0;
  for (const auto& file : model_files()) {
    const std::string bytes = read(file);
    if (bytes.size() > file_bytes_max || !loads(bytes, file.string())) continue;
    ++whole;
    for (std::size_t i = 0; i < 64; ++i) loads(bytes.substr(0, bytes.size() * i / 64), file.string());
  }
  BOOST_TEST(whole >= 10u, "only " << whole << " committed models load");
}

BOOST_AUTO_TEST_CASE(load_model__flipped_bits__refused_or_sound) {
  std::mt19937 random{2024};
  for (const auto& file : model_files()) {
    const std::string bytes = read(file);
    if (bytes.size() > file_bytes_max) continue;
    for (std::size_t i = 0; i < flips_of_each(); ++i) {
      std::string damaged = bytes;
      for (std::size_t flips = 1 + random() % 3; flips > 0; --flips)
        damaged[random() % damaged.size()] ^= static_cast<char>(1u << (random() % 8));
      loads(damaged, file.string());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
