// The one door for model files: tells the formats apart by their first bytes.
#include <string_view>

#include <fmt/format.h>

#include "model/loaded_model.hpp"
#include "model/native_loaders.hpp"

namespace troupe::model {
namespace {

bool is_lightgbm(std::string_view file) { return file.substr(0, 5) == "tree\n" || file.substr(0, 6) == "tree\r\n"; }

// An object as JSON, whose first key is quoted, or as UBJSON, whose first key has a length.
bool is_object(std::string_view file) {
  if (file.empty() || file[0] != '{') return false;
  const std::size_t at = file.find_first_not_of(" \t\r\n", 1);
  return at != std::string_view::npos && std::string_view{"\"iUIlL"}.find(file[at]) != std::string_view::npos;
}

} // namespace

result<std::shared_ptr<const loaded_model>> load_model(std::span<const char> file, const load_limits& limits) {
  const std::string_view bytes{file.data(), file.size()};
  const bool lightgbm = is_lightgbm(bytes);
  // Other formats, and those that are refused by their first bytes.
  if (!lightgbm && !is_object(bytes)) return load_onnx(file, limits);
  if (file.size() > limits.file_bytes_max)
    return fail(errc::invalid, fmt::format("the model file has {} bytes, more than the {} allowed", file.size(),
                                           limits.file_bytes_max));
  memory_budget memory{limits.memory_bytes_max};
  return lightgbm ? load_lightgbm(bytes, memory) : load_xgboost(bytes, memory);
}

} // namespace troupe::model
