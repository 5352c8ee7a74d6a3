#pragma once
// The memory of values: a batch's rows, each a run of cells of one element type. What operations read and write
// (operators/operator.hpp), what the evaluator lays out, and what constants of a model file become. Pure; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <Eigen/Core>

#include "base/assert.hpp"

namespace troupe::model {

/// What a cell holds. Integers of every width are int64; a boolean is a byte, 0 or 1; a text is a std::string_view
/// whose bytes live as long as the batch (row, constant) or the model.
enum class element : std::uint8_t { f32, f64, i64, boolean, text };

constexpr std::size_t cell_bytes(element type) {
  switch (type) {
  case element::f32:
    return sizeof(float);
  case element::f64:
    return sizeof(double);
  case element::i64:
    return sizeof(std::int64_t);
  case element::boolean:
    return sizeof(std::uint8_t);
  case element::text:
    break;
  }
  return sizeof(std::string_view);
}

/// "float", "double", "int64", "bool", "string": ONNX's words.
std::string_view to_string(element type);

template <class T> constexpr element element_of();
template <> constexpr element element_of<float>() { return element::f32; }
template <> constexpr element element_of<double>() { return element::f64; }
template <> constexpr element element_of<std::int64_t>() { return element::i64; }
template <> constexpr element element_of<std::uint8_t>() { return element::boolean; }
template <> constexpr element element_of<std::string_view>() { return element::text; }

template <class T>
using matrix_in =
    Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;
template <class T>
using matrix_out =
    Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;

/// `rows` x `width` cells, row after row, `stride` cells apart. A view; never owns.
template <class Byte> struct cells {
  template <class T> using cell_ptr = std::conditional_t<std::is_const_v<Byte>, const T*, T*>;

  Byte* data = nullptr;
  element type = element::f32;
  std::size_t rows = 0;
  std::size_t width = 0;
  std::size_t stride = 0;

  /// REQUIRES: T is the type of the cells.
  template <class T> cell_ptr<T> row(std::size_t i) const {
    TROUPE_ASSERT(type == element_of<T>());
    return reinterpret_cast<cell_ptr<T>>(data) + i * stride;
  }
  /// Rows x columns for Eigen. REQUIRES: as above.
  template <class T> auto matrix() const {
    using map = std::conditional_t<std::is_const_v<Byte>, matrix_in<T>, matrix_out<T>>;
    return map(row<T>(0), static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(width),
               Eigen::OuterStride<>(static_cast<Eigen::Index>(stride)));
  }
};
using cells_in = cells<const std::byte>;
using cells_out = cells<std::byte>;

/// A tensor of the model file: `dims` multiplied is the number of elements, in row-major order.
struct constant {
  std::vector<std::int64_t> dims; ///< empty: a scalar
  std::variant<std::vector<float>, std::vector<double>, std::vector<std::int64_t>, std::vector<std::uint8_t>,
               std::vector<std::string>>
      data;

  element type() const { return static_cast<element>(data.index()); }
  std::size_t size() const {
    return std::visit([](const auto& values) { return values.size(); }, data);
  }
  /// Of its elements.
  std::size_t bytes() const {
    if (const auto* texts = std::get_if<std::vector<std::string>>(&data)) {
      std::size_t all = 0;
      for (const std::string& text : *texts) all += sizeof(text) + text.size();
      return all;
    }
    return size() * cell_bytes(type());
  }
  bool is_number() const { return type() != element::text; }
  /// All elements as another number type. REQUIRES: is_number().
  template <class T> std::vector<T> as() const {
    return std::visit(
        [](const auto& values) -> std::vector<T> {
          using from = typename std::decay_t<decltype(values)>::value_type;
          if constexpr (std::is_same_v<from, std::string>)
            return {};
          else {
            std::vector<T> out;
            out.reserve(values.size());
            for (const from value : values) out.push_back(static_cast<T>(value));
            return out;
          }
        },
        data);
  }
  /// REQUIRES: type() is text.
  const std::vector<std::string>& texts() const { return std::get<std::vector<std::string>>(data); }
};

} // namespace troupe::model
