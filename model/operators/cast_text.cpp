#include "model/operators/cast_text.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include <fmt/format.h>

namespace troupe::model {
namespace {

constexpr std::size_t text_cells = 3; // int64 cells of memory for a text: 24 bytes
constexpr std::size_t text_bytes = text_cells * sizeof(std::int64_t);

template <class T> std::string_view print(T value, char* memory) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-INF" : "INF";
    return {memory, fmt::format_to_n(memory, text_bytes, "{:.8g}", value).size};
  } else {
    return {memory, fmt::format_to_n(memory, text_bytes, "{}", static_cast<std::int64_t>(value)).size};
  }
}

// The second output is where the texts are; the evaluator keeps it until the end of the batch.
template <class T> class number_to_text final : public operation {
public:
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const T* from = in[0].row<T>(i);
      std::string_view* to = out[0].row<std::string_view>(i);
      char* memory = reinterpret_cast<char*>(out[1].row<std::int64_t>(i));
      for (std::size_t k = 0; k < in[0].width; ++k, memory += text_bytes) to[k] = print(from[k], memory);
    }
  }
};

template <class T> T number_of(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\n\r\f\v");
  if (begin == std::string_view::npos) return std::numeric_limits<T>::quiet_NaN();
  text.remove_prefix(begin);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  T value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return std::numeric_limits<T>::quiet_NaN();
  return value;
}

template <class T> class text_to_number final : public operation {
public:
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i) {
      const std::string_view* from = in[0].row<std::string_view>(i);
      T* to = out[0].row<T>(i);
      for (std::size_t k = 0; k < in[0].width; ++k) to[k] = number_of<T>(from[k]);
    }
  }
};

std::unique_ptr<operation> make_printer(element from) {
  switch (from) {
  case element::f32:
    return std::make_unique<number_to_text<float>>();
  case element::f64:
    return std::make_unique<number_to_text<double>>();
  case element::i64:
    return std::make_unique<number_to_text<std::int64_t>>();
  default:
    return std::make_unique<number_to_text<std::uint8_t>>();
  }
}

} // namespace

built_node cast_to_text(const value_type& input) {
  built_node built;
  built.op = make_printer(input.type);
  built.outputs.push_back({element::text, input.dims, nullptr, false, false});
  built.outputs.push_back({element::i64, {static_cast<std::int64_t>(input.width() * text_cells)}, {}, false, false});
  return built;
}

result<built_node> cast_from_text(const attribute_reader& node, const value_type& input, element to) {
  built_node built;
  if (to == element::f32)
    built.op = std::make_unique<text_to_number<float>>();
  else if (to == element::f64)
    built.op = std::make_unique<text_to_number<double>>();
  else
    return node.unsupported(fmt::format("casting string to {} is not supported", to_string(to)));
  built.outputs.push_back({to, input.dims, nullptr, false, false});
  return built;
}

} // namespace troupe::model
