#include "model/onnx_tensor.hpp"

#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr std::uint64_t elements_max = std::uint64_t{1} << 28;

result<std::uint64_t> element_count(const onnx::TensorProto& tensor, const std::string& what) {
  std::uint64_t count = 1;
  for (const std::int64_t dim : tensor.dims()) {
    if (dim < 0) return fail(errc::invalid, fmt::format("{} has the dimension {}", what, dim));
    if (dim != 0 && count > elements_max / static_cast<std::uint64_t>(dim))
      return fail(errc::invalid, fmt::format("{} has more than {} elements", what, elements_max));
    count *= static_cast<std::uint64_t>(dim);
  }
  return count;
}

// Bytes of an element in raw_data, and how many elements the typed field holds; 0: the type is not supported.
struct content {
  std::size_t element_bytes = 0;
  std::size_t typed_elements = 0;
};

content content_of(const onnx::TensorProto& tensor) {
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    return {4, static_cast<std::size_t>(tensor.float_data_size())};
  case onnx::TensorProto::DOUBLE:
    return {8, static_cast<std::size_t>(tensor.double_data_size())};
  case onnx::TensorProto::INT64:
    return {8, static_cast<std::size_t>(tensor.int64_data_size())};
  case onnx::TensorProto::INT32:
    return {4, static_cast<std::size_t>(tensor.int32_data_size())};
  case onnx::TensorProto::BOOL:
    return {1, static_cast<std::size_t>(tensor.int32_data_size())};
  default:
    return {};
  }
}

template <class T> bool raw_is_finite(const std::string& raw) {
  for (std::size_t at = 0; at + sizeof(T) <= raw.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, raw.data() + at, sizeof value);
    if (!std::isfinite(value)) return false;
  }
  return true;
}

bool is_finite(const onnx::TensorProto& tensor) {
  for (const float value : tensor.float_data())
    if (!std::isfinite(value)) return false;
  for (const double value : tensor.double_data())
    if (!std::isfinite(value)) return false;
  if (tensor.data_type() == onnx::TensorProto::FLOAT) return raw_is_finite<float>(tensor.raw_data());
  if (tensor.data_type() == onnx::TensorProto::DOUBLE) return raw_is_finite<double>(tensor.raw_data());
  return true;
}

// The elements of a tensor of numbers, from raw_data or the typed field.
template <class T, class From, class Typed>
std::vector<T> elements_of(const onnx::TensorProto& tensor, const Typed& typed) {
  if (!tensor.has_raw_data()) return std::vector<T>(typed.begin(), typed.end());
  const std::string& raw = tensor.raw_data();
  std::vector<T> out(raw.size() / sizeof(From));
  for (std::size_t i = 0; i < out.size(); ++i) {
    From value;
    std::memcpy(&value, raw.data() + i * sizeof(From), sizeof value);
    out[i] = static_cast<T>(value);
  }
  return out;
}

} // namespace

result<void> check_tensor(const onnx::TensorProto& tensor, const std::string& what, bool finite) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0)
    return fail(errc::unsupported, fmt::format("{} has external data; save the model as one file", what));
  if (tensor.has_segment()) return fail(errc::unsupported, fmt::format("{} is a segment of a tensor", what));
  const auto count = element_count(tensor, what);
  if (!count) return tl::make_unexpected(count.error());
  if (tensor.data_type() == onnx::TensorProto::STRING) {
    if (static_cast<std::uint64_t>(tensor.string_data_size()) != *count || tensor.has_raw_data())
      return fail(errc::invalid,
                  fmt::format("{} has {} strings, its dims say {}", what, tensor.string_data_size(), *count));
    return {};
  }
  const content content = content_of(tensor);
  if (content.element_bytes == 0)
    return fail(errc::unsupported,
                fmt::format("{} has data_type {}, which is not supported", what, tensor.data_type()));
  if (tensor.has_raw_data() && content.typed_elements > 0)
    return fail(errc::invalid, fmt::format("{} has both raw_data and typed data", what));
  if (tensor.has_raw_data() && tensor.raw_data().size() != *count * content.element_bytes)
    return fail(errc::invalid, fmt::format("{} has {} bytes of raw_data, its dims say {}", what,
                                           tensor.raw_data().size(), *count * content.element_bytes));
  if (!tensor.has_raw_data() && content.typed_elements != *count)
    return fail(errc::invalid,
                fmt::format("{} has {} elements, its dims say {}", what, content.typed_elements, *count));
  if (finite && !is_finite(tensor))
    return fail(errc::invalid, fmt::format("{} has a value that is NaN or infinite", what));
  return {};
}

std::size_t constant_bytes(const onnx::TensorProto& tensor) {
  std::size_t count = 1;
  for (const std::int64_t dim : tensor.dims()) count *= static_cast<std::size_t>(dim);
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    return count * sizeof(float);
  case onnx::TensorProto::BOOL:
    return count;
  case onnx::TensorProto::STRING:
    return count * sizeof(std::string) + tensor.ByteSizeLong();
  default:
    return count * sizeof(std::int64_t);
  }
}

constant to_constant(const onnx::TensorProto& tensor) {
  constant out;
  out.dims.assign(tensor.dims().begin(), tensor.dims().end());
  switch (tensor.data_type()) {
  case onnx::TensorProto::FLOAT:
    out.data = elements_of<float, float>(tensor, tensor.float_data());
    break;
  case onnx::TensorProto::DOUBLE:
    out.data = elements_of<double, double>(tensor, tensor.double_data());
    break;
  case onnx::TensorProto::INT64:
    out.data = elements_of<std::int64_t, std::int64_t>(tensor, tensor.int64_data());
    break;
  case onnx::TensorProto::INT32:
    out.data = elements_of<std::int64_t, std::int32_t>(tensor, tensor.int32_data());
    break;
  case onnx::TensorProto::BOOL:
    out.data = elements_of<std::uint8_t, std::uint8_t>(tensor, tensor.int32_data());
    break;
  default:
    out.data = std::vector<std::string>(tensor.string_data().begin(), tensor.string_data().end());
  }
  return out;
}

} // namespace troupe::model
