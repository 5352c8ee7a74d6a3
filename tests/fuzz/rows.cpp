// Fuzzes the row parser: whatever the bytes are, both ways through a row give the same. `./dev fuzz rows`.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "model/row_parser.hpp"

namespace {

using namespace troupe::model;

wanted_fields fields() {
  wanted_fields wanted;
  const feature_type types[] = {feature_type::number, feature_type::text, feature_type::integer, feature_type::boolean,
                                feature_type::real};
  const char* const names[] = {"x", "s", "i", "b", "d"};
  std::size_t numbers = 0;
  for (std::size_t k = 0; k < std::size(types); ++k) {
    feature_slot slot;
    slot.spec.name = names[k];
    slot.spec.type = types[k];
    if (k >= 2) slot.spec.on_missing = treatment::replace, slot.spec.missing_number = 0;
    slot.column = types[k] == feature_type::text ? 0 : numbers++;
    wanted.names.push_back({names[k], static_cast<std::int32_t>(k), -1, -1});
    wanted.features.push_back(std::move(slot));
  }
  feature_slot pixels;
  pixels.spec.name = "v";
  pixels.spec.dims = {3};
  pixels.spec.on_missing = treatment::as_is;
  pixels.column = numbers;
  wanted.names.push_back({"v", 5, -1, -1});
  wanted.features.push_back(std::move(pixels));
  feature_slot nested;
  nested.spec.name = "/u/age";
  nested.spec.on_missing = treatment::as_is;
  nested.column = numbers + 3;
  wanted.names.push_back({"u", -1, -1, 0});
  wanted.nested.push_back({{6, {"age"}}});
  wanted.features.push_back(std::move(nested));
  wanted.record_unknown = true;
  return wanted;
}

struct outcome {
  rejection code;
  double numbers[8] = {};
  std::string text;
  std::size_t fields = 0;
};

outcome parse(row_parser& parser, std::string_view row) {
  outcome out;
  std::string_view text;
  parser.forget_texts();
  out.code = parser.parse(row, {out.numbers, &text});
  if (out.code == rejection::none) {
    out.text = text;
    out.fields = parser.fields().size();
  } else {
    std::fill(std::begin(out.numbers), std::end(out.numbers), 0.0);
  }
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const row_limits limits{1u << 16, 32, 1000};
  static row_parser quick{fields(), limits};
  static row_parser general{fields(), limits, row_paths::general_only};
  const std::string_view row{reinterpret_cast<const char*>(data), size};
  const outcome one = parse(quick, row);
  const outcome other = parse(general, row);
  if (one.code != other.code || one.text != other.text || one.fields != other.fields ||
      std::memcmp(one.numbers, other.numbers, sizeof one.numbers) != 0) {
    std::fprintf(stderr, "the two ways through the row differ\n");
    std::abort();
  }
  return 0;
}
