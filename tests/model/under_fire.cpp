// Every committed model, cut at every 64th of its length and with seeded bit flips: it loads or is refused with a
// sentence that names the place, and what loads can be scored. The sanitizer build bounds allocations
// (tests/CMakeLists.txt). TROUPE_BIT_FLIPS sets how many flips a model gets; `./dev test --full` gives 2,000.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/load_and_score.hpp"
#include "tests/model/files.hpp"

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

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a number follows `word` somewhere.
bool has_number_behind(std::string_view message, std::string_view word) {
  for (std::size_t at = message.find(word); at != std::string_view::npos; at = message.find(word, at + 1))
    if (at + word.size() < message.size() && is_digit(message[at + word.size()])) return true;
  return false;
}

// A node, value or feature: whatever stands between quotation marks.
bool has_name(std::string_view message) {
  const std::size_t begin = message.find('\'');
  return begin != std::string_view::npos && message.find('\'', begin + 1) > begin + 1 &&
         message.find('\'', begin + 1) != std::string_view::npos;
}

// Says where: by a byte, an index, a name, or a part that a file has but once. A sentence about no part of the file
// ("it is damaged") is none that helps.
bool names_a_place(std::string_view message) {
  for (const std::string_view word : {"byte ", "[", "tree ", "row "})
    if (has_number_behind(message, word)) return true;
  if (has_name(message)) return true;
  constexpr std::string_view parts[] = {"ir_version",
                                        "opset",
                                        "graph",
                                        "functions",
                                        "training_info",
                                        "troupe.format",
                                        "troupe.signature",
                                        "troupe.golden",
                                        "troupe.baseline",
                                        "feature_names",
                                        "the metadata name",
                                        "learner",
                                        "gradient_booster",
                                        "base_score",
                                        "num_feature",
                                        "num_class",
                                        "weight_drop",
                                        "weights",
                                        "tree_info",
                                        "the model has no trees",
                                        "the head",
                                        "the objective",
                                        "trees for",
                                        "first bytes",
                                        "the model file is empty"};
  return std::any_of(std::begin(parts), std::end(parts),
                     [&](std::string_view part) { return message.find(part) != std::string_view::npos; });
}

bool loads(const std::string& bytes, const std::string& what) {
  // A copy of the exact size, so that AddressSanitizer sees a read beyond it.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  const auto loaded = load_model(exact);
  if (loaded)
    testing::score_odd_rows(**loaded);
  else if (!names_a_place(loaded.error().message))
    BOOST_ERROR(what + ": the refusal names no place: '" + loaded.error().message + "'");
  return loaded.has_value();
}

std::size_t flips_of_each() {
  const char* told = std::getenv("TROUPE_BIT_FLIPS");
  return told != nullptr ? static_cast<std::size_t>(std::strtoul(told, nullptr, 10)) : 30;
}

} // namespace

BOOST_AUTO_TEST_SUITE(under_fire)

BOOST_AUTO_TEST_CASE(names_a_place__sentences__told_apart) {
  for (const char* message : {"", "invalid file", "the file is damaged", "std::bad_alloc", "it has too many nodes",
                              "the metadata are not UTF-8", "an initializer has no name", "expected ''",
                              "the file is not an ONNX model (protobuf can't read it)"})
    BOOST_TEST(!names_a_place(message), message);
  for (const char* message : {"the JSON is broken at byte 17: no value", "trees[3].left_children is missing",
                              "Add (node 'a'): it has 1 inputs", "the ir_version is 0, supported are 3 to 10",
                              "the metadata troupe.golden: it has no rows"})
    BOOST_TEST(names_a_place(message), message);
}

BOOST_AUTO_TEST_CASE(load_model__cut_anywhere__refused_or_sound) {
  std::size_t whole = 0;
  for (const auto& file : model_files()) {
    const std::string bytes = testing::read_file(file);
    if (bytes.size() > file_bytes_max || !loads(bytes, file.string())) continue;
    ++whole;
    for (std::size_t i = 0; i < 64; ++i) loads(bytes.substr(0, bytes.size() * i / 64), file.string());
  }
  BOOST_TEST(whole >= 10u, "only " << whole << " committed models load");
}

BOOST_AUTO_TEST_CASE(load_model__flipped_bits__refused_or_sound) {
  std::mt19937 random{2024};
  for (const auto& file : model_files()) {
    const std::string bytes = testing::read_file(file);
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
